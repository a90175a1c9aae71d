"""ARS and ARSM with the coordinate swap: one variable at a time, the others at their true action."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ._changes import Changes
from ._distinct import hash_multipliers
from ._draws import true_actions
from ._logits import FloatArray, Logits
from ._moments import Blocks, Moments, accumulate
from ._noise import Noise, kernel_arguments
from ._one_variable import OneVariable
from ._vectors import Vectors
from .kernels.coordinate import (
    VARIABLES_PER_TASK,
    coordinate_entries,
    coordinate_moments,
    draw_coordinate_swaps,
)

# Fewer variables, or such of more categories, take less time in kernels of their own than those of rows do with
# what is done around them.
LEAST_ROWS, MOST_CATEGORIES = 256, 32


def coordinate_swaps(logits: Logits, noise: Noise) -> CoordinateSwaps:
    """All coordinate swaps, in the way that is faster."""
    many_short_rows = logits.n_rows >= LEAST_ROWS and logits.longest <= MOST_CATEGORIES
    one_sample = noise.n_samples == 1 and noise.first is None
    if many_short_rows and one_sample and noise.given.size == 0 and noise.n_references == 0:
        return SwapsOfASample(logits, noise)
    return CoordinateSwaps(logits, noise)


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


class SwapsOfASample(CoordinateSwaps):
    """The same of one drawn sample, without references: each variable is a row with a table of values."""

    def propose(self) -> tuple[Vectors, NDArray[np.int32]]:
        """The distinct vectors, (M, K), and their problems."""
        logits = self._logits
        self._rows = OneVariable(logits.as_rows(), self._noise)
        actions = true_actions(logits, self._noise, 1)
        changed, _ = self._rows.wanted()
        changed[logits.offsets[:-1] + actions[0]] = False
        self._changed = changed.nonzero()[0]
        row, category = logits.split(self._changed)
        changes = Changes.of(actions, logits.n_problems, np.zeros_like(row), row, category.astype(np.int32))
        self.distinct = changes.find_distinct(1)
        return self.distinct.vectors, self.distinct.problem

    def estimate(self, values: FloatArray) -> Moments:
        """The gradient from the values of the distinct vectors."""
        logits, bounds, entry_values = self._logits, self.distinct.changes.bounds, values[self.distinct.number]
        is_change = np.ones(entry_values.size, np.bool_)
        is_change[bounds[:-1]] = False
        sizes = np.diff(logits.problem_offsets)
        table = np.repeat(entry_values[bounds[:-1]], sizes)
        table[self._changed] = entry_values[is_change]
        moments = self._rows.from_table(table)[0]
        return replace(moments, value=moments.value.reshape(logits.n_problems, -1).mean(axis=1))
