"""DisARM: leave-one-out of two antithetic draws, each variable's gradient weighted by importance."""

from __future__ import annotations

import numpy as np

from ._draws import Draws
from ._logits import FloatArray, Logits
from ._noise import Noise
from ._vectors import VectorArray
from .kernels.antithetic import break_sticks, draw_antithetic_pairs
from .kernels.draws import ANTITHETIC


class AntitheticPairs(Draws):
    """The distinct vectors among antithetic pairs, and the gradient from their values."""

    def __init__(self, logits: Logits, noise: Noise) -> None:
        super().__init__(logits, noise, ANTITHETIC, n_draws=2, baseline=np.zeros(logits.n_problems))

    def _draw(self) -> tuple[VectorArray, FloatArray]:
        """The pairs' actions, (2 samples, rows), and weights, (samples, rows)."""
        logits, n_samples = self._logits, self._noise.n_samples
        order = logits.order()
        tables = break_sticks(logits.inverse_weights, order, logits.offsets)
        n_rows = logits.offsets.size - 1
        actions, weights = np.empty((2 * n_samples, n_rows), np.int32), np.empty((n_samples, n_rows))
        draw_antithetic_pairs(self._noise.key, order, *tables, logits.offsets, logits.longest, actions, weights)
        return actions, weights
