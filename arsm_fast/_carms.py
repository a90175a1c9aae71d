"""CARMS: leave-one-out of antithetic draws, each pair weighted by importance.

The n draws of a variable share one draw d of Dirichlet(1_n): P(d_i >= s, d_j >= t) = (1 - s - t)_+^(n - 1), so
that (1 - d_i)^(n - 1) is uniform and any two of them are negatively correlated. Draw i is the category whose
interval of the cumulative probabilities, the likeliest first, it falls into.
"""

from __future__ import annotations

import numpy as np

from ._draws import Draws, true_actions
from ._logits import FloatArray, IntArray, Logits
from ._moments import Moments, accumulate_arrays
from ._noise import LONGEST_SHORT_ROW, NOT_GIVEN, Noise
from ._vectors import VectorArray
from .kernels.dirichlet import fill_dirichlet, fill_dirichlet_rows
from .kernels.draws import LEAVE_ONE_OUT


def thresholds(probabilities: FloatArray, n: int) -> FloatArray:
    """D with category c, of probabilities in descending order, for D[c + 1] <= d < D[c]: (rows, C + 1)."""
    tails = np.zeros((len(probabilities), probabilities.shape[1] + 1))
    tails[:, :-1] = probabilities[:, ::-1].cumsum(axis=1)[:, ::-1]
    tails[:, 0] = 1.0
    with np.errstate(divide="ignore"):
        return -np.expm1(np.log1p(-np.minimum(tails, 1.0)) / (n - 1))


def joint_probabilities(edges: FloatArray, n: int) -> FloatArray:
    """How likely draw i is one category and draw j another, (rows, C, C), for intervals of d between the edges.

    That is g(s) - g(s - a) - g(s - b) + g(s - a - b) with g(t) = t_+^(n - 1) and the widths a and b of the
    intervals, in forms without cancellation.
    """
    upper, lower = edges[:, :-1], edges[:, 1:]
    widths = upper - lower
    a = np.maximum(widths[:, :, None], widths[:, None, :])
    b = np.minimum(widths[:, :, None], widths[:, None, :])
    s = np.maximum(0.0, 1.0 - (lower[:, :, None] + lower[:, None, :]))
    lowest = 1.0 - (upper[:, :, None] + upper[:, None, :])
    power = n - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = (power * np.log1p(-np.minimum(width / s, 1.0)) for width in (a, b))
        # g is 0 at the lowest corner
        across = -np.expm1(second) - np.exp(first)
        # The logarithm of (1 - a/s) (1 - b/s) / (1 - (a + b)/s) is that which the last term has.
        excess = power * np.log1p(-a * b / ((s - a) * (s - b)))
        within = np.expm1(first) * np.expm1(second) + np.exp(first + second) * np.expm1(excess)
    if n == 2:  # g is linear
        within = np.zeros_like(across)
    shares = np.where(lowest > 0, within, np.maximum(0.0, across))
    return np.where(s > 0, s**power * shares, 0.0)


class AntitheticSets(Draws):
    """The distinct vectors among antithetic draws, and the gradient from their values.

    The draws of a variable are independent where pairs weighted by importance would be worth less.
    """

    def __init__(self, logits: Logits, noise: Noise, n: int, limit: int) -> None:
        super().__init__(logits, noise, LEAVE_ONE_OUT, n_draws=n, baseline=np.zeros(logits.n_problems))
        n_pairs = logits.sizes.size * logits.longest**2
        if n_pairs > limit:
            raise ValueError(
                f"estimator CARMS weights all pairs of categories, here {n_pairs}, more than its limit of "
                f"{limit}; LeaveOneOut is as good where they are many"
            )

    def _draw(self) -> tuple[VectorArray, FloatArray]:
        """One action for each draw and row, (draws, rows); there are no weights of samples."""
        logits, n = self._logits, self._n_draws
        rows, order = _padded(logits)
        edges = thresholds(rows, n)
        joint = joint_probabilities(edges, n)
        independent = rows[:, :, None] * rows[:, None, :]
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = np.where(independent > 0, independent / joint, 0.0)
        same = np.eye(rows.shape[1], dtype=bool)
        ratios[:, same] = 0.0
        # The mean square of a pair's weight, against that of an independent pair.
        with np.errstate(invalid="ignore"):
            worth = np.where(independent > 0, independent * (ratios - ~same), 0.0).sum(axis=(1, 2)) <= 0
        ratios[~worth] = ~same
        rank = order.argsort(axis=1)
        row = np.arange(len(rows))[:, None, None]
        self._ratios = ratios[row, rank[:, :, None], rank[:, None, :]]
        n_samples = self._noise.n_samples
        if worth.all():
            actions = np.empty((n_samples * n, len(rows)), np.int32)
        else:
            actions = true_actions(logits, self._noise, n_samples * n)
        shared = np.empty((n_samples, len(rows) * n))
        if n <= LONGEST_SHORT_ROW:
            fill_dirichlet_rows(self._noise.key, n, shared)
        else:
            fill_dirichlet(self._noise.key, np.arange(len(rows) + 1) * n, shared)
        for k in np.flatnonzero(worth):
            drawn = np.searchsorted(-edges[k, 1:-1], -shared[:, k * n : (k + 1) * n].ravel())
            actions[:, k] = order[k, drawn]
        return actions, NOT_GIVEN

    def estimate(self, values: FloatArray) -> Moments:
        """The gradient from the values of the distinct vectors."""
        logits, n = self._logits, self._n_draws
        draw_values = values[self._number].reshape(logits.n_problems, -1, n)
        actions = self._actions.reshape(-1, n, logits.n_problems, logits.n_variables)

        def samples(problem: int, chosen: slice) -> tuple[FloatArray, FloatArray]:
            first_row = problem * logits.n_variables
            rows = np.arange(first_row, first_row + logits.n_variables)
            z, f = actions[chosen, :, problem], draw_values[problem, chosen]
            origins = logits.offsets[rows] - logits.offsets[first_row]
            size = int(logits.offsets[first_row + logits.n_variables] - logits.offsets[first_row])
            gradients = np.zeros((len(z), size))
            at = np.arange(len(z))[:, None] * size + origins
            for i in range(n):
                weights = self._ratios[rows, z[:, i, None], z]
                shares = (weights * (f[:, i, None] - f)[:, :, None]).sum(axis=1) / (n * (n - 1))
                gradients += np.bincount((at + z[:, i]).ravel(), shares.ravel(), gradients.size).reshape(
                    gradients.shape
                )
            return gradients, f.mean(axis=1)

        return accumulate_arrays(samples, logits.problem_offsets, self._noise.n_samples)


def _padded(logits: Logits) -> tuple[FloatArray, IntArray]:
    """The probabilities of each row in descending order, and their categories; zero beyond the row's end."""
    longest = logits.longest
    order = np.tile(np.arange(longest), (logits.sizes.size, 1))
    rows = np.zeros(order.shape)
    place = order < logits.sizes[:, None]
    order[place] = logits.order()
    rows[place] = logits.probabilities()
    return np.take_along_axis(rows, order, axis=1), order
