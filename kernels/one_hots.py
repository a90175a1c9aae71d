"""Vectors of categories as one-hot features: what surrogates sum over past evaluations."""

import numpy as np
from numba import float32

from ._jit import called, serial
from .room import empty, zeros
from .vectors import fma

# Of a residual: squares of what is smaller are lost.
LEAST_SIZE = 1e-200
# So many products of these whole numbers have a sum of less than 2**31.
SUM_BLOCK, LARGEST_KERNEL, LARGEST_SHARE = 64, 2**13, 2**12 - 2


@serial
def count_entries(entries, out):
    """Add to out how often each of its entries is in the table."""
    for i in range(entries.shape[0]):
        for k in range(entries.shape[1]):
            out[np.uint64(entries[i, k])] += 1.0


@called
def regression_gradient(entries, means, targets, ridge, weights, out):
    """Set out to X'(X weights - targets) + ridge * weights.

    Row i of X is 1 at entries[i] and 0 elsewhere, less the means of all rows; the targets sum to 0.
    """
    shift = 0.0
    for c in range(weights.shape[0]):
        shift += weights[c] * means[c]
        out[c] = ridge * weights[c]
    n = entries.shape[1]
    n_fours = n // 4 * 4
    for i in range(entries.shape[0]):
        # Four sums, as each addition waits for the one before. Unsigned numbers are not counted from the end.
        excess, second, third, fourth = -targets[i] - shift, 0.0, 0.0, 0.0
        for k in range(0, n_fours, 4):
            excess += weights[np.uint64(entries[i, k])]
            second += weights[np.uint64(entries[i, k + 1])]
            third += weights[np.uint64(entries[i, k + 2])]
            fourth += weights[np.uint64(entries[i, k + 3])]
        for k in range(n_fours, n):
            excess += weights[np.uint64(entries[i, k])]
        excess = (excess + second) + (third + fourth)
        for k in range(n):
            out[np.uint64(entries[i, k])] += excess


@serial
def fit_regression(entries, means, targets, ridge, diagonal, n_steps, weights):
    """Take weights towards where regression_gradient is zero, by steps of conjugate gradients.

    The diagonal is about that of the gradient's derivative.
    """
    n = weights.shape[0]
    direction, product, residual = empty(np.float64, n), empty(np.float64, n), empty(np.float64, n)
    regression_gradient(entries, means, targets, ridge, weights, residual)
    no_targets = zeros(np.float64, targets.shape[0])
    size = 0.0
    for c in range(n):
        residual[c] = -residual[c]
        direction[c] = residual[c] / diagonal[c]
        size += residual[c] * direction[c]
    for _ in range(n_steps):
        if not LEAST_SIZE < size < np.inf:
            break
        regression_gradient(entries, means, no_targets, ridge, direction, product)
        curvature, next_size = 0.0, 0.0
        for c in range(n):
            curvature += direction[c] * product[c]
        step = size / curvature
        for c in range(n):
            weights[c] += step * direction[c]
            residual[c] -= step * product[c]
            next_size += residual[c] * residual[c] / diagonal[c]
        for c in range(n):
            direction[c] = residual[c] / diagonal[c] + next_size / size * direction[c]
        size = next_size


@called
def count_row(actions, columns, out):
    """Set out[j] to the number of variables that have one action in actions and in vector j of columns."""
    n_variables = columns.shape[0]
    n_fours = n_variables // 4 * 4
    out[:] = 0
    for k in range(0, n_fours, 4):  # so that out is read and written a quarter as often
        a, b, c, d = actions[k], actions[k + 1], actions[k + 2], actions[k + 3]
        in_a, in_b, in_c, in_d = columns[k], columns[k + 1], columns[k + 2], columns[k + 3]
        for j in range(out.size):
            out[j] += (in_a[j] == a) + (in_b[j] == b) + (in_c[j] == c) + (in_d[j] == d)
    for k in range(n_fours, n_variables):
        a, in_a = actions[k], columns[k]
        for j in range(out.size):
            out[j] += in_a[j] == a


@serial
def count_matches(actions, columns, out):
    """Set row i of out to the matches of actions[i] with the vectors in columns."""
    for i in range(actions.shape[0]):
        count_row(actions[i], columns, out[i])


@serial
def fill_kernels(vectors, columns, unit, room, kernels):
    """Set kernels[i, j] to m + m**2 / K in whole units, m the matches of vectors i and j.

    The columns are those of the vectors; there is room for a row of matches. Rows of kernels may be longer.
    """
    n, n_variables = vectors.shape
    square = float32(1.0 / (unit * n_variables))
    single = float32(1.0 / unit)
    for i in range(n):
        count_row(vectors[i], columns, room)
        row = kernels[i]
        for j in range(n):
            m = float32(room[j])
            row[j] = np.int16(np.rint(fma(m, square, single) * m))


@called
def multiply_kernels(kernels, weights, unit, ridge, shares, out):
    """Set out to unit * kernels @ weights + ridge * weights.

    The weights are taken for whole shares of the largest, as products of 16 bits are summed several at a time.
    What one is rounded by is made up for by the next: their sum is right, as kernels have much in common. There
    is room for the shares, zeros after those of the weights up to a multiple of SUM_BLOCK.
    """
    n = weights.shape[0]
    largest = 0.0
    for j in range(n):
        largest = max(largest, abs(weights[j]))
    a_share = max(largest / LARGEST_SHARE, LEAST_SIZE)
    per_share, rest = 1.0 / a_share, 0.0
    for j in range(n):
        rest += per_share * weights[j]
        share = np.rint(rest)
        shares[j] = np.int16(share)
        rest -= share
    unit *= a_share
    for i in range(n):
        row = kernels[i]
        total = 0.0
        for first in range(0, n, SUM_BLOCK):
            some, of_these = row[first : first + SUM_BLOCK], shares[first : first + SUM_BLOCK]
            part = np.int32(0)
            for j in range(SUM_BLOCK):
                part = np.int32(part + np.int32(np.int32(some[j]) * np.int32(of_these[j])))
            total += part
        out[i] = unit * total + ridge * weights[i]


@serial
def fit_kernels(kernels, targets, unit, ridge, n_steps, rest, weights):
    """Take weights towards where multiply_kernels gives the targets, by steps of conjugate residuals.

    They end where of the targets' squares the residual has no more than this rest. It becomes smaller with every
    step; that of conjugate gradients, which few steps leave far off where the targets are noisy, may not.
    """
    n = weights.shape[0]
    residual, of_residual = empty(np.float64, n), empty(np.float64, n)
    direction, of_direction = empty(np.float64, n), empty(np.float64, n)
    shares = zeros(np.int16, (n + SUM_BLOCK - 1) // SUM_BLOCK * SUM_BLOCK)
    multiply_kernels(kernels, weights, unit, ridge, shares, residual)
    left = at_zero = 0.0
    for i in range(n):
        residual[i] = targets[i] - residual[i]
        direction[i], of_direction[i] = 0.0, 0.0
        left += residual[i] * residual[i]
        at_zero += targets[i] * targets[i]
    if not left < at_zero:
        left = at_zero
        for i in range(n):
            weights[i], residual[i] = 0.0, targets[i]
    least, last_size = max(rest * at_zero, LEAST_SIZE), np.inf
    for _ in range(n_steps):
        if not least < left < np.inf:
            break
        multiply_kernels(kernels, residual, unit, ridge, shares, of_residual)
        size = 0.0
        for i in range(n):
            size += residual[i] * of_residual[i]
        if not 0.0 < size < np.inf:  # by rounding, where the ridge is next to nothing
            break
        share, squares = size / last_size, 0.0
        for i in range(n):
            direction[i] = residual[i] + share * direction[i]
            of_direction[i] = of_residual[i] + share * of_direction[i]
            squares += of_direction[i] * of_direction[i]
        step, left, last_size = size / squares, 0.0, size
        for i in range(n):
            weights[i] += step * direction[i]
            residual[i] -= step * of_direction[i]
            left += residual[i] * residual[i]


@serial
def expect_matches(entries, weights, probabilities, slope):
    """The mean of sum_i weights[i] (m_i + m_i**2 / K), m_i the matches with the vector at entries[i].

    Slope, zero before, becomes its derivative by the probabilities; these are flat, and of independent variables.
    """
    total = 0.0
    n_variables = entries.shape[1]
    for i in range(entries.shape[0]):
        mean = squares = 0.0
        for k in range(n_variables):
            p = probabilities[np.uint64(entries[i, k])]
            mean += p
            squares += p * p
        weight = weights[i] / n_variables
        total += weight * (mean * (n_variables + mean + 1.0) - squares)
        for k in range(n_variables):
            entry = np.uint64(entries[i, k])
            slope[entry] += weight * (n_variables + 1.0 + 2.0 * (mean - probabilities[entry]))
    return total
