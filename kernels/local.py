"""Estimators that change one variable of a true vector at a time, by its probabilities.

Entries are as for the coordinate swap (coordinate.py), but that for a sum all categories that it takes have one,
the true action too.
"""

import numba
import numpy as np

from ._jit import inlined, parallel
from .moments import add_to_tree, sample_room, take_result, tree_room
from .noise import LANES, fill_references, noise_row
from .race import race_scratch, run_race
from .room import empty
from .tasks import items_of, tasks

SUM, PAIR, DISTINCT_PAIR = 0, 1, 2


@tasks("out.size // 2", "longest")
def draw_distinct_pairs(task, key, noise, inverse_weights, offsets, longest, out):
    """out[2 * sample, row] is the winner of the race, out[2 * sample + 1, row] the second, if there is one."""
    n_rows = offsets.shape[0] - 1
    row_noise = empty(np.float64, longest + LANES)
    minima = race_scratch(longest)
    for item in items_of(task, out.size // 2, longest):
        sample, row = item // n_rows, item % n_rows
        start, stop = offsets[row], offsets[row + 1]
        noise_row(noise, key, sample, row, start, stop, row_noise)
        race = run_race(row_noise[: stop - start], inverse_weights[start:stop], minima)
        out[2 * sample, row] = race[0]
        out[2 * sample + 1, row] = race[1] if race[3] < np.inf else race[0]


@parallel
def choose_variables(key, n_problems, n_variables, out):
    """out[sample * n_problems + problem] are variables at even distances; each is as likely to be there."""
    for item in numba.prange(out.shape[0]):
        fill_references(-1, key, item // n_problems, item % n_problems, n_variables, out[item])


@inlined
def sum_row(category, values, certain, probabilities, tail, gradient):
    """sum_c w_c (f_c - b) (e_c - p) over the entries; the result is sum_c w_c f_c.

    w_c is p_c where c is certain to be asked, and the mass of the tail where it was drawn from there; b is the
    mean of the certain ones.
    """
    mass, mean, drawn = 0.0, 0.0, 0.0
    for i in range(category.shape[0]):
        c = category[i]
        if certain[c]:
            mass += probabilities[c]
            mean += probabilities[c] * (values[i] - values[0])
        else:
            drawn = tail * (values[i] - values[0])
    baseline = mean / mass
    total = 0.0
    for i in range(category.shape[0]):
        c = category[i]
        excess = (values[i] - values[0] - baseline) * (probabilities[c] if certain[c] else tail)
        gradient[c] = excess
        total += excess
    for c in range(gradient.shape[0]):
        gradient[c] -= total * probabilities[c]
    return values[0] + mean + drawn


@inlined
def pair_row(action, base, other, value, distinct, complements, gradient):
    """q_a q_b s (f_a - f_b) (e_a - e_b); the result is q_b (f_b - f_a).

    q are how likely each of a pair is to be its first; s is 2 for independent draws, 2 - p_a - p_b for distinct
    ones.
    """
    action_first, other_first, scale = 0.5, 0.5, 2.0
    if distinct:
        scale = complements[action] + complements[other]
        action_first, other_first = complements[other] / scale, complements[action] / scale
    gradient[action] = action_first * other_first * scale * (base - value)
    gradient[other] = -gradient[action]
    return other_first * (value - base)


@tasks("value.shape[0]")
def local_moments(
    i, kind, scale, n_samples, n_variables, true_actions, certain, probabilities, complements, tails, offsets,
    bounds, variable, category, entry_values,
    begin_sample, first, n_blocks, block_samples, starts, mean, squares, value,
):  # fmt: skip
    """Moments of the gradient of blocks of samples; a block is one problem (see moments.merge_blocks).

    scale is the number of variables by the number of those that were chosen; no others have entries.
    """
    problem, block = (first + i) // n_blocks, (first + i) % n_blocks
    first_row = problem * n_variables
    out = slice(starts[i], starts[i + 1])
    first_sample = begin_sample + block * block_samples
    n_own = min(n_samples - first_sample, block_samples)
    gradient = sample_room(n_own, mean[out])
    room = tree_room(n_own, gradient.shape[0])
    for sample in range(first_sample, first_sample + n_own):
        item = problem * n_samples + sample
        base = entry_values[bounds[item]]
        entry = bounds[item] + 1
        gradient[:] = 0.0
        change = 0.0
        while entry < bounds[item + 1]:
            k = variable[entry]
            begin = entry
            while entry < bounds[item + 1] and variable[entry] == k:
                entry += 1
            row = first_row + k
            start, stop = offsets[row], offsets[row + 1]
            origin = start - offsets[first_row]
            g = gradient[origin : origin + stop - start]
            if kind == SUM:
                own = slice(begin, entry)
                row_value = sum_row(
                    category[own], entry_values[own], certain[start:stop], probabilities[start:stop],
                    tails[row], g,
                )  # fmt: skip
                change += row_value - base
            else:
                change += pair_row(
                    true_actions[item, k], base, category[begin], entry_values[begin], kind == DISTINCT_PAIR,
                    complements[start:stop], g,
                )  # fmt: skip
        for c in range(gradient.shape[0]):
            gradient[c] *= scale
        add_to_tree(gradient, base + change * (scale / n_variables), sample - first_sample, n_own, room)
    value[i] = take_result(n_own, room, mean[out], squares[out])
