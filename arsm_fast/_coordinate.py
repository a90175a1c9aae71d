"""ARS and ARSM with the coordinate swap: one variable at a time, the others at their true action."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ._changes import Changes
from ._distinct import hash_multipliers
from ._logits import FloatArray, Logits
from ._moments import Blocks, Moments, accumulate
from ._noise import Noise, kernel_arguments
from ._vectors import Vectors
from .kernels.coordinate import (
    VARIABLES_PER_TASK,
    coordinate_entries,
    coordinate_moments,
    draw_coordinate_swaps,
)


class CoordinateSwaps:
    """The distinct vectors of all coordinate swaps, and the gradient from their values."""

    def __init__(self, logits: Logits, noise: Noise) -> None:
        self._logits = logits
        self._noise = noise
        self._arguments = (noise.fixed_reference, noise.n_references, *kernel_arguments(logits, noise))

    def propose(self) -> tuple[Vectors, NDArray[np.int32]]:
        """The distinct vectors, (M, K), and their problems."""
        logits = self._logits
        n_items, n_variables = logits.n_problems * self._noise.n_samples, logits.n_variables
        n_categories, n_parts = int(logits.offsets[n_variables]), -(-n_variables // VARIABLES_PER_TASK)
        true_actions = np.empty((n_items, n_variables), np.int32)
        swaps = (
            np.empty((n_items, n_categories), np.int32),
            np.empty((n_items, n_categories), np.int32),
            np.empty((n_items, n_parts), np.int64),
        )
        draw_coordinate_swaps(*self._arguments, true_actions, *swaps)
        entries = coordinate_entries(true_actions, *swaps, logits.offsets, hash_multipliers(n_variables))
        changes = Changes(true_actions, *entries)
        self.distinct = changes.find_distinct(self._noise.n_samples)
        return self.distinct.vectors, self.distinct.problem

    def estimate(self, values: FloatArray) -> Moments:
        """The gradient from the values of the distinct vectors."""
        entries = self.distinct.arguments(values)

        def run(begin: int, blocks: Blocks) -> None:
            coordinate_moments(*self._arguments, *entries, begin, *blocks)

        return accumulate(run, self._logits.problem_offsets, self._noise.n_samples, self._noise.first)
