"""Means over samples that do not depend on the number of threads: blocks of fixed size, added in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numba
import numpy as np

from ._logits import FloatArray, IntArray
from .kernels.moments import SAMPLES_PER_BLOCK, merge_blocks

# Blocks are computed in waves, so that memory is in proportion to threads, not to samples.
WAVE_SIZE = 2**18

# run(first block, blocks per group, starts, mean, squares, value): see kernels/one_variable.py.
BlockKernel = Callable[[int, int, IntArray, FloatArray, FloatArray, FloatArray], None]


@dataclass(frozen=True)
class Moments:
    """Mean and sum of squared deviations of the gradient over samples, flat, and the mean of f by group."""

    mean: FloatArray
    squares: FloatArray
    value: FloatArray


def accumulate(run: BlockKernel, offsets: IntArray, n_samples: int) -> Moments:
    """Run a kernel on all blocks of samples of all groups; group g is offsets[g]..offsets[g + 1] - 1."""
    n_groups = offsets.size - 1
    n_blocks = -(-n_samples // SAMPLES_PER_BLOCK)
    mean = np.zeros(offsets[-1])
    squares = np.zeros(offsets[-1])
    value = np.zeros(n_groups)
    if n_blocks == 1:
        run(0, 1, offsets, mean, squares, value)
        return Moments(mean, squares, value / n_samples)
    sizes = np.diff(offsets)
    wave = max(numba.get_num_threads(), WAVE_SIZE // int(sizes.max()))
    for first in range(0, n_groups * n_blocks, wave):
        blocks = np.arange(first, min(first + wave, n_groups * n_blocks))
        starts = np.concatenate(([0], np.cumsum(sizes[blocks // n_blocks])))
        block_mean = np.empty(starts[-1])
        block_squares = np.empty(starts[-1])
        block_value = np.empty(blocks.size)
        run(first, n_blocks, starts, block_mean, block_squares, block_value)
        merge_blocks(
            first, n_blocks, n_samples, starts, block_mean, block_squares, offsets, mean, squares
        )
        np.add.at(value, blocks // n_blocks, block_value)
    return Moments(mean, squares, value / n_samples)
