"""ARS and ARSM for rows that are problems of one variable: a table of values is all they need."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ._logits import FloatArray, IntArray, Logits
from ._moments import Blocks, Moments, accumulate
from ._noise import Noise
from .kernels.lanes import WIDTH as TILE_WIDTH
from .kernels.moments import merge_seen
from .kernels.one_variable import one_variable_moments

# Longer rows fall out of the second-level cache eight at a time.
LONGEST_TILE = 16384


class OneVariable:
    """The pseudo actions of each row, over all samples, and the gradient from their values."""

    def __init__(self, logits: Logits, noise: Noise) -> None:
        self._logits = logits
        self._noise = noise

    def propose(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """The distinct actions, (M, 1), and their rows."""
        _, seen = self.from_table(np.zeros(self._logits.flat.size))
        self._wanted = np.flatnonzero(seen)
        row = np.searchsorted(self._logits.offsets, self._wanted, side="right") - 1
        actions = self._wanted - self._logits.offsets[row]
        return actions[:, None].astype(np.int32), row.astype(np.int32)

    def estimate(self, values: FloatArray) -> Moments:
        """The gradient from the values of the distinct actions."""
        table = np.zeros(self._logits.flat.size)
        table[self._wanted] = values
        return self.from_table(table)[0]

    def from_table(self, table: FloatArray) -> tuple[Moments, NDArray[np.bool_]]:
        """The gradient from the values of all categories, and which of them it needed."""
        logits, noise = self._logits, self._noise
        seen = np.zeros(table.size, np.bool_)
        order = self._order()

        def run(blocks: Blocks) -> None:
            block_seen = seen if blocks.n_blocks == 1 else np.empty(blocks.mean.size, np.bool_)
            one_variable_moments(
                noise.fixed_reference,
                noise.n_references,
                noise.key,
                noise.given,
                noise.n_samples,
                logits.inverse_weights,
                table,
                logits.offsets,
                order,
                *blocks,
                block_seen,
            )
            if blocks.n_blocks > 1:
                merge_seen(blocks.first, blocks.n_blocks, blocks.starts, block_seen, logits.offsets, seen)

        return accumulate(run, logits.offsets, noise.n_samples), seen

    def _order(self) -> IntArray:
        """The categories of each row by weight, where eight samples at a time are worth it."""
        logits, noise = self._logits, self._noise
        if (
            noise.n_samples < TILE_WIDTH
            or noise.n_references > 0
            or noise.given.size > 0
            or logits.sizes.max() > LONGEST_TILE
        ):
            return np.empty(0, np.int64)
        if logits.shape is not None:
            return logits.inverse_weights.reshape(-1, logits.shape[-1]).argsort(axis=1).ravel()
        rows = np.split(logits.inverse_weights, logits.offsets[1:-1])
        return np.concatenate([row.argsort() for row in rows])
