"""ARSM of one row, eight categories side by side: the gradient of merge.arsm_row for drawn noise.

One pass makes the swaps of the winner, another lists the light and the heavy losers. The fewer of these are
sorted; those that another one meets are then the first, and what they give it is a sum over the first. Level
racers, which drawn noise has as good as never, are not told apart here by number. Rows have at least eight
categories; the last eight of them overlap those before.
"""

import numpy as np

from ._jit import allocating, called, inlined
from .bits import bit_count, lowest_bit
from .exponential import NOISE_STREAM, fill_exponentials
from .lanes import (
    ALL_LANES,
    WIDTH,
    lane_numbers,
    list_lanes,
    load_eight,
    mask_bits,
    spread,
    spread_bits,
    store_from,
    sum_of_lanes,
    two_least,
)
from .merge import EXCLUDED
from .moments import add_sample
from .noise import LANES
from .race import NO_RACE, enter_race
from .room import empty, view_as
from .sorting import MOST_RANKED, sort_by_key, sort_by_rank
from .vectors import first_half, fma, second_half, select, spread_over
from .weights import exponentiate

spread_half = spread_over(WIDTH // 2)
ALL_OF_HALF = np.uint64(2 ** (WIDTH // 2) - 1)
# So many categories are drawn and raced before it is looked where the first of them are.
RACE_BLOCK = 512


@inlined
def race_values(noise, inverse_weights, c, n):
    """Those of the eight categories from c on; of the last eight infinity for those below c."""
    start = min(c, n - WIDTH)
    values = load_eight(noise, start) * load_eight(inverse_weights, start)
    return start, select(lane_numbers() >= np.float64(c - start), values, np.inf)


@inlined
def two_smallest(values, least, others):
    """The two smallest of each lane after more have joined."""
    larger = select(values < least, least, values)
    return select(values < least, values, least), select(larger < others, larger, others)


@inlined
def enter_some(bits, start, noise, inverse_weights, race):
    """As race.enter_race of the categories from start on whose bits are set."""
    while bits:
        c = start + lowest_bit(bits)
        bits &= bits - np.uint64(1)
        race = enter_race(c, noise[c] * inverse_weights[c], race)
    return race


@called
def draw_and_race(key, sample, row, first, logits, top, weigh, inverse_weights, noise):
    """Draw the noise of a row from a category on and race it, in blocks that stay in the first-level cache.

    If asked to, weigh the logits too, of which top is the largest. Results: the two first categories, counted
    from 0, and their race values, as of race.run_race; the sum of the noise; its two smallest entries; and False
    where a logit is refused. `first` is a multiple of LANES, and there must be room for LANES more numbers of
    noise.
    """
    n = inverse_weights.shape[0]
    race = NO_RACE
    good = True
    total = spread(0.0)
    lightest, second_lightest = spread(np.inf), spread(np.inf)
    for block in range(0, n, RACE_BLOCK):
        stop = min(n, block + RACE_BLOCK)
        n_drawn = (stop - block + LANES - 1) // LANES * LANES
        fill_exponentials(key, NOISE_STREAM, sample, row, first + block, noise[block : block + n_drawn])
        if weigh:
            good &= exponentiate(top, logits[block:stop], inverse_weights[block:stop])
        least, others = spread(np.inf), spread(np.inf)
        whole = block + (stop - block) // (2 * WIDTH) * (2 * WIDTH)
        for c in range(block, whole, 2 * WIDTH):
            numbers, other_numbers = load_eight(noise, c), load_eight(noise, c + WIDTH)
            total = total + (numbers + other_numbers)
            before = numbers < other_numbers
            lower, upper = select(before, numbers, other_numbers), select(before, other_numbers, numbers)
            second_lightest = select(upper < second_lightest, upper, second_lightest)
            lightest, second_lightest = two_smallest(lower, lightest, second_lightest)
            values = numbers * load_eight(inverse_weights, c)
            other_values = other_numbers * load_eight(inverse_weights, c + WIDTH)
            least = select(values < least, values, least)
            others = select(other_values < others, other_values, others)
        for c in range(whole, stop, WIDTH):
            start, values = race_values(noise, inverse_weights, c, n)
            least, others = two_smallest(values, least, others)
            numbers = select(lane_numbers() >= np.float64(c - start), load_eight(noise, start), np.inf)
            lightest, second_lightest = two_smallest(numbers, lightest, second_lightest)
        before = others < least
        block_least, bound = two_least(select(before, others, least), select(before, least, others))
        if block_least < race[3] or race[1] < 0:
            # Two of the block reach this bound, so neither of its two first lies above it.
            for c in range(block, whole, 2 * WIDTH):
                values = load_eight(noise, c) * load_eight(inverse_weights, c)
                other_values = load_eight(noise, c + WIDTH) * load_eight(inverse_weights, c + WIDTH)
                bits = mask_bits(values <= bound) | (mask_bits(other_values <= bound) << np.uint64(WIDTH))
                race = enter_some(bits, c, noise, inverse_weights, race)
            for c in range(whole, stop, WIDTH):
                start, values = race_values(noise, inverse_weights, c, n)
                bits = mask_bits(values <= bound) & (ALL_LANES << np.uint64(c - start))
                race = enter_some(bits, start, noise, inverse_weights, race)
    noise_sum = sum_of_lanes(total)
    for c in range(n // (2 * WIDTH) * (2 * WIDTH), n):
        noise_sum += noise[c]
    return race, noise_sum, two_least(lightest, second_lightest), good


@inlined
def lightest_loser(winner_noise, lightest):
    """Of the two smallest entries of the noise the smallest that is not the winner's."""
    return lightest[1] if lightest[0] == winner_noise else lightest[0]


@allocating
def row_room(n, n_more):
    """Room of arsm_of_row for up to n categories, two lists of losers and what swaps them; and for more numbers.

    All are parts of one array. What glibc frees goes back to the system, from which to get it again takes longer
    than to use it, unless an array as large as half of it was freed before.
    """
    length = n + WIDTH
    half = (length + 1) // 2
    room = empty(np.float64, 3 * half + 3 * length + 2 * (n + 1) + n_more)
    lists, sums, rest = room[: 3 * half], room[3 * half : 3 * half + 3 * length], room[3 * half + 3 * length :]
    members = view_as(np.int32, lists[:half]), sums[:length], sums[length : 2 * length], sums[2 * length :]
    light, heavy = view_as(np.int32, lists[half : 2 * half]), view_as(np.int32, lists[2 * half :])
    return (light, heavy, members, rest[: 2 * (n + 1)]), rest[2 * (n + 1) :]


@allocating
def member_room(n):
    """Room for up to n members: their numbers and keys, and sums over the first of them (see fill_members)."""
    return (
        empty(np.int32, n),
        empty(np.float64, n + WIDTH),
        empty(np.float64, n + WIDTH),
        empty(np.float64, n + WIDTH),
    )


@called
def fill_members(by_light, noise, inverse_total, inverse_weights, values, base, numbers, room):
    """Sort the light or the heavy losers of these numbers by their keys, and put them and two sums into room.

    A light and a heavy one change the winner where the product of their keys, noise and inverse weight, is below
    the limit. What another gets that meets the first i members is payments[i] of h, and differences[i] in all;
    either times the difference of the other, if that is the heavy one.
    """
    members, keys, payments, differences = room
    n = numbers.shape[0]
    share = 1.0 / noise.shape[0]
    all_keys = noise if by_light else inverse_weights
    if n <= MOST_RANKED:
        unsorted = differences
        for i in range(n):
            unsorted[i] = all_keys[np.uint32(numbers[i])]
        store_from(unsorted, n, spread(np.inf))
        sort_by_rank(unsorted, numbers, payments, keys, members)
    else:
        for i in range(n):
            keys[i], members[i] = all_keys[np.uint32(numbers[i])], numbers[i]
        sort_by_key(keys[:n], members[:n])
    store_from(keys, n, spread(np.inf))
    payment, difference = 0.0, 0.0
    for i in range(n):
        payments[i], differences[i] = payment, difference
        c = np.uint32(members[i])
        factor = 1.0 if by_light else values[c] - base
        payment += factor * (share - noise[c] * inverse_total)
        difference += factor
    payments[n], differences[n] = payment, difference


@inlined
def meet_members(key, limit, first_keys, keys):
    """How many members one with this key meets: they are the first."""
    n = bit_count(mask_bits(first_keys * key < limit))
    met = n
    while n == WIDTH:
        n = bit_count(mask_bits(load_eight(keys, met) * key < limit))
        met += n
    return np.uint64(met)


@called
def meet_others(
    by_light, noise, inverse_total, inverse_weights, values, base, limit, numbers, room, met, h
):  # fmt: skip
    """Swap the others, of these numbers, with the members that fill_members has put into room.

    The others' h is added to, and to met what they have the members get. Results: the sum of d_cj over the pairs,
    and what was added to h.
    """
    _, keys, payments, differences = room
    share = 1.0 / noise.shape[0]
    first_keys = load_eight(keys, 0)
    difference_sum, h_sum = 0.0, 0.0
    if by_light:
        for i in range(numbers.shape[0]):
            c = np.uint32(numbers[i])
            n = meet_members(inverse_weights[c], limit, first_keys, keys)
            difference = values[c] - base
            received = difference * payments[n]
            h[c] += received
            h_sum += received
            difference_sum += difference * differences[n]
            # Of two sums one need not wait for what was added last.
            met[2 * n + (i & 1)] += difference * (share - noise[c] * inverse_total)
    else:
        for i in range(numbers.shape[0]):
            j = np.uint32(numbers[i])
            n = meet_members(noise[j], limit, first_keys, keys)
            received = payments[n]
            h[j] += received
            h_sum += received
            difference_sum += differences[n]
            met[2 * n + (i & 1)] += share - noise[j] * inverse_total
    return difference_sum, h_sum


@called
def spend_members(by_light, values, base, numbers, met, h):
    """Add to h what the members get of the others; its sum."""
    h_sum, total = 0.0, 0.0
    for i in range(numbers.shape[0] - 1, -1, -1):
        c = np.uint32(numbers[i])
        total += met[2 * i + 2] + met[2 * i + 3]
        received = total if by_light else total * (values[c] - base)
        h[c] += received
        h_sum += received
    return h_sum


@called
def add_loser_swaps(
    noise, inverse_total, inverse_weights, values, base, limit, n_light, n_heavy, h, room
):  # fmt: skip
    """Add the swaps of two losers to h. Results: the sums of d_cj over their unordered pairs, and of h.

    The winner's noise must be EXCLUDED, and the numbers of the light and the heavy listed in the room.
    """
    light, heavy, members, met = room
    by_light = n_light < n_heavy
    n = min(n_light, n_heavy)
    numbers = light[:n] if by_light else heavy[:n]
    others = heavy[:n_heavy] if by_light else light[:n_light]
    fill_members(by_light, noise, inverse_total, inverse_weights, values, base, numbers, members)
    for i in range(2 * (n + 1)):
        met[i] = 0.0
    difference_sum, h_sum = meet_others(
        by_light, noise, inverse_total, inverse_weights, values, base, limit, others, members, met, h
    )
    return difference_sum, h_sum + spend_members(by_light, values, base, members[0][:n], met, h)


@inlined
def mark_winners(start, n_before, noise, inverse_weights, second_value, winner, marks):
    """Swap the winner with the eight categories from start on, and mark which win, but for the first n_before.

    Results: their noise; where they win, and where the second at least beats z; and bits of where it wins.
    """
    noise_j = load_eight(noise, start)
    z_value, j_value = noise_j * winner[1], load_eight(inverse_weights, start) * winner[0]
    # Where j is z, whose noise is beyond all others here, j "wins" with a difference of zero; for the second
    # see tile.row_of_winner_tile.
    j_wins, beats_z = j_value < select(z_value < second_value, z_value, second_value), second_value < z_value
    own_bits = mask_bits(j_wins)
    marks[np.uint64(start + n_before) // np.uint64(WIDTH)] |= np.uint8(own_bits >> np.uint64(n_before))
    return noise_j, j_wins, beats_z, mask_bits(beats_z) & ~own_bits


@inlined
def swap_eight(start, n_before, noise, inverse_weights, values, second_value, winner, h, marks, sums):
    """As swap_winner_with, of the eight categories from start on but the first n_before, which were swapped.

    sums are of d_zj, of its products with the noise above the mean, and of the squares of the values; and bits of
    the lanes in which the second ever wins.
    """
    _, _, base, second_difference, winner_weight, mean_noise = winner
    differences, products, squares, second_bits = sums
    noise_j, j_wins, beats_z, own_second_bits = mark_winners(
        start, n_before, noise, inverse_weights, second_value, winner, marks
    )
    own_values = load_eight(values, start)
    difference = select(beats_z, spread(second_difference), spread(0.0))
    difference = select(j_wins, own_values - base, difference)
    store_from(h, start, difference * winner_weight)
    if n_before > 0:
        difference = select(lane_numbers() >= np.float64(n_before), difference, spread(0.0))
    weight = noise_j - mean_noise
    # Sums of half as many lanes, so that registers are enough for all.
    differences = differences + (first_half(difference) + second_half(difference))
    products = fma(first_half(difference), first_half(weight), products)
    products = fma(second_half(difference), second_half(weight), products)
    squares = fma(first_half(own_values), first_half(own_values), squares)
    squares = fma(second_half(own_values), second_half(own_values), squares)
    return differences, products, squares, second_bits | own_second_bits


@called
def swap_winner_with(
    n_categories, noise, inverse_total, inverse_weights, values, second_value, winner, h, marks
):  # fmt: skip
    """Swap the winner of a row with some of its categories, of which all arrays are; marks has a bit for each.

    The winner is its noise, which is EXCLUDED in the row, its inverse weight, its value and the second's.
    Results: the sum of d_zj and the winner's entry of h; whether the second ever wins; and whether all values are
    small. An empty h is left alone, and only the second's result counts.
    """
    winner_noise, winner_inverse_weight, base, value_of_second = winner
    n = noise.shape[0]
    share = 1.0 / n_categories
    winner_weight = share - winner_noise * inverse_total
    own = winner_noise, winner_inverse_weight, base, value_of_second - base, winner_weight, share / inverse_total
    zero, bits = spread_half(0.0), np.uint64(0)
    if h.shape[0] == 0:
        for c in range(0, n, WIDTH):
            start = min(c, n - WIDTH)
            bits |= mark_winners(start, c - start, noise, inverse_weights, second_value, own, marks)[3]
        return (0.0, 0.0), bits != 0, True
    arrays = noise, inverse_weights, values, second_value, own, h, marks
    sums = zero, zero, zero, bits
    whole = n // WIDTH * WIDTH
    for start in range(0, whole, WIDTH):
        sums = swap_eight(start, 0, *arrays, sums)
    if whole < n:
        sums = swap_eight(n - WIDTH, whole - (n - WIDTH), *arrays, sums)
    differences, products, squares, bits = sums
    difference_sum = sum_of_lanes(differences)
    h_winner = -inverse_total * sum_of_lanes(products)
    return (difference_sum, h_winner), bits != 0, mask_bits(squares < np.inf) == ALL_OF_HALF


@called
def list_losers(first, noise, inverse_weights, limit, lightest, marks, light, heavy):
    """List what may swap with another loser, numbered from first on: the light and the heavy; how many of each.

    The noise of a light one lets the largest weight of all win, and a heavy one wins with the lightest noise. The
    heavy are marked. The lists must have room for WIDTH more; where they are empty only marks are set.
    """
    n = noise.shape[0]
    n_light, n_heavy = 0, 0
    whole = n // WIDTH * WIDTH
    for start in range(0, whole, WIDTH):
        is_heavy = load_eight(inverse_weights, start) * lightest < limit
        marks[np.uint64(start) // np.uint64(WIDTH)] |= np.uint8(mask_bits(is_heavy))
        if light.shape[0] > 0:
            n_light = list_lanes(light, n_light, first + start, load_eight(noise, start) < limit)
            n_heavy = list_lanes(heavy, n_heavy, first + start, is_heavy)
    for c in range(whole, n):
        is_heavy = inverse_weights[c] * lightest < limit
        mark_one(marks, c, is_heavy)
        if light.shape[0] > 0:
            light[n_light], heavy[n_heavy] = first + c, first + c
            n_light += noise[c] < limit
            n_heavy += is_heavy
    return n_light, n_heavy


@inlined
def mark_one(marks, c, yes):
    """Set the bit of a category if yes."""
    marks[np.uint64(c) // np.uint64(WIDTH)] |= np.uint8(np.uint64(yes) << (np.uint64(c) % np.uint64(WIDTH)))


@called
def arsm_of_row(noise, total, lightest, inverse_weights, values, race, h, marks, room):
    """ARSM (eq. 9): h, and as results the mean of f over the swaps and what is to be subtracted from h.

    And False where a value is not small. The row of noise, with that sum and smallest entry but the winner's,
    is used up. What f was needed at is marked, by a bit for each category, and that alone is done where h is
    empty. room is row_room.
    """
    z, second, limit, second_value = race
    n = noise.shape[0]
    winner = noise[z], inverse_weights[z], values[z], values[second]
    noise[z] = EXCLUDED
    inverse_total = 1.0 / total
    (difference_sum, h_winner), second_wins, small = swap_winner_with(
        n, noise, inverse_total, inverse_weights, values, second_value, winner, h, marks
    )
    mark_one(marks, second, second_wins)
    wanted = h.shape[0] > 0
    if wanted:
        h[z] = h_winner
    h_sum = difference_sum * (1.0 / n - winner[0] * inverse_total) + h_winner
    if lightest < limit:
        light, heavy = (room[0], room[1]) if wanted else (room[0][:0], room[1][:0])
        n_light, n_heavy = list_losers(0, noise, inverse_weights, limit, lightest, marks, light, heavy)
        if wanted:
            loser_difference, loser_h = add_loser_swaps(
                noise, inverse_total, inverse_weights, values, winner[2], limit, n_light, n_heavy, h, room
            )
            difference_sum += loser_difference
            h_sum += loser_h
    return winner[2] + 2.0 * difference_sum / (float(n) * n), h_sum / n, small


@inlined
def take_marks(words, n, start, seen):
    """How many of n categories are marked; unless seen is empty, that is set from start on to which."""
    count = 0
    for word in words:
        count += bit_count(word)
    if seen.shape[0] > 0:
        marks = view_as(np.uint8, words)
        whole = n // WIDTH * WIDTH
        for c in range(0, whole, WIDTH):
            spread_bits(seen, start + c, marks[c // WIDTH])
        for c in range(whole, n):
            seen[start + c] = (marks[c // WIDTH] >> np.uint8(c % WIDTH)) & np.uint8(1)
    return count


@inlined
def n_mark_words(n):
    """How many words have a bit for each of n categories."""
    return (n + 63) // 64


@called
def add_row(
    key, sample, row, logits, top, weigh, inverse_weights, values, count, noise, h, mean, squares, marks, room
):  # fmt: skip
    """Add the gradient of one sample of a row, the count-th of its block; the weights are made where asked.

    Results: the mean of f over the swaps; False where a logit is refused; and False where a value is not small.
    """
    race, total, lightest, good = draw_and_race(key, sample, row, 0, logits, top, weigh, inverse_weights, noise)
    lightest = lightest_loser(noise[race[0]], lightest)
    own_noise = noise[: inverse_weights.shape[0]]
    value, shift, small = arsm_of_row(own_noise, total, lightest, inverse_weights, values, race, h, marks, room)
    if h.shape[0] > 0:
        add_sample(h, shift, count, mean, squares)
    return value, good, small
