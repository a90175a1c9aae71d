"""Annealing of a sum of terms: one evaluation tells the effect of many changes."""

from __future__ import annotations

from itertools import chain
from typing import Any, ClassVar

import numpy as np

from ._annealing import AnnealingSearch, draw_patience
from ._categories import Categories
from ._checks import Scopes
from ._logits import FloatArray, IntArray
from ._state import Fields
from ._vectors import VectorArray
from .updates import Annealing

# Every so many steps the best vector is evaluated, whose value is known from its terms only.
STEPS_BETWEEN_CHECKS = 20
# Variables that were tried long ago come first, give or take so many steps.
SHUFFLE = 3.0


class ScopedAnnealingSearch(AnnealingSearch):
    """The chain, with the values of the terms of its vector.

    A step changes variables of which no two share a term, all in one vector; the terms of each say what its
    change makes of f, and those of the accepted changes are the terms of the next vector.
    """

    ARRAYS: ClassVar[Fields] = {
        **AnnealingSearch.ARRAYS,
        "terms": (np.float64, "T"),
        "candidate": (np.int32, "K"),
        "scoped": (np.float64, 3),
    }

    def __init__(self, settings: Annealing, categories: Categories, logits0: FloatArray, scopes: Scopes) -> None:
        super().__init__(settings, categories, logits0, n=1, noisy=False)
        self._variable = np.array([*chain.from_iterable(scopes)], np.int64)
        self._term = np.repeat(np.arange(len(scopes)), [len(scope) for scope in scopes])
        _, self._first = np.unique(self._term, return_index=True)
        self._lengths = np.diff(np.append(self._first, self._term.size))
        self._terms = np.full(len(scopes), np.nan)
        self._candidate = np.full(categories.n_variables, -1, np.int32)
        self._candidate_value = np.inf  # finite where it is still to be evaluated
        self._lowest = np.inf
        self._per_step = 1.0

    def propose(self, step: int, used: int, limit: int | None, generator: np.random.Generator) -> VectorArray:
        """One vector."""
        categories = self._categories
        self.ended = None
        if self._share(used) >= 1.0 or self._n_known > categories.n_changes:
            self._begin_cycle(used, limit, generator)
            self._terms = np.full(self._terms.size, np.nan)
            self._per_step = max(1.0, float(self._apart(generator).size))
        self._step, self._used = step, used
        last = limit is not None and limit - used <= 2
        self._checks = np.isfinite(self._candidate_value) and (last or step % STEPS_BETWEEN_CHECKS == 0)
        if self._checks:
            return self._candidate[None]
        vector = self._vector[None].copy()
        if np.isnan(self._terms).any():
            return vector
        entries, _ = self._oldest(generator)
        self._variables = self._apart(generator)
        self._entries = entries[self._variables]
        self._patience = draw_patience(self._variables.size, generator)
        vector[0, self._variables] = self._entries - categories.starts[self._variables]
        return vector

    def _apart(self, generator: np.random.Generator) -> IntArray:
        """Variables that come first in all of their terms."""
        categories = self._categories
        tested = np.maximum.reduceat(self._tested, categories.starts)
        place = tested + SHUFFLE * generator.random(categories.n_variables)
        place[categories.choices < 2] = np.inf
        places = place[self._variable]
        if self._first.size:
            later = places > np.repeat(np.minimum.reduceat(places, self._first), self._lengths)
            place[self._variable[later]] = np.inf
        return np.flatnonzero(place < np.inf)

    def update(self, values: FloatArray, used: int) -> None:
        """Accept changes by the terms, (1, T); without any where the vector was known."""
        self._n_known = self._n_known + 1 if used == self._used else 0
        if self._checks:
            self._candidate_value = np.inf
            return
        if not len(values):
            if np.isnan(self._terms).any():
                self._cycle = (0, 0)  # elsewhere
            else:
                self._tested[self._entries] = self._step
            return
        (terms,) = values
        if np.isnan(self._terms).any():
            self._terms = terms.copy()
            return
        difference = (terms - self._terms)[self._term]
        changes = np.bincount(self._variable, difference, self._categories.n_variables)[self._variables]
        self._tested[self._entries] = self._step
        self._change[self._entries] = changes
        self._rescale(np.abs(changes))
        self._cool(self._per_step, used)
        accepted = self._accepts(changes, self._patience)
        if not accepted.any():
            return
        self._move(accepted)
        moved = np.zeros(self._categories.n_variables, np.bool_)
        moved[self._variables[accepted]] = True
        of_moved = self._term[moved[self._variable]]
        self._terms = self._terms.copy()
        self._terms[of_moved] = terms[of_moved]
        value = float(self._terms.sum())
        if value < self._lowest:
            self._lowest = self._candidate_value = value
            self._candidate = self._vector

    @property
    def known(self) -> tuple[VectorArray, float] | None:
        """The best vector, where it is still to be evaluated, and the sum of its terms."""
        return (self._candidate, self._candidate_value) if np.isfinite(self._candidate_value) else None

    def state(self) -> dict[str, Any]:
        """All that must be kept, as arrays, which only `update` changes."""
        numbers = np.array([self._candidate_value, self._lowest, self._per_step])
        own = {"terms": self._terms, "candidate": self._candidate, "scoped": numbers}
        return {**super().state(), **own}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `state` gave."""
        super().restore(state)
        self._terms, self._candidate = state["terms"].copy(), state["candidate"].copy()
        self._candidate_value, self._lowest, self._per_step = state["scoped"].tolist()
