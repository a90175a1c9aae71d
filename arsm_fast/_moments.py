"""Means over samples that do not depend on the number of threads: blocks of fixed size, added in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np

from ._logits import FloatArray, IntArray
from .kernels.moments import merge_blocks

# A block is so many samples that it is worth a task, and that merging it costs little beside it; fewer samples of
# many categories are.
LEAST_BLOCK, LARGEST_BLOCK, BLOCK_CATEGORIES = 64, 1024, 2**17
MANY_CATEGORIES, LEAST_LONG_BLOCK = 2**14, 8
# Blocks are computed in waves, so that memory is in proportion to threads, not to samples.
WAVE_CATEGORIES = 2**18


class Blocks(NamedTuple):
    """What every kernel of moments takes last.

    Block `first + i` is number `(first + i) % n_blocks` of group `(first + i) // n_blocks`, and covers
    `samples` samples (the last of a group fewer). Its mean and squared deviations go to `mean` and
    `squares` from `starts[i]` on, the sum of its values to `value[i]`.
    """

    first: int
    n_blocks: int
    samples: int
    starts: IntArray
    mean: FloatArray
    squares: FloatArray
    value: FloatArray


@dataclass(frozen=True)
class Moments:
    """Mean and sum of squared deviations of the gradient over samples, flat, and the mean of f by group.

    Of one sample there are no deviations: squares is then empty.
    """

    mean: FloatArray
    squares: FloatArray
    value: FloatArray


def accumulate(run: Callable[[Blocks], None], offsets: IntArray, n_samples: int) -> Moments:
    """Run a kernel on all blocks of samples of all groups; group g is offsets[g]..offsets[g + 1] - 1."""
    n_groups = offsets.size - 1
    sizes = np.diff(offsets)
    largest = int(sizes.max())
    least = LEAST_BLOCK if largest <= MANY_CATEGORIES else LEAST_LONG_BLOCK
    most = min(LARGEST_BLOCK, max(least, BLOCK_CATEGORIES // largest))
    # Even blocks, multiples of eight for kernels that take eight samples at a time.
    samples = -(-n_samples // -(-n_samples // most) // 8) * 8
    n_blocks = -(-n_samples // samples)
    if n_blocks == 1:
        mean = np.empty(offsets[-1])
        squares = np.empty(offsets[-1] if n_samples > 1 else 0)
        value = np.empty(n_groups)
        run(Blocks(0, 1, samples, offsets, mean, squares, value))
        return Moments(mean, squares, value / n_samples)
    mean, squares, value = np.zeros(offsets[-1]), np.zeros(offsets[-1]), np.zeros(n_groups)
    wave = max(numba.get_num_threads(), WAVE_CATEGORIES // largest)
    for first in range(0, n_groups * n_blocks, wave):
        groups = np.arange(first, min(first + wave, n_groups * n_blocks)) // n_blocks
        starts = np.concatenate(([0], np.cumsum(sizes[groups])))
        blocks = Blocks(
            first,
            n_blocks,
            samples,
            starts,
            np.empty(starts[-1]),
            np.empty(starts[-1]),
            np.empty(groups.size),
        )
        run(blocks)
        merge_blocks(
            first, n_blocks, samples, starts, blocks.mean, blocks.squares, n_samples, offsets, mean, squares
        )
        np.add.at(value, groups, blocks.value)
    return Moments(mean, squares, value / n_samples)


def accumulate_arrays(
    samples: Callable[[int, slice], tuple[FloatArray, FloatArray]], offsets: IntArray, n_samples: int
) -> Moments:
    """As accumulate, of what NumPy makes: the gradients, (m, size), and values, (m,), of a group's samples."""

    def run(blocks: Blocks) -> None:
        for i in range(blocks.value.size):
            group, block = divmod(blocks.first + i, blocks.n_blocks)
            first = block * blocks.samples
            gradients, values = samples(group, slice(first, min(n_samples, first + blocks.samples)))
            out = slice(blocks.starts[i], blocks.starts[i + 1])
            deviations = gradients - gradients[0]  # exactly 0 where all are the same
            shift = deviations.mean(axis=0)
            blocks.mean[out] = gradients[0] + shift
            if blocks.squares.size:
                blocks.squares[out] = ((deviations - shift) ** 2).sum(axis=0)
            blocks.value[i] = values.sum()

    return accumulate(run, offsets, n_samples)
