"""Swaps of the light losers of a row with its heavy ones, several of both kinds at a time.

A light and a heavy loser swap where the logarithm of the light one's noise and the gap of the heavy one are
together below what is the same for all. Of both kinds there is a near and a far half: two near ones always swap
and two far ones never, and only a near one and a far one are compared. The fewer of the two kinds are called
members.
"""

import numpy as np

from ._jit import called, inlined
from .exp import exponential_of
from .exponential import minus_logarithm
from .lanes import (
    WIDTH,
    entry,
    first_lanes,
    load_eight,
    load_some,
    some_of,
    spread,
    store_from,
    sum_of_lanes,
)
from .losers import meet_one
from .room import view_as
from .vectors import REGISTER, few_turns, select

# More pairs, or losers of one kind, are met sooner when members are sorted: see members.py.
MOST_PAIRS, MOST_LOSERS = 2**16, 2**11
# So many members meet others together.
TOGETHER = 4
# A number that is written as such would be a type of its own, and what is called with it compiled again.
ZERO, ONE = np.int64(0), np.int64(1)

# The room is one array, which is sooner handed on than many: two kinds of columns of two halves. Columns are
# categories; keys, factors and payments; and what is received, payments and factors.


@inlined
def half_length(n):
    """Room for half of the losers of a row of n categories, or for all of them."""
    return min(n, MOST_LOSERS) + WIDTH


@inlined
def pairing_length(n):
    """How many float64 the room of rows of up to n categories takes."""
    return 24 * half_length(n)


@inlined
def columns_of(kind, half):
    """Where the columns of a kind begin."""
    start = kind * 12 * half
    return start, start + 2 * half, start + 4 * half, start + 6 * half, start + 8 * half, start + 10 * half


@inlined
def set_apart(heavy, numbers, noise, logits, top, values, split, half, room):
    """Write losers of one kind to where their half is, the near ones below the split; how many those are.

    Keys are gaps of the heavy and noise of the light; of the heavy the noise is to become their payments and the
    values their factors.
    """
    categories, keys, factors, payments, _, _ = columns_of(np.int64(heavy), half)
    words = view_as(np.uint64, room)
    near, n = np.uint64(0), np.uint64(numbers.shape[0])
    for i in range(n):
        c = np.uint64(np.uint32(numbers[i]))
        key = top - logits[c] if heavy else noise[c]
        is_near = key < split
        at = near if is_near else np.uint64(half) + i - near
        words[np.uint64(categories) + at], room[np.uint64(keys) + at] = c, key
        if heavy:
            room[np.uint64(factors) + at], room[np.uint64(payments) + at] = values[c], noise[c]
        near += np.uint64(is_near)
        few_turns()
    store_from(room, keys + np.int64(near), spread(np.inf))
    store_from(room, keys + half + np.int64(n - near), spread(np.inf))
    return np.int64(near)


@inlined
def make_ready(heavy, are_members, near, far, base, inverse_total, share, limit, half, room):
    """Turn what set_apart left into factors and payments, and members' keys into limits of others' keys.

    Results: the sums of the payments and of the factors of the near half.
    """
    _, keys, factors, payments, received, units = columns_of(np.int64(heavy), half)
    payment_sum, factor_sum = 0.0, 0.0
    for start in range(0, 2 * half, half):
        stop = start + (far if start else near)
        payment_lanes, factor_lanes = spread(0.0), spread(0.0)
        for i in range(start, stop, WIDTH):
            inside = first_lanes(spread(0.0), stop - i)
            key = load_eight(room, keys + i)
            noise = load_eight(room, payments + i) if heavy else key
            factor = load_eight(room, factors + i) - base if heavy else spread(1.0)
            factor = select(inside, factor, 0.0)
            payment = select(inside, factor * (share - noise * inverse_total), 0.0)
            store_from(room, factors + i, factor)
            store_from(room, payments + i, payment)
            store_from(room, received + i, spread(0.0))
            store_from(room, units + i, spread(0.0))
            if are_members:
                store_from(room, keys + i, limit / exponential_of(key) if heavy else minus_logarithm(key / limit))
            payment_lanes, factor_lanes = payment_lanes + payment, factor_lanes + factor
            few_turns()
        if start == 0:
            payment_sum, factor_sum = sum_of_lanes(payment_lanes), sum_of_lanes(factor_lanes)
    return payment_sum, factor_sum


@inlined
def limit_and_payment(i, limits, payments, room):
    """What a member swaps with, and what it pays."""
    return entry(room, limits + i), entry(room, payments + i)


@inlined
def note(i, received, units, own_received, own_units, room):
    """Write what a member received."""
    room[np.uint64(received + i)] = sum_of_lanes(own_received)
    room[np.uint64(units + i)] = sum_of_lanes(own_units)


@called
def meet(members, start, n_members, other_start, n_others, half, room):
    """Swap a half of the members, which are of this kind and begin there, with a half of the others."""
    _, limits, _, payments, received, units = columns_of(members, half)
    _, keys, factors, other_payments, totals, _ = columns_of(1 - members, half)
    zero = some_of(0.0)
    for i in range(start, start + n_members, TOGETHER):
        received_0, received_1, received_2, received_3 = zero, zero, zero, zero
        units_0, units_1, units_2, units_3 = zero, zero, zero, zero
        limit_0, own_0 = limit_and_payment(i, limits, payments, room)
        limit_1, own_1 = limit_and_payment(i + 1, limits, payments, room)
        limit_2, own_2 = limit_and_payment(i + 2, limits, payments, room)
        limit_3, own_3 = limit_and_payment(i + 3, limits, payments, room)
        for k in range(other_start, other_start + n_others, REGISTER):
            other = load_some(room, keys + k), load_some(room, other_payments + k), load_some(room, factors + k)
            total = load_some(room, totals + k)
            total, received_0, units_0 = meet_one(*other, limit_0, 1.0, own_0, total, received_0, units_0)
            total, received_1, units_1 = meet_one(*other, limit_1, 1.0, own_1, total, received_1, units_1)
            total, received_2, units_2 = meet_one(*other, limit_2, 1.0, own_2, total, received_2, units_2)
            total, received_3, units_3 = meet_one(*other, limit_3, 1.0, own_3, total, received_3, units_3)
            store_from(room, totals + k, total)
            few_turns()
        note(i, received, units, received_0, units_0, room)
        note(i + 1, received, units, received_1, units_1, room)
        note(i + 2, received, units, received_2, units_2, room)
        note(i + 3, received, units, received_3, units_3, room)


@inlined
def give(others, near, far, received, half, room, h):
    """Add to h what the others received, of which each near one received so much more."""
    categories, _, factors, _, totals, _ = columns_of(others, half)
    words = view_as(np.uint64, room)
    for start in range(0, 2 * half, half):
        for i in range(np.uint64(start), np.uint64(start + (far if start else near))):
            total = room[np.uint64(totals) + i] + (0.0 if start else received)
            h[words[np.uint64(categories) + i]] += room[np.uint64(factors) + i] * total
            few_turns()


@inlined
def spend(members, near, far, received, units, half, room, h):
    """As give, for members. Results: the sums of d_cj and of h."""
    categories, _, factors, payments, own_received, own_units = columns_of(members, half)
    words = view_as(np.uint64, room)
    difference_sum, h_sum = 0.0, 0.0
    for start in range(0, 2 * half, half):
        for i in range(np.uint64(start), np.uint64(start + (far if start else near))):
            factor = room[np.uint64(factors) + i]
            given = factor * (room[np.uint64(own_received) + i] + (0.0 if start else received))
            met = room[np.uint64(own_units) + i] + (0.0 if start else units)
            h[words[np.uint64(categories) + i]] += given
            difference_sum += factor * met
            h_sum += given + room[np.uint64(payments) + i] * met
            few_turns()
    return difference_sum, h_sum


@called
def pair(members, near, far, sums, other_near, other_far, other_sums, half, room, h):
    """Swap the members, which are of this kind, with the others. Results: the sums of d_cj and of h."""
    meet(members, ZERO, near, half, other_far, half, room)
    meet(members, half, far, ZERO, other_near, half, room)
    give(1 - members, other_near, other_far, sums[0], half, room, h)
    return spend(members, near, far, *other_sums, half, room, h)


@called
def swap_losers(
    noise, inverse_total, logits, top, values, base, lightest, limit, heavy_gap, light, heavy, h, room
):  # fmt: skip
    """Add the swaps of the light losers with the heavy ones to h. Results: the sums of d_cj and of h."""
    half = half_length(noise.shape[0])
    near = set_apart(False, light, noise, logits, top, values, np.sqrt(lightest * limit), half, room)
    heavy_near = set_apart(True, heavy, noise, logits, top, values, 0.5 * heavy_gap, half, room)
    far, heavy_far = light.shape[0] - near, heavy.shape[0] - heavy_near
    by_light = light.shape[0] < heavy.shape[0]
    common = base, inverse_total, 1.0 / noise.shape[0], limit, half, room
    sums = make_ready(False, by_light, near, far, *common)
    heavy_sums = make_ready(True, not by_light, heavy_near, heavy_far, *common)
    if by_light:
        return pair(ZERO, near, far, sums, heavy_near, heavy_far, heavy_sums, half, room, h)
    return pair(ONE, heavy_near, heavy_far, heavy_sums, near, far, sums, half, room, h)
