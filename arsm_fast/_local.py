"""Estimators that change one variable at a time, by its probabilities, the others at their true action."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ._changes import Changes
from ._draws import true_actions
from ._logits import FloatArray, Logits
from ._moments import Blocks, Moments, accumulate
from ._noise import Noise
from ._vectors import Vectors
from .kernels import local

NO_FLAGS, NO_NUMBERS = np.empty(0, np.bool_), np.empty(0)


class Local(ABC):
    """The distinct vectors of all changes, and the gradient from their values."""

    kind: int
    scale = 1.0

    def __init__(self, logits: Logits, noise: Noise) -> None:
        self._logits = logits
        self._noise = noise

    @abstractmethod
    def _changes(self) -> Changes:
        """What f is asked."""

    @abstractmethod
    def _tables(self, probabilities: FloatArray) -> tuple[NDArray[np.bool_], FloatArray, FloatArray]:
        """Which categories are certain to be asked, complements of the probabilities, masses of the tails."""

    def propose(self) -> tuple[Vectors, NDArray[np.int32]]:
        """The distinct vectors, (M, K), and their problems."""
        self.distinct = self._changes().find_distinct(self._noise.n_samples)
        return self.distinct.vectors, self.distinct.problem

    def estimate(self, values: FloatArray) -> Moments:
        """The gradient from the values of the distinct vectors."""
        logits, n_samples = self._logits, self._noise.n_samples
        probabilities = logits.probabilities()
        certain, complements, tails = self._tables(probabilities)
        entries = self.distinct.arguments(values)

        def run(begin: int, blocks: Blocks) -> None:
            local.local_moments(
                self.kind,
                self.scale,
                n_samples,
                logits.n_variables,
                self.distinct.changes.true_actions,
                certain,
                probabilities,
                complements,
                tails,
                logits.offsets,
                *entries,
                begin,
                *blocks,
            )

        return accumulate(run, logits.problem_offsets, n_samples, self._noise.first)


class LocalSums(Local):
    """The m likeliest categories of each variable, and one draw from the others.

    Of n_chosen variables, which are drawn for each sample.
    """

    kind = local.SUM

    def __init__(self, logits: Logits, noise: Noise, m: int, n_chosen: int) -> None:
        super().__init__(logits, noise)
        self._certain = logits.inverse_weights < np.inf
        if m < logits.longest:
            top = np.zeros(self._certain.size, np.bool_)
            top[logits.likeliest(m)] = True
            self._certain &= top
        self._n_chosen = min(n_chosen, logits.n_variables)
        self.scale = logits.n_variables / self._n_chosen

    def _changes(self) -> Changes:
        logits, noise = self._logits, self._noise
        starts = logits.offsets[:-1]
        samples = np.arange(noise.n_samples)[:, None]
        actions = true_actions(logits, noise, noise.n_samples)
        asked = np.tile(self._certain, (noise.n_samples, 1))
        tail = np.where(self._certain, np.inf, logits.inverse_weights)
        has_tail = np.minimum.reduceat(tail, starts) < np.inf
        if has_tail.any():
            # With the noise of the true action, so that it is this draw where it lies in the tail.
            drawn = true_actions(replace(logits, weights=tail), noise, noise.n_samples)
            asked[samples, (starts + drawn)[:, has_tail]] = True
        if self._n_chosen < logits.n_variables:
            asked &= np.repeat(self._chosen(), logits.sizes, axis=1)
        sample, position = np.nonzero(asked)
        row = np.repeat(np.arange(starts.size), logits.sizes)[position]
        return Changes.of(actions, logits.n_problems, sample, row, (position - starts[row]).astype(np.int32))

    def _chosen(self) -> NDArray[np.bool_]:
        """Whether a row takes part in a sample: (samples, rows)."""
        n_samples, n_problems = self._noise.n_samples, self._logits.n_problems
        variables = np.empty((n_samples * n_problems, self._n_chosen), np.int64)
        local.choose_variables(self._noise.key, n_problems, self._logits.n_variables, variables)
        chosen = np.zeros((n_samples * n_problems, self._logits.n_variables), np.bool_)
        np.put_along_axis(chosen, variables, True, axis=1)
        return chosen.reshape(n_samples, -1)

    def _tables(self, probabilities: FloatArray) -> tuple[NDArray[np.bool_], FloatArray, FloatArray]:
        tails = np.add.reduceat(np.where(self._certain, 0.0, probabilities), self._logits.offsets[:-1])
        return self._certain, NO_NUMBERS, tails


class LocalPairs(Local):
    """A second draw of each variable: any, or one that differs from the first."""

    def __init__(self, logits: Logits, noise: Noise, *, distinct: bool) -> None:
        super().__init__(logits, noise)
        self.kind = local.DISTINCT_PAIR if distinct else local.PAIR

    def _changes(self) -> Changes:
        logits, noise = self._logits, self._noise
        if self.kind == local.PAIR:
            pairs = true_actions(logits, noise, 2 * noise.n_samples)
        else:
            pairs = np.empty((2 * noise.n_samples, logits.offsets.size - 1), np.int32)
            longest = logits.longest
            local.draw_distinct_pairs(
                noise.key, noise.given, logits.inverse_weights, logits.offsets, longest, pairs
            )
        actions, others = pairs[::2], pairs[1::2]
        sample, row = np.nonzero(actions != others)
        return Changes.of(actions, logits.n_problems, sample, row, others[sample, row])

    def _tables(self, probabilities: FloatArray) -> tuple[NDArray[np.bool_], FloatArray, FloatArray]:
        return NO_FLAGS, self._logits.complements(probabilities), NO_NUMBERS
