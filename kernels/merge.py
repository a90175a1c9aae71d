"""The gradient of one categorical variable from one row of noise: ARS over references, exact ARSM in O(C).

With D_i = values[i] - values[z] and d_cj = D of the winner of the swap (c, j), all of them are
    g = h - mean(h),  h_c = sum_j d_cj a_j,
with a_j = 1/C - pi_j for ARSM and a_j non-zero at the references only for ARS (Yin, Yue and Zhou, 2019, eqs. 8
and 9). Most d_cj are zero. Row z is one pass. Away from z, c wins the swap (c, j) exactly where
`noise[j] * inverse_weights[c]` beats the winner's race value: the heavy c and the light j. The smaller of these
two sets is sorted; each member of the other then meets a prefix of it, found by bisection.

Every function writes g, and the mean of f over its swaps is its result.
"""

import numpy as np

from ._jit import kernel
from .bits import MASK_WIDTH, as_bits, as_float, below_mask, lowest_bit
from .race import INFINITY_BITS, beats, swap_winner

# A pass over all categories pays while it finds one pair in so many.
SPARSE = 2


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
    winner, second, _, winner_value, second_value, _ = race
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
def append_below(row, factor, limit, start, stop, members, n_members):
    """Append each c of start..stop-1 with row[c] * factor < limit to members; their new number."""
    n_blocks = (stop - start) // MASK_WIDTH
    for block in range(n_blocks):
        first = start + block * MASK_WIDTH
        mask = below_mask(row, first, factor, limit)
        while mask:
            members[n_members] = first + lowest_bit(mask)
            n_members += 1
            mask &= mask - np.uint64(1)
    for c in range(start + n_blocks * MASK_WIDTH, stop):
        members[n_members] = c
        n_members += row[c] * factor < limit
    return n_members


@kernel
def mark_heavy(inverse_weights, lightest, limit, seen):
    """Mark the categories that win the swap with the lightest one; their number."""
    n_heavy = 0
    for c in range(inverse_weights.shape[0]):
        heavy = lightest * inverse_weights[c] < limit
        seen[c] |= heavy
        n_heavy += heavy
    return n_heavy


@kernel
def give_to_heavy(
    light_noise, light_weight, limit, noise, inverse_n, inverse_total, inverse_weights, values, base, h
):  # fmt: skip
    """The swaps of one light category with each c in which c wins.

    Results: their number, the sum of D_c, and the sum of D_c a_c, which is for the light one.
    """
    n_wins = 0
    difference_sum = 0.0
    received = 0.0
    for c in range(noise.shape[0]):
        wins = light_noise * inverse_weights[c] < limit
        n_wins += wins
        difference = values[c] - base if wins else 0.0
        h[c] += difference * light_weight
        difference_sum += difference
        received += difference * (inverse_n - noise[c] * inverse_total)
    return n_wins, difference_sum, received


@kernel
def give_to_light(heavy_inverse_weight, given, limit, noise, inverse_n, inverse_total, h):
    """The swaps of one heavy category with each j in which the heavy one wins.

    Results: their number and the sum of a_j.
    """
    n_wins = 0
    weight_sum = 0.0
    for j in range(noise.shape[0]):
        wins = noise[j] * heavy_inverse_weight < limit
        n_wins += wins
        h[j] += given if wins else 0.0
        weight_sum += inverse_n - noise[j] * inverse_total if wins else 0.0
    return n_wins, weight_sum


@kernel
def away_from_winner(
    noise, inverse_total, inverse_weights, values, race, n_light, lightest, h, seen, scratch
):  # fmt: skip
    """Add the swaps of two losers to h. Results as in row_of_winner."""
    winner, _, _, winner_value, _, _ = race
    members, others, keys = scratch
    n = noise.shape[0]
    behind = winner + 1
    base = values[winner]
    inverse_n = 1.0 / n
    # A category wins below its limit; on level terms, only one in front of the winner does. That the
    # winner itself may be counted as heavy is harmless: its difference is zero.
    front_limit = as_float(as_bits(winner_value) + np.uint64(1))
    n_heavy = mark_heavy(inverse_weights[:behind], lightest, front_limit, seen[:behind])
    n_heavy += mark_heavy(inverse_weights[behind:], lightest, winner_value, seen[behind:])
    difference_sum = 0.0
    h_sum = 0.0
    i = 0
    n_wins = n
    if n_light <= n_heavy:
        n_members = append_below(noise, 1.0, front_limit, 0, winner, members, 0)
        n_members = append_below(noise, 1.0, front_limit, behind, n, members, n_members)
        for k in range(n_members):
            keys[k] = noise[members[k]]
        heap_sort(keys[:n_members], members[:n_members])
        while i < n_members and n_wins * SPARSE > n:
            j = members[i]
            weight = inverse_n - keys[i] * inverse_total
            n_front, front_difference, front_received = give_to_heavy(
                keys[i], weight, front_limit, noise[:behind], inverse_n, inverse_total,
                inverse_weights[:behind], values[:behind], base, h[:behind],
            )  # fmt: skip
            n_behind, behind_difference, behind_received = give_to_heavy(
                keys[i], weight, winner_value, noise[behind:], inverse_n, inverse_total,
                inverse_weights[behind:], values[behind:], base, h[behind:],
            )  # fmt: skip
            n_wins = n_front + n_behind
            difference = front_difference + behind_difference
            received = front_received + behind_received
            h[j] += received
            difference_sum += difference
            h_sum += received + difference * weight
            i += 1
        if i < n_members:
            n_others = append_below(inverse_weights, keys[i], front_limit, 0, behind, others, 0)
            n_others = append_below(inverse_weights, keys[i], winner_value, behind, n, others, n_others)
            for k in range(n_others):
                c = others[k]
                limit = front_limit if c < winner else winner_value
                difference = values[c] - base
                given = difference * (inverse_n - noise[c] * inverse_total)
                weight_sum = 0.0
                at = i
                while at < n_members and keys[at] * inverse_weights[c] < limit:
                    weight_sum += inverse_n - keys[at] * inverse_total
                    h[members[at]] += given
                    at += 1
                h[c] += difference * weight_sum
                difference_sum += difference * (at - i)
                h_sum += difference * weight_sum + given * (at - i)
    else:
        n_members = append_below(inverse_weights, lightest, front_limit, 0, winner, members, 0)
        n_members = append_below(inverse_weights, lightest, winner_value, behind, n, members, n_members)
        for k in range(n_members):
            keys[k] = inverse_weights[members[k]]
        heap_sort(keys[:n_members], members[:n_members])
        while i < n_members and n_wins * SPARSE > n:
            c = members[i]
            limit = front_limit if c < winner else winner_value
            difference = values[c] - base
            given = difference * (inverse_n - noise[c] * inverse_total)
            n_front, front_weight = give_to_light(
                keys[i], given, limit, noise[:winner], inverse_n, inverse_total, h[:winner]
            )
            n_behind, behind_weight = give_to_light(
                keys[i], given, limit, noise[behind:], inverse_n, inverse_total, h[behind:]
            )
            n_wins = n_front + n_behind
            received = difference * (front_weight + behind_weight)
            h[c] += received
            difference_sum += difference * n_wins
            h_sum += received + given * n_wins
            i += 1
        if i < n_members:
            limit = front_limit if members[i] < winner else winner_value
            n_others = append_below(noise, keys[i], limit, 0, winner, others, 0)
            n_others = append_below(noise, keys[i], limit, behind, n, others, n_others)
            for k in range(n_others):
                j = others[k]
                weight = inverse_n - noise[j] * inverse_total
                given_sum = 0.0
                at = i
                while at < n_members:
                    c = members[at]
                    if noise[j] * keys[at] >= (front_limit if c < winner else winner_value):
                        break
                    difference = values[c] - base
                    h[c] += difference * weight
                    given_sum += difference * (inverse_n - noise[c] * inverse_total)
                    difference_sum += difference
                    h_sum += difference * weight
                    at += 1
                h[j] += given_sum
                h_sum += given_sum
    return difference_sum, h_sum


@kernel
def arsm_row(noise, total, inverse_weights, values, race, h, seen, scratch):
    """ARSM (eq. 9), exactly, in expected O(C)."""
    n = noise.shape[0]
    base = values[race[0]]
    if n == 1:
        h[0] = 0.0
        seen[0] = True
        return base, 0.0
    inverse_total = 1.0 / total
    difference_sum, h_sum, n_light, lightest = row_of_winner(
        noise, inverse_total, inverse_weights, values, race, h, seen
    )
    if n_light > 0:
        away_difference, away_h = away_from_winner(
            noise, inverse_total, inverse_weights, values, race, n_light, lightest, h, seen, scratch
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
