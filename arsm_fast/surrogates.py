"""Models of an objective with a known expectation, learnt from past evaluations: the h of a control variate."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from ._checks import check_integer
from ._logits import FloatArray

__all__ = ["Additive", "BestOf", "Hamming", "Surrogate"]

ActionArray = NDArray[np.int32]

# Of the sums from which the scale is taken a batch keeps this share when the next one comes.
SCALE_MEMORY = 0.95
# Batches that were predicted before the scale is trusted.
LEAST_BATCHES = 5
# A fit is made anew when the evaluations have grown by this factor.
REFIT = 1.1
CHUNK = 4096


class Surrogate(ABC):
    """A model h of the objective, learnt from evaluations, whose expectation is known.

    It holds what it has learnt: use a new one for each objective. To write one, give it the three methods
    below. Vectors are int32 of shape (M, K); probabilities are a list of K arrays.
    """

    _covariance = 0.0
    _variance = 0.0
    _n_batches = 0

    @abstractmethod
    def predict(self, actions: ActionArray) -> FloatArray:
        """h at each vector, (M,)."""

    @abstractmethod
    def expectation(self, probabilities: list[FloatArray]) -> tuple[list[FloatArray], float]:
        """The gradient of E[h] with respect to the logits, by variable, and E[h]."""

    @abstractmethod
    def learn(self, actions: ActionArray, values: FloatArray, sizes: list[int]) -> None:
        """Take evaluations into account; sizes are the numbers of categories of the variables."""

    @property
    def scale(self) -> float:
        """What h is multiplied with: cov(f, h) / var(h) over batches that were predicted, not below 0."""
        if self._n_batches < LEAST_BATCHES or self._variance == 0.0:
            return 0.0
        return max(0.0, self._covariance / self._variance)

    def observe(
        self, actions: ActionArray, values: FloatArray, predictions: FloatArray, sizes: list[int]
    ) -> None:
        """Score predictions that were made before the values were known, and learn."""
        deviations = predictions - predictions.mean()
        if deviations.any():
            self._covariance = SCALE_MEMORY * self._covariance + float(deviations @ values)
            self._variance = SCALE_MEMORY * self._variance + float(deviations @ deviations)
            self._n_batches += 1
        self.learn(actions, values, sizes)


def _through_softmax(probabilities: FloatArray, gradient: FloatArray) -> FloatArray:
    """The gradient for logits from that for probabilities."""
    return probabilities * (gradient - probabilities @ gradient)


def _chunks(n: int) -> list[slice]:
    """Parts of many vectors, so that what is made of them is in memory part by part."""
    return [slice(start, start + CHUNK) for start in range(0, n, CHUNK)]


class Additive(Surrogate):
    """``h(z) = b + sum_k B_k[z_k]``, by ridge regression on all past evaluations.

    Memory and the cost of a fit are those of a square matrix with a row for each category of each variable.

    Parameters
    ----------
    ridge : float
        Added to the diagonal of the normal equations: so many evaluations in which a category made no difference.
    limit : int
        Refuse problems with more categories in all variables together.
    """

    def __init__(self, ridge: float = 1.0, limit: int = 4096) -> None:
        if not ridge > 0:
            raise ValueError(f"ridge must be positive; got {ridge!r}")
        self.ridge = float(ridge)
        self.limit = check_integer(limit, "limit", 1)
        self._n = 0
        self._fitted_n = 0

    def _features(self, actions: ActionArray) -> FloatArray:
        features = np.zeros((len(actions), self._starts[-1]))
        np.put_along_axis(features, actions + self._starts[:-1], 1.0, axis=1)
        return features

    def predict(self, actions: ActionArray) -> FloatArray:
        """Zero until there is a fit."""
        if not self._fitted_n:
            return np.zeros(len(actions))
        values: FloatArray = self._intercept + self._weights[actions + self._starts[:-1]].sum(axis=1)
        return values

    def expectation(self, probabilities: list[FloatArray]) -> tuple[list[FloatArray], float]:
        """In closed form: ``p_kc (B_kc - p_k . B_k)``."""
        if not self._fitted_n:
            return [np.zeros_like(p) for p in probabilities], 0.0
        parts = np.split(self._weights, self._starts[1:-1])
        gradient = [_through_softmax(p, part) for p, part in zip(probabilities, parts, strict=True)]
        value = self._intercept + sum(float(p @ part) for p, part in zip(probabilities, parts, strict=True))
        return gradient, value

    def learn(self, actions: ActionArray, values: FloatArray, sizes: list[int]) -> None:
        """Add to the normal equations, and solve them where there is enough news."""
        if self._n == 0:
            self._starts = np.concatenate(([0], np.cumsum(sizes)))
            n_features = int(self._starts[-1])
            if n_features > self.limit:
                raise ValueError(
                    f"Additive is limited to {self.limit} categories in all variables together; got {n_features}"
                )
            self._squares = np.zeros((n_features, n_features))
            self._products = np.zeros(n_features)
            self._counts = np.zeros(n_features)
            self._sum = 0.0
        for part in _chunks(len(actions)):
            features = self._features(actions[part])
            self._squares += features.T @ features
            self._products += values[part] @ features
            self._counts += features.sum(axis=0)
        self._sum += float(values.sum())
        self._n += len(values)
        if self._n >= REFIT * self._fitted_n:
            shares, mean = self._counts / self._n, self._sum / self._n
            matrix = self._squares - np.outer(self._counts, shares)
            matrix[np.diag_indices_from(matrix)] += self.ridge
            self._weights = np.linalg.solve(matrix, self._products - self._counts * mean)
            self._intercept = mean - float(shares @ self._weights)
            self._fitted_n = self._n


class Hamming(Surrogate):
    """A kernel machine: ``h(z) = b + sum_i a_i (m_i + m_i**2 / K)``, m_i the matches of z with past vector i.

    It sees pairs of variables, where `Additive` sees single ones, but only the last evaluations.

    Parameters
    ----------
    memory : int
        Past evaluations kept. A fit takes time in proportion to its cube: 1,000 take about 20 ms.
    ridge : float
        Noise of the objective, as a share of the kernel's value for equal vectors.
    """

    def __init__(self, memory: int = 1000, ridge: float = 0.01) -> None:
        self.memory = check_integer(memory, "memory", 2)
        if not ridge > 0:
            raise ValueError(f"ridge must be positive; got {ridge!r}")
        self.ridge = float(ridge)
        self._actions: ActionArray | None = None
        self._values = np.empty(0)
        self._n = 0
        self._fitted_n = 0

    def _kernel(self, actions: ActionArray, others: ActionArray) -> FloatArray:
        matches = np.zeros((len(actions), len(others)))
        for k in range(actions.shape[1]):
            matches += actions[:, k, None] == others[:, k]
        kernel: FloatArray = matches + matches**2 / actions.shape[1]
        return kernel

    def predict(self, actions: ActionArray) -> FloatArray:
        """Zero until there is a fit."""
        if not self._fitted_n:
            return np.zeros(len(actions))
        values = np.empty(len(actions))
        for part in _chunks(len(actions)):
            values[part] = self._mean + self._kernel(actions[part], self._centers) @ self._weights
        return values

    def expectation(self, probabilities: list[FloatArray]) -> tuple[list[FloatArray], float]:
        """In closed form, as matches are sums of independent events."""
        if not self._fitted_n:
            return [np.zeros_like(p) for p in probabilities], 0.0
        centers, weights = self._centers, self._weights
        n_variables = len(probabilities)
        match = np.stack([p[centers[:, k]] for k, p in enumerate(probabilities)], axis=1)
        expected = match.sum(axis=1)
        second = expected**2 + (match * (1.0 - match)).sum(axis=1)
        value = self._mean + float(weights @ (expected + second / n_variables))
        slope = weights[:, None] * (1.0 + (2.0 * expected[:, None] + 1.0 - 2.0 * match) / n_variables)
        gradient = [
            _through_softmax(p, np.bincount(centers[:, k], slope[:, k], p.size).astype(np.float64))
            for k, p in enumerate(probabilities)
        ]
        return gradient, value

    def learn(self, actions: ActionArray, values: FloatArray, sizes: list[int]) -> None:
        """Keep the last evaluations, and fit where there is enough news."""
        kept = actions if self._actions is None else np.concatenate([self._actions, actions])
        self._actions = kept[-self.memory :]
        self._values = np.concatenate([self._values, values])[-self.memory :]
        self._n += len(values)
        if self._n - self._fitted_n >= (REFIT - 1.0) * min(self._n, self.memory):
            kernel = self._kernel(self._actions, self._actions)
            kernel[np.diag_indices_from(kernel)] += self.ridge * 2 * self._actions.shape[1]
            mean = float(self._values.mean())
            self._weights = np.linalg.solve(kernel, self._values - mean)
            self._centers, self._mean = self._actions, mean
            self._fitted_n = self._n


class BestOf(Surrogate):
    """Of several surrogates the one that has explained most of the last batches before they were evaluated.

    All learn from all evaluations.

    Parameters
    ----------
    *surrogates : Surrogate
        New ones.
    """

    def __init__(self, *surrogates: Surrogate) -> None:
        if not surrogates or not all(isinstance(surrogate, Surrogate) for surrogate in surrogates):
            raise TypeError(f"surrogates must be at least one Surrogate, such as Additive(); got {surrogates!r}")
        self.surrogates = surrogates

    @property
    def best(self) -> Surrogate:
        """The one that is used next."""
        return max(self.surrogates, key=lambda surrogate: surrogate.scale * surrogate._covariance)

    @property
    def scale(self) -> float:
        """That of the best."""
        return self.best.scale

    def predict(self, actions: ActionArray) -> FloatArray:
        """That of the best."""
        return self.best.predict(actions)

    def expectation(self, probabilities: list[FloatArray]) -> tuple[list[FloatArray], float]:
        """That of the best."""
        return self.best.expectation(probabilities)

    def observe(
        self, actions: ActionArray, values: FloatArray, predictions: FloatArray, sizes: list[int]
    ) -> None:
        """Have each score predictions of its own, and learn."""
        for surrogate in self.surrogates:
            surrogate.observe(actions, values, surrogate.predict(actions), sizes)

    def learn(self, actions: ActionArray, values: FloatArray, sizes: list[int]) -> None:
        """Have each learn."""
        for surrogate in self.surrogates:
            surrogate.learn(actions, values, sizes)
