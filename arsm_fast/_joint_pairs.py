"""ARSM and ARSM+ with the joint swap: one swap in all variables at once, over all pairs of categories."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from ._distinct import HashArray, find_distinct, hash_multipliers
from ._logits import FloatArray, IntArray, Logits
from ._moments import Blocks, Moments, accumulate
from ._noise import Noise, kernel_arguments
from ._vectors import FormedVectors, VectorArray, Vectors
from .kernels.joint_pairs import form_joint_vectors, joint_pair_entries, joint_pair_moments
from .kernels.joint_rows import joint_row_entries
from .kernels.pairs import HALF

# Of longer rows not all pairs are compared.
LONGEST_ALL_PAIRS = 40
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


class RowEntries(NamedTuple):
    """What kernels.joint_rows.joint_row_entries finds out about a wave of items, in the form of Entries."""

    most: int
    bounds: IntArray
    pairs: IntArray
    hashes: HashArray
    vectors: VectorArray


def joint_pairs(logits: Logits, noise: Noise, *, plus: bool) -> JointPairs:
    """All joint swaps, in the way that is faster."""
    longest = logits.longest
    short = longest <= LONGEST_ALL_PAIRS and _n_pairs(longest) <= _room(logits)
    if short and logits.shape is not None and noise.given.size == 0:
        return ShortRows(logits, noise, plus=plus)
    return JointPairs(logits, noise, plus=plus)


def _n_pairs(n_categories: int) -> int:
    return n_categories * (n_categories - 1) // 2


def _room(logits: Logits) -> int:
    """For the changes of an item."""
    return CHANGES_PER_CATEGORY * int(logits.offsets[logits.n_variables])


class JointPairs:
    """The distinct vectors of all joint swaps, and the gradient from their values."""

    def __init__(self, logits: Logits, noise: Noise, *, plus: bool) -> None:
        self._logits = logits
        self._noise = noise
        self._plus = plus
        self._arguments = kernel_arguments(logits, noise)
        self._n_items = logits.n_problems * noise.n_samples
        self._multipliers = hash_multipliers(logits.n_variables)
        self._wave_items = max(numba.get_num_threads(), WAVE_CHANGES // self._actions_of_item())
        self._held: tuple[int, Any] | None = None

    def _actions_of_item(self) -> int:
        """How many actions are kept of an item."""
        return _room(self._logits)

    def _find(self, first_item: int, n_items: int) -> Any:
        """The entries of a wave."""
        room = _room(self._logits)
        all_pairs = _n_pairs(self._arguments[-1]) <= room
        found = joint_pair_entries(first_item, n_items, all_pairs, room, *self._arguments, self._multipliers)
        return Entries(*found)

    def _form_wave(self, wanted: IntArray, entries: Any, vectors: VectorArray) -> None:
        """The vectors of some entries of a wave."""
        form_joint_vectors(wanted, entries.true_actions, entries.bounds, entries.starts, entries.changes, vectors)

    def _entries(self, first_item: int) -> Any:
        """The entries of the wave that begins with an item."""
        if self._held is None or self._held[0] != first_item:
            n_items = min(self._wave_items, self._n_items - first_item)
            self._held = first_item, self._find(first_item, n_items)
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
            self._form_wave(wanted[done:end] - self._bounds[first], entries, vectors[done:end])
            done = end
        return vectors

    def estimate(self, values: FloatArray) -> Moments:
        """The gradient from the values of the distinct vectors."""
        logits, noise = self._logits, self._noise
        order = np.argsort(-logits.sizes[: logits.n_variables], kind="stable")

        def run(begin: int, blocks: Blocks) -> None:
            joint_pair_moments(
                self._most,
                self._plus,
                *self._arguments,
                order,
                self._bounds,
                self._pairs,
                self._number,
                values,
                begin,
                *blocks,
            )

        return accumulate(run, logits.problem_offsets, noise.n_samples, noise.first)


class ShortRows(JointPairs):
    """The same for variables of few categories each, and drawn noise: every pair has an entry."""

    def _actions_of_item(self) -> int:
        return (1 + _n_pairs(self._arguments[-1])) * self._logits.n_variables

    def _find(self, first_item: int, n_items: int) -> RowEntries:
        logits, noise, longest = self._logits, self._noise, self._arguments[-1]
        n_entries = 1 + _n_pairs(longest)
        vectors = np.empty((n_items, n_entries, logits.n_variables), np.int32)
        hashes = np.empty((n_items, n_entries, 2), np.uint64)
        joint_row_entries(
            first_item,
            noise.key,
            noise.n_samples,
            longest,
            logits.inverse_weights,
            self._multipliers,
            vectors,
            hashes,
        )
        larger, smaller = np.tril_indices(longest, -1)
        pairs = np.concatenate(([0], larger << HALF | smaller))
        return RowEntries(
            n_entries,
            np.arange(n_items + 1) * n_entries,
            np.tile(pairs, n_items),
            hashes.reshape(-1, 2),
            vectors.reshape(-1, logits.n_variables),
        )

    def _form_wave(self, wanted: IntArray, entries: RowEntries, vectors: VectorArray) -> None:
        # Without a mode, NumPy would take them twice.
        np.take(entries.vectors, wanted, axis=0, out=vectors, mode="clip")
