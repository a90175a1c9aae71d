"""The gradient of one categorical variable from one row of noise: ARS over references, exact ARSM in O(C).

With D_i = values[i] - values[z] and d_cj = D of the winner of the swap (c, j), all of them are
    g = h - mean(h),  h_c = sum_j d_cj a_j,
with a_j = 1/C - pi_j for ARSM and a_j non-zero at the references only for ARS (Yin, Yue and Zhou, 2019, eqs. 8
and 9). Most d_cj are zero. Row z is one pass. Away from z, c wins the swap (c, j) exactly where
`noise[j] * inverse_weights[c]` beats the winner's race value: the heavy c and the light j. The smaller of these
two sets is sorted; each member of the other then meets a prefix of it.

The row of noise is used up.
"""

import numpy as np

from ._jit import allocating, called, inlined
from .bits import MASK_WIDTH, below_mask, bit_count, lowest_bit
from .lanes import WIDTH, lane_numbers, load, mask_bits, spread, store, sum_of_lanes
from .marks import mark
from .race import swap_winner
from .room import empty
from .sorting import sort_by_key
from .vectors import as_bits, as_float, fma, select

# In place of the winner's noise, this takes it out of swaps of two losers; as a difference of zero is multiplied
# by it, it is not infinite.
EXCLUDED = 1e300


@called
def ars_row(noise, total, inverse_weights, values, race, references, gradient, seen):
    """Mean of ARS (eq. 8) over the given references."""
    n = noise.shape[0]
    base = values[race[0]]
    seen[race[0]] = True
    gradient[:] = 0.0
    swapped_sum = 0.0
    for reference in references:
        weight = (1.0 - n * noise[reference] / total) / references.shape[0]
        reference_sum = 0.0
        for c in range(n):
            winner = swap_winner(c, reference, noise, inverse_weights, race)
            difference = values[winner] - base
            seen[winner] = True
            reference_sum += difference
            gradient[c] += weight * difference
        mean = weight * reference_sum / n
        for c in range(n):
            gradient[c] -= mean
        swapped_sum += reference_sum
    return base + swapped_sum / (n * references.shape[0])


@called
def row_of_winner(noise, inverse_total, inverse_weights, values, race, h, seen):
    """Set h to the swaps of z with every j.

    Results: the sum of d_zj, and the sum of h.
    """
    winner, second, _, second_value = race
    n = noise.shape[0]
    base = values[winner]
    winner_noise = noise[winner]
    winner_inverse_weight = inverse_weights[winner]
    inverse_n = 1.0 / n
    winner_weight = inverse_n - winner_noise * inverse_total
    zero = spread(0.0)
    second_difference = spread(values[second] - base)
    rest_value = spread(second_value)
    difference_lanes, h_lanes = zero, zero
    level, second_wins_ever = zero < zero, zero < zero
    n_blocks = n // WIDTH
    for block in range(n_blocks):
        numbers = lane_numbers() + np.float64(block * WIDTH)
        other = (numbers != np.float64(winner)) & (numbers != np.float64(second))
        noise_j = load(noise, block)
        z_value = noise_j * winner_inverse_weight
        j_value = load(inverse_weights, block) * winner_noise
        least = select(z_value < j_value, z_value, j_value)
        j_wins = other & (j_value < z_value) & (j_value < rest_value)
        second_wins = other & (rest_value < least)
        level = level | (other & ((z_value == j_value) | (rest_value == least)))
        second_wins_ever = second_wins_ever | second_wins
        difference = select(second_wins, second_difference, zero)
        difference = select(j_wins, load(values, block) - base, difference)
        mark(seen, block, j_wins)
        store(h, block, difference * winner_weight)
        difference_lanes = difference_lanes + difference
        weight = fma(noise_j, spread(-inverse_total), spread(inverse_n))
        h_lanes = fma(difference, weight, h_lanes)
    difference_sum, h_winner = sum_of_lanes(difference_lanes), sum_of_lanes(h_lanes)
    done = n_blocks * WIDTH
    if mask_bits(level):  # the loop above left out ties, which go by the category's number
        done = 0
        difference_sum, h_winner = 0.0, 0.0
    # What is left: the last categories, and the swap with the second.
    for i in range(done, n + (second < done)):
        j = i if i < n else second
        pseudo_action = swap_winner(winner, j, noise, inverse_weights, race)
        difference = values[pseudo_action] - base
        seen[pseudo_action] = True
        h[j] = difference * winner_weight
        difference_sum += difference
        h_winner += difference * (inverse_n - noise[j] * inverse_total)
    seen[winner] = True
    seen[second] |= mask_bits(second_wins_ever) != 0
    h[winner] = h_winner
    h_sum = difference_sum * winner_weight + h_winner
    return difference_sum, h_sum


@called
def append_below(row, factor, limit, members):
    """List each c with row[c] * factor < limit in members; their number."""
    n = row.shape[0]
    n_members = 0
    n_blocks = n // MASK_WIDTH
    for block in range(n_blocks):
        first = block * MASK_WIDTH
        mask = below_mask(row, first, factor, limit)
        while mask:
            members[n_members] = first + lowest_bit(mask)
            n_members += 1
            mask &= mask - np.uint64(1)
    for c in range(n_blocks * MASK_WIDTH, n):
        members[n_members] = c
        n_members += row[c] * factor < limit
    return n_members


@inlined
def limit_of(c, winner, winner_value):
    """The race value below which c beats the winner: on level terms it does so from in front."""
    return as_float(as_bits(winner_value) + np.uint64(c < winner))


@called
def away_from_winner(noise, inverse_total, inverse_weights, values, winner, winner_value, h, seen, scratch):
    """Add the swaps of two losers to h. Results: the sums of d_cj over their unordered pairs, and of h.

    A light j and a heavy c swap where `noise[j] * inverse_weights[c]` is below the limit of c. The shorter side
    is sorted, and its sums by prefix are kept; each member of the longer side is then compared with eight of the
    shorter at a time, and rarely with more than eight.
    """
    light, heavy, room = scratch
    inverse_n = 1.0 / noise.shape[0]
    base = values[winner]
    front_limit = limit_of(-1, winner, winner_value)
    noise[winner] = EXCLUDED
    n_light = append_below(noise, 1.0, front_limit, light)
    if n_light == 0:
        return 0.0, 0.0
    lightest = np.inf
    for i in range(n_light):
        lightest = min(lightest, noise[light[i]])
    n_heavy = append_below(inverse_weights, lightest, front_limit, heavy)
    for i in range(n_heavy):
        c = heavy[i]
        seen[c] |= lightest * inverse_weights[c] < limit_of(c, winner, winner_value)
    by_light = n_light <= n_heavy
    if by_light:
        short, long, short_keys, long_keys = light[:n_light], heavy[:n_heavy], noise, inverse_weights
    else:
        short, long, short_keys, long_keys = heavy[:n_heavy], light[:n_light], inverse_weights, noise
    n_short = short.shape[0]
    keys, limits, prefix_given, prefix_difference, received = room[0], room[1], room[2], room[3], room[4]
    for i in range(n_short):
        keys[i] = short_keys[short[i]]
    sort_by_key(keys[:n_short], short)
    prefix_given[0] = 0.0
    prefix_difference[0] = 0.0
    for i in range(n_short):
        weight = inverse_n - noise[short[i]] * inverse_total
        difference = 1.0 if by_light else values[short[i]] - base
        limits[i] = np.inf if by_light else limit_of(short[i], winner, winner_value)
        prefix_given[i + 1] = prefix_given[i] + weight * difference
        prefix_difference[i + 1] = prefix_difference[i] + difference
    n_vectors = (n_short + WIDTH - 1) // WIDTH
    keys[n_short : n_vectors * WIDTH] = np.inf
    limits[n_short : n_vectors * WIDTH] = 0.0
    received[: n_vectors * WIDTH] = 0.0
    first_keys, first_limits, first_received = load(keys, 0), load(limits, 0), spread(0.0)
    zero = spread(0.0)
    difference_sum = 0.0
    h_sum = 0.0
    for i in range(long.shape[0]):
        member = long[i]
        key = long_keys[member]
        given = inverse_n - noise[member] * inverse_total
        difference, limit = 1.0, np.inf
        if by_light:
            difference, limit = values[member] - base, limit_of(member, winner, winner_value)
            given *= difference
        below = (first_keys * key < first_limits) & (first_keys * key < limit)
        first_received = first_received + select(below, spread(given), zero)
        n_wins = bit_count(mask_bits(below))
        vector = 1
        while n_wins == vector * WIDTH and vector < n_vectors:
            products = load(keys, vector) * key
            below = (products < load(limits, vector)) & (products < limit)
            store(received, vector, load(received, vector) + select(below, spread(given), zero))
            n_wins += bit_count(mask_bits(below))
            vector += 1
        total = difference * prefix_given[n_wins]
        h[member] += total
        h_sum += total
        difference_sum += difference * prefix_difference[n_wins]
    store(received, 0, first_received)
    for i in range(n_short):
        total = received[i]
        if not by_light:
            total *= values[short[i]] - base
        h[short[i]] += total
        h_sum += total
    return difference_sum, h_sum


@called
def arsm_row(noise, total, inverse_weights, values, race, h, seen, scratch):
    """ARSM (eq. 9), exactly, in expected O(C)."""
    winner, winner_value = race[0], race[2]
    n = noise.shape[0]
    base = values[winner]
    if n == 1:
        h[0] = 0.0
        seen[0] = True
        return base, 0.0
    inverse_total = 1.0 / total
    difference_sum, h_sum = row_of_winner(noise, inverse_total, inverse_weights, values, race, h, seen)
    away_difference, away_h = away_from_winner(
        noise, inverse_total, inverse_weights, values, winner, winner_value, h, seen, scratch
    )
    difference_sum += away_difference
    h_sum += away_h
    return base + 2.0 * difference_sum / (float(n) * n), h_sum / n


@called
def swap_row(noise, total, inverse_weights, values, race, references, h, seen, scratch):
    """ARS over the references or, where there are none, ARSM.

    Results: the mean of f over the swaps, and what is to be subtracted from h for the gradient. The
    categories that f was needed at are marked in seen.
    """
    if references.shape[0] > 0:
        value = ars_row(noise, total, inverse_weights, values, race, references, h, seen)
        return value, 0.0
    return arsm_row(noise, total, inverse_weights, values, race, h, seen, scratch)


@allocating
def swap_scratch(n):
    """Scratch of swap_row for rows of up to n categories."""
    return empty(np.int32, n), empty(np.int32, n), empty(np.float64, (5, n + WIDTH))
