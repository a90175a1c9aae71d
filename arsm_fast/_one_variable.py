"""ARS and ARSM for rows that are problems of one variable: a table of values is all they need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numba
import numpy as np
from numpy.typing import NDArray

from ._logits import FloatArray, IntArray, Logits
from ._moments import Blocks, Moments, accumulate
from ._noise import LONGEST_SHORT_ROW, LONGEST_TILE, Noise
from .kernels.binary import binary_moments
from .kernels.lanes import WIDTH as TILE_WIDTH
from .kernels.moments import merge_seen
from .kernels.noise import LANES
from .kernels.one_variable import (
    list_seen,
    many_sample_moments,
    medium_row_moments,
    one_variable_moments,
    short_row_moments,
)

# Of longer rows side by side not all pairs are compared.
LONGEST_ALL_PAIRS = 40
# More samples than these are worth a sorted order for each row.
MOST_SAMPLES_OF_ROWS = 64


class OneVariable:
    """The pseudo actions of each row, over all samples, and the gradient from their values."""

    def __init__(self, logits: Logits, noise: Noise) -> None:
        self._logits = logits
        self._noise = noise

    def propose(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """The distinct actions, (M, 1), and their rows."""
        n_categories = self._logits.n_categories
        seen = np.empty(n_categories, np.bool_)
        _, n_wanted = self._moments(np.zeros(n_categories), seen)
        positions = np.empty(n_wanted + 1, np.int64)
        actions, row = np.empty(n_wanted + 1, np.int32), np.empty(n_wanted + 1, np.int32)
        list_seen(seen, self._logits.offsets, positions, actions, row)
        self._wanted = positions[:-1]
        return actions[:-1, None], row[:-1]

    def estimate(self, values: FloatArray) -> Moments:
        """The gradient from the values of the distinct actions."""
        table = np.zeros(self._logits.n_categories)
        table[self._wanted] = values
        moments = self.from_table(table)[0]
        if self._noise.first is None:
            return moments
        return replace(moments, partial=KnownValues(self._logits, self._noise, self._wanted, values))

    def from_table(self, table: FloatArray) -> tuple[Moments, int]:
        """The gradient from the values of all categories, and how many of them it needed."""
        return self._moments(table, np.empty(0, np.bool_))

    def _moments(self, table: FloatArray, seen: NDArray[np.bool_]) -> tuple[Moments, int]:
        """As from_table; seen, unless it is empty, becomes which were needed."""
        if self._rows_side_by_side():
            return self._short_rows(table, seen)
        logits, noise = self._logits, self._noise
        if seen.size == 0:
            seen = np.empty(table.size, np.bool_)
        tiled = self._samples_side_by_side()
        order = self._logits.order() if tiled else np.empty(0, np.int64)
        if noise.n_samples > 1:
            logits.weigh()  # once for all samples
        longest = int(logits.sizes.max())
        noise_room = np.empty((numba.get_num_threads(), longest + LANES))
        weight_room = np.empty((numba.get_num_threads(), 0 if logits.weighed else longest))

        def run(_: int, blocks: Blocks) -> None:
            block_seen = seen if blocks.n_blocks == 1 else np.empty(blocks.mean.size, np.bool_)
            if tiled:
                rows = (noise.n_samples, logits.inverse_weights, table, logits.offsets)
                many_sample_moments(noise.key, *rows, order, *blocks, block_seen)
            elif one_variable_moments(
                noise.fixed_reference,
                noise.n_references,
                noise.key,
                noise.given,
                noise.n_samples,
                logits.weights,
                logits.weighed,
                table,
                logits.offsets,
                noise_room,
                weight_room,
                *blocks,
                block_seen,
            ):
                logits.refuse()
            if blocks.n_blocks > 1:
                merge_seen(blocks.first, blocks.n_blocks, blocks.starts, block_seen, logits.offsets, seen)

        seen[:] = False
        moments = accumulate(run, logits.offsets, noise.n_samples)
        return moments, int(np.count_nonzero(seen))

    def _rows_side_by_side(self) -> bool:
        """Whether eight rows at a time are worth more than eight samples of one."""
        logits, noise = self._logits, self._noise
        return (
            noise.n_references == 0
            and noise.given.size == 0
            and noise.n_samples <= MOST_SAMPLES_OF_ROWS
            and logits.shape is not None
            and logits.shape[-1] <= LONGEST_SHORT_ROW
            and (noise.n_samples < TILE_WIDTH or logits.offsets.size > TILE_WIDTH)
        )

    def _short_rows(self, table: FloatArray, seen: NDArray[np.bool_]) -> tuple[Moments, int]:
        logits, noise = self._logits, self._noise
        n_categories = int(logits.sizes[0])
        mean = np.empty(table.size)
        squares = np.empty(table.size if noise.n_samples > 1 else 0)
        value = np.empty(logits.offsets.size - 1)
        rows = (logits.weights, logits.weighed, table)
        if n_categories == 2 and noise.n_samples == 1:
            n_seen, n_bad = binary_moments(noise.key, *rows, mean, value, seen)
        else:
            run = short_row_moments if n_categories <= LONGEST_ALL_PAIRS else medium_row_moments
            n_seen, n_bad = run(noise.key, noise.n_samples, n_categories, *rows, mean, squares, value, seen)
        if n_bad:
            logits.refuse()
        return Moments(mean, squares, value / noise.n_samples), int(n_seen)

    def _samples_side_by_side(self) -> bool:
        """Whether eight samples of a row at a time are possible and worth it."""
        noise = self._noise
        return (
            noise.n_samples >= TILE_WIDTH
            and noise.n_references == 0
            and noise.given.size == 0
            and int(self._logits.sizes.max()) <= LONGEST_TILE
        )


@dataclass(frozen=True, eq=False)
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
