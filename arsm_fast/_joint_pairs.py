"""ARSM and ARSM+ with the joint swap: one swap in all variables at once, over all pairs of categories."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from ._distinct import HashArray, find_distinct, hash_multipliers
from ._logits import FloatArray, IntArray, Logits
from ._moments import Blocks, Moments, accumulate
from ._noise import Noise, kernel_arguments
from ._vectors import FormedVectors, VectorArray, Vectors
from .kernels.joint_pairs import form_joint_vectors, joint_pair_entries, joint_pair_moments

# A variable of C categories has from 0.9 C to 2 C changes on average, few of them more than this many times C.
CHANGES_PER_CATEGORY = 4
# Items are taken in waves of so many changes at most, and only the changes of the last wave are kept.
WAVE_CHANGES = 2**21


class Entries(NamedTuple):
    """What kernels.joint_pairs.joint_pair_entries finds out about a wave of items."""

    most: int
    true_actions: NDArray[np.int32]
    bounds: IntArray
    pairs: IntArray
    hashes: HashArray
    starts: IntArray
    changes: NDArray[np.int32]


class JointPairs:
    """The distinct vectors of all joint swaps, and the gradient from their values."""

    def __init__(self, logits: Logits, noise: Noise, *, plus: bool) -> None:
        self._logits = logits
        self._noise = noise
        self._plus = plus
        self._arguments = kernel_arguments(logits, noise)
        self._n_items = logits.n_problems * noise.n_samples
        self._room = CHANGES_PER_CATEGORY * int(logits.offsets[logits.n_variables])
        self._wave_items = max(numba.get_num_threads(), WAVE_CHANGES // self._room)
        self._held: tuple[int, Entries] | None = None

    def _entries(self, first_item: int) -> Entries:
        """The entries of the wave that begins with an item."""
        if self._held is None or self._held[0] != first_item:
            longest = self._arguments[-1]
            n_items = min(self._wave_items, self._n_items - first_item)
            all_pairs = longest * (longest - 1) // 2 <= self._room
            multipliers = hash_multipliers(self._logits.n_variables)
            found = joint_pair_entries(first_item, n_items, all_pairs, self._room, *self._arguments, multipliers)
            self._held = first_item, Entries(*found)
        return self._held[1]

    def propose(self) -> tuple[Vectors, NDArray[np.int32]]:
        """The distinct vectors, (M, K), and their problems."""
        pairs, hashes = [], []
        self._bounds = np.zeros(self._n_items + 1, np.int64)
        self._most = 0
        for first in range(0, self._n_items, self._wave_items):
            entries = self._entries(first)
            pairs.append(entries.pairs)
            hashes.append(entries.hashes)
            self._bounds[first + 1 : first + entries.bounds.size] = self._bounds[first] + entries.bounds[1:]
            self._most = max(self._most, entries.most)
        self._pairs = np.concatenate(pairs)
        distinct = find_distinct(
            np.concatenate(hashes), np.ascontiguousarray(self._bounds[:: self._noise.n_samples])
        )
        self._number, self._first = distinct.number, distinct.first
        return FormedVectors(self._form, distinct.first.size), distinct.problem

    def _form(self, start: int, stop: int) -> VectorArray:
        """The vectors from start to stop, wave by wave."""
        wanted = self._first[start:stop]
        vectors = np.empty((wanted.size, self._logits.n_variables), np.int32)
        done = 0
        while done < wanted.size:
            item = int(np.searchsorted(self._bounds, wanted[done], side="right")) - 1
            first = item - item % self._wave_items
            entries = self._entries(first)
            end = int(np.searchsorted(wanted, self._bounds[first + entries.bounds.size - 1]))
            form_joint_vectors(
                wanted[done:end] - self._bounds[first],
                entries.true_actions,
                entries.bounds,
                entries.starts,
                entries.changes,
                vectors[done:end],
            )
            done = end
        return vectors

    def estimate(self, values: FloatArray) -> Moments:
        """The gradient from the values of the distinct vectors."""
        logits, noise = self._logits, self._noise
        order = np.argsort(-logits.sizes[: logits.n_variables], kind="stable")

        def run(blocks: Blocks) -> None:
            joint_pair_moments(
                self._most,
                self._plus,
                *self._arguments,
                order,
                self._bounds,
                self._pairs,
                self._number,
                values,
                *blocks,
            )

        return accumulate(run, logits.problem_offsets, noise.n_samples)
