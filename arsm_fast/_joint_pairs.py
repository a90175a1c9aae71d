"""ARSM and ARSM+ with the joint swap: one swap in all variables at once, over all pairs of categories."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ._distinct import find_distinct, hash_multipliers
from ._logits import FloatArray, Logits
from ._moments import Blocks, Moments, accumulate
from ._noise import Noise, kernel_arguments
from .kernels.joint_pairs import BUILD, COUNT, HASH, joint_pair_entries, joint_pair_moments


class JointPairs:
    """The distinct vectors of all joint swaps, and the gradient from their values."""

    def __init__(self, logits: Logits, noise: Noise, *, plus: bool) -> None:
        self._logits = logits
        self._noise = noise
        self._plus = plus
        self._arguments = kernel_arguments(logits, noise)

    def propose(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """The distinct vectors, (M, K), and their problems."""
        logits, noise = self._logits, self._noise
        n_items = logits.n_problems * noise.n_samples
        multipliers = hash_multipliers(logits.n_variables)
        true_actions = np.empty((n_items, logits.n_variables), np.int32)
        self._n_changes = np.empty((n_items, 2), np.int64)
        self._bounds = np.zeros(n_items + 1, np.int64)
        self._first = np.empty(0, np.int32)
        self._second = np.empty(0, np.int32)
        hashes = np.empty((0, 2), np.uint64)
        place = np.empty(0, np.int64)
        vectors = np.empty((0, logits.n_variables), np.int32)

        def run(step: int) -> None:
            joint_pair_entries(
                step,
                *self._arguments,
                multipliers,
                true_actions,
                self._n_changes,
                self._bounds,
                self._first,
                self._second,
                hashes,
                place,
                vectors,
            )

        run(COUNT)
        widest = int(logits.sizes.max())
        n_pairs = widest * (widest - 1) // 2
        np.cumsum(1 + np.minimum(self._n_changes[:, 0], n_pairs), out=self._bounds[1:])
        n_entries = int(self._bounds[-1])
        self._first = np.empty(n_entries, np.int32)
        self._second = np.empty(n_entries, np.int32)
        hashes = np.empty((n_entries, 2), np.uint64)
        run(HASH)
        distinct = find_distinct(hashes, np.ascontiguousarray(self._bounds[:: noise.n_samples]))
        self._number = distinct.number
        place = np.full(n_entries, -1)
        place[distinct.first] = np.arange(distinct.first.size)
        vectors = np.empty((distinct.first.size, logits.n_variables), np.int32)
        run(BUILD)
        return vectors, distinct.problem

    def estimate(self, values: FloatArray) -> Moments:
        """The gradient from the values of the distinct vectors."""
        logits, noise = self._logits, self._noise
        entry_values = values[self._number]

        def run(blocks: Blocks) -> None:
            joint_pair_moments(
                self._plus,
                *self._arguments,
                self._n_changes,
                self._bounds,
                self._first,
                self._second,
                entry_values,
                *blocks,
            )

        return accumulate(run, logits.problem_offsets, noise.n_samples)
