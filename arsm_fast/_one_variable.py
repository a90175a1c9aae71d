"""ARS and ARSM for rows that are problems of one variable: a table of values is all they need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import partial

import numba
import numpy as np
from numpy.typing import NDArray

from ._logits import FloatArray, IntArray, Logits
from ._long_rows import long_row_moments
from ._moments import Blocks, BlockSamples, Moments, accumulate, even_blocks
from ._noise import LONGEST_TILE, Noise
from ._scratch import scratch
from .kernels.binary import binary_moments
from .kernels.lanes import WIDTH as TILE_WIDTH
from .kernels.moments import merge_seen
from .kernels.noise import LANES
from .kernels.one_variable import list_seen, many_sample_moments, one_variable_moments, row_moments, spread_seen
from .kernels.row_by_row import row_by_row_moments
from .kernels.row_room import LONGEST as LONGEST_ROW_BY_ROW
from .kernels.short_rows import short_row_moments
from .kernels.vectors import HAS_AVX512

# Rows of so many categories are tasks in parts where there are too few rows for tasks.
LONG_ROW, FEW_ROWS = 2**18, 16
# Longer rows are swapped one by one sooner than side by side.
LONGEST_IN_A_LANE = 28 if HAS_AVX512 else 14
# More samples than these are worth a sorted order for each row.
MOST_SAMPLES_OF_ROWS = 64

RunBlocks = Callable[[Blocks, NDArray[np.bool_]], object]
"""Runs a kernel on blocks, and marks what they have seen."""


class SideBySide(Enum):
    """Of what a kernel has several in its lanes; longer ROWS are of one length too, but go one by one."""

    ROWS = auto()
    SAMPLES = auto()
    CATEGORIES = auto()
    NOTHING = auto()


def _layout(logits: Logits, noise: Noise) -> SideBySide:
    """What is worth most."""
    if noise.n_references > 0 or noise.given.size > 0:
        return SideBySide.NOTHING
    rows_fit = logits.shape is not None and logits.shape[-1] <= LONGEST_ROW_BY_ROW
    if rows_fit and (
        noise.n_samples < TILE_WIDTH or (logits.n_rows >= TILE_WIDTH and noise.n_samples <= MOST_SAMPLES_OF_ROWS)
    ):
        return SideBySide.ROWS
    if noise.n_samples >= TILE_WIDTH and logits.longest <= LONGEST_TILE:
        return SideBySide.SAMPLES
    return SideBySide.CATEGORIES if logits.shortest >= TILE_WIDTH else SideBySide.NOTHING


class OneVariable:
    """The pseudo actions of each row, over all samples, and the gradient from their values."""

    def __init__(self, logits: Logits, noise: Noise) -> None:
        self._logits = logits
        self._noise = noise
        self._layout = _layout(logits, noise)
        # Whether the kernel says if all values are small, for less than it takes to see before.
        self.looks_at_values = noise.n_samples == 1 and self._layout in (SideBySide.ROWS, SideBySide.CATEGORIES)

    def propose(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """The distinct actions, (M, 1), and their rows."""
        seen, n_wanted = self.wanted()
        room = n_wanted + TILE_WIDTH
        actions, row = np.empty(room, np.int32), np.empty(room, np.int32)
        list_seen(seen, self._logits.offsets, actions, row)
        self._wanted = seen
        return actions[:n_wanted, None], row[:n_wanted]

    def wanted(self) -> tuple[NDArray[np.bool_], int]:
        """Marks of the categories that f is needed at, which do not depend on its values; how many they are."""
        logits = self._logits
        seen = np.empty(logits.n_categories, np.bool_)
        if self._noise.n_samples > 1 or self._layout in (SideBySide.SAMPLES, SideBySide.NOTHING):
            return seen, self._moments(logits.weights, seen)[1]
        run = self._rows_of_one_length if self._layout is SideBySide.ROWS else self._whole_rows
        return seen, run(logits.weights, seen, np.empty(0))[1]

    def estimate(self, values: FloatArray) -> Moments:
        """The gradient from the values of the distinct actions."""
        table = scratch(self._logits.n_categories)
        spread_seen(self._wanted, values, table)
        moments = self.from_table(table)[0]
        if self._noise.first is None:
            return moments
        return replace(
            moments, partial=KnownValues(self._logits, self._noise, np.flatnonzero(self._wanted), values.copy())
        )

    def from_table(self, table: FloatArray) -> tuple[Moments, int, bool]:
        """The gradient from the values of all categories, how many of them it needed, and if all are small.

        The last may be False where nobody looked.
        """
        return self._moments(table, np.empty(0, np.bool_))

    def _moments(self, table: FloatArray, seen: NDArray[np.bool_]) -> tuple[Moments, int, bool]:
        """As from_table; seen, unless it is empty, becomes which were needed."""
        if self._layout is SideBySide.ROWS:
            return self._rows_of_one_length(table, seen, np.empty(table.size))
        logits, noise = self._logits, self._noise
        if self._layout is SideBySide.CATEGORIES and (noise.n_samples == 1 or self._in_parts):
            return self._whole_rows(table, seen, np.empty(table.size))
        if seen.size == 0:
            seen = np.empty(table.size, np.bool_)
        block_samples: BlockSamples = even_blocks
        if self._layout is SideBySide.SAMPLES:
            run_blocks, block_samples = self._samples_of_a_row(table), partial(even_blocks, multiple=TILE_WIDTH)
        elif self._layout is SideBySide.CATEGORIES:
            run_blocks = partial(self._drawn_rows, logits.gaps(), table)
        else:
            run_blocks = self._rows(table)

        def run(_: int, blocks: Blocks) -> None:
            if blocks.n_blocks == 1:
                run_blocks(blocks, seen)
                return
            if blocks.first == 0:
                seen[:] = False
            block_seen = np.empty(blocks.mean.size, np.bool_)
            run_blocks(blocks, block_seen)
            # As bytes: LLVM makes no vectors of booleans.
            marks = block_seen.view(np.uint8), logits.offsets, seen.view(np.uint8)
            merge_seen(blocks.first, blocks.n_blocks, blocks.starts, *marks)

        moments = accumulate(run, logits.offsets, noise.n_samples, block_samples=block_samples)
        return moments, int(np.count_nonzero(seen)), False

    def _samples_of_a_row(self, table: FloatArray) -> RunBlocks:
        """Eight samples of a row side by side."""
        logits, noise = self._logits, self._noise
        rows = (noise.n_samples, logits.inverse_weights, table, logits.offsets, logits.longest, logits.order())

        def run(blocks: Blocks, seen: NDArray[np.bool_]) -> None:
            many_sample_moments(noise.key, *rows, *blocks, seen)

        return run

    def _drawn_rows(
        self, gaps: FloatArray, table: FloatArray, blocks: Blocks, seen: NDArray[np.bool_]
    ) -> tuple[int, int]:
        """Each row alone, eight categories side by side; gaps are of Logits.gaps.

        Results: how many categories the blocks have seen, where seen may be empty; and 0 if all values are small.
        """
        logits, noise = self._logits, self._noise
        rows = (noise.key, noise.n_samples, gaps, table, logits.offsets, logits.longest)
        if self._in_parts:
            n_seen, n_bad, n_large = long_row_moments(*rows, *blocks[4:], seen)
        else:
            n_seen, n_bad, n_large = row_moments(*rows, *blocks, seen)
        if n_bad:
            logits.refuse()
        return int(n_seen), int(n_large)

    @property
    def _in_parts(self) -> bool:
        """Whether rows are so few, and so long, that parts of each are tasks."""
        return self._logits.shortest >= LONG_ROW and self._logits.n_rows < FEW_ROWS

    def _whole_rows(
        self, table: FloatArray, seen: NDArray[np.bool_], mean: FloatArray
    ) -> tuple[Moments, int, bool]:
        """As _moments of _drawn_rows, all samples of a row in one block."""
        logits, n_samples = self._logits, self._noise.n_samples
        moments = Moments(mean, np.empty(table.size if n_samples > 1 else 0), np.empty(logits.n_rows))
        blocks = Blocks(0, 1, n_samples, logits.offsets, mean, moments.squares, moments.value)
        n_seen, n_large = self._drawn_rows(logits.gaps(), table, blocks, seen)
        if n_samples > 1:
            moments.value /= n_samples
        return moments, n_seen, n_large == 0

    def _rows(self, table: FloatArray) -> RunBlocks:
        """Each row alone, with noise that was given, or references, or of any length."""
        logits, noise = self._logits, self._noise
        if noise.n_samples > 1:
            logits.weigh()  # once for all samples
        n_threads = numba.get_num_threads()
        rows = (noise.n_samples, logits.weights, logits.weighed, table, logits.offsets, logits.longest)
        rooms = (
            np.empty((n_threads, logits.longest + LANES)),
            np.empty((n_threads, 0 if logits.weighed else logits.longest)),
        )

        def run(blocks: Blocks, seen: NDArray[np.bool_]) -> None:
            references = (noise.fixed_reference, noise.n_references)
            if one_variable_moments(*references, noise.key, noise.given, *rows, *rooms, *blocks, seen):
                logits.refuse()

        return run

    def _rows_of_one_length(
        self, table: FloatArray, seen: NDArray[np.bool_], mean: FloatArray
    ) -> tuple[Moments, int, bool]:
        logits, noise = self._logits, self._noise
        n_categories = logits.longest
        squares = np.empty(table.size if noise.n_samples > 1 else 0)
        value = np.empty(logits.n_rows)
        rows = (logits.weights, logits.weighed, table)
        if n_categories == 2 and noise.n_samples == 1 and value.size >= TILE_WIDTH:
            n_seen, n_bad, n_large = binary_moments(noise.key, *rows, mean, value, seen)
        else:
            run = short_row_moments if n_categories <= LONGEST_IN_A_LANE else row_by_row_moments
            n_seen, n_bad, n_large = run(
                noise.key, noise.n_samples, n_categories, *rows, mean, squares, value, seen
            )
        if n_bad:
            logits.refuse()
        if noise.n_samples > 1:
            value /= noise.n_samples
        return Moments(mean, squares, value), int(n_seen), n_large == 0


@dataclass(eq=False, repr=False)
class KnownValues:
    """The values that a share of the samples asked for, at their positions in the table.

    Of a variable these are few, and its samples are drawn again for less than it costs to send their sums.
    """

    logits: Logits
    noise: Noise
    positions: IntArray
    values: FloatArray

    def combine(self, shares: Sequence[KnownValues], n_samples: int) -> Moments:
        """The moments of all samples."""
        table = np.zeros(self.logits.n_categories)
        for share in shares:
            table[share.positions] = share.values
        whole = replace(self.noise, n_samples=n_samples, first=None)
        return OneVariable(self.logits, whole).from_table(table)[0]
