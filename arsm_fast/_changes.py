"""Vectors that differ from the true vector of their sample in at most one variable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ._distinct import HashArray, find_distinct, hash_multipliers
from ._logits import FloatArray, IntArray
from ._vectors import FormedVectors, VectorArray, empty_vectors
from .kernels.changes import form_changes
from .kernels.distinct import hash_rows


@dataclass(eq=False, repr=False)
class Changes:
    """The entries bounds[item]..bounds[item + 1] - 1 of each item, number problem * n_samples + sample.

    Each has the variable and the category that it sets in the item's true actions, (items, variables), and the
    hash of the vector; the first of an item is its true vector.
    """

    true_actions: VectorArray
    bounds: IntArray
    variable: NDArray[np.int32]
    category: NDArray[np.int32]
    hashes: HashArray

    @classmethod
    def of(
        cls, actions: VectorArray, n_problems: int, sample: IntArray, row: IntArray, category: NDArray[np.int32]
    ) -> Changes:
        """The true vectors, which are given as (samples, rows), and changes that are in the order of these."""
        n_samples, n_variables = len(actions), actions.shape[1] // n_problems
        n_items = n_problems * n_samples
        by_problem = actions.reshape(n_samples, n_problems, n_variables).transpose(1, 0, 2)
        true_actions = np.ascontiguousarray(by_problem).reshape(n_items, n_variables)
        problem, variable = np.divmod(row, n_variables)
        item = problem * n_samples + sample
        order = item.argsort(kind="stable")
        item, variable, category = item[order], variable[order], category[order]
        sizes = 1 + np.bincount(item, minlength=n_items)
        bounds = np.concatenate(([0], np.cumsum(sizes)))
        entries = np.arange(1, item.size + 1) + item
        # A true vector sets its first variable to what it is; by take, as rows are indexed ten times as slowly.
        variables, categories = np.zeros(bounds[-1], np.int32), true_actions[:, 0].repeat(sizes)
        variables[entries], categories[entries] = variable, category
        item = np.arange(n_items).repeat(sizes)
        multipliers = hash_multipliers(n_variables)
        true_hashes = np.empty((n_items, 2), np.uint64)
        hash_rows(true_actions, multipliers, true_hashes)
        change = categories - true_actions.take(item * n_variables + variables)
        hashes = multipliers.take(variables, axis=0)
        hashes *= change.astype(np.uint64)[:, None]  # modulo 2**64
        hashes += true_hashes.take(item, axis=0)
        return cls(true_actions, bounds, variables, categories, hashes)

    def find_distinct(self, n_samples: int) -> DistinctChanges:
        """The distinct vectors of each problem."""
        distinct = find_distinct(self.hashes, np.ascontiguousarray(self.bounds[::n_samples]))
        return DistinctChanges(self, distinct.number, distinct.first, distinct.problem)


@dataclass(eq=False, repr=False)
class DistinctChanges:
    """Each entry's distinct vector, the entry that each of these first appears at, and its problem."""

    changes: Changes
    number: IntArray
    first: IntArray
    problem: NDArray[np.int32]

    @property
    def vectors(self) -> FormedVectors:
        """The distinct vectors, (M, K)."""
        return FormedVectors(self._form, self.first.size, self._form_by_threads)

    def _form(self, start: int, stop: int) -> VectorArray:
        """The vectors from start to stop."""
        changes, (wanted, items) = self.changes, self._entries(start, stop)
        vectors: VectorArray = changes.true_actions.take(items, axis=0)
        vectors[np.arange(wanted.size), changes.variable[wanted]] = changes.category[wanted]
        return vectors

    def _form_by_threads(self, start: int, stop: int) -> VectorArray:
        """The same. NumPy's own threads would wait for ours, which are at hand for a while after each call."""
        changes, (wanted, items) = self.changes, self._entries(start, stop)
        vectors = empty_vectors(wanted.size, changes.true_actions.shape[1])
        form_changes(wanted, items, changes.true_actions, changes.variable, changes.category, vectors)
        return vectors

    def _entries(self, start: int, stop: int) -> tuple[IntArray, IntArray]:
        """Those of the vectors from start to stop, and their items."""
        wanted = self.first[start:stop]
        return wanted, np.searchsorted(self.changes.bounds, wanted, side="right") - 1

    def arguments(self, values: FloatArray) -> tuple[IntArray, NDArray[np.int32], NDArray[np.int32], FloatArray]:
        """What kernels take: bounds, variables and categories of the entries, and their values."""
        changes = self.changes
        return changes.bounds, changes.variable, changes.category, values[self.number]
