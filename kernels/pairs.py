"""The swaps of one row that change its winner: O(C) of the C (C - 1) / 2, and found in expected O(C).

The pair {c, j} is one number, with the larger category in its high half.
"""

from ._jit import called, inlined
from .merge import EXCLUDED, append_below, limit_of
from .race import INFINITY_BITS, swap_winner
from .sorting import sort_by_key
from .vectors import as_bits, as_float

HALF = 32
LOW_HALF = 0xFFFFFFFF


@inlined
def pair_of(c, j):
    """The number of a pair."""
    return max(c, j) << HALF | min(c, j)


@inlined
def members_of(pair):
    """The categories of a pair, the lower one first."""
    return pair & LOW_HALF, pair >> HALF


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
def changed_pairs(noise, inverse_weights, race, scratch, pairs, winners):
    """Write the changed pairs and their winners, as far as there is room; the result is how many there are.

    There must be room for as many as there are categories. The row of noise is used up.
    """
    members, others, keys = scratch
    n = noise.shape[0]
    winner, _, winner_value, _ = race
    winner_noise = noise[winner]
    noise[winner] = EXCLUDED
    lightest = swaps_of_winner(winner_noise, noise, inverse_weights, race, members[:n])
    count = 0
    for j in range(n):
        pairs[count] = pair_of(winner, j)
        winners[count] = members[j]
        count += members[j] != winner
    if lightest > winner_value:
        return count
    # Of two losers c wins where noise[j] * inverse_weights[c] is below its limit: sort the smaller side.
    front_limit = limit_of(-1, winner, winner_value)
    n_light = append_below(noise, 1.0, front_limit, members)
    n_heavy = append_below(inverse_weights, lightest, front_limit, others)
    room = pairs.shape[0]
    if n_light <= n_heavy:
        for i in range(n_light):
            keys[i] = noise[members[i]]
        sort_by_key(keys[:n_light], members[:n_light])
        for i in range(n_heavy):
            c = others[i]
            limit = limit_of(c, winner, winner_value)
            at = 0
            while c != winner and at < n_light and keys[at] * inverse_weights[c] < limit:
                if count < room:
                    pairs[count], winners[count] = pair_of(c, members[at]), c
                count += 1
                at += 1
    else:
        for i in range(n_heavy):
            keys[i] = inverse_weights[others[i]]
        sort_by_key(keys[:n_heavy], others[:n_heavy])
        for i in range(n_light):
            j = members[i]
            at = 0
            while at < n_heavy and noise[j] * keys[at] < limit_of(others[at], winner, winner_value):
                c = others[at]
                if c != winner:
                    if count < room:
                        pairs[count], winners[count] = pair_of(c, j), c
                    count += 1
                at += 1
    return count
