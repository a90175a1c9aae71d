"""The unordered set estimator of several variables: vectors drawn without replacement from the product space."""

from __future__ import annotations

import math

import numpy as np

from ._draws import Draws
from ._logits import FloatArray, Logits
from ._moments import Moments, accumulate_arrays
from ._noise import NOT_GIVEN, Noise
from ._unordered import quadrature
from ._vectors import VectorArray
from .kernels.draws import LEAVE_ONE_OUT
from .kernels.unordered import set_moments

# Samples are drawn in chunks of so many candidates, from one stream of noise.
CHUNK_CANDIDATES = 2**20
# Where all vectors of a set are less likely than this, each was the first with the same probability.
LEAST_LOG_PROBABILITY = -500.0


class JointSets(Draws):
    """The distinct vectors among the sets, and the gradient from their values.

    A set is the first n of a race of all vectors, whose rates are their probabilities. It is found variable by
    variable (Kool, van Hoof and Welling, ICML 2019, there with Gumbels): the vectors that begin alike finish when
    the first of them does. If that is at r, those that go on with category c finish at r + e_c - min(e), with e_c
    exponential of their rate; of all beginnings only the n earliest can lead to the set.
    """

    def __init__(self, logits: Logits, noise: Noise, n: int) -> None:
        available = np.split(logits.inverse_weights < np.inf, logits.offsets[1:-1])
        self._categories = [np.flatnonzero(row) for row in available]
        self._probabilities = [
            p[categories]
            for p, categories in zip(
                np.split(logits.probabilities(), logits.offsets[1:-1]), self._categories, strict=True
            )
        ]
        by_problem = np.array([row.size for row in self._categories]).reshape(logits.n_problems, -1).tolist()
        self._n_vectors = [math.prod(sizes) for sizes in by_problem]
        self._sizes = [min(n, n_vectors) for n_vectors in self._n_vectors]
        n_draws = max(self._sizes)
        super().__init__(logits, noise, LEAVE_ONE_OUT, n_draws=n_draws, baseline=np.zeros(logits.n_problems))

    def _draw(self) -> tuple[VectorArray, FloatArray]:
        """The sets' vectors, (draws, rows); where there are fewer in one problem, one of them again."""
        logits, n_samples = self._logits, self._noise.n_samples
        rng = np.random.Generator(np.random.Philox(key=int(self._noise.generator_key)))
        actions = np.empty((n_samples, self._n_draws, logits.sizes.size), np.int32)
        chunk = max(1, CHUNK_CANDIDATES // (self._n_draws * logits.longest))
        for problem, size in enumerate(self._sizes):
            rows = slice(problem * logits.n_variables, (problem + 1) * logits.n_variables)
            for start in range(0, n_samples, chunk):
                part = actions[start : start + chunk, :, rows]
                part[:, :size] = self._race(rows, len(part), size, rng)
                part[:, size:] = part[:, :1]
        return actions.reshape(-1, logits.sizes.size), NOT_GIVEN

    def _race(self, rows: slice, n_samples: int, n: int, rng: np.random.Generator) -> VectorArray:
        """The first n vectors of one problem, (samples, n, variables), in any order."""
        finish = np.zeros((n_samples, 1))  # when the first of all does makes no difference
        rate = np.ones((n_samples, 1))
        chosen, parents = [], []
        for p in self._probabilities[rows]:
            race = rng.standard_exponential((*finish.shape, p.size)) / p
            behind = race - race.min(axis=2, keepdims=True)
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                later = np.where(behind > 0, behind / rate[:, :, None], 0.0)
            candidates = (finish[:, :, None] + later).reshape(n_samples, -1)
            if candidates.shape[1] > n:
                earliest = candidates.argpartition(n - 1, axis=1)[:, :n]
            else:
                earliest = np.tile(np.arange(candidates.shape[1]), (n_samples, 1))
            finish = np.take_along_axis(candidates, earliest, axis=1)
            parent, category = np.divmod(earliest, p.size)
            rate = np.take_along_axis(rate, parent, axis=1) * p[category]
            parents.append(parent)
            chosen.append(category)
        place = np.tile(np.arange(n), (n_samples, 1))
        vectors = np.empty((n_samples, n, len(chosen)), np.int32)
        for k in reversed(range(len(chosen))):
            vectors[:, :, k] = self._categories[rows][k][np.take_along_axis(chosen[k], place, axis=1)]
            place = np.take_along_axis(parents[k], place, axis=1)
        return vectors

    def estimate(self, values: FloatArray) -> Moments:
        """The gradient from the values of the distinct vectors."""
        logits, n = self._logits, self._n_draws
        set_values = values[self._number].reshape(logits.n_problems, -1, n)
        actions = self._actions.reshape(-1, n, logits.n_problems, logits.n_variables)
        probabilities = logits.probabilities()

        def samples(problem: int, chosen: slice) -> tuple[FloatArray, FloatArray]:
            size = self._sizes[problem]
            rows = np.arange(problem * logits.n_variables, (problem + 1) * logits.n_variables)
            own = slice(*logits.problem_offsets[problem : problem + 2])
            z, p = actions[chosen, :size, problem], probabilities[own]
            positions = z + (logits.offsets[rows] - own.start)
            log_probabilities = np.log(p[positions]).sum(axis=2)
            weights = np.exp(np.maximum(log_probabilities, LEAST_LOG_PROBABILITY))
            outside = np.maximum(0.0, 1.0 - weights.sum(axis=1))
            if size == self._n_vectors[problem]:
                outside[:] = 0.0
            excess, total, value = _set_excess(weights, outside, set_values[problem, chosen, :size])
            at = np.arange(len(z))[:, None, None] * p.size + positions
            of_each = np.repeat(excess, logits.n_variables)
            gradients = np.bincount(at.ravel(), of_each, len(z) * p.size).reshape(len(z), -1)
            return gradients - total[:, None] * p, value

        return accumulate_arrays(samples, logits.problem_offsets, self._noise.n_samples)


def _set_excess(
    weights: FloatArray, outside: FloatArray, values: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Of sets with such probabilities: q_s (f_s - b_s), (samples, n), their sums, and the sums of q_s f_s.

    To the kernel each set is a variable, with all vectors outside as the last category. Where there are none, the
    sums are 0, and what they would take off is off already.
    """
    n_samples, n = weights.shape
    offsets = np.arange(n_samples + 1) * (n + 1)
    probabilities = np.concatenate([weights, outside[:, None]], axis=1)
    categories = np.tile(np.arange(-1, n, dtype=np.int32), n_samples)  # the first entry of an item is not read
    entries = np.concatenate([values[:, :1], values], axis=1)
    nodes, log_weights = quadrature(n)
    gradients, sums = np.empty(offsets[-1]), np.empty(n_samples)
    set_moments(
        1,
        n,
        nodes,
        log_weights,
        probabilities.ravel(),
        offsets,
        offsets,
        categories,
        entries.ravel(),
        0,
        0,
        1,
        1,
        offsets,
        gradients,
        np.empty(0),
        sums,
    )
    gradients = gradients.reshape(n_samples, n + 1)
    total = np.divide(-gradients[:, -1], outside, out=np.zeros(n_samples), where=outside > 0)
    return gradients[:, :-1] + total[:, None] * weights, total, sums
