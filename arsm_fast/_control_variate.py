"""An estimator of f - beta h, and the exact gradient of beta E[h]."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ._logits import FloatArray, Logits
from ._moments import Moments
from ._vectors import Vectors
from .surrogates import Surrogate

if TYPE_CHECKING:
    from ._methods import Method


class WithSurrogate:
    """Another method round a surrogate, which is asked before and told after the vectors are evaluated."""

    def __init__(self, logits: Logits, inner: Method, surrogate: Surrogate) -> None:
        if logits.n_problems > 1:
            raise ValueError(
                f"estimator ControlVariate is for one problem, whose objective it learns; got {logits.n_problems}"
            )
        self._logits = logits
        self._inner = inner
        self._surrogate = surrogate
        self._sizes = [int(size) for size in logits.sizes]
        self._told = False

    def propose(self) -> tuple[Vectors, NDArray[np.int32]]:
        """The vectors of the other method, and what is predicted for them."""
        flat, bounds = self._logits.probabilities(), self._logits.offsets.tolist()
        probabilities = [flat[start:end] for start, end in pairwise(bounds)]
        gradient, self._expectation = self._surrogate.expectation(probabilities)
        self._gradient = np.concatenate(gradient)
        self._scale = self._surrogate.scale
        vectors, problem = self._inner.propose()
        self._actions = vectors[: problem.size]
        self._predictions = self._surrogate.predict(self._actions)
        return self._actions, problem

    def estimate(self, values: FloatArray) -> Moments:
        """The gradient from the values of the vectors, which the surrogate learns the first time."""
        moments = self._inner.estimate(values - self._scale * self._predictions)
        if not self._told:
            self._told = True
            # A copy, as a surrogate may keep it and the values are the user's.
            self._surrogate.observe(self._actions, values.copy(), self._predictions, self._sizes)
        return Moments(
            moments.mean + self._scale * self._gradient,
            moments.squares,
            moments.value + self._scale * self._expectation,
        )
