"""Antithetic draws by stick-breaking (Dong, Mnih and Tucker, NeurIPS 2021).

The categories of a variable come one after the other, the least likely first. Category c breaks off if a uniform
u lies below q_c = p_c / (sum of p from c on); of the antithetic draw if 1 - u does. With u = 1 - exp(-e) that is
e < -log(1 - q_c), and e > -log(q_c). As q_c <= 1/2 but for the last, any two categories can be a pair.
"""

import numpy as np

from ._jit import serial
from .noise import LANES, noise_row
from .room import empty
from .tasks import items_of, tasks

NO_NOISE = np.empty((0, 0))


@serial
def break_sticks(inverse_weights, order, offsets):
    """-log(1 - q_c), -log(q_c), and the importance weight of a pair that c is the first of.

    That is prod_{i < c} (1 - q_i)^2 / (1 - 2 q_i) (1 - q_c). order has the likeliest categories first.
    """
    n = inverse_weights.size
    below, above, weights = empty(np.float64, n), empty(np.float64, n), empty(np.float64, n)
    for row in range(offsets.shape[0] - 1):
        start, stop = offsets[row], offsets[row + 1]
        mass = 0.0
        for i in range(start, stop):
            c = start + order[i]
            mass += 1.0 / inverse_weights[c]
            q = 1.0 / inverse_weights[c] / mass
            below[c] = -np.log1p(-q)
            above[c] = -np.log(q)
            weights[c] = 1.0 - q
        passed = 1.0
        for i in range(stop - 1, start, -1):
            c = start + order[i]
            remains = weights[c]
            weights[c] = passed * remains
            passed *= remains * remains / (2.0 * remains - 1.0)
    return below, above, weights


@tasks("weights.size", "longest")
def draw_antithetic_pairs(task, key, order, below, above, pair_weights, offsets, longest, out, weights):
    """out[2 * sample, row] and out[2 * sample + 1, row] are a pair, weights[sample, row] its weight."""
    n_rows = offsets.shape[0] - 1
    row_noise = empty(np.float64, longest + LANES)
    for item in items_of(task, weights.size, longest):
        sample, row = item // n_rows, item % n_rows
        start, stop = offsets[row], offsets[row + 1]
        noise_row(NO_NOISE, key, sample, row, start, stop, row_noise)
        one, other, weight = -1, -1, 1.0
        for i in range(stop - 1, start - 1, -1):
            c = order[i]
            if one < 0 and other < 0:
                weight = pair_weights[start + c]
            if one < 0 and row_noise[c] < below[start + c]:
                one = c
            if other < 0 and row_noise[c] > above[start + c]:
                other = c
            if one >= 0 and other >= 0:
                break
        out[2 * sample, row] = one
        out[2 * sample + 1, row] = other
        weights[sample, row] = weight
