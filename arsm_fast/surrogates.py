"""Models of an objective with a known expectation, learnt from past evaluations: the h of a control variate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._checks import check_answer, check_integer
from ._logits import FloatArray, IntArray
from ._window import Window
from .kernels.one_hots import count_entries, count_matches, expect_matches, fit_kernels, fit_regression

__all__ = ["Additive", "BestOf", "Features", "Hamming", "Surrogate"]

ActionArray = NDArray[np.int32]

# Of the sums from which the scale is taken a batch keeps this share when the next one comes.
SCALE_MEMORY = 0.95
# Batches that were predicted before the scale is trusted.
LEAST_BATCHES = 5
# A fit is made anew when there are so many new evaluations, as a share of those it was made from, and of the
# categories or the features. The latter's share grows with their number, in units of MANY_FEATURES, as a fit
# takes time in proportion to its cube. They are so large that fits take less time than most objectives do.
REFIT, REFIT_CATEGORIES, REFIT_FEATURES, MANY_FEATURES = 0.3, 0.1, 0.2, 2000
# Steps of conjugate gradients, or residuals, in a fit, at most. Those of Hamming end where so much of the squares
# is left: it predicts as well as with less.
ADDITIVE_STEPS, HAMMING_STEPS, HAMMING_REST = 3, 8, 1e-2
CHUNK = 1024


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
        deviations = predictions - predictions.sum() / predictions.size
        if deviations.any():
            self._covariance = SCALE_MEMORY * self._covariance + float(deviations @ values)
            self._variance = SCALE_MEMORY * self._variance + float(deviations @ deviations)
            self._n_batches += 1
        self.learn(actions, values, sizes)


def _through_softmax(
    probabilities: FloatArray, slope: FloatArray, sizes: IntArray, starts: ActionArray
) -> tuple[list[FloatArray], FloatArray]:
    """The gradient for the logits of each variable from that for flat probabilities; and the slopes' means."""
    products = probabilities * slope
    means = np.add.reduceat(products, starts)
    products -= probabilities * np.repeat(means, sizes)
    bounds = [*starts.tolist(), products.size]
    return [products[start:end] for start, end in pairwise(bounds)], means


def _starts(sizes: list[int]) -> ActionArray:
    """Where the categories of each variable begin in a flat array."""
    starts: ActionArray = (np.cumsum(sizes) - np.array(sizes)).astype(np.int32)
    return starts


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
        n_least = max(REFIT * self._fitted_n, share * n_features)
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
    """``h(z) = b + sum_k B_k[z_k]``, towards the ridge regression on the past evaluations that are kept.

    A fit takes a few steps of conjugate gradients from the fit before, each in proportion to the evaluations kept
    and the variables; over a run that is some 0.1 us for each new evaluation and variable. Few steps are also
    what keeps it from learning noise where there are about as many evaluations as categories.

    Parameters
    ----------
    ridge : float
        Added to the diagonal of the normal equations: so many evaluations in which a category made no difference.
    memory : int
        Past evaluations kept. 10,000 of 100 variables take 4 MB.
    """

    def __init__(self, ridge: float = 1.0, memory: int = 10_000) -> None:
        self.ridge = _check_ridge(ridge)
        self.memory = check_integer(memory, "memory", 2)
        self._window = Window(self.memory)

    def predict(self, actions: ActionArray) -> FloatArray:
        """Zero until there is a fit."""
        if not len(self._window):
            return np.zeros(len(actions))
        values: FloatArray = self._intercept + self._weights[actions + self._starts].sum(axis=1)
        return values

    def expectation(self, probabilities: list[FloatArray]) -> tuple[list[FloatArray], float]:
        """In closed form: ``p_kc (B_kc - p_k . B_k)``."""
        if not len(self._window):
            return [np.zeros_like(p) for p in probabilities], 0.0
        self._window.check([p.size for p in probabilities])
        gradient, means = _through_softmax(
            np.concatenate(probabilities), self._weights, self._sizes, self._starts
        )
        return gradient, self._intercept + float(means.sum())

    def learn(self, actions: ActionArray, values: FloatArray, sizes: list[int]) -> None:
        """Keep the last evaluations, and fit where there is enough news."""
        self._window.tell(actions, values, sizes)
        n_least = max(REFIT * len(self._window), REFIT_CATEGORIES * sum(sizes))
        if self._window.n_news >= min(n_least, self.memory):
            if not len(self._window):
                self._sizes, self._starts = np.array(sizes), _starts(sizes)
                self._weights = np.zeros(sum(sizes))
            self._window.take_up()
            self._fit(self._window.vectors + self._starts, self._window.values)

    def _fit(self, entries: ActionArray, values: FloatArray) -> None:
        counts = np.zeros(self._weights.size)
        count_entries(entries, counts)
        means, mean = counts / len(values), float(values.mean())
        diagonal = counts * (1.0 - means) + self.ridge
        fit_regression(entries, means, values - mean, self.ridge, diagonal, ADDITIVE_STEPS, self._weights)
        self._intercept = mean - float(means @ self._weights)


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
        slopes = []
        for p, derivative in zip(probabilities, answer[1], strict=True):
            shape = (p.size, weights.size)
            slope = check_answer(derivative, "derivatives of expectation", shape, "categories and features")
            slopes.append(slope @ weights)
        sizes = [p.size for p in probabilities]
        flat = np.concatenate(probabilities)
        gradient, _ = _through_softmax(flat, np.concatenate(slopes), np.array(sizes), _starts(sizes))
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

    It sees pairs of variables, where `Additive` sees single ones. A fit takes a few steps of conjugate residuals
    from the fit before. By default fits take less time than all but the quickest objectives; where f takes 20 us
    or more, ``Hamming(memory=1000, refit=0.2)`` learns more of it.

    Parameters
    ----------
    memory : int
        Past evaluations kept. A fit takes time and memory in proportion to its square, a prediction to itself.
    ridge : float
        Noise of the objective, as a share of the kernel's value for equal vectors.
    refit : float
        A fit is made when this share of the evaluations that it is made from is new, above 0 and at most 1. Over
        a run, fits take time in proportion to memory / refit.
    """

    def __init__(self, memory: int = 500, ridge: float = 0.01, refit: float = 0.5) -> None:
        self.memory = check_integer(memory, "memory", 2)
        self.ridge = _check_ridge(ridge)
        if not 0 < refit <= 1:
            raise ValueError(f"refit must be a share, above 0 and at most 1; got {refit!r}")
        self.refit = float(refit)
        self._window = Window(self.memory)

    def predict(self, actions: ActionArray) -> FloatArray:
        """Zero until there is a fit."""
        if not len(self._window):
            return np.zeros(len(actions))
        n_variables = len(self._columns)
        if actions.shape[1:] != (n_variables,):
            raise ValueError(f"actions must have shape (M, {n_variables}); got shape {actions.shape}")
        values = np.empty(len(actions))
        for part in _chunks(len(actions)):
            matches = _matches(actions[part], self._columns).astype(float)
            values[part] = self._mean + (matches * matches / n_variables + matches) @ self._weights
        return values

    def expectation(self, probabilities: list[FloatArray]) -> tuple[list[FloatArray], float]:
        """In closed form, as matches are sums of independent events."""
        if not len(self._window):
            return [np.zeros_like(p) for p in probabilities], 0.0
        self._window.check([p.size for p in probabilities])
        flat = np.concatenate(probabilities)
        slope = np.zeros(flat.size)
        value = expect_matches(self._entries, self._weights, flat, slope)
        return _through_softmax(flat, slope, self._sizes, self._starts)[0], self._mean + value

    def learn(self, actions: ActionArray, values: FloatArray, sizes: list[int]) -> None:
        """Keep the last evaluations, and fit where there is enough news."""
        self._window.tell(actions, values, sizes)
        n_news = self._window.n_news
        n_least = max(self.refit * (len(self._window) + n_news), REFIT_CATEGORIES * sum(sizes))
        if n_news >= min(n_least, self.refit * self.memory):
            self._fit(sizes)

    def _fit(self, sizes: list[int]) -> None:
        if not len(self._window):
            self._sizes, self._starts = np.array(sizes), _starts(sizes)
            self._weights = np.empty(0)
        slots = self._window.take_up()
        vectors, values, n_variables = self._window.vectors, self._window.values, len(sizes)
        kind = np.uint8 if max(n_variables, *sizes) < 256 else np.int32  # what is short is soon compared
        self._columns = np.ascontiguousarray(vectors.astype(kind).T)
        matches = _matches(vectors, self._columns)
        self._mean = float(values.mean())
        self._weights = np.append(self._weights, np.zeros(len(values) - len(self._weights)))
        # What comes new takes over the sum of what it replaces, as all that are kept have matches in common.
        self._weights[slots] = self._weights[slots].mean()
        targets, ridge = values - self._mean, self.ridge * 2 * n_variables
        fit_kernels(matches, targets, ridge, n_variables, HAMMING_STEPS, HAMMING_REST, self._weights)
        self._entries = vectors + self._starts


def _matches(actions: ActionArray, columns: IntArray) -> IntArray:
    """In how many variables each of the actions is as each of the vectors in columns."""
    matches = np.empty((len(actions), columns.shape[1]), columns.dtype)
    if columns.dtype == np.uint8:
        actions = np.clip(actions, -1, 255)  # 255 is no category, as what becomes it is none
    # A copy, of one layout, that can be written to: for one compilation of each kind.
    count_matches(actions.astype(columns.dtype, order="C"), columns, matches)
    return matches


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
