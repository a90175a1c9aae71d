"""Annealing where one evaluation tells the values of all categories of a variable."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ._annealing import AnnealingSearch
from ._categories import Categories
from ._logits import FloatArray
from ._state import Fields
from ._vectors import VectorArray
from .updates import Annealing

# Of a sweep: variables that were asked about long ago come first, give or take this share of all.
SHUFFLE = 0.3


class DeltaAnnealingSearch(AnnealingSearch):
    """The chain, by Metropolised Gibbs steps (Liu, Biometrika 83, 1996).

    A step asks about one variable, and moves to another of its categories c with probability
    p_c / (1 - p_own) * min(1, (1 - p_own) / (1 - p_c)), p being the Boltzmann distribution. Where all variables
    of the vector are known and none has moved, the chain would stay for a while, which costs nothing: the next
    move is drawn at once, unless it would stay for all of the cycle.
    """

    ARRAYS: ClassVar[Fields] = {**AnnealingSearch.ARRAYS, "known": (np.bool_, "K")}

    def __init__(self, settings: Annealing, categories: Categories, logits0: FloatArray) -> None:
        super().__init__(settings, categories, logits0, n=1, noisy=False)
        self._sweep = max(1, self._free)
        # Variables of which the vector has no answer yet are asked about; those with one category never are.
        self._known = categories.choices < 2
        self.variable: int | None = None

    @property
    def value(self) -> float:
        """What f is at the vector."""
        return self._vector_value

    def propose(self, step: int, used: int, limit: int | None, generator: np.random.Generator) -> VectorArray:
        """The vector, and in `variable` what to ask about it; None where its own value is not known."""
        self.ended = None
        if self._share(used) >= 1.0:
            self._begin_cycle(used, limit, generator)
            self._known = self._categories.choices < 2
        self._step = step
        self._uniform = generator.random(3)
        self.variable = None
        if not np.isnan(self._vector_value):
            place = self._tested[self._current] + SHUFFLE * self._sweep * generator.random(self._known.size)
            self.variable = int(np.where(self._known, np.inf, place).argmin())
        return self._vector[None].copy()

    def update(self, values: FloatArray, used: int) -> None:
        """Move by the value of the vector, (1,), or those of all categories of the variable, (1, C)."""
        k = self.variable
        if k is None:
            self._vector_value = float(values[0])
            return
        start, stop = self._categories.offsets[k : k + 2]
        own = self._vector[k]
        available = self._categories.available[start:stop]
        self._vector_value = float(values[0, own])
        self._tested[start:stop] = self._step
        changes = self._change[start:stop]
        changes[:] = np.where(available, values[0] - self._vector_value, np.inf)
        self._rescale(np.abs(changes[available]))
        self._cool(1.0, used)
        self._known = self._known.copy()
        self._known[k] = True
        weights = self._boltzmann(changes - changes.min())
        weights /= weights.sum()
        stay, weights[own] = weights[own], 0.0
        if weights.any():
            c = _draw(weights, self._uniform[0])
            if self._uniform[1] * (1.0 - weights[c]) < 1.0 - stay:
                self._move_to(k, c)
                return
        if self._known.all():
            self._leave(used)

    def _boltzmann(self, excess: FloatArray) -> FloatArray:
        """Weights, of which those of excess zero are 1 at any temperature."""
        with np.errstate(over="ignore"):
            weights: FloatArray = np.exp(-excess / max(self._temperature, np.finfo(np.float64).tiny))
        return weights

    def _leave(self, used: int) -> None:
        """Make the next move of the chain, all of whose moves are known."""
        categories = self._categories
        least = np.repeat(np.minimum.reduceat(self._change, categories.starts), categories.sizes)
        asked = ~np.isnan(least)  # not those of one category
        rates = np.where(asked, self._boltzmann(np.where(asked, self._change - least, 0.0)), 0.0)
        sums = np.repeat(np.add.reduceat(rates, categories.starts), categories.sizes)
        rates = np.divide(rates, sums, out=np.zeros(rates.size), where=asked)
        rates[self._current] = 0.0
        start, length = self._cycle
        if rates.sum() / self._sweep * (start + length - used) < 1.0:
            self._cycle = (0, 0)  # elsewhere
            return
        entry = _draw(rates, self._uniform[2])
        k = int(np.searchsorted(categories.offsets, entry, side="right")) - 1
        self._move_to(k, entry - int(categories.starts[k]))

    def _move_to(self, k: int, c: int) -> None:
        """Change one variable, whose answer holds for the new vector too."""
        start, stop = self._categories.offsets[k : k + 2]
        change = self._change[start + c]
        self._vector_value += float(change)
        self._change[start:stop] -= change
        self._vector = self._vector.copy()
        self._vector[k] = c
        self._known = self._categories.choices < 2
        self._known[k] = True

    def state(self) -> dict[str, Any]:
        """All that must be kept, as arrays, which only `update` changes."""
        return {**super().state(), "known": self._known}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `state` gave."""
        super().restore(state)
        self._known = state["known"].copy()


def _draw(weights: FloatArray, uniform: float) -> int:
    """An index, with probability proportional to its weight, of which one at least is positive."""
    ends = np.cumsum(weights)
    index = int(np.searchsorted(ends, uniform * ends[-1], side="right"))
    return min(index, int(np.flatnonzero(weights)[-1]))
