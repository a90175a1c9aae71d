"""ARS and ARSM with the coordinate swap: one variable at a time, the others at their true action."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ._distinct import find_distinct, hash_multipliers
from ._logits import FloatArray, Logits
from ._moments import Blocks, Moments, accumulate
from ._noise import Noise, kernel_arguments
from ._vectors import FormedVectors, VectorArray, Vectors
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
        logits, noise = self._logits, self._noise
        multipliers = hash_multipliers(logits.n_variables)
        self._true_actions, self._bounds, self._variable, self._category, hashes = coordinate_entries(
            *self._arguments, multipliers
        )
        distinct = find_distinct(hashes, np.ascontiguousarray(self._bounds[:: noise.n_samples]))
        self._number, self._first = distinct.number, distinct.first
        return FormedVectors(self._form, distinct.first.size), distinct.problem

    def _form(self, start: int, stop: int) -> VectorArray:
        """The vectors from start to stop."""
        wanted = self._first[start:stop]
        items = np.searchsorted(self._bounds, wanted, side="right") - 1
        vectors: VectorArray = self._true_actions[items]
        vectors[np.arange(wanted.size), self._variable[wanted]] = self._category[wanted]
        return vectors

    def estimate(self, values: FloatArray) -> Moments:
        """The gradient from the values of the distinct vectors."""
        logits, noise = self._logits, self._noise
        entry_values = values[self._number]

        def run(blocks: Blocks) -> None:
            coordinate_moments(
                *self._arguments,
                self._bounds,
                self._variable,
                self._category,
                entry_values,
                *blocks,
            )

        return accumulate(run, logits.problem_offsets, noise.n_samples)
