"""ARSM of one row, eight categories side by side: the gradient of merge.arsm_row for drawn noise.

One pass makes the swaps of the winner, and packs the light and the heavy categories; the swaps of two losers are
then those of each member of the shorter kind with eight of the longer at a time. Level racers, which drawn noise
has as good as never, are not told apart here by number. Rows have at least eight categories; the last eight of
them overlap those before.
"""

import numpy as np

from ._jit import allocating, called, inlined
from .bits import bit_count, lowest_bit
from .lanes import (
    WIDTH,
    lane_array,
    lane_numbers,
    load,
    loading,
    mark_from,
    mask_bits,
    pack,
    spread,
    store,
    store_from,
    sum_of,
    sum_of_lanes,
    transpose_block,
    two_least,
)
from .merge import EXCLUDED, away_from_winner, swap_scratch
from .moments import add_sample
from .race import enter_race
from .vectors import fma, select

# So many categories are raced before it is looked where the first of them are.
RACE_BLOCK = 512
# Of the longer kind so many stay in the first-level cache while they meet all of the shorter.
CHUNK = 64
# Of longer rows, or where there are more of both kinds, or more pairs a category, the shorter kind is sorted.
LONGEST_PACKED, MOST_MEMBERS, MOST_PAIRS = 4096, 256, 32

load_eight = loading(WIDTH)


@inlined
def race_values(noise, inverse_weights, c, n):
    """Those of the eight categories from c on; of the last eight infinity for those below c."""
    start = min(c, n - WIDTH)
    values = load_eight(noise, start) * load_eight(inverse_weights, start)
    return start, select(lane_numbers() >= np.float64(c - start), values, np.inf)


@called
def race_row(noise, inverse_weights):
    """The two first categories and their race values, as race.run_race."""
    n = noise.shape[0]
    race = -1, -1, np.inf, np.inf
    for block in range(0, n, RACE_BLOCK):
        stop = min(n, block + RACE_BLOCK)
        least, others = spread(np.inf), spread(np.inf)
        whole = block + (stop - block) // (2 * WIDTH) * (2 * WIDTH)
        for c in range(block, whole, 2 * WIDTH):
            values = load_eight(noise, c) * load_eight(inverse_weights, c)
            other_values = load_eight(noise, c + WIDTH) * load_eight(inverse_weights, c + WIDTH)
            least = select(values < least, values, least)
            others = select(other_values < others, other_values, others)
        for c in range(whole, stop, WIDTH):
            _, values = race_values(noise, inverse_weights, c, n)
            larger = select(values < least, least, values)
            least = select(values < least, values, least)
            others = select(larger < others, larger, others)
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
    return race


@allocating
def row_room(n):
    """Room of arsm_of_row for rows of up to n categories.

    The rows of the first two are lists of light and of heavy categories: see pack_losers and meet.
    """
    blocks = min(n, LONGEST_PACKED) // WIDTH + 3
    lists = lane_array(2 * 5 * blocks + MOST_MEMBERS + WIDTH)
    step = 5 * blocks * WIDTH
    return (
        lists[:step].reshape((5, blocks * WIDTH)),
        lists[step : 2 * step].reshape((5, blocks * WIDTH)),
        lists[2 * step :],
        swap_scratch(n),
    )


@inlined
def lightest_of(noise):
    """The smallest entry of a row."""
    n = noise.shape[0]
    least, others = spread(np.inf), spread(np.inf)
    for c in range(0, n, 2 * WIDTH):
        values, other_values = load_eight(noise, min(c, n - WIDTH)), load_eight(noise, min(c + WIDTH, n - WIDTH))
        least = select(values < least, values, least)
        others = select(other_values < others, other_values, others)
    return two_least(select(others < least, others, least), spread(np.inf))[0]


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
def spend(totals, numbers, n, h):
    """Add totals to the entries of h with these numbers; their sum."""
    h_sum = 0.0
    for i in range(n):
        h[np.uint64(numbers[i])] += totals[i]
        h_sum += totals[i]
    return h_sum


@inlined
def pack_losers(noise, inverse_total, inverse_weights, values, base, limit, lightest, light, heavy):
    """Pack what swaps the light and the heavy losers; their numbers, zeros where both are too many."""
    light_keys, light_payments, light_units, light_numbers = light[0], light[1], light[2], light[4]
    heavy_keys, heavy_payments, heavy_units, heavy_numbers = heavy[0], heavy[1], heavy[2], heavy[4]
    n = noise.shape[0]
    share = spread(1.0 / n)
    n_light, n_heavy = 0, 0
    for c in range(0, n, WIDTH):
        start = min(c, n - WIDTH)
        numbers = lane_numbers() + np.float64(start)
        fresh = numbers >= np.float64(c)
        noise_j, inverse_weight = load_eight(noise, start), load_eight(inverse_weights, start)
        weight = fma(noise_j, spread(-inverse_total), share)
        is_light, is_heavy = (noise_j < limit) & fresh, (inverse_weight * lightest < limit) & fresh
        light_bits, heavy_bits = mask_bits(is_light), mask_bits(is_heavy)
        if light_bits:
            pack(light_keys, n_light, noise_j, is_light)
            pack(light_payments, n_light, weight, is_light)
            pack(light_numbers, n_light, numbers, is_light)
            n_light += bit_count(light_bits)
        if heavy_bits:
            difference = load_eight(values, start) - base
            pack(heavy_keys, n_heavy, inverse_weight, is_heavy)
            pack(heavy_payments, n_heavy, difference * weight, is_heavy)
            pack(heavy_units, n_heavy, difference, is_heavy)
            pack(heavy_numbers, n_heavy, numbers, is_heavy)
            n_heavy += bit_count(heavy_bits)
        if min(n_light, n_heavy) > MOST_MEMBERS or n_light * n_heavy > MOST_PAIRS * n:
            return 0, 0
    for i in range((n_light + WIDTH - 1) // WIDTH):
        store(light_units, i, spread(1.0))
    store_from(light_keys, n_light, spread(np.inf))
    store_from(heavy_keys, n_heavy, spread(np.inf))
    return n_light, n_heavy


@called
def add_loser_swaps(noise, inverse_total, inverse_weights, values, winner, limit, lightest, h, seen, room):
    """Add the swaps of two losers to h. Results: the sums of d_cj over their unordered pairs, and of h.

    The winner's noise must be EXCLUDED; lightest is the smallest of the others.
    """
    n = noise.shape[0]
    light, heavy, sums, scratch = room
    n_light, n_heavy = 0, 0
    if n <= LONGEST_PACKED:
        n_light, n_heavy = pack_losers(
            noise, inverse_total, inverse_weights, values, values[winner], limit, lightest, light, heavy
        )
    if n_heavy == 0:
        return away_from_winner(noise, inverse_total, inverse_weights, values, winner, limit, h, seen, scratch)
    light_totals, light_numbers = light[3], light[4]
    heavy_units, heavy_totals, heavy_numbers = heavy[2], heavy[3], heavy[4]
    if n_light < n_heavy:
        difference_sum = meet(heavy, n_heavy, light, n_light, limit, sums)
    else:
        difference_sum = meet(light, n_light, heavy, n_heavy, limit, sums)
    for i in range((n_heavy + WIDTH - 1) // WIDTH):
        store(heavy_totals, i, load(heavy_totals, i) * load(heavy_units, i))
    h_sum = spend(heavy_totals, heavy_numbers, n_heavy, h) + spend(light_totals, light_numbers, n_light, h)
    return difference_sum, h_sum


@called
def arsm_of_row(noise, total, inverse_weights, values, race, h, seen, room):
    """ARSM (eq. 9): h, and as results the mean of f over the swaps and what is to be subtracted from h.

    The row of noise is used up. What f was needed at is marked in seen. room is row_room.
    """
    winner, second, limit, second_value = race
    n = noise.shape[0]
    base = values[winner]
    winner_noise = noise[winner]
    winner_inverse_weight = inverse_weights[winner]
    noise[winner] = EXCLUDED
    lightest = lightest_of(noise)
    inverse_total = 1.0 / total
    share = spread(1.0 / n)
    winner_weight = 1.0 / n - winner_noise * inverse_total
    zero = spread(0.0)
    second_difference = spread(values[second] - base)
    difference_lanes, h_lanes = zero, zero
    second_wins_ever = zero < zero
    for c in range(0, n, WIDTH):
        start = min(c, n - WIDTH)
        numbers = lane_numbers() + np.float64(start)
        noise_j, inverse_weight = load_eight(noise, start), load_eight(inverse_weights, start)
        z_value, j_value = noise_j * winner_inverse_weight, inverse_weight * winner_noise
        # Of the two first one still wins after their swap; and where j is z, whose noise is beyond all others
        # here, j "wins" with a difference of zero.
        rest_value = select(numbers == np.float64(second), np.inf, spread(second_value))
        j_wins = (j_value < rest_value) & (j_value < z_value)
        second_wins = (rest_value < z_value) & (rest_value <= j_value)
        second_wins_ever = second_wins_ever | second_wins
        difference = select(second_wins, second_difference, zero)
        difference = select(j_wins, load_eight(values, start) - base, difference)
        store_from(h, start, difference * winner_weight)
        difference = select(numbers >= np.float64(c), difference, zero)
        difference_lanes = difference_lanes + difference
        h_lanes = fma(difference, fma(noise_j, spread(-inverse_total), share), h_lanes)
        mark_from(seen, start, j_wins | (inverse_weight * lightest < limit))
    seen[second] |= mask_bits(second_wins_ever) != 0
    difference_sum, h_winner = sum_of_lanes(difference_lanes), sum_of_lanes(h_lanes)
    h[winner] = h_winner
    h_sum = difference_sum * winner_weight + h_winner
    if lightest <= limit:
        loser_difference, loser_h = add_loser_swaps(
            noise, inverse_total, inverse_weights, values, winner, limit, lightest, h, seen, room
        )
        difference_sum += loser_difference
        h_sum += loser_h
    return base + 2.0 * difference_sum / (float(n) * n), h_sum / n


@called
def add_row(noise, inverse_weights, values, h, count, mean, squares, seen, room):
    """Add the gradient of one row of noise, the count-th of its block; the result is the mean of f over swaps."""
    race = race_row(noise, inverse_weights)
    value, shift = arsm_of_row(noise, sum_of(noise), inverse_weights, values, race, h, seen, room)
    add_sample(h, shift, count, mean, squares)
    return value
