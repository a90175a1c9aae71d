"""One sample of rows of two categories: the swap of the two is the only one, and ARS, ARSM and ARM are the same.

Written for one row, in a loop that LLVM vectorises.
"""

import numba
import numpy as np

from ._jit import allocating, parallel
from .exponential import MANY, NOISE_STREAM, counters_of_many, exponentials
from .lanes import WIDTH, store
from .philox import LOW_WORD, WORD_BITS
from .vectors import first_half, second_half, select
from .weights import exponential_of

# Their noise stays in the first-level cache.
ROWS_PER_TASK = 1024


@allocating
def binary_gradients(key, first, weights, weighed, values, gradient, value, seen_first, seen_second):
    """The gradients of rows first, first + 1, ..., the means of f, and whether each value was needed.

    Weights and results are as in binary_moments.
    """
    noises = np.empty(value.shape[0] + MANY)
    other_noises = np.empty(value.shape[0] + MANY)
    zero = np.uint64(0)
    rows = counters_of_many(np.uint64(first), np.uint64(1), np.uint64(WIDTH))
    zeros, samples = counters_of_many(zero, zero, zero), counters_of_many(key[1], zero, zero)
    streams = counters_of_many(NOISE_STREAM, zero, zero)
    key_0, key_1 = key[0] & LOW_WORD, key[0] >> WORD_BITS
    for start in range(0, value.shape[0], MANY // 2):
        numbers = exponentials(zeros, rows, samples, streams, key_0, key_1)
        store(noises, start // WIDTH, first_half(numbers))
        store(other_noises, start // WIDTH, second_half(numbers))
        rows = rows + np.uint64(MANY // 2)
    n_seen, n_bad = 0, 0
    for i in range(value.shape[0]):
        noise_0, noise_1 = noises[i], other_noises[i]
        weight_0, weight_1 = weights[2 * i], weights[2 * i + 1]
        if not weighed:
            gap = abs(weight_0 - weight_1)
            n_bad += not (gap >= 0.0 and max(weight_0, weight_1) < np.inf)
            other_weight = exponential_of(gap)
            weight_0, weight_1 = (
                select(weight_0 < weight_1, other_weight, 1.0),
                select(weight_0 < weight_1, 1.0, other_weight),
            )
        value_0, value_1 = values[2 * i], values[2 * i + 1]
        action = noise_1 * weight_1 < noise_0 * weight_0
        swapped = noise_0 * weight_1 < noise_1 * weight_0
        base = value_1 if action else value_0
        other = value_1 if swapped else value_0
        # Equation 9: the weights of the two references are a and -a.
        part = (other - base) * (0.5 - noise_0 / (noise_0 + noise_1))
        gradient[2 * i] = -part
        gradient[2 * i + 1] = part
        value[i] = 0.5 * (base + other)
        seen_first[i] = not (action and swapped)
        seen_second[i] = action or swapped
        n_seen += 1 + (action != swapped)
    return n_seen, n_bad


@parallel
def binary_moments(key, weights, weighed, values, gradient, value, seen):
    """Gradients and values of one sample of each row; seen may be empty.

    The weights are inverse weights or, unless weighed, logits. Results: how many values were needed, and whether
    logits are refused (0: none).
    """
    n_rows = value.shape[0]
    n_seen, n_bad = 0, 0
    for task in numba.prange((n_rows + ROWS_PER_TASK - 1) // ROWS_PER_TASK):
        first, stop = task * ROWS_PER_TASK, min(n_rows, (task + 1) * ROWS_PER_TASK)
        both = slice(2 * first, 2 * stop)
        seen_first = np.empty(stop - first, np.bool_)
        seen_second = np.empty(stop - first, np.bool_)
        own_seen, own_bad = binary_gradients(
            key, first, weights[both], weighed, values[both], gradient[both], value[first:stop],
            seen_first, seen_second,
        )  # fmt: skip
        n_seen += own_seen
        n_bad += own_bad
        if seen.shape[0] > 0:
            own = seen[both]
            for i in range(stop - first):
                own[2 * i] = seen_first[i]
                own[2 * i + 1] = seen_second[i]
    return n_seen, n_bad
