"""One sample of rows of two categories: their swap is the only one, and ARS, ARSM and ARM are the same."""

import numba
import numpy as np

from ._jit import called, parallel
from .ars import ars
from .bits import bit_count
from .exp import exponential_of
from .exponential import (
    MANY,
    NOISE_STREAM,
    ONE,
    ZERO,
    exponentials,
    high_counters,
    in_order,
    low_counters,
)
from .lanes import (
    ALL_LANES,
    WIDTH,
    are_small,
    copying,
    lane_numbers,
    load,
    load_eight,
    mask_bits,
    spread,
    store,
    store_from,
)
from .room import empty
from .vectors import blocks_from, first_half, second_half, select

# Their noise stays in the first-level cache.
ROWS_PER_TASK = 1024

rows_of_many = blocks_from(in_order(MANY // 2))
# Eight rows as their first categories and then their second ones, and back.
split_pairs = copying([*range(0, 2 * WIDTH, 2), *range(1, 2 * WIDTH, 2)])
join_pairs = copying([i // 2 + i % 2 * WIDTH for i in range(2 * WIDTH)])


@called
def draw_pairs(key, first, noises, other_noises):
    """The noise of rows first, first + 1, ..., of both categories."""
    high = high_counters(ZERO, key, NOISE_STREAM)
    for start in range(0, noises.shape[0], MANY // 2):
        blocks = rows_of_many(low_counters(ZERO, first + start), high, low_counters(ZERO, ONE), ZERO)
        numbers = exponentials(ars(blocks, key[0]))
        store(noises, start // WIDTH, first_half(numbers))
        store(other_noises, start // WIDTH, second_half(numbers))


@called
def binary_gradients(key, first, stop, weights, weighed, values, gradient, value, seen, room):
    """As binary_moments, of the rows from first to stop; there must be eight before stop."""
    noises, other_noises, pairs = room
    # The last eight overlap those before.
    origin = min(first, stop - WIDTH)
    draw_pairs(key, origin, noises, other_noises)
    n_seen, good, small = 0, True, True
    for row in range(first, stop, WIDTH):
        start = min(row, stop - WIDTH)
        at = start - origin
        noise_0, noise_1 = load_eight(noises, at), load_eight(other_noises, at)
        split_pairs(weights, 2 * start, pairs, 0)
        weight_0, weight_1 = load(pairs, 0), load(pairs, 1)
        if not weighed:
            is_less = weight_0 < weight_1
            gap = select(is_less, weight_1 - weight_0, weight_0 - weight_1)
            good &= mask_bits((gap >= 0.0) & (weight_0 < np.inf) & (weight_1 < np.inf)) == ALL_LANES
            other_weight = exponential_of(gap)
            weight_0, weight_1 = select(is_less, other_weight, 1.0), select(is_less, 1.0, other_weight)
        split_pairs(values, 2 * start, pairs, 0)
        value_0, value_1 = load(pairs, 0), load(pairs, 1)
        small &= mask_bits(are_small(value_0) & are_small(value_1)) == ALL_LANES
        action = noise_1 * weight_1 < noise_0 * weight_0
        swapped = noise_0 * weight_1 < noise_1 * weight_0
        base, other = select(action, value_1, value_0), select(swapped, value_1, value_0)
        if gradient.shape[0] > 0:
            # Equation 9: the weights of the two references are a and -a.
            part = (other - base) * (spread(0.5) - noise_0 / (noise_0 + noise_1))
            store(pairs, 0, spread(0.0) - part)
            store(pairs, 1, part)
            join_pairs(pairs, 0, gradient, 2 * start)
        store_from(value, start, base * 0.5 + other * 0.5)  # the sum may be beyond float64
        both, either = mask_bits(action & swapped), mask_bits(action | swapped)
        fresh = mask_bits(lane_numbers() >= np.float64(row - start))
        n_seen += bit_count(~both & fresh) + bit_count(either & fresh)
        if seen.shape[0] > 0:
            for lane in range(WIDTH):
                seen[2 * (start + lane)] = (both >> np.uint64(lane)) & np.uint64(1) == 0
                seen[2 * (start + lane) + 1] = (either >> np.uint64(lane)) & np.uint64(1) != 0
    return n_seen, good, small


@parallel
def binary_moments(key, weights, weighed, values, gradient, value, seen):
    """Gradients and values of one sample of each of eight rows or more; either gradient or seen may be empty.

    The weights are inverse weights or, unless weighed, logits. Results: how many values were needed; and what is
    not 0 where logits are refused, and where values are not small (see lanes.SMALL).
    """
    n_rows = value.shape[0]
    n_seen, n_bad, n_large = 0, 0, 0
    for task in numba.prange((n_rows + ROWS_PER_TASK - 1) // ROWS_PER_TASK):
        first, stop = task * ROWS_PER_TASK, min(n_rows, (task + 1) * ROWS_PER_TASK)
        n_drawn = (max(stop - first, WIDTH) + MANY - 1) // (MANY // 2) * (MANY // 2)
        room = empty(np.float64, n_drawn), empty(np.float64, n_drawn), empty(np.float64, 2 * WIDTH)
        own_seen, own_good, own_small = binary_gradients(
            key, first, stop, weights, weighed, values, gradient, value, seen, room
        )
        n_seen += own_seen
        n_bad += not own_good
        n_large += not own_small
    return n_seen, n_bad, n_large
