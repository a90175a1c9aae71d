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
    coordinate_entries,
    coordinate_moments,
)


class CoordinateSwaps:
    """The distinct vectors of all coordinate swaps, and the gradient from their values."""

    def __init__(self, logits: Logits, noise: Noise) -> None:
        self._logits = logits
        self._noise = noise
        self._arguments = (noise.fixed_reference, noise.n_references, *kernel_arguments(logits, noise))

    def propose(self) -> tuple[Vectors, NDArray[np.int32]]:
        """The distinct vectors, (M, K), and their problems."""
        changes = Changes(*coordinate_entries(*self._arguments, hash_multipliers(self._logits.n_variables)))
        self.distinct = changes.find_distinct(self._noise.n_samples)
        return self.distinct.vectors, self.distinct.problem

    def estimate(self, values: FloatArray) -> Moments:
        """The gradient from the values of the distinct vectors."""
        entries = self.distinct.arguments(values)

        def run(begin: int, blocks: Blocks) -> None:
            coordinate_moments(*self._arguments, *entries, begin, *blocks)

        return accumulate(run, self._logits.problem_offsets, self._noise.n_samples, self._noise.first)
