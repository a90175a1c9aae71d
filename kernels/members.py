"""Swaps of the light losers of a long row with its heavy ones; the fewer of these are called members.

A member meets the others of less noise, or of smaller gaps, than its limit. Members are sorted by that: those
that another one meets are then the first, and what they give it is a sum over the first. There are several
buckets for each member, so that where the bucket of another one begins says nearly how many it meets.
"""

import numpy as np

from ._jit import allocating, called, inlined
from .bits import highest_bit
from .exponential import minus_logarithm
from .lanes import WIDTH, load_eight, store_from
from .room import empty, view_as
from .sorting import MOST_IN_BUCKET, heap_sort
from .vectors import as_bits
from .weights import exponentiate

# Members' keys are sorted into buckets, several of which there are for each member.
LEAST_BUCKETS, BUCKETS_PER_MEMBER = 64, 4
# A key that should lie between two others may be so many roundings off.
ROUNDINGS = np.uint64(64)


@inlined
def n_buckets_of(n):
    """More buckets than are ever made for n members."""
    return 2 * np.int64(max(LEAST_BUCKETS, BUCKETS_PER_MEMBER * n)) + 4


@inlined
def bucket_length(n):
    """How many float64 bucket_room takes."""
    return 2 * (n + WIDTH) + 4 * (n + 1) + n_buckets_of(n) // 2


@inlined
def bucket_room(n, numbers, room):
    """Room for n members: their numbers, their keys, sums over the first of them, and starts of buckets.

    And for what others have them get.
    """
    length = n + WIDTH
    sums, rest = room[: 2 * length], room[2 * length :]
    met, starts = rest[: 4 * (n + 1)], view_as(np.int32, rest[4 * (n + 1) :])
    return (numbers, sums[:length], sums[length:], starts), met


@allocating
def member_room(n):
    """The same without the last, in arrays of their own."""
    return (
        empty(np.int32, n),
        empty(np.float64, n + WIDTH),
        empty(np.float64, n + WIDTH),
        empty(np.int32, n_buckets_of(n)),
    )


# A member's limit is that of others' noise or gaps: one of less meets it. Keys are limits, negative. Limits of
# gaps, which may be zero, are put into buckets by their sum with 1; those of noise on a logarithmic scale.


@inlined
def bucket_of(limit, buckets):
    """The number of the bucket of a limit."""
    offset, high, shift = buckets
    return np.int64((high - as_bits(limit + offset)) >> shift)


@inlined
def buckets_for(by_light, lightest, heavy_gap, limit, n):
    """What bucket_of takes for n members, and how many buckets there may be."""
    offset, smallest, largest = (1.0, 0.0, heavy_gap) if by_light else (0.0, lightest, limit)
    high, low = as_bits(largest + offset) + ROUNDINGS, as_bits(smallest + offset) - ROUNDINGS
    n_most = np.uint64(max(LEAST_BUCKETS, BUCKETS_PER_MEMBER * n))
    shift = np.uint64(max(0, highest_bit(high - low) - highest_bit(n_most)))
    return (offset, high, shift), np.int64((high - low) >> shift) + 1


@called
def limits_of_members(by_light, noise, logits, top, limit, numbers, out):
    """Set out to them, and to others up to a multiple of eight."""
    n = numbers.shape[0]
    if by_light:
        for i in range(n):
            out[i] = noise[np.uint32(numbers[i])]
        for i in range(0, n, WIDTH):
            store_from(out, i, minus_logarithm(load_eight(out, i) / limit))
    else:
        for i in range(n):
            out[i] = logits[np.uint32(numbers[i])]
        exponentiate(top, out[:n], out[:n])
        for i in range(n):
            out[i] = limit / out[i]


@called
def sort_members(limits, numbers, buckets, n_buckets, room):
    """Put the members of these numbers into room by their limits, the largest first.

    And where the members of each bucket start, and those of the last end.
    """
    members, keys, _, starts = room
    n = numbers.shape[0]
    for i in range(n_buckets + 2):
        starts[i] = 0
    most = 0
    for i in range(n):
        bucket = bucket_of(limits[i], buckets) + 2
        starts[bucket] += 1
        most = max(most, starts[bucket])
    for i in range(n_buckets + 1):
        starts[i + 1] += starts[i]
    for i in range(n):
        bucket = bucket_of(limits[i], buckets) + 1
        at = np.uint32(starts[bucket])
        keys[at], members[at] = -limits[i], numbers[i]
        starts[bucket] += 1
    if most > MOST_IN_BUCKET:
        heap_sort(keys[:n], members[:n])
    for i in range(1, n):
        key, member = keys[i], members[i]
        at = i
        while at > 0 and key < keys[at - 1]:
            keys[at], members[at] = keys[at - 1], members[at - 1]
            at -= 1
        keys[at], members[at] = key, member
    keys[n] = np.inf


@called
def fill_members(
    by_light, noise, inverse_total, logits, top, values, base, limit, numbers, buckets, n_buckets, room
):  # fmt: skip
    """Sort the light or the heavy losers of these numbers, and put them and what they pay into room.

    Another that meets the first i members gets payments[i] of h; times the difference of the other, if that is
    the heavy one.
    """
    members, _, payments, _ = room
    n = numbers.shape[0]
    share = 1.0 / noise.shape[0]
    limits_of_members(by_light, noise, logits, top, limit, numbers, payments)
    sort_members(payments, numbers, buckets, n_buckets, room)
    payment = 0.0
    for i in range(n):
        payments[i] = payment
        c = np.uint32(members[i])
        factor = 1.0 if by_light else values[c] - base
        payment += factor * (share - noise[c] * inverse_total)
    payments[n] = payment


@inlined
def meet_members(x, buckets, room):
    """How many members one with this noise or gap meets: they are the first."""
    _, keys, _, starts = room
    key = -x
    n = np.uint64(np.uint32(starts[np.uint64(bucket_of(x, buckets))]))
    n += np.uint64(keys[n] < key)  # a branch would be mispredicted
    while keys[n] < key:
        n += np.uint64(1)
    return n


@inlined
def give(met, n, odd, factor, payment):
    """Note that one meets n members."""
    # Of two sums one need not wait for what was added last.
    at = np.uint64(4) * n + np.uint64(2 * (odd & 1))
    met[at] += factor
    met[at + np.uint64(1)] += factor * payment


@called
def meet_others(
    by_light, noise, inverse_total, logits, top, values, base, numbers, buckets, room, met, h
):  # fmt: skip
    """Swap the others, of these numbers, with the members that fill_members has put into room.

    The others' h is added to, and to met what they have the members get.
    """
    payments = room[2]
    share = 1.0 / noise.shape[0]
    if by_light:
        for i in range(numbers.shape[0]):
            c = np.uint32(numbers[i])
            n = meet_members(top - logits[c], buckets, room)
            difference = values[c] - base
            h[c] += difference * payments[n]
            give(met, n, i, difference, share - noise[c] * inverse_total)
    else:
        for i in range(numbers.shape[0]):
            j = np.uint32(numbers[i])
            n = meet_members(noise[j], buckets, room)
            h[j] += payments[n]
            give(met, n, i, 1.0, share - noise[j] * inverse_total)


@called
def sum_met(met, start, stop):
    """What members from start to stop have others get, as far as these meet no more than the first `stop`."""
    factors, total = 0.0, 0.0
    for i in range(stop - 1, start - 1, -1):
        factors += met[4 * i + 4] + met[4 * i + 6]
        total += met[4 * i + 5] + met[4 * i + 7]
    return factors, total


@called
def spend_members(by_light, noise, inverse_total, values, base, numbers, met, start, stop, factors, total, h):
    """Add to h what the members from start to stop get of the others, of later ones' sum_met.

    Results: the sums of d_cj over unordered pairs, and of h.
    """
    share = 1.0 / noise.shape[0]
    difference_sum, h_sum = 0.0, 0.0
    for i in range(stop - 1, start - 1, -1):
        c = np.uint32(numbers[i])
        factors += met[4 * i + 4] + met[4 * i + 6]
        total += met[4 * i + 5] + met[4 * i + 7]
        factor = 1.0 if by_light else values[c] - base
        h[c] += factor * total
        difference_sum += factor * factors
        h_sum += factor * (total + factors * (share - noise[c] * inverse_total))
    return difference_sum, h_sum
