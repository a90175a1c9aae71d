"""REINFORCE with a baseline that learns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ._draws import Draws
from ._logits import FloatArray, Logits
from ._moments import Moments
from ._noise import Noise
from ._vectors import Vectors
from .baselines import Baseline
from .kernels.draws import REINFORCE


class LearntBaseline(Draws):
    """The baseline is asked before and told after the vectors are evaluated."""

    def __init__(self, logits: Logits, noise: Noise, baseline: Baseline) -> None:
        super().__init__(logits, noise, REINFORCE, n_draws=1, baseline=np.empty(0))
        self._learner = baseline
        self._told = False

    def propose(self) -> tuple[Vectors, NDArray[np.int32]]:
        """The distinct vectors, (M, K), and their problems."""
        logits = self._logits
        self._inputs = np.split(logits.probabilities(), logits.problem_offsets[1:-1])
        predicted = np.asarray(self._learner.predict(self._inputs), np.float64)
        if predicted.shape != (logits.n_problems,) or not np.isfinite(predicted).all():
            raise ValueError(
                f"baseline must predict {logits.n_problems} finite numbers, one for each problem; "
                f"got {predicted!r}"
            )
        self._baseline = predicted
        return super().propose()

    def estimate(self, values: FloatArray) -> Moments:
        """The gradient from the values of the vectors, which the baseline learns the first time."""
        moments = super().estimate(values)
        if not self._told:
            self._told = True
            self._learner.learn(self._inputs, values[self._number].reshape(self._logits.n_problems, -1))
        return moments
