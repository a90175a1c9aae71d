"""The unordered set estimator: categories of one variable drawn without replacement."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ._changes import Changes
from ._logits import FloatArray, Logits
from ._moments import Blocks, Moments, accumulate
from ._noise import Noise
from ._vectors import Vectors
from .kernels.unordered import draw_sets, set_moments

# Of log(x): what lies below is less than the last digit of an integral that is mostly at x near 1 or above.
LEAST_NODE = -39.0
LARGEST_STEP, STEPS_A_WIDTH = 0.25, 1.5


class UnorderedSets:
    """The distinct categories among the sets of each row, and the gradient from their values."""

    def __init__(self, logits: Logits, noise: Noise, n: int) -> None:
        self._logits = logits
        self._noise = noise
        self._size = min(n, logits.longest)

    def propose(self) -> tuple[Vectors, NDArray[np.int32]]:
        """The distinct vectors, (M, 1), and their problems."""
        logits, noise = self._logits, self._noise
        sets = np.empty((noise.n_samples, logits.offsets.size - 1, self._size), np.int32)
        draw_sets(noise.key, noise.given, logits.inverse_weights, logits.offsets, logits.longest, sets)
        true_actions = sets[:, :, 0].copy()
        sets.sort(axis=2)  # sums do not depend on the order of the race
        sample, row, place = np.nonzero(sets >= 0)
        changes = Changes.of(true_actions, logits.n_problems, sample, row, sets[sample, row, place])
        self._distinct = changes.find_distinct(noise.n_samples)
        return self._distinct.vectors, self._distinct.problem

    def estimate(self, values: FloatArray) -> Moments:
        """The gradient from the values of the distinct categories."""
        logits, n_samples = self._logits, self._noise.n_samples
        probabilities = logits.probabilities()
        bounds, _, category, entry_values = self._distinct.arguments(values)
        nodes, log_weights = quadrature(self._size)

        def run(begin: int, blocks: Blocks) -> None:
            set_moments(
                n_samples,
                self._size,
                nodes,
                log_weights,
                probabilities,
                logits.offsets,
                bounds,
                category,
                entry_values,
                begin,
                *blocks,
            )

        return accumulate(run, logits.offsets, n_samples, self._noise.first)


def quadrature(n: int) -> tuple[FloatArray, FloatArray]:
    """Nodes x and the logarithms of weights, up to a factor, for integrals of exp(-x) times n factors.

    In y = log(x) the integrand falls off on both sides, and is nowhere narrower than 1 / sqrt(1.25 (n + 1)): the
    sum over even steps is then as good as the floating-point numbers.
    """
    last = np.log(n + 1 + 10 * np.sqrt(n + 1) + 40)
    step = min(LARGEST_STEP, 1 / (STEPS_A_WIDTH * np.sqrt(n + 1)))
    y = np.linspace(LEAST_NODE, last, int(np.ceil((last - LEAST_NODE) / step)) + 1)
    nodes = np.exp(y)
    return nodes, y - nodes
