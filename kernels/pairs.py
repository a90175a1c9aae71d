"""The swaps of one row that change its winner: O(C) of the C (C - 1) / 2, and found in expected O(C)."""

import numpy as np

from ._jit import kernel
from .merge import EXCLUDED, append_below, limit_of
from .race import swap_winner
from .sorting import sort_by_key


@kernel
def changed_pairs(noise, inverse_weights, race, scratch, first, second, actions):
    """Write the changed pairs and their winners, as far as there is room; the result is how many there are.

    The row of noise is used up.
    """
    members, others, keys = scratch
    n = noise.shape[0]
    winner, _, winner_value, _ = race
    room = actions.shape[0]
    count = 0
    lightest = np.inf
    for j in range(n):
        if j != winner:
            lightest = min(lightest, noise[j])
            action = swap_winner(winner, j, noise, inverse_weights, race)
            if action != winner:
                if count < room:
                    first[count], second[count], actions[count] = winner, j, action
                count += 1
    if lightest > winner_value:
        return count
    # Of two losers c wins where noise[j] * inverse_weights[c] is below its limit: sort the smaller side.
    noise[winner] = EXCLUDED
    front_limit = limit_of(-1, winner, winner_value)
    n_light = append_below(noise, 1.0, front_limit, members)
    n_heavy = append_below(inverse_weights, lightest, front_limit, others)
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
                    first[count], second[count], actions[count] = c, members[at], c
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
                        first[count], second[count], actions[count] = c, j, c
                    count += 1
                at += 1
    return count
