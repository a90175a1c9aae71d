"""ARSM and ARSM+ with the joint swap: one swap in all variables at once, over all pairs of categories."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from ._distinct import HashArray, find_distinct, hash_multipliers, problems_of
from ._logits import FloatArray, IntArray, Logits
from ._moments import Blocks, Moments, accumulate
from ._noise import Noise, kernel_arguments
from ._scratch import arrays_in_one
from ._vectors import FormedVectors, VectorArray, Vectors, empty_vectors
from .kernels.joint_pairs import (
    close_entries,
    find_entries,
    form_joint_vectors,
    hash_vectors,
    joint_pair_moments,
)
from .kernels.joint_rows import find_row_vectors, form_row_vectors, joint_row_moments, list_row_hashes
from .kernels.lanes import WIDTH

# Of longer rows not all pairs have entries, nor does kernels.joint_words take them.
LONGEST_ALL_PAIRS = 64
# A variable of C categories has from 0.9 C to 2 C changes on average, few of them more than this many times C.
CHANGES_PER_CATEGORY = 4
# Items are taken in waves of so many changes at most, and only the changes of the last wave are kept.
WAVE_CHANGES = 2**21
NOTHING: NDArray[Any] = np.empty(0, np.int32)
NO_HASHES: HashArray = np.empty((0, 2), np.uint64)
# NumPy finds these sooner than it makes them of the types of their scalars.
INT32, INT64, UINT32, UINT64 = map(np.dtype, (np.int32, np.int64, np.uint32, np.uint64))


class Entries(NamedTuple):
    """What kernels.joint_pairs.find_entries finds out about a wave of items.

    The most changes of any one variable; the true actions, (items, variables); bounds, (3, items + 1): the
    entries of item i are bounds[0, i]..bounds[0, i + 1] - 1, and likewise its vectors and its words; the entries'
    pairs; the number of each one's vector within the item; the vectors' hashes, if there are several samples; and
    the words that say what the vectors are (see kernels.joint_pairs). Behind the last of pairs, numbers and words
    there may be room.
    """

    most: int
    true_actions: NDArray[np.int32]
    bounds: IntArray
    pairs: NDArray[np.uint64]
    number: NDArray[np.uint32]
    hashes: HashArray
    words: NDArray[np.uint64]

    @property
    def vector_bounds(self) -> IntArray:
        """Of each item's vectors."""
        bounds: IntArray = self.bounds[1]
        return bounds


class RowEntries(NamedTuple):
    """What kernels.joint_rows.find_row_vectors finds out about a wave of items."""

    number: NDArray[np.int32]
    vector_bounds: IntArray
    hashes: HashArray
    first: NDArray[np.int32]
    words: HashArray


def joint_pairs(logits: Logits, noise: Noise, *, plus: bool) -> JointPairs:
    """All joint swaps, in the way that is faster."""
    longest = logits.longest
    short = longest <= LONGEST_ALL_PAIRS and _n_pairs(longest) <= _room(logits)
    if short and logits.shape is not None and noise.given.size == 0 and not plus:
        return ShortRows(logits, noise, plus=False)
    return JointPairs(logits, noise, plus=plus)


def _n_pairs(n_categories: int) -> int:
    return n_categories * (n_categories - 1) // 2


def _room(logits: Logits) -> int:
    """For the changes of an item."""
    return CHANGES_PER_CATEGORY * int(logits.offsets[logits.n_variables])


def _joined_bounds(bounds: list[IntArray]) -> IntArray:
    """Those of one wave after the other, each from 0 on; they run along the last axis."""
    ends = np.cumsum([own[..., -1:] for own in bounds], axis=0)
    later = [own[..., 1:] + end for own, end in zip(bounds[1:], ends[:-1], strict=True)]
    joined: IntArray = np.concatenate([bounds[0], *later], axis=-1)
    return joined


class JointPairs:
    """The distinct vectors of all joint swaps, and the gradient from their values."""

    def __init__(self, logits: Logits, noise: Noise, *, plus: bool) -> None:
        self._logits = logits
        self._noise = noise
        self._plus = plus
        self._arguments = kernel_arguments(logits, noise)
        self._multipliers = hash_multipliers(logits.n_variables)
        self._n_items = logits.n_problems * noise.n_samples
        self._n_threads = self._wave_items = 1
        if self._n_items > 1:
            self._n_threads = numba.get_num_threads()
            self._wave_items = max(self._n_threads, WAVE_CHANGES // self._actions_of_item())
        self._held: tuple[int, Any] | None = None

    def _actions_of_item(self) -> int:
        """How many actions are kept of an item."""
        return _room(self._logits)

    def _find(self, first_item: int, n_items: int) -> Any:
        """The entries of a wave."""
        n_samples, n_variables, longest = self._noise.n_samples, self._logits.n_variables, self._arguments[-1]
        n_tasks = min(n_items, self._n_threads)
        room, needed = 0, _room(self._logits)  # this is expected to be enough
        all_pairs = _n_pairs(longest) <= needed
        found = np.zeros((5, n_items + 1), INT64)
        true_actions = np.empty((n_items, n_variables), INT32)
        while needed > room:
            room = needed
            most_entries = 1 + (_n_pairs(longest) if all_pairs else room + longest + WIDTH)
            pairs, number, words = arrays_in_one(
                ((n_items * most_entries,), UINT64),
                ((n_items * most_entries,), UINT32),
                ((n_items * (1 + 2 * room),), UINT64),
            )
            find_entries(
                *(n_tasks, first_item, all_pairs, *self._arguments, self._multipliers),
                *(room, found, true_actions, pairs, number, words),
            )
            needed, most = (found[3:, 1] if n_items == 1 else found[3:].max(axis=1)).tolist()
        bounds, hashes = found[:3], NO_HASHES
        if n_items > 1:
            bounds.cumsum(axis=1, out=bounds)
            close_entries(n_tasks, bounds, pairs, number, words)
        if n_samples > 1:
            hashes = np.empty((bounds[1, -1], 2), UINT64)
            hash_vectors(true_actions, bounds, words, self._multipliers, hashes)
        return Entries(most, true_actions, bounds, pairs, number, hashes, words)

    def _form_wave(self, wanted: IntArray, entries: Any, vectors: VectorArray) -> None:
        """Some vectors of a wave."""
        form_joint_vectors(
            wanted,
            wanted.searchsorted(entries.vector_bounds),
            entries.true_actions,
            entries.bounds,
            entries.words,
            vectors,
        )

    def _entries(self, first_item: int) -> Any:
        """The entries of the wave that begins with an item."""
        if self._held is None or self._held[0] != first_item:
            n_items = min(self._wave_items, self._n_items - first_item)
            self._held = first_item, self._find(first_item, n_items)
        return self._held[1]

    def _joined(self, waves: list[Any]) -> Any:
        """What the estimate needs of several waves, without what forms the vectors."""
        return Entries(
            max(wave.most for wave in waves),
            NOTHING,
            _joined_bounds([wave.bounds for wave in waves]),
            np.concatenate([wave.pairs[: wave.bounds[0, -1]] for wave in waves]),
            np.concatenate([wave.number[: wave.bounds[0, -1]] for wave in waves]),
            np.concatenate([wave.hashes for wave in waves]),
            NOTHING,
        )

    def propose(self) -> tuple[Vectors, NDArray[np.int32]]:
        """The distinct vectors, (M, K), and their problems."""
        if self._n_items <= self._wave_items:
            self._kept = self._entries(0)
        else:
            firsts = range(0, self._n_items, self._wave_items)
            self._kept = self._joined([self._joined([self._entries(first)]) for first in firsts])
        bounds = self._kept.vector_bounds
        self._number = self._first = None
        if self._n_items == 1:
            problem = np.zeros(bounds[1], np.int32)
        elif self._noise.n_samples == 1:
            problem = problems_of(bounds[1:] - bounds[:-1])
        else:
            by_problem = np.ascontiguousarray(bounds[:: self._noise.n_samples])
            number, first, problem = find_distinct(self._kept.hashes, by_problem)
            if first.size < number.size:  # most often all are distinct
                self._number, self._first = number, first
        return FormedVectors(self._form, problem.size), problem

    def _form(self, start: int, stop: int) -> VectorArray:
        """The vectors from start to stop, wave by wave."""
        wanted = np.arange(start, stop) if self._first is None else self._first[start:stop]
        vectors = empty_vectors(wanted.size, self._logits.n_variables)
        if self._n_items <= self._wave_items:
            self._form_wave(wanted, self._entries(0), vectors)
            return vectors
        done, bounds = 0, self._kept.vector_bounds
        while done < wanted.size:
            item = int(bounds.searchsorted(wanted[done], side="right")) - 1
            first = item - item % self._wave_items
            entries = self._entries(first)
            begin, end = bounds[first], bounds[first + entries.vector_bounds.size - 1]
            here = slice(done, int(wanted.searchsorted(end)))
            self._form_wave(wanted[here] - begin, entries, vectors[here])
            done = here.stop
        return vectors

    def _values_of_vectors(self, values: FloatArray) -> FloatArray:
        """The values of all items' vectors, from those of the problems' distinct ones."""
        return values if self._number is None else values[self._number]

    def estimate(self, values: FloatArray) -> Moments:
        """The gradient from the values of the distinct vectors."""
        logits, noise, kept = self._logits, self._noise, self._kept
        order = logits.by_size()
        vector_values = self._values_of_vectors(values)

        def run(begin: int, blocks: Blocks) -> None:
            joint_pair_moments(
                kept.most,
                self._plus,
                *self._arguments,
                order,
                kept.bounds,
                kept.pairs,
                kept.number,
                vector_values,
                begin,
                *blocks,
            )

        return accumulate(run, logits.problem_offsets, noise.n_samples, noise.first)


class ShortRows(JointPairs):
    """The same for variables of few categories each, drawn noise and not ARSM+: every pair has an entry."""

    def _actions_of_item(self) -> int:
        return (1 + _n_pairs(self._arguments[-1])) * self._logits.n_variables

    def _find(self, first_item: int, n_items: int) -> RowEntries:
        logits, noise, longest = self._logits, self._noise, self._arguments[-1]
        n_entries = 1 + _n_pairs(longest)
        n_words = -(-n_entries // WIDTH) * WIDTH
        number, first, words = arrays_in_one(
            ((n_items, n_entries), INT32),
            ((n_items, n_entries), INT32),
            ((n_items, -(-logits.n_variables // WIDTH), n_words), UINT64),
        )
        entry_hashes = np.empty((n_items, 2, n_words), UINT64)
        bounds = np.zeros(n_items + 1, np.int64)
        find_row_vectors(
            first_item,
            noise.key,
            noise.n_samples,
            logits.n_variables,
            longest,
            logits.inverse_weights,
            self._multipliers,
            number,
            first,
            entry_hashes,
            words,
            bounds[1:],
        )
        if n_items > 1:
            bounds.cumsum(out=bounds)
        hashes = np.empty((bounds[-1] if noise.n_samples > 1 else 0, 2), np.uint64)
        if noise.n_samples > 1:
            list_row_hashes(bounds, first, entry_hashes, hashes)
        return RowEntries(number, bounds, hashes, first, words)

    def _form_wave(self, wanted: IntArray, entries: RowEntries, vectors: VectorArray) -> None:
        form_row_vectors(wanted, entries.vector_bounds, entries.first, entries.words, vectors)

    def _joined(self, waves: list[Any]) -> RowEntries:
        return RowEntries(
            np.concatenate([wave.number for wave in waves]),
            _joined_bounds([wave.vector_bounds for wave in waves]),
            np.concatenate([wave.hashes for wave in waves]),
            NOTHING,
            NOTHING,
        )

    def estimate(self, values: FloatArray) -> Moments:
        """The gradient from the values of the distinct vectors."""
        logits, noise, kept = self._logits, self._noise, self._kept
        vector_values = self._values_of_vectors(values)

        def run(begin: int, blocks: Blocks) -> None:
            joint_row_moments(
                noise.key,
                noise.n_samples,
                logits.n_variables,
                self._arguments[-1],
                kept.vector_bounds,
                kept.number,
                vector_values,
                begin,
                *blocks,
            )

        return accumulate(run, logits.problem_offsets, noise.n_samples, noise.first)
