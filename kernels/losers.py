"""ARSM's swaps of two losers for tiles: of eight rows side by side, or of eight samples of one row.

A swap of two losers changes the winner where one is light and the other heavy enough. Each row has light and
heavy losers of its own: all pairs are looked at, which is soonest done where rows are short.

The categories sorted by weight serve all samples of a row: the heavy categories that win the swap with a light
one are a prefix of that order, walked through directly.
"""

import numpy as np

from ._jit import inlined
from .lanes import WIDTH, load_some, mask_bits, some_of, store_from, take
from .vectors import HAS_AVX512, few_turns, fma, select


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
def load_loser(at, noise, inverse_weights, differences):
    """What decides a loser's swaps: its noise, its inverse weight and its difference."""
    return load_some(noise, at), load_some(inverse_weights, at), load_some(differences, at)


@inlined
def difference_of(one, two, limit):
    """d_cj of two losers: of two that swap at most one wins."""
    one_wins, two_wins = two[0] * one[1] < limit, one[0] * two[1] < limit
    return select(two_wins, two[2], select(one_wins, one[2], 0.0))


@inlined
def swap_losers(
    noise, inverse_weights, values, inverse_total, base, limit, lightest, h, seen, lane, differences, weights
):  # fmt: skip
    """Add the swaps of two losers to h, and mark what f is needed at, in some lanes; the sum of their d_cj.

    The last two are room for a tile each.
    """
    n = inverse_weights.shape[0]
    share, difference_sum = some_of(1.0 / n), some_of(0.0)
    for c in range(n):
        at = c * WIDTH + lane
        store_from(differences, at, load_some(values, at) - base)
        store_from(weights, at, fma(load_some(noise, at), inverse_total, share))
        seen[c] |= mask_bits(lightest * load_some(inverse_weights, at) < limit) << np.uint64(lane)
    losers = noise, inverse_weights, differences
    # All pairs, without branches: of some row nearly every category is light or heavy. Two categories at a time
    # meet those before them, and each other. The winner's difference is zero, and its noise EXCLUDED.
    first, last = lane, (n - 1) * WIDTH + lane
    while first <= last:
        second = min(first + WIDTH, last)
        one, two = load_loser(first, *losers), load_loser(second, *losers)
        if first == last:  # nothing swaps with this
            two = some_of(np.inf), some_of(np.inf), two[2]
        weight_one, weight_two = load_some(weights, first), load_some(weights, second)
        received_one, received_two = load_some(h, first), load_some(h, second)
        at = lane
        while at < first:
            difference = difference_of(load_loser(at, *losers), one, limit)
            difference_sum = difference_sum + difference
            received_one = fma(difference, load_some(weights, at), received_one)
            received = fma(difference, weight_one, load_some(h, at))
            # Stored here too, so that LLVM loads the loser again: there are too few registers to keep it.
            store_from(h, at, received)
            difference = difference_of(load_loser(at, *losers), two, limit)
            difference_sum = difference_sum + difference
            received_two = fma(difference, load_some(weights, at), received_two)
            store_from(h, at, fma(difference, weight_two, received))
            at += WIDTH
            few_turns()
        difference = difference_of(one, two, limit)
        difference_sum = difference_sum + difference
        store_from(h, second, fma(difference, weight_one, received_two))
        store_from(h, first, fma(difference, weight_two, received_one))
        first += 2 * WIDTH
    return difference_sum


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
    """As swap_losers of lanes that share their weights, by which the categories are ordered; light is room."""
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
