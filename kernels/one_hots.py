"""Vectors of categories as one-hot features: what surrogates sum over past evaluations."""

import numpy as np

from ._jit import serial


@serial
def count_entries(entries, out):
    """Add to out how often each of its entries is in the table."""
    for i in range(entries.shape[0]):
        for k in range(entries.shape[1]):
            out[np.uint64(entries[i, k])] += 1.0


@serial
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
def conjugate_step(direction, product, diagonal, size, solution, residual):
    """Go along a direction, whose product with the matrix is given, and set it to the next one.

    Size is the product of the residual with itself over the diagonal; the result is the next one.
    """
    curvature, next_size = 0.0, 0.0
    for c in range(direction.shape[0]):
        curvature += direction[c] * product[c]
    step = size / curvature
    for c in range(direction.shape[0]):
        solution[c] += step * direction[c]
        residual[c] -= step * product[c]
        next_size += residual[c] * residual[c] / diagonal[c]
    for c in range(direction.shape[0]):
        direction[c] = residual[c] / diagonal[c] + next_size / size * direction[c]
    return next_size


@serial
def match_kernel(actions, columns, out):
    """Row i of out: m + m**2 / K for the matches m of actions[i] with each vector, given by columns (K, n)."""
    n_variables = columns.shape[0]
    for i in range(actions.shape[0]):
        row = out[i]
        row[:] = 0.0
        for k in range(n_variables):
            action, column = actions[i, k], columns[k]
            for j in range(row.size):
                row[j] += 1.0 if column[j] == action else 0.0
        for j in range(row.size):
            row[j] += row[j] * row[j] / n_variables


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
