"""Swaps of one loser with several others; and all of them for tiles of eight samples of one row.

A swap of two losers changes the winner where one is light and the other heavy enough. The categories sorted by
weight serve all samples of a row: the heavy categories that win the swap with a light one are a prefix of that
order, walked through directly.
"""

import numpy as np

from ._jit import inlined
from .lanes import WIDTH, load_some, mask_bits, some_of, store_from, take
from .vectors import HAS_AVX512, fma, select


@inlined
def add_where(condition, total, payment):
    """total + payment where the condition holds, and else the total."""
    # One instruction where there are masks. Elsewhere LLVM would store by masks, slow on some machines.
    if HAS_AVX512:
        return select(condition, total + payment, total)
    return total + select(condition, payment, 0.0)


@inlined
def meet_one(keys, payment, unit, limit, key, own_payment, given, received, units):
    """Add the swaps of one member with several others, where those change the winner."""
    wins = keys * key < limit
    return (
        add_where(wins, given, own_payment),
        add_where(wins, received, payment),
        add_where(wins, units, unit),
    )


# Of each loser there is a key, of which the product with the other's is below the limit where their swap changes
# the winner; what the other one receives then; and the factor of all it receives itself, its difference or 1.


@inlined
def heavy_side(noise, inverse_weight, value, inverse_total, share, base):
    """What swaps a heavy loser."""
    difference = value - base
    # Where it is the winner itself that is zero, and its noise EXCLUDED.
    return some_of(inverse_weight), difference * fma(noise, inverse_total, share), difference


@inlined
def give(at, factor, received, h):
    """Add to h what a category's swaps give it."""
    # What receives nothing need not have a number as its factor.
    store_from(h, at, load_some(h, at) + select(received != 0.0, factor * received, 0.0))


@inlined
def heavy_in_place(
    place, order, limit, lightest, seen, noise, inverse_weights, values, inverse_total, share, base, lane
):
    """Number of the heavy category in a place of the order, and what swaps it."""
    # What wins a swap is heavier than the light loser, so the last one never does, nor does it past the end.
    c = order[min(place, order.shape[0] - 1)]
    own = heavy_side(
        take(noise, c, lane), take(inverse_weights, c, lane), take(values, c, lane), inverse_total, share, base
    )
    seen[c] |= mask_bits(lightest * own[0] < limit) << np.uint64(lane)
    return c * WIDTH + lane, *own


@inlined
def swap_losers_by_weight(
    noise, inverse_weights, values, inverse_total, base, limit, lightest, h, seen, lane, order, light
):  # fmt: skip
    """Add the swaps of two losers to h, and mark what f is needed at, in some lanes; the sum of their d_cj.

    The categories are ordered by weight, and light is room for a list.
    """
    zero, share = some_of(0.0), some_of(1.0 / inverse_weights.shape[0])
    difference_sum = zero
    common = order, limit, lightest, seen, noise, inverse_weights, values, inverse_total, share, base, lane
    n_light = order.shape[0]
    for c in range(n_light):
        light[c] = c * WIDTH + lane
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
            at = light[i]
            noise_c = load_some(noise, at)
            own = noise_c, fma(noise_c, inverse_total, share)
            given, sum_0, differences = meet_one(*own, factor_0, limit, key_0, pay_0, zero, sum_0, zero)
            given, sum_1, differences = meet_one(*own, factor_1, limit, key_1, pay_1, given, sum_1, differences)
            given, sum_2, differences = meet_one(*own, factor_2, limit, key_2, pay_2, given, sum_2, differences)
            given, sum_3, differences = meet_one(*own, factor_3, limit, key_3, pay_3, given, sum_3, differences)
            light[n_left] = at
            n_left += mask_bits(noise_c * key_3 < limit) != 0
            store_from(h, at, load_some(h, at) + given)
            difference_sum = difference_sum + differences
        n_light = n_left
        give(heavy_0, factor_0, sum_0, h)
        give(heavy_1, factor_1, sum_1, h)
        give(heavy_2, factor_2, sum_2, h)
        give(heavy_3, factor_3, sum_3, h)
        place += 4
    return difference_sum
