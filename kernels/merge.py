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

from ._jit import kernel
from .bits import MASK_WIDTH, as_bits, as_float, below_mask, lowest_bit
from .race import INFINITY_BITS, beats, swap_winner

# A pass over all categories pays while it finds one pair in so many.
SPARSE = 16
# In place of the winner's noise, this takes it out of swaps of two losers; as a difference of zero is multiplied
# by it, it is not infinite.
EXCLUDED = 1e300


@kernel
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


@kernel
def row_of_winner(noise, inverse_total, inverse_weights, values, race, h, seen):
    """Set h to the swaps of z with every j.

    Results: the sum of d_zj, the sum of h, and the number and the smallest noise of the light ones.
    """
    winner, second, winner_value, second_value = race
    n = noise.shape[0]
    base = values[winner]
    second_difference = values[second] - base
    winner_noise = noise[winner]
    winner_inverse_weight = inverse_weights[winner]
    inverse_n = 1.0 / n
    winner_weight = inverse_n - winner_noise * inverse_total
    difference_sum = 0.0
    h_winner = 0.0
    n_level = 0
    n_second = 0
    n_light = 0
    lightest = INFINITY_BITS
    for j in range(n):
        z_value = noise[j] * winner_inverse_weight
        j_value = winner_noise * inverse_weights[j]
        other = (j != winner) & (j != second)
        j_wins = other & (j_value < min(z_value, second_value))
        second_wins = other & (second_value < min(z_value, j_value))
        n_level += other & ((z_value == min(j_value, second_value)) | (j_value == second_value))
        n_second += second_wins
        # The likeliest category has inverse weight 1, so that none wins with heavier noise than this.
        light = (noise[j] <= winner_value) & (j != winner)
        n_light += light
        lightest = min(lightest, as_bits(noise[j]) if light else INFINITY_BITS)
        difference = values[j] - base if j_wins else (second_difference if second_wins else 0.0)
        seen[j] |= j_wins
        h[j] = difference * winner_weight
        difference_sum += difference
        h_winner += difference * (inverse_n - noise[j] * inverse_total)
    if n_level:  # the loop above left out ties, which go by the category's number
        start, stop = 0, n
        difference_sum = 0.0
        h_winner = 0.0
    else:
        start, stop = second, second + 1
    for j in range(start, stop):
        pseudo_action = swap_winner(winner, j, noise, inverse_weights, race)
        difference = values[pseudo_action] - base
        seen[pseudo_action] = True
        h[j] = difference * winner_weight
        difference_sum += difference
        h_winner += difference * (inverse_n - noise[j] * inverse_total)
    seen[winner] = True
    seen[second] |= n_second > 0
    h[winner] = h_winner
    h_sum = difference_sum * winner_weight + h_winner
    return difference_sum, h_sum, n_light, as_float(lightest)


@kernel
def heap_sort(keys, items):
    """Sort both arrays by key, level keys by item, in place."""
    n = keys.shape[0]
    heap_start, heap_stop = n // 2, n
    while heap_stop > 1:
        if heap_start > 0:
            heap_start -= 1
            key, item = keys[heap_start], items[heap_start]
        else:
            heap_stop -= 1
            key, item = keys[heap_stop], items[heap_stop]
            keys[heap_stop], items[heap_stop] = keys[0], items[0]
        parent = heap_start
        child = 2 * parent + 1
        while child < heap_stop:
            sibling = child + 1
            if sibling < heap_stop and beats(keys[child], items[child], keys[sibling], items[sibling]):
                child = sibling
            if beats(keys[child], items[child], key, item):
                break
            keys[parent], items[parent] = keys[child], items[child]
            parent = child
            child = 2 * parent + 1
        keys[parent], items[parent] = key, item


@kernel
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


@kernel
def limit_of(c, winner, winner_value):
    """The race value below which c beats the winner: on level terms it does so from in front."""
    return as_float(as_bits(winner_value) + np.uint64(c < winner))


@kernel
def mark_heavy(inverse_weights, lightest, winner, winner_value, seen):
    """Mark the categories that win the swap with the lightest one; their number."""
    n_heavy = 0
    for c in range(inverse_weights.shape[0]):
        heavy = lightest * inverse_weights[c] < limit_of(c, winner, winner_value)
        seen[c] |= heavy
        n_heavy += heavy
    return n_heavy


@kernel
def give_to_heavy(
    light_noise, light_weight, noise, inverse_total, inverse_weights, values, winner, winner_value, h
):  # fmt: skip
    """The swaps of one light category with each c in which c wins.

    Results: their number, the sum of D_c, and the sum of D_c a_c, which is for the light one.
    """
    inverse_n = 1.0 / noise.shape[0]
    base = values[winner]
    n_wins = 0
    difference_sum = 0.0
    received = 0.0
    for c in range(noise.shape[0]):
        wins = light_noise * inverse_weights[c] < limit_of(c, winner, winner_value)
        n_wins += wins
        difference = values[c] - base if wins else 0.0
        h[c] += difference * light_weight
        difference_sum += difference
        received += difference * (inverse_n - noise[c] * inverse_total)
    return n_wins, difference_sum, received


@kernel
def give_to_light(heavy_inverse_weight, given, limit, noise, inverse_total, h):
    """The swaps of one heavy category with each j in which the heavy one wins.

    Results: their number and the sum of a_j.
    """
    inverse_n = 1.0 / noise.shape[0]
    n_wins = 0
    weight_sum = 0.0
    for j in range(noise.shape[0]):
        wins = noise[j] * heavy_inverse_weight < limit
        n_wins += wins
        h[j] += given if wins else 0.0
        weight_sum += inverse_n - noise[j] * inverse_total if wins else 0.0
    return n_wins, weight_sum


@kernel
def away_by_light(noise, inverse_total, inverse_weights, values, winner, winner_value, h, scratch):
    """Add the swaps of two losers to h, from one light category to the next."""
    members, others, keys = scratch
    n = noise.shape[0]
    base = values[winner]
    inverse_n = 1.0 / n
    front_limit = limit_of(-1, winner, winner_value)
    n_members = append_below(noise, 1.0, front_limit, members)
    for i in range(n_members):
        keys[i] = noise[members[i]]
    heap_sort(keys[:n_members], members[:n_members])
    difference_sum = 0.0
    h_sum = 0.0
    done = 0
    n_wins = n
    while done < n_members and n_wins * SPARSE > n:
        weight = inverse_n - keys[done] * inverse_total
        n_wins, difference, received = give_to_heavy(
            keys[done], weight, noise, inverse_total, inverse_weights, values, winner, winner_value, h
        )
        h[members[done]] += received
        difference_sum += difference
        h_sum += received + difference * weight
        done += 1
    if done == n_members:
        return difference_sum, h_sum
    n_others = append_below(inverse_weights, keys[done], front_limit, others)
    for i in range(n_others):
        c = others[i]
        limit = limit_of(c, winner, winner_value)
        difference = values[c] - base
        given = difference * (inverse_n - noise[c] * inverse_total)
        weight_sum = 0.0
        at = done
        while at < n_members and keys[at] * inverse_weights[c] < limit:
            weight_sum += inverse_n - keys[at] * inverse_total
            h[members[at]] += given
            at += 1
        h[c] += difference * weight_sum
        difference_sum += difference * (at - done)
        h_sum += difference * weight_sum + given * (at - done)
    return difference_sum, h_sum


@kernel
def away_by_heavy(
    noise, inverse_total, inverse_weights, values, winner, winner_value, lightest, h, scratch
):  # fmt: skip
    """Add the swaps of two losers to h, from one heavy category to the next."""
    members, others, keys = scratch
    n = noise.shape[0]
    base = values[winner]
    inverse_n = 1.0 / n
    front_limit = limit_of(-1, winner, winner_value)
    n_members = append_below(inverse_weights, lightest, front_limit, members)
    for i in range(n_members):
        keys[i] = inverse_weights[members[i]]
    heap_sort(keys[:n_members], members[:n_members])
    difference_sum = 0.0
    h_sum = 0.0
    done = 0
    n_wins = n
    while done < n_members and n_wins * SPARSE > n:
        c = members[done]
        difference = values[c] - base
        given = difference * (inverse_n - noise[c] * inverse_total)
        limit = limit_of(c, winner, winner_value)
        n_wins, weight_sum = give_to_light(keys[done], given, limit, noise, inverse_total, h)
        h[c] += difference * weight_sum
        difference_sum += difference * n_wins
        h_sum += difference * weight_sum + given * n_wins
        done += 1
    if done == n_members:
        return difference_sum, h_sum
    n_others = append_below(noise, keys[done], front_limit, others)
    for i in range(n_others):
        j = others[i]
        weight = inverse_n - noise[j] * inverse_total
        given_sum = 0.0
        for at in range(done, n_members):
            c = members[at]
            if noise[j] * keys[at] >= limit_of(c, winner, winner_value):
                break
            difference = values[c] - base
            h[c] += difference * weight
            given_sum += difference * (inverse_n - noise[c] * inverse_total)
            difference_sum += difference
            h_sum += difference * weight
        h[j] += given_sum
        h_sum += given_sum
    return difference_sum, h_sum


@kernel
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
    difference_sum, h_sum, n_light, lightest = row_of_winner(
        noise, inverse_total, inverse_weights, values, race, h, seen
    )
    if n_light > 0:
        noise[winner] = EXCLUDED
        n_heavy = mark_heavy(inverse_weights, lightest, winner, winner_value, seen)
        if n_light <= n_heavy:
            away_difference, away_h = away_by_light(
                noise, inverse_total, inverse_weights, values, winner, winner_value, h, scratch
            )
        else:
            away_difference, away_h = away_by_heavy(
                noise, inverse_total, inverse_weights, values, winner, winner_value, lightest, h, scratch
            )
        difference_sum += away_difference
        h_sum += away_h
    return base + 2.0 * difference_sum / (float(n) * n), h_sum / n


@kernel
def swap_row(noise, total, inverse_weights, values, race, references, h, seen, scratch):
    """ARS over the references or, where there are none, ARSM.

    Results: the mean of f over the swaps, and what is to be subtracted from h for the gradient. The
    categories that f was needed at are marked in seen.
    """
    if references.shape[0] > 0:
        value = ars_row(noise, total, inverse_weights, values, race, references, h, seen)
        return value, 0.0
    return arsm_row(noise, total, inverse_weights, values, race, h, seen, scratch)


@kernel
def row_scratch(n):
    """Scratch of swap_row for rows of up to n categories."""
    return np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n)
