"""Vectors of categories as one-hot features: what surrogates sum over past evaluations."""

import numpy as np
from numba import float32

from ._jit import called, serial
from .room import empty, zeros
from .vectors import fma

# Of a residual: squares of what is smaller are lost.
LEAST_SIZE = 1e-200


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


@serial
def count_matches(actions, columns, out):
    """Set out[i, j] to the number of variables that have one action in actions[i] and in vector j of columns."""
    n_variables = columns.shape[0]
    n_fours = n_variables // 4 * 4
    for i in range(actions.shape[0]):
        row = out[i]
        row[:] = 0
        for k in range(0, n_fours, 4):  # so that the row is read and written a quarter as often
            a, b, c, d = actions[i, k], actions[i, k + 1], actions[i, k + 2], actions[i, k + 3]
            in_a, in_b, in_c, in_d = columns[k], columns[k + 1], columns[k + 2], columns[k + 3]
            for j in range(row.size):
                row[j] += (in_a[j] == a) + (in_b[j] == b) + (in_c[j] == c) + (in_d[j] == d)
        for k in range(n_fours, n_variables):
            a, in_a = actions[i, k], columns[k]
            for j in range(row.size):
                row[j] += in_a[j] == a


@called
def multiply_kernels(matches, weights, ridge, n_variables, sums, out):
    """Set out[j] to the sum over i of (m + m**2 / K) weights[i], m = matches[i, j], and ridge * weights[j].

    The sum is of float32, for which there is room in sums, of weights as shares of the largest.
    """
    n = weights.shape[0]
    largest = 0.0
    for i in range(n):
        largest = max(largest, abs(weights[i]))
    scale = 1.0 / largest if largest > 0.0 else 0.0
    n_fours = n // 4 * 4
    sums[:] = 0.0
    for i in range(0, n_fours, 4):
        a, b = float32(scale * weights[i]), float32(scale * weights[i + 1])
        c, d = float32(scale * weights[i + 2]), float32(scale * weights[i + 3])
        share_a, share_b = float32(a / n_variables), float32(b / n_variables)
        share_c, share_d = float32(c / n_variables), float32(d / n_variables)
        of_a, of_b, of_c, of_d = matches[i], matches[i + 1], matches[i + 2], matches[i + 3]
        for j in range(n):
            m_a, m_b, m_c, m_d = float32(of_a[j]), float32(of_b[j]), float32(of_c[j]), float32(of_d[j])
            first = fma(fma(m_a, share_a, a), m_a, fma(m_b, share_b, b) * m_b)
            second = fma(fma(m_c, share_c, c), m_c, fma(m_d, share_d, d) * m_d)
            sums[j] += first + second
    for i in range(n_fours, n):
        a, of_a = float32(scale * weights[i]), matches[i]
        share_a = float32(a / n_variables)
        for j in range(n):
            m_a = float32(of_a[j])
            sums[j] += fma(m_a, share_a, a) * m_a
    for j in range(n):
        out[j] = largest * sums[j] + ridge * weights[j]


@serial
def fit_kernels(matches, targets, ridge, n_variables, n_steps, rest, weights):
    """Take weights towards where multiply_kernels gives the targets, by steps of conjugate residuals.

    From zero, where that is nearer. They end where of the targets' squares the residual has no more than this
    rest. It becomes smaller with every step; that of conjugate gradients, which few steps leave far off where the
    targets are noisy, may not.
    """
    n = weights.shape[0]
    residual, of_residual = empty(np.float64, n), empty(np.float64, n)
    direction, of_direction, sums = empty(np.float64, n), empty(np.float64, n), empty(np.float32, n)
    multiply_kernels(matches, weights, ridge, n_variables, sums, residual)
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
        multiply_kernels(matches, residual, ridge, n_variables, sums, of_residual)
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
