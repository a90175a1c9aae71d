"""ARS, ARSM and ARSM+ over references with the joint swap: one swap in all variables at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ._distinct import find_distinct, hash_multipliers
from ._logits import FloatArray, Logits
from ._moments import Blocks, Moments, accumulate
from ._noise import Noise, kernel_arguments
from ._vectors import FormedVectors, VectorArray, Vectors
from .kernels.joint_references import build_joint_vectors, hash_joint_entries, joint_moments


class JointReferences:
    """The distinct vectors of all swaps with references, and the gradient from their values."""

    def __init__(self, logits: Logits, noise: Noise, *, plus: bool) -> None:
        self._logits = logits
        self._noise = noise
        self._plus = plus
        self._arguments = (noise.fixed_reference, noise.n_references, *kernel_arguments(logits, noise))
        self._entries_per_item = 1 + noise.n_references * logits.longest

    def propose(self) -> tuple[Vectors, NDArray[np.int32]]:
        """The distinct vectors, (M, K), and their problems."""
        logits, noise = self._logits, self._noise
        n_items = logits.n_problems * noise.n_samples
        hashes = np.empty((n_items, self._entries_per_item, 2), np.uint64)
        hash_joint_entries(*self._arguments, hash_multipliers(logits.n_variables), hashes)
        bounds = np.arange(logits.n_problems + 1) * (noise.n_samples * self._entries_per_item)
        distinct = find_distinct(hashes.reshape(-1, 2), bounds)
        self._number, self._first = distinct.number, distinct.first
        return FormedVectors(self._form, distinct.first.size), distinct.problem

    def _form(self, start: int, stop: int) -> VectorArray:
        """The vectors from start to stop."""
        wanted = self._first[start:stop]
        n_items = self._logits.n_problems * self._noise.n_samples
        bounds = np.searchsorted(wanted, np.arange(n_items + 1) * self._entries_per_item)
        vectors = np.empty((wanted.size, self._logits.n_variables), np.int32)
        build_joint_vectors(*self._arguments, self._entries_per_item, wanted, bounds, vectors)
        return vectors

    def estimate(self, values: FloatArray) -> Moments:
        """The gradient from the values of the distinct vectors."""
        logits, noise = self._logits, self._noise
        entry_values = values[self._number].reshape(-1, self._entries_per_item)

        def run(begin: int, blocks: Blocks) -> None:
            joint_moments(
                self._plus,
                *self._arguments,
                entry_values,
                begin,
                *blocks,
            )

        return accumulate(run, logits.problem_offsets, noise.n_samples, noise.first)
