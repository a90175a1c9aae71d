"""Means over samples that depend on neither the number of threads nor who has which samples.

Samples are added by a tree of pairs (see kernels.moments), of which a block or a share of the samples has whole
branches: what is computed apart is merged to the same bits. Where shares are never merged (see _one_variable.py),
blocks are of any size, and samples are added to their block one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, NamedTuple, Protocol, cast

import numba
import numpy as np

from ._checks import all_finite
from ._logits import FloatArray, IntArray
from .kernels.moments import merge_blocks, turn_into_standard_errors

# A block is so many samples that it is worth a task, and that merging it costs little beside it; fewer samples of
# many categories are. All are powers of two. No block is to be so much work that other threads wait for it.
LEAST_BLOCK, LARGEST_BLOCK, BLOCK_CATEGORIES, MOST_CATEGORIES = 64, 1024, 2**17, 2**19
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


Run = Callable[[int, Blocks], None]
"""Runs a kernel on blocks, the first of which begins at a given sample."""

BlockSamples = Callable[[int, int], int]
"""The samples of a block, of so many in all, of groups of so many categories."""


class Partial(Protocol):
    """What an estimate from a share of the samples keeps for `combine`."""

    def combine(self, shares: Any, n_samples: int) -> Moments:
        """The moments of all samples, from shares like this one, itself among them, in the order of samples."""


@dataclass(eq=False, repr=False)
class Moments:
    """Mean and sum of squared deviations of the gradient over samples, flat, and the mean of f by group.

    Of one sample there are no deviations: squares is then empty.
    """

    mean: FloatArray
    squares: FloatArray
    value: FloatArray
    partial: Partial | None = None

    def check(self) -> None:
        """Refuse the values that gave them if some are beyond float64."""
        if not (all_finite(self.mean) and all_finite(self.value)):
            raise ValueError("values must be smaller: their differences, or sums of them, are beyond float64")

    def standard_error(self, n_samples: int) -> FloatArray:
        """Of the mean, where there are squares; these are overwritten with it, unless shares keep them."""
        errors = self.squares if self.partial is None else self.squares.copy()
        turn_into_standard_errors(errors, n_samples)
        return errors

    def with_values(self, values: FloatArray) -> Moments:
        """The same with the mean of values, (samples, groups), in the place of those of f."""
        if not isinstance(self.partial, Branches):
            return replace(self, value=_tree_sum(values) / len(values))
        branches, start = [], 0
        for branch in self.partial.branches:
            branches.append(replace(branch, value=_tree_sum(values[start : start + branch.count])))
            start += branch.count
        return Branches(tuple(branches)).moments()


@dataclass(eq=False, repr=False)
class Branch:
    """Moments of `count` samples, a power of two, from number `first` on, a multiple of it; values are summed."""

    first: int
    count: int
    mean: FloatArray
    squares: FloatArray
    value: FloatArray

    def joined(self, later: Branch) -> Branch:
        """With samples that come later, as kernels.moments.merge_block."""
        share = self.count / (later.count + self.count)
        deviation = self.mean - later.mean
        return Branch(
            self.first,
            self.count + later.count,
            later.mean + deviation * share,
            later.squares + (self.squares + deviation * deviation * (later.count * share)),
            later.value + self.value,
        )


@dataclass(eq=False, repr=False)
class Branches:
    """The largest whole branches of the tree of all samples that are among some in a row."""

    branches: tuple[Branch, ...]

    def moments(self) -> Moments:
        """Of these samples alone."""
        total = reduce(lambda later, earlier: earlier.joined(later), reversed(self.branches))
        squares = total.squares if total.count > 1 else np.empty(0)
        return Moments(total.mean, squares, total.value / total.count, self)

    def combine(self, shares: Sequence[Branches], n_samples: int) -> Moments:
        """The moments of all samples."""
        waiting: list[Branch] = []
        for share in shares:
            for branch in share.branches:
                whole = branch
                while waiting and waiting[-1].count == whole.count and not waiting[-1].first & whole.count:
                    whole = waiting.pop().joined(whole)
                waiting.append(whole)
        return Branches(tuple(waiting)).moments()


def _most_samples(n_categories: int) -> int:
    """About the most samples of a block."""
    many = n_categories > MANY_CATEGORIES
    least = LEAST_LONG_BLOCK if many else min(LEAST_BLOCK, MOST_CATEGORIES // n_categories)
    return min(LARGEST_BLOCK, max(least, BLOCK_CATEGORIES // n_categories))


def whole_branches(n_samples: int, n_categories: int) -> int:
    """A power of two, unless one block has all: blocks are branches of the tree of all samples."""
    most = _most_samples(n_categories)
    if n_samples <= most:
        return n_samples
    even = n_samples // -(-n_samples // most)
    return max(LEAST_LONG_BLOCK, 1 << even.bit_length() - 1)


def even_blocks(n_samples: int, n_categories: int, multiple: int = 1) -> int:
    """Nearly as many for each of 2, 4, 8, 12 or so blocks: threads have as much to do.

    Each block but the last has a multiple of so many samples. The last digits of sums depend on the blocks: no
    share of the samples may be computed apart.
    """
    most = _most_samples(n_categories)
    if n_samples <= most:
        return n_samples
    n_blocks = 4 * max(1, round(n_samples / (4 * most)))
    if n_samples < LEAST_LONG_BLOCK * n_blocks:
        n_blocks = 2 * max(1, round(n_samples / (2 * most)))
    return -(-n_samples // (n_blocks * multiple)) * multiple


def accumulate(
    run: Run,
    offsets: IntArray,
    n_samples: int,
    first: int | None = None,
    block_samples: BlockSamples = whole_branches,
) -> Moments:
    """Run a kernel on all blocks of samples of all groups; group g is offsets[g]..offsets[g + 1] - 1.

    Where these are a share of the samples, `first` is the number of the first.
    """
    if first is None:
        mean, squares, value = _sums(run, offsets, 0, n_samples, block_samples, deviations=n_samples > 1)
        return Moments(mean, squares, value / n_samples if n_samples > 1 else value)
    branches, start, stop = [], first, first + n_samples
    while start < stop:
        count = 1 << (stop - start).bit_length() - 1
        while start % count:
            count //= 2
        own = _sums(run, offsets, start - first, count, whole_branches, deviations=True)
        branches.append(Branch(start, count, *own))
        start += count
    return Branches(tuple(branches)).moments()


def _sums(
    run: Run, offsets: IntArray, begin: int, n_samples: int, block_samples: BlockSamples, *, deviations: bool
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean, squared deviations and sums of values of so many samples from `begin` on."""
    n_groups = offsets.size - 1
    mean = np.empty(offsets[-1])
    squares = np.empty(offsets[-1] if deviations else 0)
    value = np.empty(n_groups)
    if n_samples <= LEAST_LONG_BLOCK:  # soonest for single samples
        run(begin, Blocks(0, 1, n_samples, offsets, mean, squares, value))
        return mean, squares, value
    sizes = offsets[1:] - offsets[:-1]
    largest = int(sizes.max())
    samples = block_samples(n_samples, largest)
    n_blocks = -(-n_samples // samples)
    if n_blocks == 1:
        run(begin, Blocks(0, 1, samples, offsets, mean, squares, value))
        return mean, squares, value
    levels, n_all = (n_blocks - 1).bit_length(), n_groups * n_blocks
    wave = min(n_all, max(numba.get_num_threads(), WAVE_CATEGORIES // largest))
    # One array for all waves: see _scratch.py.
    rows = np.empty((2, levels + wave, largest))
    room = rows[0, :levels], rows[1, :levels], np.empty(levels)
    wave_mean, wave_squares = rows[:, levels:].reshape(2, wave * largest)
    for first in range(0, n_all, wave):
        groups = np.arange(first, min(first + wave, n_all)) // n_blocks
        starts = np.concatenate(([0], np.cumsum(sizes[groups])))
        own = slice(0, starts[-1])
        blocks = Blocks(
            first, n_blocks, samples, starts, wave_mean[own], wave_squares[own], np.empty(groups.size)
        )
        run(begin, blocks)
        merge_blocks(first, n_blocks, samples, n_samples, *blocks[3:], room, offsets, mean, squares, value)
    return mean, squares, value


def _tree_sum(values: FloatArray) -> FloatArray:
    """Sums over samples, (n, groups), in the order of kernels.moments.add_to_tree."""
    left = []
    while len(values):
        if len(values) % 2:
            left.append(values[-1])
            values = values[:-1]
        values = values[1::2] + values[::2]
    return cast(FloatArray, reduce(np.add, left))


def accumulate_arrays(
    samples: Callable[[int, slice], tuple[FloatArray, FloatArray]], offsets: IntArray, n_samples: int
) -> Moments:
    """As accumulate, of what NumPy makes: the gradients, (m, size), and values, (m,), of a group's samples."""

    def run(_: int, blocks: Blocks) -> None:
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
