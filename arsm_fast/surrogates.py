"""Models of an objective with a known expectation, learnt from past evaluations: the h of a control variate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._checks import check_answer, check_integer
from ._logits import FloatArray

__all__ = ["Additive", "BestOf", "Features", "Hamming", "Surrogate"]

ActionArray = NDArray[np.int32]

# Of the sums from which the scale is taken a batch keeps this share when the next one comes.
SCALE_MEMORY = 0.95
# Batches that were predicted before the scale is trusted.
LEAST_BATCHES = 5
# A fit is made anew when the evaluations have grown by this factor, and by this share of the features. The share
# grows with these, in units of MANY_FEATURES, as a fit takes time in proportion to their cube.
REFIT, REFIT_FEATURES, MANY_FEATURES = 1.2, 0.2, 2000
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


def _by_variable(flat: FloatArray, starts: NDArray[np.int64]) -> list[FloatArray]:
    """The parts of a flat array."""
    return [flat[start:stop] for start, stop in pairwise(starts.tolist())]


def _check_ridge(ridge: float) -> float:
    if not ridge > 0:
        raise ValueError(f"ridge must be positive; got {ridge!r}")
    return float(ridge)


def _chunks(n: int) -> list[slice]:
    """Parts of many vectors, so that what is made of them is in memory part by part."""
    return [slice(start, start + CHUNK) for start in range(0, n, CHUNK)]


def _solve(matrix: FloatArray, products: FloatArray) -> FloatArray:
    """The solution for a positive definite matrix, whose place it takes."""
    from scipy.linalg import cho_factor, cho_solve  # here, as they take long to import

    factor = cho_factor(matrix.T, overwrite_a=True, check_finite=False)
    solution: FloatArray = cho_solve(factor, products, check_finite=False)
    return solution


class _Ridge:
    """``intercept + features @ weights`` by ridge regression on all evaluations so far.

    Only sums over them are kept, a square matrix with a row for each feature.
    """

    def __init__(self, n_features: int, ridge: float) -> None:
        self._ridge = ridge
        self._squares = np.zeros((n_features, n_features))
        self._products = np.zeros(n_features)
        self._totals = np.zeros(n_features)
        self._sum = 0.0
        self._n = 0
        self._fitted_n = 0
        self._news: list[tuple[FloatArray, FloatArray]] = []
        self._n_news = 0
        self.weights = np.zeros(n_features)
        self.intercept = 0.0

    def learn(self, features: FloatArray, values: FloatArray) -> None:
        """Take evaluations into account, and fit where there is enough news."""
        self._news.append((features, values))
        self._n_news += len(values)
        self._n += len(values)
        n_features = self._products.size
        share = max(REFIT_FEATURES, n_features / MANY_FEATURES)
        n_least = max((REFIT - 1.0) * self._fitted_n, share * n_features)
        is_due = self._n - self._fitted_n >= n_least
        # Adding to the squares takes as long for one evaluation as for several.
        if is_due or self._n_news >= n_features:
            self._add_news()
        if is_due:
            self._fit()

    def _add_news(self) -> None:
        features, values = (np.concatenate(parts) for parts in zip(*self._news, strict=True))
        self._squares += features.T @ features
        self._products += values @ features
        self._totals += features.sum(axis=0)
        self._sum += float(values.sum())
        self._news, self._n_news = [], 0

    def _fit(self) -> None:
        means, mean = self._totals / self._n, self._sum / self._n
        matrix = self._squares - np.outer(self._totals, means)
        matrix[np.diag_indices_from(matrix)] += self._ridge
        self.weights = _solve(matrix, self._products - self._totals * mean)
        self.intercept = mean - float(means @ self.weights)
        self._fitted_n = self._n


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
        self.ridge = _check_ridge(ridge)
        self.limit = check_integer(limit, "limit", 1)
        self._regression: _Ridge | None = None

    def predict(self, actions: ActionArray) -> FloatArray:
        """Zero until there is a fit."""
        if self._regression is None:
            return np.zeros(len(actions))
        weights = self._regression.weights[actions + self._starts[:-1]]
        values: FloatArray = self._regression.intercept + weights.sum(axis=1)
        return values

    def expectation(self, probabilities: list[FloatArray]) -> tuple[list[FloatArray], float]:
        """In closed form: ``p_kc (B_kc - p_k . B_k)``."""
        if self._regression is None:
            return [np.zeros_like(p) for p in probabilities], 0.0
        flat = np.concatenate(probabilities)
        products = flat * self._regression.weights
        means = np.add.reduceat(products, self._starts[:-1])
        products -= flat * np.repeat(means, np.diff(self._starts))
        return _by_variable(products, self._starts), self._regression.intercept + float(means.sum())

    def learn(self, actions: ActionArray, values: FloatArray, sizes: list[int]) -> None:
        """Add to the normal equations, and solve them where there is enough news."""
        if self._regression is None:
            n_features = sum(sizes)
            if n_features > self.limit:
                raise ValueError(
                    f"Additive is limited to {self.limit} categories in all variables together; got {n_features}"
                )
            self._starts = np.concatenate(([0], np.cumsum(sizes)))
            self._regression = _Ridge(n_features, self.ridge)
        for part in _chunks(len(actions)):
            features = np.zeros((len(actions[part]), self._starts[-1]))
            np.put_along_axis(features, actions[part] + self._starts[:-1], 1.0, axis=1)
            self._regression.learn(features, values[part])


class Features(Surrogate):
    """``h(z) = b + w . phi(z)`` with features phi of one's own, by ridge regression on all past evaluations.

    For what the other surrogates cannot know: how often a category comes up, where f does not care in which
    variable; a rough model of f; products of variables that belong together.

    Parameters
    ----------
    features : callable
        From vectors, int32 of shape (M, K), to their features, (M, T).
    expectation : callable
        From the probabilities, a list of K arrays, to the means of the features, (T,), and a list of the
        derivatives of these with respect to the probabilities of each variable, (C_k, T). For a feature that is a
        sum over the variables of a number for each category, these are the numbers.
    ridge : float
        Added to the diagonal of the normal equations, in the square of the features' unit.

    Examples
    --------
    How many of the variables are in category 0, 1 and 2:

    >>> import numpy as np
    >>> from arsm_fast import ControlVariate, Features, LeaveOneOut, gradient
    >>> def counts(actions):
    ...     return (actions[:, :, None] == np.arange(3)).sum(axis=1)
    >>> def expectation(probabilities):
    ...     return np.sum(probabilities, axis=0), [np.eye(3)] * len(probabilities)
    >>> estimator = ControlVariate(LeaveOneOut(10), Features(counts, expectation))
    >>> def f(actions):
    ...     return counts(actions)[:, 0] ** 2.0
    >>> for seed in range(20):
    ...     estimate = gradient(f, np.zeros((8, 3)), estimator=estimator, rng=seed)
    """

    def __init__(
        self,
        features: Callable[[ActionArray], ArrayLike],
        expectation: Callable[[list[FloatArray]], tuple[ArrayLike, Sequence[ArrayLike]]],
        ridge: float = 1.0,
    ) -> None:
        for function, name in ((features, "features"), (expectation, "expectation")):
            if not callable(function):
                raise TypeError(f"{name} must be a function; got {function!r}")
        self.features = features
        self.mean_features = expectation
        self.ridge = _check_ridge(ridge)
        self._regression: _Ridge | None = None

    def predict(self, actions: ActionArray) -> FloatArray:
        """Zero until there is a fit."""
        if self._regression is None:
            return np.zeros(len(actions))
        values: FloatArray = self._regression.intercept + self._evaluate(actions) @ self._regression.weights
        return values

    def expectation(self, probabilities: list[FloatArray]) -> tuple[list[FloatArray], float]:
        """By the expectations of the features."""
        if self._regression is None:
            return [np.zeros_like(p) for p in probabilities], 0.0
        weights, answer = self._regression.weights, self.mean_features(probabilities)
        if not isinstance(answer, tuple | list) or len(answer) != 2 or len(answer[1]) != len(probabilities):
            raise TypeError(
                "expectation must return a pair: the means of the features, and a list of derivatives with one "
                f"array for each of {len(probabilities)} variables"
            )
        means = check_answer(answer[0], "means of expectation", weights.shape, "one for each feature")
        gradient = []
        for p, derivative in zip(probabilities, answer[1], strict=True):
            shape = (p.size, weights.size)
            slopes = check_answer(derivative, "derivatives of expectation", shape, "categories and features")
            gradient.append(_through_softmax(p, slopes @ weights))
        return gradient, self._regression.intercept + float(means @ weights)

    def learn(self, actions: ActionArray, values: FloatArray, sizes: list[int]) -> None:
        """Add to the normal equations, and solve them where there is enough news."""
        for part in _chunks(len(actions)):
            features = self._evaluate(actions[part])
            if self._regression is None:
                self._regression = _Ridge(features.shape[1], self.ridge)
            self._regression.learn(features, values[part])

    def _evaluate(self, actions: ActionArray) -> FloatArray:
        features = np.asarray(self.features(actions))
        n_features = features.shape[-1] if self._regression is None else self._regression.weights.size
        return check_answer(features, "features", (len(actions), n_features), "vectors and features")


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
        self.ridge = _check_ridge(ridge)
        self._actions: ActionArray | None = None
        self._values = np.empty(0)
        self._n = 0
        self._fitted_n = 0
        self._matrix = np.empty((0, 0))

    def _kernel(self, actions: ActionArray, others: ActionArray) -> FloatArray:
        matches = np.zeros((len(actions), len(others)), np.int16)
        columns = np.ascontiguousarray(others.T)
        for k in range(actions.shape[1]):
            matches += (actions[:, k, None] == columns[k]).view(np.int8)
        kernel: FloatArray = matches + matches.astype(np.float64) ** 2 / actions.shape[1]
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
        flat, positions, weights = np.concatenate(probabilities), self._positions, self._weights
        n_variables, n_categories = positions.shape[1], flat.size
        match = flat[positions]
        expected = match.sum(axis=1)
        second = expected**2 + expected - np.einsum("ik,ik->i", match, match)
        value = self._mean + float(weights @ (expected + second / n_variables))
        # By the probabilities: sum_i a_i (1 + (2 mu_i + 1 - 2 p) / K) over the past vectors i with that category.
        slopes = np.repeat(weights * (1.0 + (2.0 * expected + 1.0) / n_variables), n_variables)
        slope = np.bincount(positions.ravel(), slopes, n_categories).astype(np.float64) - flat * self._spread
        parts = zip(probabilities, _by_variable(slope, self._starts), strict=True)
        return [_through_softmax(p, part) for p, part in parts], value

    def learn(self, actions: ActionArray, values: FloatArray, sizes: list[int]) -> None:
        """Keep the last evaluations, and fit where there is enough news."""
        kept = actions if self._actions is None else np.concatenate([self._actions, actions])
        self._actions = kept[-self.memory :]
        self._values = np.concatenate([self._values, values])[-self.memory :]
        self._n += len(values)
        if self._n - self._fitted_n >= (REFIT - 1.0) * min(self._n, self.memory):
            self._update_matrix(self._actions)
            mean = float(self._values.mean())
            self._weights = _solve(self._matrix.copy(), self._values - mean)
            self._centers, self._mean = self._actions, mean
            self._fitted_n = self._n
            n_variables = len(sizes)
            self._starts = np.concatenate(([0], np.cumsum(sizes)))
            self._positions = self._actions + self._starts[:-1]
            repeated = np.repeat(self._weights, n_variables)
            sums = np.bincount(self._positions.ravel(), repeated, self._starts[-1])
            self._spread = 2.0 / n_variables * sums.astype(np.float64)

    def _update_matrix(self, actions: ActionArray) -> None:
        """The kernel of the evaluations kept, and the ridge: what is new goes last, and the rest moves up."""
        n_old = max(0, len(actions) - (self._n - self._fitted_n))
        matrix = np.empty((len(actions), len(actions)))
        matrix[:n_old, :n_old] = self._matrix[-n_old:, -n_old:] if n_old else 0.0
        matrix[n_old:] = self._kernel(actions[n_old:], actions)
        matrix[:n_old, n_old:] = matrix[n_old:, :n_old].T
        new = np.arange(n_old, len(actions))
        matrix[new, new] += self.ridge * 2 * actions.shape[1]
        self._matrix = matrix


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
