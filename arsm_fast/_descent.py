"""Descent of E[f] by gradients with respect to the logits."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from ._categories import Categories
from ._logits import FloatArray
from ._state import Fields
from ._vectors import VectorArray
from .estimators import Estimator
from .proposals import propose
from .updates import Adam, GradientDescent, Momentum, NaturalGradient

MOMENTUM = 0.9
ADAM_MEANS, ADAM_SQUARES = 0.9, 0.99
TINY = 1e-12
# The distribution has converged after so many steps in a row of whose vectors fewer than this share are new.
STALE_STEPS, STALE_SHARE = 20, 0.25


class DescentSearch:
    """Logits, and the means of past gradients."""

    ARRAYS: ClassVar[Fields] = {
        "logits": (np.float64, "N"),
        "first": (np.float64, "N"),
        "second": (np.float64, "N"),
        "numbers": (np.float64, 2),
    }

    def __init__(
        self,
        settings: NaturalGradient | GradientDescent | Momentum | Adam,
        categories: Categories,
        logits0: FloatArray,
        *,
        estimator: Estimator,
    ) -> None:
        self._settings = settings
        self._categories = categories
        self._logits0 = logits0
        self._current = logits0
        self._estimator = estimator
        self.ended: FloatArray | None = None
        self._floor = np.repeat(settings.margin / (categories.n_variables * categories.choices), categories.sizes)
        self._floor[~categories.available] = 0.0
        self._begin()

    def _begin(self) -> None:
        self._current = self._logits0
        self._first = np.zeros(self._categories.total)
        self._second = np.zeros(self._categories.total)
        self._n_steps = 0
        self._n_stale = 0

    def propose(self, step: int, used: int, limit: int | None, generator: np.random.Generator) -> VectorArray:
        """What the estimator asks for."""
        self.ended = None
        if self._n_stale >= STALE_STEPS:
            self.ended = self._current
            self._begin()
        self._used = used
        logits = self._categories.shaped(self._current)
        self._proposal = propose(logits, estimator=self._estimator, rng=generator)
        return self._proposal.actions

    def update(self, values: FloatArray, used: int) -> None:
        """Follow the gradient."""
        stale = used - self._used < STALE_SHARE * values.size
        self._n_stale = self._n_stale + 1 if stale else 0
        gradient = self._proposal.estimate(self._utilities(values)).gradient
        flat = np.concatenate(gradient) if isinstance(gradient, list) else gradient.ravel()
        self._n_steps += 1
        settings = self._settings
        if isinstance(settings, NaturalGradient):
            probabilities = self._categories.softmax(self._current) - settings.step * flat
        else:
            probabilities = self._categories.softmax(self._current - settings.step * self._direction(flat))
        probabilities = np.maximum(probabilities, self._floor)
        probabilities /= np.repeat(
            np.add.reduceat(probabilities, self._categories.starts), self._categories.sizes
        )
        with np.errstate(divide="ignore"):
            self._current = np.log(probabilities)

    def _utilities(self, values: FloatArray) -> FloatArray:
        if self._settings.utilities == "none":
            return values
        if self._settings.utilities == "rank":
            ordered = np.sort(values)
            # Twice the rank, of equal ones the mean; what follows takes no notice of the scale.
            values = (ordered.searchsorted(values) + ordered.searchsorted(values, "right")).astype(np.float64)
        excess = values - values.mean()
        deviation = math.sqrt(np.square(excess).mean())
        return excess / deviation if deviation > 0 else np.zeros(excess.size)

    def _direction(self, gradient: FloatArray) -> FloatArray:
        if isinstance(self._settings, Momentum):
            self._first = MOMENTUM * self._first + gradient
            return self._first
        if isinstance(self._settings, Adam):
            self._first = ADAM_MEANS * self._first + (1 - ADAM_MEANS) * gradient
            self._second = ADAM_SQUARES * self._second + (1 - ADAM_SQUARES) * gradient**2
            mean = self._first / (1 - ADAM_MEANS**self._n_steps)
            square = self._second / (1 - ADAM_SQUARES**self._n_steps)
            return mean / (np.sqrt(square) + TINY)
        return gradient

    @property
    def known(self) -> tuple[VectorArray, float] | None:
        """None: every vector is evaluated."""
        return None

    @property
    def logits(self) -> FloatArray:
        """Flat."""
        return self._current

    def state(self) -> dict[str, Any]:
        """All that must be kept, as arrays, which nothing changes in place."""
        numbers = np.array([self._n_steps, self._n_stale], np.float64)
        return {"logits": self._current, "first": self._first, "second": self._second, "numbers": numbers}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `state` gave."""
        self._current, self._first, self._second = state["logits"], state["first"], state["second"]
        self._n_steps, self._n_stale = (int(number) for number in state["numbers"])
