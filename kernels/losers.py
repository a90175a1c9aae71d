"""ARSM's swaps of two losers for tiles: of eight rows side by side, or of eight samples of one row.

A swap of two losers changes the winner where one is light and the other heavy enough. Each row has light and
heavy losers of its own, most have few of one kind. The members, of the kind that the rows have fewer of, are
taken four at a time, in each lane those of its row, and meet all categories of the other kind in any row.

The categories sorted by weight serve all samples of a row: the heavy categories that win the swap with a light
one are a prefix of that order, walked through directly.
"""

import numpy as np

from ._jit import inlined
from .arsm_row import meet_one
from .bits import lowest_bit
from .exponential import exponent_of
from .lanes import WIDTH, add_to, any_bits, entry, gather, largest_lane, load, mask_bits, spread, store
from .vectors import as_bits, as_numbers, bits_set, fma, select, words_from

# The members of a lane are the bits of a word.
LONGEST_OF_BITS = 64
ZERO, ONE, ALL_ONES = np.uint64(0), np.uint64(1), np.uint64(2**64 - 1)

words_of = words_from(WIDTH, WIDTH)


@inlined
def find_losers(noise, inverse_weights, lightest, limit, seen):
    """Words whose bits say which categories are light losers of each lane, and which heavy ones; marks those."""
    light, heavy = words_of(ZERO, ZERO, ZERO), words_of(ZERO, ZERO, ZERO)
    for c in range(inverse_weights.shape[0]):
        noise_c = load(noise, c)
        is_light, is_heavy = noise_c < limit, lightest * entry(inverse_weights, c) < limit
        seen[c] |= mask_bits(is_heavy)
        bit = ONE << np.uint64(c)
        light = select(is_light, light | bit, light)
        # Not the winner, whose noise is infinite: it would add nothing.
        heavy = select(is_heavy & (noise_c < np.inf), heavy | bit, heavy)
    return light, heavy


@inlined
def groups_of(words):
    """How many times four members have to be taken."""
    return np.ceil(0.25 * largest_lane(as_numbers(bits_set(words))))


@inlined
def take_lowest(words):
    """The number of the lowest bit of each word, negative where there is none, and the words without it."""
    rest = words & (words + ALL_ONES)
    return exponent_of(as_bits(as_numbers(words ^ rest))), rest


# Of each loser there is a key, of which the product with the other's is below the limit where their swap changes
# the winner; what the other one receives then; and the factor of all it receives itself, its difference or 1.


@inlined
def light_side(noise, inverse_total, share):
    """What swaps a light loser."""
    return noise, fma(noise, inverse_total, share), spread(1.0)


@inlined
def heavy_side(noise, inverse_weight, value, inverse_total, share, base):
    """What swaps a heavy loser."""
    difference = value - base
    # Where it is the winner itself its noise is infinite and its difference zero.
    payment = select(difference != 0.0, difference * fma(noise, inverse_total, share), spread(0.0))
    return spread(inverse_weight), payment, difference


@inlined
def other_of(by_light, c, noise, inverse_weights, values, inverse_total, share, base):
    """What swaps a category that is not of the members' kind."""
    if by_light:
        return heavy_side(load(noise, c), entry(inverse_weights, c), entry(values, c), inverse_total, share, base)
    return light_side(load(noise, c), inverse_total, share)


@inlined
def next_member(by_light, words, noise, inverse_weights, values, inverse_total, share, base):
    """The words without the next member of each lane, its number, and what swaps it.

    Where a lane has no more the number is negative, the key infinite and the factor finite.
    """
    number, rest = take_lowest(words)
    if by_light:
        key, payment, factor = light_side(gather(noise, number), inverse_total, share)
    else:
        key, payment, factor = heavy_side(
            gather(noise, number), gather(inverse_weights, number), gather(values, number),
            inverse_total, share, base,
        )  # fmt: skip
    none = number < 0.0
    return rest, number, select(none, np.inf, key), payment, select(none, 0.0, factor)


@inlined
def swap_members(
    by_light, words, others, noise, inverse_weights, values, inverse_total, base, limit, h
):  # fmt: skip
    """Add the swaps of the members with the others to h. Results: the sums of d_cj and of h."""
    zero, share = spread(0.0), spread(1.0 / inverse_weights.shape[0])
    difference_sum, h_sum = zero, zero
    common = noise, inverse_weights, values, inverse_total, share, base
    while mask_bits(words != ZERO):
        words, number_0, key_0, pay_0, factor_0 = next_member(by_light, words, *common)
        words, number_1, key_1, pay_1, factor_1 = next_member(by_light, words, *common)
        words, number_2, key_2, pay_2, factor_2 = next_member(by_light, words, *common)
        words, number_3, key_3, pay_3, factor_3 = next_member(by_light, words, *common)
        sum_0, sum_1, sum_2, sum_3 = zero, zero, zero, zero
        left = others
        while left:
            c = lowest_bit(left)
            left &= left - ONE
            key, payment, factor = other_of(by_light, c, *common)
            own = key, payment
            d_0, d_1 = (factor, factor) if by_light else (factor_0, factor_1)
            d_2, d_3 = (factor, factor) if by_light else (factor_2, factor_3)
            given, sum_0, differences = meet_one(*own, d_0, limit, key_0, pay_0, zero, sum_0, zero)
            given, sum_1, differences = meet_one(*own, d_1, limit, key_1, pay_1, given, sum_1, differences)
            given, sum_2, differences = meet_one(*own, d_2, limit, key_2, pay_2, given, sum_2, differences)
            given, sum_3, differences = meet_one(*own, d_3, limit, key_3, pay_3, given, sum_3, differences)
            given = given * factor if by_light else given
            store(h, c, load(h, c) + given)
            h_sum = h_sum + given
            difference_sum = difference_sum + differences
        if not by_light:
            sum_0, sum_1 = factor_0 * sum_0, factor_1 * sum_1
            sum_2, sum_3 = factor_2 * sum_2, factor_3 * sum_3
        add_to(h, number_0, sum_0)
        add_to(h, number_1, sum_1)
        add_to(h, number_2, sum_2)
        add_to(h, number_3, sum_3)
        h_sum = h_sum + ((sum_0 + sum_1) + (sum_2 + sum_3))
    return difference_sum, h_sum


@inlined
def swap_losers(noise, inverse_weights, values, inverse_total, base, limit, lightest, h, seen):
    """Add the swaps of two losers to h, and mark what f is needed at. Results: the sums of d_cj and of h."""
    light, heavy = find_losers(noise, inverse_weights, lightest, limit, seen)
    common = noise, inverse_weights, values, inverse_total, base, limit, h
    if groups_of(light) <= groups_of(heavy):
        return swap_members(True, light, any_bits(heavy), *common)
    return swap_members(False, heavy, any_bits(light), *common)


@inlined
def heavy_in_place(
    place, order, limit, lightest, seen, noise, inverse_weights, values, inverse_total, share, base
):
    """Number of the heavy category in a place of the order, and what swaps it."""
    # What wins a swap is heavier than the light loser, so the last one never does, nor does it past the end.
    c = order[min(place, order.shape[0] - 1)]
    own = heavy_side(load(noise, c), entry(inverse_weights, c), entry(values, c), inverse_total, share, base)
    seen[c] |= mask_bits(lightest * own[0] < limit)
    return c, *own


@inlined
def give(c, factor, received, h):
    """Add to h what a category's swaps give it, and return that."""
    total = factor * received
    store(h, c, load(h, c) + total)
    return total


@inlined
def swap_losers_by_weight(
    noise, inverse_weights, values, inverse_total, base, limit, lightest, h, seen, order, light
):  # fmt: skip
    """As swap_losers of lanes that share their weights, by which the categories are ordered; light is room."""
    zero, share = spread(0.0), spread(1.0 / inverse_weights.shape[0])
    difference_sum, h_sum = zero, zero
    common = order, limit, lightest, seen, noise, inverse_weights, values, inverse_total, share, base
    n_light = order.shape[0]
    for c in range(n_light):
        light[c] = c
    place = 0
    # Four at a time, without branches; only the light ones that swap with some go on to the next.
    while place < order.shape[0] and n_light > 0:
        heavy_0, key_0, pay_0, factor_0 = heavy_in_place(place, *common)
        heavy_1, key_1, pay_1, factor_1 = heavy_in_place(place + 1, *common)
        heavy_2, key_2, pay_2, factor_2 = heavy_in_place(place + 2, *common)
        heavy_3, key_3, pay_3, factor_3 = heavy_in_place(place + 3, *common)
        sum_0, sum_1, sum_2, sum_3 = zero, zero, zero, zero
        n_left = 0
        for i in range(n_light):
            c = light[i]
            noise_c, weight, _ = light_side(load(noise, c), inverse_total, share)
            own = noise_c, weight
            given, sum_0, differences = meet_one(*own, factor_0, limit, key_0, pay_0, zero, sum_0, zero)
            given, sum_1, differences = meet_one(*own, factor_1, limit, key_1, pay_1, given, sum_1, differences)
            given, sum_2, differences = meet_one(*own, factor_2, limit, key_2, pay_2, given, sum_2, differences)
            given, sum_3, differences = meet_one(*own, factor_3, limit, key_3, pay_3, given, sum_3, differences)
            light[n_left] = c
            n_left += mask_bits(noise_c * key_3 < limit) != 0
            store(h, c, load(h, c) + given)
            difference_sum = difference_sum + differences
            h_sum = h_sum + given
        n_light = n_left
        h_sum = h_sum + give(heavy_0, factor_0, sum_0, h)
        h_sum = h_sum + give(heavy_1, factor_1, sum_1, h)
        h_sum = h_sum + give(heavy_2, factor_2, sum_2, h)
        h_sum = h_sum + give(heavy_3, factor_3, sum_3, h)
        place += 4
    return difference_sum, h_sum
