"""ARS and ARSM for rows that are problems of one variable: a table of values is all they need."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ._logits import FloatArray, IntArray, Logits
from ._moments import Moments, accumulate
from ._noise import Noise
from .kernels.one_variable import one_variable_moments


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

        def run(
            first: int,
            n_blocks: int,
            starts: IntArray,
            mean: FloatArray,
            squares: FloatArray,
            value: FloatArray,
        ) -> None:
            block_seen = seen if n_blocks == 1 else np.empty(mean.size, np.bool_)
            one_variable_moments(
                noise.fixed_reference,
                noise.n_references,
                noise.key,
                noise.given,
                noise.n_samples,
                logits.inverse_weights,
                table,
                logits.offsets,
                first,
                n_blocks,
                starts,
                mean,
                squares,
                value,
                block_seen,
            )
            if n_blocks > 1:
                for i in range(value.size):
                    row = (first + i) // n_blocks
                    seen[logits.offsets[row] : logits.offsets[row + 1]] |= block_seen[
                        starts[i] : starts[i + 1]
                    ]

        return accumulate(run, logits.offsets, noise.n_samples), seen
