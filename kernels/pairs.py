"""The swaps of one row that change its winner: O(C) of the C (C - 1) / 2, and found in expected O(C).

The pair {c, j} is one word, with the larger category in its high half. So is a change: what follows of a swap for
one variable, which is in the high half, and its action in the low one.
"""

import numpy as np

from ._jit import allocating, called, inlined
from .bits import LOW_WORD, WORD_BITS, lowest_bit
from .lanes import WIDTH, load, mask_bits, store_from
from .marks import words_from
from .merge import EXCLUDED, append_below, limit_of
from .race import swap_winner
from .room import empty
from .sorting import sort_by_key
from .vectors import as_bits, as_float, select

INFINITY_BITS = np.uint64(0x7FF0000000000000)


@inlined
def word_of(high, low):
    """A word of two halves."""
    return np.uint64(high) << WORD_BITS | np.uint64(low)


@inlined
def halves_of(word):
    """The high and the low half of a word: indices that are known not to be negative, which is faster."""
    return word >> WORD_BITS, word & LOW_WORD


@inlined
def pair_of(c, j):
    """The word of a pair."""
    return word_of(max(c, j), min(c, j))


@allocating
def pair_scratch(n):
    """Scratch of changed_pairs for rows of up to n categories."""
    size = n + WIDTH
    return empty(np.int32, size), empty(np.int32, size), empty(np.float64, size), empty(np.float64, size)


@inlined
def swaps_of_winner(winner_noise, noise, inverse_weights, race, winners):
    """Write the winner of the swap of z with each j; the result is the smallest noise of another than z.

    In the row itself z must have the noise EXCLUDED.
    """
    winner, second, _, second_value = race
    winner_inverse_weight = inverse_weights[winner]
    lightest = INFINITY_BITS
    for j in range(noise.shape[0]):
        lightest = min(lightest, as_bits(noise[j]))
        winner_value = noise[j] * winner_inverse_weight
        j_value = winner_noise * inverse_weights[j]
        j_first = (j_value < winner_value) | ((j_value == winner_value) & (j < winner))
        best = j if j_first else winner
        best_value = j_value if j_first else winner_value
        second_first = (second_value < best_value) | ((second_value == best_value) & (second < best))
        winners[j] = second if second_first & (j != second) else best
    return as_float(lightest)


@called
def mark_pseudo_actions(noise, inverse_weights, race, references, winners, seen):
    """Mark what wins a swap of each category with each reference or, where there are none, any swap.

    winners is room. The row of noise is used up.
    """
    winner, _, winner_value, _ = race
    n = noise.shape[0]
    for reference in references:
        for c in range(n):
            seen[swap_winner(c, reference, noise, inverse_weights, race)] = True
    seen[winner] = True
    if references.shape[0] > 0 or n == 1:
        return
    winner_noise = noise[winner]
    noise[winner] = EXCLUDED
    lightest = swaps_of_winner(winner_noise, noise, inverse_weights, race, winners)
    for j in range(n):
        seen[winners[j]] = True
    if lightest <= winner_value:
        for c in range(n):
            seen[c] |= lightest * inverse_weights[c] < limit_of(c, winner, winner_value)


@called
def changed_pairs(variable, noise, inverse_weights, race, scratch, pairs, changes):
    """Write the pairs that change a variable, and what they change, as far as there is room; how many there are.

    There must be room for as many as there are categories, and for eight more than are to be found. The row of
    noise is used up.
    """
    members, others, keys, limits = scratch
    n = noise.shape[0]
    winner, _, winner_value, _ = race
    winner_noise = noise[winner]
    noise[winner] = EXCLUDED
    lightest = swaps_of_winner(winner_noise, noise, inverse_weights, race, members[:n])
    no_action = word_of(variable, 0)
    count = np.uint64(0)
    for j in range(n):
        pairs[count] = pair_of(winner, j)
        changes[count] = no_action + np.uint64(members[j])
        count += np.uint64(members[j] != winner)
    if lightest > winner_value:
        return np.int64(count)
    # Of two losers c wins where noise[j] * inverse_weights[c] is below its limit. The smaller side is sorted, and
    # each of the other is compared with eight of it at a time.
    front_limit = limit_of(-1, winner, winner_value)
    n_light = append_below(noise, 1.0, front_limit, members)
    n_heavy = append_below(inverse_weights, lightest, front_limit, others)
    by_light = n_light <= n_heavy
    if by_light:
        short, long, short_keys, long_keys = members[:n_light], others[:n_heavy], noise, inverse_weights
    else:
        short, long, short_keys, long_keys = others[:n_heavy], members[:n_light], inverse_weights, noise
    n_short = short.shape[0]
    for i in range(n_short):
        keys[i] = short_keys[short[i]]
    sort_by_key(keys[:n_short], short)
    n_left = 0
    for i in range(n_short):
        keys[n_left], short[n_left] = keys[i], short[i]
        n_left += short[i] != winner
    n_short = n_left
    n_vectors = (n_short + WIDTH - 1) // WIDTH
    keys[n_short : n_vectors * WIDTH] = np.inf
    for i in range(n_short):
        limits[i] = limit_of(short[i], winner, winner_value)
    room = np.uint64(pairs.shape[0] - WIDTH)
    of_eight = np.uint64(0) if by_light else LOW_WORD
    for i in range(long.shape[0]):
        member = long[i]
        key, limit = long_keys[member], limit_of(member, winner, winner_value)
        if member == winner:
            continue
        for vector in range(n_vectors):
            products = load(keys, vector) * key
            below = products < limit if by_light else products < load(limits, vector)
            n_below = lowest_bit(~mask_bits(below))
            if count <= room:
                # All eight are written, and what is not below is written over.
                own, eight = np.uint64(member), words_from(short, vector * WIDTH)
                with_lower, with_higher = eight | own << WORD_BITS, eight << WORD_BITS | own
                store_from(pairs, np.int64(count), select(eight < own, with_lower, with_higher))
                action = own if by_light else np.uint64(0)
                store_from(changes, np.int64(count), eight & of_eight | (no_action + action))
            count += np.uint64(n_below)
            if n_below < WIDTH:
                break
    return np.int64(count)
