"""ARSM of one row, eight categories side by side: the gradient of merge.arsm_row for drawn noise.

One pass makes the swaps of the winner, and lists the light and the heavy categories; the swaps of two losers are
then those of each member of the shorter kind with eight of the longer at a time. Level racers, which drawn noise
has as good as never, are not told apart here by number. Rows have at least eight categories; the last eight of
them overlap those before.
"""

import numpy as np

from ._jit import allocating, called, inlined
from .bits import bit_count, lowest_bit
from .exponential import NOISE_STREAM, fill_exponentials
from .lanes import (
    ALL_LANES,
    PACKS,
    WIDTH,
    are_small,
    gather_listed,
    lane_array,
    lane_numbers,
    load,
    load_eight,
    mark_from,
    mask_bits,
    pack,
    spread,
    store,
    store_from,
    sum_of_lanes,
    transpose_block,
    two_least,
)
from .merge import EXCLUDED
from .moments import add_sample
from .noise import LANES
from .race import enter_race
from .sorting import sort_by_key
from .vectors import fma, select
from .weights import exponentiate

# So many categories are drawn and raced before it is looked where the first of them are.
RACE_BLOCK = 512
# Of the longer kind so many stay in the first-level cache while they meet all of the shorter.
CHUNK = 64
# Where there are more of either kind, or more pairs a category, the shorter kind is sorted.
MOST_OTHERS, MOST_MEMBERS, MOST_PAIRS = 4096, 256, 32


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


@called
def draw_and_race(key, sample, row, first, logits, top, weigh, inverse_weights, noise):
    """Draw the noise of a row from a category on and race it, in blocks that stay in the first-level cache.

    If asked to, weigh the logits too, of which top is the largest. Results: the two first categories, counted
    from 0, and their race values, as of race.run_race; the sum of the noise; its two smallest entries; and False
    where a logit is refused. `first` is a multiple of LANES, and there must be room for LANES more numbers of
    noise.
    """
    n = inverse_weights.shape[0]
    race = -1, -1, np.inf, np.inf
    good = True
    total, other_total = spread(0.0), spread(0.0)
    lightest, second_lightest = spread(np.inf), spread(np.inf)
    other_lightest, other_second = spread(np.inf), spread(np.inf)
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
            total, other_total = total + numbers, other_total + other_numbers
            lightest, second_lightest = two_smallest(numbers, lightest, second_lightest)
            other_lightest, other_second = two_smallest(other_numbers, other_lightest, other_second)
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
            for c in range(block, stop, WIDTH):
                start, values = race_values(noise, inverse_weights, c, n)
                bits = mask_bits(values <= bound)
                while bits:
                    at = start + lowest_bit(bits)
                    bits &= bits - np.uint64(1)
                    if at >= c:
                        race = enter_race(at, noise[at] * inverse_weights[at], race)
    lightest, second_lightest = two_smallest(other_lightest, lightest, second_lightest)
    lightest, second_lightest = two_smallest(other_second, lightest, second_lightest)
    noise_sum = sum_of_lanes(total + other_total)
    for c in range(n // (2 * WIDTH) * (2 * WIDTH), n):
        noise_sum += noise[c]
    return race, noise_sum, two_least(lightest, second_lightest), good


@inlined
def lightest_loser(winner_noise, lightest):
    """Of the two smallest entries of the noise the smallest that is not the winner's."""
    return lightest[1] if lightest[0] == winner_noise else lightest[0]


@allocating
def row_room(n):
    """Room of arsm_of_row for rows of up to n categories.

    What swaps the light and the heavy losers, see meet; their numbers; and sums.
    """
    blocks = min(n, MOST_OTHERS) // WIDTH + 2
    length = blocks * WIDTH
    lists = lane_array(2 * 4 * blocks + MOST_MEMBERS + WIDTH)
    return (
        lists[: 4 * length].reshape((4, length)),
        lists[4 * length : 8 * length].reshape((4, length)),
        np.empty(n + 2 * WIDTH, np.int32),
        np.empty(n + 2 * WIDTH, np.int32),
        lists[8 * length :],
    )


@inlined
def meet_one(keys, payment, unit, limit, key, own_payment, given, received, units):
    """Add the swaps of one member with eight others, where those change the winner."""
    wins = keys * key < limit
    return (
        select(wins, given + own_payment, given),
        select(wins, received + payment, received),
        select(wins, units + unit, units),
    )


@called
def meet(others, n_others, members, n_members, limit, sums):
    """Add up what the swaps of each member with each of the others give either.

    Of both there are rows: keys, of which the product is below the limit where a swap changes the winner; what
    the other one receives then; the difference, or 1, of which the product is the swap's difference; and the
    totals, which are written. The result is the sum of the differences. Lists end with eight infinite keys.
    """
    keys, payments, units, totals = others[0], others[1], others[2], others[3]
    member_keys, member_payments, member_units, member_totals = members[0], members[1], members[2], members[3]
    zero = spread(0.0)
    n_vectors = (n_others + WIDTH - 1) // WIDTH
    for i in range(n_vectors):
        store(totals, i, zero)
    for i in range((n_members + WIDTH - 1) // WIDTH * WIDTH):
        store(sums, i, zero)
    difference_sum = zero
    for chunk in range(0, n_vectors, CHUNK):
        stop = min(n_vectors, chunk + CHUNK)
        for i in range(0, n_members, 4):
            key_0, key_1, key_2, key_3 = (
                member_keys[i],
                member_keys[i + 1],
                member_keys[i + 2],
                member_keys[i + 3],
            )
            pay_0, pay_1 = member_payments[i], member_payments[i + 1]
            pay_2, pay_3 = member_payments[i + 2], member_payments[i + 3]
            sum_0, sum_1, sum_2, sum_3 = zero, zero, zero, zero
            units_0, units_1, units_2, units_3 = zero, zero, zero, zero
            for block in range(chunk, stop):
                common = load(keys, block), load(payments, block), load(units, block), limit
                total = load(totals, block)
                total, sum_0, units_0 = meet_one(*common, key_0, pay_0, total, sum_0, units_0)
                total, sum_1, units_1 = meet_one(*common, key_1, pay_1, total, sum_1, units_1)
                total, sum_2, units_2 = meet_one(*common, key_2, pay_2, total, sum_2, units_2)
                total, sum_3, units_3 = meet_one(*common, key_3, pay_3, total, sum_3, units_3)
                store(totals, block, total)
            store(sums, i, load(sums, i) + sum_0)
            store(sums, i + 1, load(sums, i + 1) + sum_1)
            store(sums, i + 2, load(sums, i + 2) + sum_2)
            store(sums, i + 3, load(sums, i + 3) + sum_3)
            # Past the last member the units are zero, but what stands there in the list need not be a number.
            difference_sum = fma(units_0, spread(member_units[i]), difference_sum)
            difference_sum = difference_sum + select(units_1 != 0.0, units_1 * member_units[i + 1], zero)
            difference_sum = difference_sum + select(units_2 != 0.0, units_2 * member_units[i + 2], zero)
            difference_sum = difference_sum + select(units_3 != 0.0, units_3 * member_units[i + 3], zero)
    for i in range((n_members + WIDTH - 1) // WIDTH):
        transpose_block(sums, i * WIDTH * WIDTH, WIDTH, sums, i * WIDTH * WIDTH, WIDTH)
        total = load(sums, i * WIDTH)
        for lane in range(1, WIDTH):
            total = total + load(sums, i * WIDTH + lane)
        store(member_totals, i, total)
    return sum_of_lanes(difference_sum)


@inlined
def end_list(numbers, n):
    """Have a list of n numbers end with eight that are there."""
    for i in range(n, n + WIDTH):
        numbers[i] = 0


@inlined
def spend(totals, numbers, n, h):
    """Add totals to the entries of h with these numbers; their sum. Past the last the totals are zero."""
    h_sum = spread(0.0)
    for i in range((n + WIDTH - 1) // WIDTH):
        h_sum = h_sum + load(totals, i)
    for i in range(n):
        h[np.uint32(numbers[i])] += totals[i]
    return sum_of_lanes(h_sum)


@inlined
def gather_light(noise, inverse_total, numbers, n_light, light):
    """Write what swaps the light losers of these numbers: see meet."""
    share = spread(1.0 / noise.shape[0])
    for i in range((n_light + WIDTH - 1) // WIDTH):
        noise_j = gather_listed(noise, numbers, i * WIDTH)
        store(light[0], i, noise_j)
        store(light[1], i, fma(noise_j, spread(-inverse_total), share))
        store(light[2], i, spread(1.0))
    store_from(light[0], n_light, spread(np.inf))


@inlined
def gather_heavy(noise, inverse_total, inverse_weights, values, base, numbers, n_heavy, heavy):
    """Write what swaps the heavy losers of these numbers: see meet."""
    share = spread(1.0 / noise.shape[0])
    for i in range((n_heavy + WIDTH - 1) // WIDTH):
        own = i * WIDTH
        difference = gather_listed(values, numbers, own) - base
        store(heavy[0], i, gather_listed(inverse_weights, numbers, own))
        store(heavy[1], i, difference * fma(gather_listed(noise, numbers, own), spread(-inverse_total), share))
        store(heavy[2], i, difference)
    store_from(heavy[0], n_heavy, spread(np.inf))


@inlined
def spend_heavy(heavy, numbers, n_heavy, h):
    """As spend, of the totals of heavy categories, which are as yet without their differences."""
    for i in range((n_heavy + WIDTH - 1) // WIDTH):
        total = load(heavy[3], i)
        # Past the last is a category whose difference need not be a number.
        store(heavy[3], i, select(total != 0.0, total * load(heavy[2], i), spread(0.0)))
    return spend(heavy[3], numbers, n_heavy, h)


@called
def meet_in_order(others, n_others, members, n_members, limit, sums, n_met):
    """As meet, of members by ascending keys: eight others go from one to the next while any wins.

    To the sums, from which the members' totals are to be made at the end, others may be added part by part. Those
    of the first n_met members are set before; the other result is how many are then.
    """
    keys, payments, units, totals = others[0], others[1], others[2], others[3]
    member_keys, member_payments, member_units = members[0], members[1], members[2]
    zero = spread(0.0)
    difference_sum = zero
    for block in range((n_others + WIDTH - 1) // WIDTH):
        key, payment, unit, total = load(keys, block), load(payments, block), load(units, block), zero
        for i in range(n_members):
            wins = key * member_keys[i] < limit
            if mask_bits(wins) == 0:
                break
            total = select(wins, total + member_payments[i], total)
            if i == n_met:
                store(sums, i, zero)
                n_met += 1
            received = load(sums, i)
            store(sums, i, select(wins, received + payment, received))
            difference_sum = select(wins, fma(unit, spread(member_units[i]), difference_sum), difference_sum)
        store(totals, block, total)
    return sum_of_lanes(difference_sum), n_met


@inlined
def total_of(sums, i, n_met):
    """What a member gets."""
    return sum_of_lanes(load(sums, i)) if i < n_met else 0.0


@allocating
def gather_members(by_light, noise, inverse_total, inverse_weights, values, base, numbers):
    """Sort the numbers of the light or the heavy losers by their keys, and make what swaps them: see meet."""
    n = numbers.shape[0]
    all_keys = noise if by_light else inverse_weights
    keys = np.empty(n)
    for i in range(n):
        keys[i] = all_keys[np.uint32(numbers[i])]
    sort_by_key(keys, numbers)
    members = np.empty((4, (n + 2 * WIDTH) // WIDTH * WIDTH))
    if by_light:
        gather_light(noise, inverse_total, numbers, n, members)
    else:
        gather_heavy(noise, inverse_total, inverse_weights, values, base, numbers, n, members)
    return members


@called
def meet_others(
    by_light, noise, inverse_total, inverse_weights, values, base, limit, numbers, n_others, members, n_members,
    room, sums, n_met, h,
):  # fmt: skip
    """Add the swaps of members with others of these numbers to the others' h.

    The members are light, if by_light, and the others heavy, or the other way round. Results: the sums of
    add_loser_swaps, and how many of the sums are set (see meet_in_order).
    """
    difference_sum, h_sum = 0.0, 0.0
    for start in range(0, n_others, MOST_OTHERS):
        n = min(MOST_OTHERS, n_others - start)
        own = numbers[start:]
        if by_light:
            gather_heavy(noise, inverse_total, inverse_weights, values, base, own, n, room)
        else:
            gather_light(noise, inverse_total, own, n, room)
        own_sum, n_met = meet_in_order(room, n, members, n_members, limit, sums, n_met)
        difference_sum += own_sum
        h_sum += spend_heavy(room, own, n, h) if by_light else spend(room[3], own, n, h)
    return difference_sum, h_sum, n_met


@inlined
def spend_members(by_light, members, numbers, n_members, h):
    """Add to h what the members of these numbers get, with totals of their own; its sum."""
    if by_light:
        return spend(members[3], numbers, n_members, h)
    return spend_heavy(members, numbers, n_members, h)


@allocating
def add_many_loser_swaps(
    noise, inverse_total, inverse_weights, values, base, limit, n_light, n_heavy, h, room
):  # fmt: skip
    """As add_loser_swaps, in time that follows the swaps which change the winner, not all pairs of the lists."""
    light, heavy, light_numbers, heavy_numbers, _ = room
    by_light = n_light < n_heavy
    if by_light:
        numbers, others, n_others, own_room = light_numbers[:n_light], heavy_numbers, n_heavy, heavy
    else:
        numbers, others, n_others, own_room = heavy_numbers[:n_heavy], light_numbers, n_light, light
    n_members = numbers.shape[0]
    members = gather_members(by_light, noise, inverse_total, inverse_weights, values, base, numbers)
    sums = np.empty(n_members * WIDTH)
    difference_sum, h_sum, n_met = meet_others(
        by_light, noise, inverse_total, inverse_weights, values, base, limit, others, n_others, members,
        n_members, own_room, sums, 0, h,
    )  # fmt: skip
    for i in range(members.shape[1]):
        members[3, i] = total_of(sums, i, n_met)
    return difference_sum, h_sum + spend_members(by_light, members, numbers, n_members, h)


@called
def add_loser_swaps(
    noise, inverse_total, inverse_weights, values, base, limit, n_light, n_heavy, h, room
):  # fmt: skip
    """Add the swaps of two losers to h. Results: the sums of d_cj over their unordered pairs, and of h.

    The winner's noise must be EXCLUDED, and the numbers of the others listed in the room.
    """
    light, heavy, light_numbers, heavy_numbers, sums = room
    n_members, n_others = min(n_light, n_heavy), max(n_light, n_heavy)
    if n_members > MOST_MEMBERS or n_others > MOST_OTHERS or n_members * n_others > MOST_PAIRS * noise.shape[0]:
        return add_many_loser_swaps(
            noise, inverse_total, inverse_weights, values, base, limit, n_light, n_heavy, h, room
        )
    gather_light(noise, inverse_total, light_numbers, n_light, light)
    gather_heavy(noise, inverse_total, inverse_weights, values, base, heavy_numbers, n_heavy, heavy)
    if n_light < n_heavy:
        difference_sum = meet(heavy, n_heavy, light, n_light, limit, sums)
    else:
        difference_sum = meet(light, n_light, heavy, n_heavy, limit, sums)
    h_sum = spend_heavy(heavy, heavy_numbers, n_heavy, h) + spend(light[3], light_numbers, n_light, h)
    return difference_sum, h_sum


@inlined
def swap_winner_with(
    first, n_categories, noise, inverse_total, inverse_weights, values, limit, second_value, winner, lightest, h,
    seen, light_numbers, heavy_numbers,
):  # fmt: skip
    """Swap the winner of a row with the categories from the first on, and list what may swap with other losers.

    h and seen are of these categories; of light and heavy losers the numbers in the row are listed, with room
    for WIDTH more. The winner is its noise, which is EXCLUDED in the row, its inverse weight, its value and the
    second's. Results: the sum of d_zj and the winner's entry of h; how many are light and heavy; whether the
    second ever wins; and whether all values are small. An empty h is left alone, and nothing is listed then.
    """
    winner_noise, winner_inverse_weight, base, value_of_second = winner
    n = noise.shape[0]
    share = spread(1.0 / n_categories)
    winner_weight = 1.0 / n_categories - winner_noise * inverse_total
    zero = spread(0.0)
    second_difference = spread(value_of_second - base)
    difference_lanes, h_lanes = zero, zero
    second_wins_ever, small = zero < zero, zero == zero
    wanted = h.shape[0] > 0
    swaps_losers = wanted and lightest <= limit
    n_light, n_heavy = 0, 0
    for c in range(0, n, WIDTH):
        start = min(c, n - WIDTH)
        numbers = lane_numbers() + np.float64(first + start)
        noise_j, inverse_weight = load_eight(noise, start), load_eight(inverse_weights, start)
        z_value, j_value = noise_j * winner_inverse_weight, inverse_weight * winner_noise
        # Where j is z, whose noise is beyond all others here, j "wins" with a difference of zero; for the second
        # see tile.row_of_winner_tile.
        j_wins = (j_value < second_value) & (j_value < z_value)
        second_wins = (second_value < z_value) & (second_value <= j_value)
        second_wins_ever = second_wins_ever | second_wins
        difference = select(second_wins, second_difference, zero)
        own_values = load_eight(values, start)
        small = small & are_small(own_values)
        difference = select(j_wins, own_values - base, difference)
        if wanted:
            store_from(h, start, difference * winner_weight)
        is_new, is_heavy = numbers >= np.float64(first + c), inverse_weight * lightest < limit
        difference = select(is_new, difference, zero)
        difference_lanes = difference_lanes + difference
        h_lanes = fma(difference, fma(noise_j, spread(-inverse_total), share), h_lanes)
        mark_from(seen, start, j_wins | is_heavy)
        if swaps_losers:
            is_light, is_heavy = (noise_j < limit) & is_new, is_heavy & is_new
            light_bits, heavy_bits = mask_bits(is_light), mask_bits(is_heavy)
            # A branch is mispredicted, but costs less than to pack in several instructions.
            if PACKS or light_bits:
                pack(light_numbers, n_light, numbers, is_light)
                n_light += bit_count(light_bits)
            if PACKS or heavy_bits:
                pack(heavy_numbers, n_heavy, numbers, is_heavy)
                n_heavy += bit_count(heavy_bits)
    sums = sum_of_lanes(difference_lanes), sum_of_lanes(h_lanes)
    return sums, (n_light, n_heavy), mask_bits(second_wins_ever) != 0, mask_bits(small) == ALL_LANES


@called
def arsm_of_row(noise, total, lightest, inverse_weights, values, race, h, seen, room):
    """ARSM (eq. 9): h, and as results the mean of f over the swaps and what is to be subtracted from h.

    And False where a value is not small. The row of noise, with that sum and smallest entry but the winner's,
    is used up. What f was needed at is marked in seen, and that alone is done where h is empty. room is row_room.
    """
    z, second, limit, second_value = race
    n = noise.shape[0]
    winner = noise[z], inverse_weights[z], values[z], values[second]
    noise[z] = EXCLUDED
    inverse_total = 1.0 / total
    (difference_sum, h_winner), (n_light, n_heavy), second_wins, small = swap_winner_with(
        0, n, noise, inverse_total, inverse_weights, values, limit, second_value, winner, lightest, h, seen,
        room[2], room[3],
    )  # fmt: skip
    seen[second] |= second_wins
    if h.shape[0] > 0:
        h[z] = h_winner
    h_sum = difference_sum * (1.0 / n - winner[0] * inverse_total) + h_winner
    if n_light > 0:
        end_list(room[2], n_light)
        end_list(room[3], n_heavy)
        loser_difference, loser_h = add_loser_swaps(
            noise, inverse_total, inverse_weights, values, winner[2], limit, n_light, n_heavy, h, room
        )
        difference_sum += loser_difference
        h_sum += loser_h
    return winner[2] + 2.0 * difference_sum / (float(n) * n), h_sum / n, small


@called
def add_row(
    key, sample, row, logits, top, weigh, inverse_weights, values, count, noise, h, mean, squares, seen, room
):  # fmt: skip
    """Add the gradient of one sample of a row, the count-th of its block; the weights are made where asked.

    Results: the mean of f over the swaps; False where a logit is refused; and False where a value is not small.
    """
    race, total, lightest, good = draw_and_race(key, sample, row, 0, logits, top, weigh, inverse_weights, noise)
    lightest = lightest_loser(noise[race[0]], lightest)
    own_noise = noise[: inverse_weights.shape[0]]
    value, shift, small = arsm_of_row(own_noise, total, lightest, inverse_weights, values, race, h, seen, room)
    if h.shape[0] > 0:
        add_sample(h, shift, count, mean, squares)
    return value, good, small
