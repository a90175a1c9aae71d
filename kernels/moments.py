"""Means and squared deviations over samples, in blocks whose order of addition is fixed."""

import numpy as np

from ._jit import called, inlined, serial


@called
def add_sample(sample, shift, count, mean, squares):
    """Welford's update with sample - shift, the count-th of its block; the first sets both arrays.

    squares may be empty where there is but one. mean may be the sample.
    """
    if count == 1:
        for c in range(sample.shape[0]):
            mean[c] = sample[c] - shift
        squares[:] = 0.0
    else:
        inverse_count = 1.0 / count
        for c in range(sample.shape[0]):
            deviation = sample[c] - shift - mean[c]
            mean[c] += deviation * inverse_count
            squares[c] += deviation * deviation * (1.0 - inverse_count)


@inlined
def merge_block(block_count, block_mean, block_squares, count, mean, squares):
    """Add a block to the moments of the `count` samples before it (Chan, Golub and LeVeque)."""
    share = block_count / (count + block_count)
    for c in range(mean.shape[0]):
        deviation = block_mean[c] - mean[c]
        mean[c] += deviation * share
        squares[c] += block_squares[c] + deviation * deviation * (count * share)


@serial
def merge_blocks(
    first, n_blocks, block_samples, starts, block_mean, block_squares, n_samples, offsets, mean, squares
):  # fmt: skip
    """Add blocks in order; the i-th, at starts[i], is number first + i, and number % n_blocks of its group."""
    for i in range(starts.shape[0] - 1):
        group, number = (first + i) // n_blocks, (first + i) % n_blocks
        count = number * block_samples
        merge_block(
            np.float64(min(block_samples, n_samples - count)),
            block_mean[starts[i] : starts[i + 1]],
            block_squares[starts[i] : starts[i + 1]],
            np.float64(count),
            mean[offsets[group] : offsets[group + 1]],
            squares[offsets[group] : offsets[group + 1]],
        )


@serial
def merge_seen(first, n_blocks, starts, block_seen, offsets, seen):
    """Mark in seen what any block of a group has seen; blocks as in merge_blocks."""
    for i in range(starts.shape[0] - 1):
        start = offsets[(first + i) // n_blocks]
        for c in range(starts[i + 1] - starts[i]):
            seen[start + c] |= block_seen[starts[i] + c]
