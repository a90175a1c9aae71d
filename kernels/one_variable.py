"""Rows as one-variable problems of their own: their gradients from a table, and what f must be asked."""

import numba
import numpy as np

from ._jit import parallel
from .lanes import WIDTH
from .merge import row_scratch, swap_row
from .moments import add_sample
from .noise import LANES, fill_references, noise_row
from .race import race_scratch, run_race
from .tile import tile_moments, tile_room

CATEGORIES_PER_TASK = 16384


@parallel
def one_variable_moments(
    fixed_reference, n_references, key, noise, n_samples, inverse_weights, values, offsets, order,
    first, n_blocks, block_samples, starts, mean, squares, value, seen,
):  # fmt: skip
    """Moments of the gradient of blocks of samples; a block is one row (see moments.merge_blocks).

    Block i writes mean, squares and seen from starts[i] on, and the sum over its samples in value[i].
    order has the categories of each row by descending weight where eight samples at a time are wanted, and
    is empty where not.
    """
    n_items = value.shape[0]
    longest = 1
    for i in range(n_items):
        longest = max(longest, starts[i + 1] - starts[i])
    items_per_task = max(1, CATEGORIES_PER_TASK // (longest * min(n_samples, block_samples)))
    for task in numba.prange((n_items + items_per_task - 1) // items_per_task):
        row_noise = np.empty(longest + LANES)
        h = np.empty(longest)
        minima = race_scratch(longest)
        scratch = row_scratch(longest)
        references = np.empty(n_references, np.int64)
        room = tile_room(longest if order.shape[0] > 0 else 1)
        for i in range(task * items_per_task, min(n_items, (task + 1) * items_per_task)):
            row, block = (first + i) // n_blocks, (first + i) % n_blocks
            start, stop = offsets[row], offsets[row + 1]
            n = stop - start
            weights = inverse_weights[start:stop]
            out = slice(starts[i], starts[i + 1])
            row_mean = mean[out]
            row_squares = squares[out]
            row_seen = seen[out]
            row_seen[:] = False
            value_sum = 0.0
            first_sample = block * block_samples
            stop_sample = min(n_samples, first_sample + block_samples)
            n_tiles = (stop_sample - first_sample) // WIDTH if order.shape[0] > 0 else 0
            if n_tiles > 0:
                value_sum += tile_moments(
                    key, first_sample, n_tiles, row, weights, values[start:stop], order[start:stop],
                    row_mean, row_squares, row_seen, room,
                )  # fmt: skip
            for sample in range(first_sample + n_tiles * WIDTH, stop_sample):
                total = noise_row(noise, key, sample, row, start, stop, row_noise)
                race = run_race(row_noise[:n], weights, minima)
                fill_references(fixed_reference, key, sample, row, n, references)
                sample_value, shift = swap_row(
                    row_noise[:n], total, weights, values[start:stop], race, references,
                    h[:n], row_seen, scratch,
                )  # fmt: skip
                add_sample(h[:n], shift, sample - first_sample + 1, row_mean, row_squares)
                value_sum += sample_value
            value[i] = value_sum
