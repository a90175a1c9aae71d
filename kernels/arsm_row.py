"""ARSM of one row, eight categories side by side: the gradient of merge.arsm_row for drawn noise.

The gradient depends on the weights only by who wins, so that few of them are ever computed: a race value is
bounded by what an exponential is about, and where one side of a comparison is the same for many categories, it is
their logits that are compared, with a logarithm of it. A gap is the largest logit of the row minus a category's.

One pass makes the swaps of the winner, another lists the light and the heavy losers, which members.py swaps.
Level racers, which drawn noise has as good as never, are not told apart here by number. Rows have at least eight
categories; the last eight of them overlap those before.
"""

import numpy as np

from ._jit import allocating, called, inlined
from .bits import bit_count, lowest_bit
from .exponential import NOISE_STREAM, fill_exponentials, minus_logarithm
from .lanes import (
    ALL_LANES,
    WIDTH,
    lane_numbers,
    lane_of,
    list_lanes,
    load_eight,
    mask_bits,
    smallest_lane,
    spread,
    spread_bits,
    store_from,
    sum_of_lanes,
    two_least,
)
from .members import buckets_for, fill_members, meet_others, n_buckets_of, spend_members
from .merge import EXCLUDED
from .moments import add_sample
from .noise import LANES
from .race import NO_RACE, enter_race
from .room import empty, view_as
from .vectors import as_bits, as_float, first_half, fma, second_half, select, spread_over
from .weights import CAUTION, exponential_about, exponential_of

spread_half = spread_over(WIDTH // 2)
ALL_OF_HALF = np.uint64(2 ** (WIDTH // 2) - 1)
# So many categories are drawn before they are raced, and raced before it is noted how far the first of them is.
RACE_BLOCK, RACE_GROUP = 512, 128


@inlined
def two_smallest(values, least, others):
    """The two smallest of each lane after more have joined."""
    larger = select(values < least, least, values)
    return select(values < least, values, least), select(larger < others, larger, others)


@inlined
def inverse_weight(c, logits, top):
    """exp(top - logits[c])."""
    return exponential_of(top - logits[c])


@inlined
def enter_some(bits, start, noise, logits, top, race):
    """As race.enter_race of the categories from start on whose bits are set."""
    while bits:
        c = start + lowest_bit(bits)
        bits &= bits - np.uint64(1)
        race = enter_race(c, noise[c] * inverse_weight(c, logits, top), race)
    return race


@inlined
def race_bounds(numbers, gaps, c, start):
    """No less than race values, and no more than CAUTION times them; of lanes below c infinity.

    Gaps above 700 count as that: such a category may be taken for the second, which only matters where its race
    value is no further from the winner's than numbers of noise are from each other.
    """
    return select(lane_numbers() >= np.float64(c - start), numbers * exponential_about(gaps), np.inf)


@called
def run_race(noise, logits, top, minima, bound):
    """The race of those whose bounds are no larger than CAUTION times this one; minima are of their groups."""
    n = logits.shape[0]
    race = NO_RACE
    limit = bound * CAUTION
    for group in range(minima.shape[0]):
        if minima[group] <= limit:
            for c in range(group * RACE_GROUP, min(n, (group + 1) * RACE_GROUP), WIDTH):
                start = min(c, n - WIDTH)
                bounds = race_bounds(load_eight(noise, start), top - load_eight(logits, start), c, start)
                race = enter_some(mask_bits(bounds <= limit), start, noise, logits, top, race)
    return race


@inlined
def n_groups_of(n):
    """How many groups of a race n categories are."""
    return (n + RACE_GROUP - 1) // RACE_GROUP


@called
def draw_and_race(key, sample, row, first, logits, top, noise, minima):
    """Draw the noise of a row from a category on and race it, in blocks that stay in the first-level cache.

    Results: the two first categories, counted from 0, and their race values, as of race.run_race; the sum of the
    noise; its smallest entry; and False where a logit is refused, of which top is the largest. `first` is a
    multiple of LANES, and there must be room for LANES more numbers of noise, and for the minima of all groups.
    """
    n = logits.shape[0]
    total, gap_sum = spread(0.0), spread(0.0)
    lightest, least, others = spread(np.inf), spread(np.inf), spread(np.inf)
    for block in range(0, n, RACE_BLOCK):
        stop = min(n, block + RACE_BLOCK)
        n_drawn = (stop - block + LANES - 1) // LANES * LANES
        fill_exponentials(key, NOISE_STREAM, sample, row, first + block, noise[block : block + n_drawn])
        for group in range(block, stop, RACE_GROUP):
            group_least, group_others = spread(np.inf), spread(np.inf)
            group_stop = min(n, group + RACE_GROUP)
            whole = group + (group_stop - group) // (2 * WIDTH) * (2 * WIDTH)
            for c in range(group, whole, 2 * WIDTH):
                numbers, other_numbers = load_eight(noise, c), load_eight(noise, c + WIDTH)
                total = total + (numbers + other_numbers)
                smaller = select(numbers < other_numbers, numbers, other_numbers)
                lightest = select(smaller < lightest, smaller, lightest)
                gaps, other_gaps = top - load_eight(logits, c), top - load_eight(logits, c + WIDTH)
                gap_sum = gap_sum + (gaps + other_gaps)
                bounds = numbers * exponential_about(gaps)
                other_bounds = other_numbers * exponential_about(other_gaps)
                group_least = select(bounds < group_least, bounds, group_least)
                group_others = select(other_bounds < group_others, other_bounds, group_others)
            for c in range(whole, group_stop, WIDTH):
                start = min(c, n - WIDTH)
                numbers, gaps = load_eight(noise, start), top - load_eight(logits, start)
                gap_sum = gap_sum + gaps
                lightest = select(numbers < lightest, numbers, lightest)
                bounds = race_bounds(numbers, gaps, c, start)
                group_least = select(bounds < group_least, bounds, group_least)
            minima[group // RACE_GROUP] = smallest_lane(
                select(group_others < group_least, group_others, group_least)
            )
            least, others = two_smallest(group_least, least, others)
            least, others = two_smallest(group_others, least, others)
    noise_sum = sum_of_lanes(total)
    for c in range(n // (2 * WIDTH) * (2 * WIDTH), n):
        noise_sum += noise[c]
    # Two reach this bound, so neither of the two first lies above it.
    bound = two_least(least, others)[1]
    race = run_race(noise, logits, top, minima[: n_groups_of(n)], bound)
    # What is no number makes no number of the sum.
    return race, noise_sum, smallest_lane(lightest), mask_bits(gap_sum >= 0.0) == ALL_LANES


@called
def lightest_of(noise):
    """The smallest number of a row."""
    n = noise.shape[0]
    least = load_eight(noise, n - WIDTH)
    for c in range(0, n - WIDTH, WIDTH):
        numbers = load_eight(noise, c)
        least = select(numbers < least, numbers, least)
    return smallest_lane(least)


@called
def gap_of(share):
    """The gap of a category whose weight is this share of the largest."""
    return lane_of(minus_logarithm(spread(share)), 0)


@inlined
def heavy_gap_of(lightest, limit):
    """Losers of smaller gaps win with the lightest noise."""
    return gap_of(lightest / limit)


@allocating
def row_room(n, n_more):
    """Room of arsm_of_row for up to n categories, two lists of losers and what swaps them; and for more numbers.

    All are parts of one array. What glibc frees goes back to the system, from which to get it again takes longer
    than to use it, unless an array as large as half of it was freed before.
    """
    length = n + WIDTH
    half = (length + 1) // 2
    n_starts = (n_buckets_of(n) + 3) // 2
    room = empty(np.float64, 3 * half + 2 * length + n_starts + 4 * (n + 1) + n_more)
    lists, rest = room[: 3 * half], room[3 * half :]
    sums, rest = rest[: 2 * length], rest[2 * length :]
    starts, rest = view_as(np.int32, rest[:n_starts]), rest[n_starts:]
    members = view_as(np.int32, lists[:half]), sums[:length], sums[length:], starts
    light, heavy = view_as(np.int32, lists[half : 2 * half]), view_as(np.int32, lists[2 * half :])
    return (light, heavy, members, rest[: 4 * (n + 1)]), rest[4 * (n + 1) :]


@called
def add_loser_swaps(
    noise, inverse_total, logits, top, values, base, lightest, limit, heavy_gap, n_light, n_heavy, h, room
):  # fmt: skip
    """Add the swaps of two losers to h. Results: the sums of d_cj over their unordered pairs, and of h.

    The winner's noise must be EXCLUDED, and the numbers of the light and the heavy listed in the room.
    """
    light, heavy, members, met = room
    by_light = n_light < n_heavy
    n = min(n_light, n_heavy)
    numbers = light[:n] if by_light else heavy[:n]
    others = heavy[:n_heavy] if by_light else light[:n_light]
    buckets, n_buckets = buckets_for(by_light, lightest, heavy_gap, limit, n)
    fill_members(
        by_light, noise, inverse_total, logits, top, values, base, limit, numbers, buckets, n_buckets, members
    )
    for i in range(4 * (n + 1)):
        met[i] = 0.0
    meet_others(by_light, noise, inverse_total, logits, top, values, base, others, buckets, members, met, h)
    return spend_members(by_light, noise, inverse_total, values, base, members[0][:n], met, h)


@inlined
def mark_winners(start, n_before, noise, logits, winner, marks):
    """Swap the winner with the eight categories from start on, and mark which win, but for the first n_before.

    Results: their noise; where they win, and where the second at least beats z; and bits of where it wins.
    """
    winner_noise, winner_inverse_weight, second_value, near_gap, top = winner[:5]
    noise_j, gaps = load_eight(noise, start), top - load_eight(logits, start)
    z_value = noise_j * winner_inverse_weight
    # Where j is z, whose noise is beyond all others here, j "wins" with a difference of zero; for the second
    # see tile.row_of_winner_tile.
    beats_z, limits = second_value < z_value, spread(near_gap)
    own_bits, beats_bits = mask_bits(gaps < limits), mask_bits(beats_z)
    if own_bits & ~beats_bits:
        # z is ahead of the second: hardly ever of more than one category that is near enough.
        wins = beats_z | (exponential_of(gaps) * winner_noise < z_value)
        limits = select(wins, limits, spread(-1.0))
        own_bits = mask_bits(gaps < limits)
    j_wins = gaps < limits
    marks[np.uint64(start + n_before) // np.uint64(WIDTH)] |= np.uint8(own_bits >> np.uint64(n_before))
    return noise_j, j_wins, beats_z, beats_bits & ~own_bits


@inlined
def swap_eight(start, n_before, noise, logits, values, winner, h, marks, sums):
    """As swap_winner_with, of the eight categories from start on but the first n_before, which were swapped.

    sums are of d_zj, of its products with the noise above the mean, and of the squares of the values; and bits of
    the lanes in which the second ever wins.
    """
    base, second_difference, winner_weight, mean_noise = winner[5:]
    differences, products, squares, second_bits = sums
    noise_j, j_wins, beats_z, own_second_bits = mark_winners(start, n_before, noise, logits, winner, marks)
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


@inlined
def winner_of_row(winner_noise, gap, second_value, base, value_of_second, top):
    """What swap_winner_with takes of a winner with this gap."""
    # Those of smaller gaps are ahead of the second with the winner's noise: the winner is, whatever is rounded.
    near_gap = max(gap_of(winner_noise / second_value), as_float(as_bits(gap) + np.uint64(1)))
    return winner_noise, exponential_of(gap), second_value, near_gap, top, base, value_of_second - base


@called
def swap_winner_with(n_categories, noise, inverse_total, logits, values, winner, h, marks):
    """Swap the winner of a row with some of its categories, of which all arrays are; marks has a bit for each.

    The winner is of winner_of_row, and its noise is EXCLUDED in the row. Results: the sum of d_zj and the
    winner's entry of h; whether the second ever wins; and whether all values are small. An empty h is left alone,
    and only the second's result counts.
    """
    n = noise.shape[0]
    share = 1.0 / n_categories
    own = *winner, share - winner[0] * inverse_total, share / inverse_total
    zero, bits = spread_half(0.0), np.uint64(0)
    if h.shape[0] == 0:
        for c in range(0, n, WIDTH):
            start = min(c, n - WIDTH)
            bits |= mark_winners(start, c - start, noise, logits, own, marks)[3]
        return (0.0, 0.0), bits != 0, True
    arrays = noise, logits, values, own, h, marks
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
def list_losers(first, noise, logits, top, limit, heavy_gap, marks, light, heavy):
    """List what may swap with another loser, numbered from first on: the light and the heavy; how many of each.

    The noise of a light one lets the largest weight of all win, and a heavy one wins with the lightest noise. The
    heavy are marked. The lists must have room for WIDTH more; where they are empty only marks are set.
    """
    n = noise.shape[0]
    n_light, n_heavy = 0, 0
    whole = n // WIDTH * WIDTH
    for start in range(0, whole, WIDTH):
        is_heavy = top - load_eight(logits, start) < heavy_gap
        marks[np.uint64(start) // np.uint64(WIDTH)] |= np.uint8(mask_bits(is_heavy))
        if light.shape[0] > 0:
            n_light = list_lanes(light, n_light, first + start, load_eight(noise, start) < limit)
            n_heavy = list_lanes(heavy, n_heavy, first + start, is_heavy)
    for c in range(whole, n):
        is_heavy = top - logits[c] < heavy_gap
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
def arsm_of_row(noise, total, lightest, logits, top, values, race, h, marks, room):
    """ARSM (eq. 9): h, and as results the mean of f over the swaps and what is to be subtracted from h.

    And False where a value is not small. The row of noise, with that sum and smallest entry, is used up. What f
    was needed at is marked, by a bit for each category, and that alone is done where h is empty. The room is of
    row_room.
    """
    z, second, limit, second_value = race
    n = noise.shape[0]
    base, winner_noise = values[z], noise[z]
    winner = winner_of_row(winner_noise, top - logits[z], second_value, base, values[second], top)
    noise[z] = EXCLUDED
    inverse_total = 1.0 / total
    (difference_sum, h_winner), second_wins, small = swap_winner_with(
        n, noise, inverse_total, logits, values, winner, h, marks
    )
    mark_one(marks, second, second_wins)
    wanted = h.shape[0] > 0
    if wanted:
        h[z] = h_winner
    h_sum = difference_sum * (1.0 / n - winner_noise * inverse_total) + h_winner
    if lightest < limit and lightest == winner_noise:
        lightest = lightest_of(noise)
    if lightest < limit:
        heavy_gap = heavy_gap_of(lightest, limit)
        light, heavy = (room[0], room[1]) if wanted else (room[0][:0], room[1][:0])
        n_light, n_heavy = list_losers(0, noise, logits, top, limit, heavy_gap, marks, light, heavy)
        if wanted:
            loser_difference, loser_h = add_loser_swaps(
                noise, inverse_total, logits, top, values, base, lightest, limit, heavy_gap, n_light, n_heavy, h,
                room,
            )  # fmt: skip
            difference_sum += loser_difference
            h_sum += loser_h
    return base + 2.0 * difference_sum / (float(n) * n), h_sum / n, small


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
def add_row(key, sample, row, logits, top, values, count, noise, h, mean, squares, marks, room):
    """Add the gradient of one sample of a row, the count-th of its block; top is its largest logit.

    Results: the mean of f over the swaps; False where a logit is refused; and False where a value is not small.
    """
    race, total, lightest, good = draw_and_race(key, sample, row, 0, logits, top, noise, room[3])
    if not good:
        return 0.0, False, True
    own_noise = noise[: logits.shape[0]]
    value, shift, small = arsm_of_row(own_noise, total, lightest, logits, top, values, race, h, marks, room)
    if h.shape[0] > 0:
        add_sample(h, shift, count, mean, squares)
    return value, good, small
