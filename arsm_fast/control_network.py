"""A small network that learns to be the control variate of RELAX and LAX."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._checks import check_integer, check_positive
from ._logits import FloatArray

__all__ = ["ControlNetwork"]

# Adam: Kingma and Ba, ICLR 2015.
FIRST_DECAY, SECOND_DECAY, TINY = 0.9, 0.999, 1e-8


class Parameters(NamedTuple):
    """Of ``F(x) = constant + output . tanh(weights x + biases)``, or a derivative with respect to them.

    Each has a first axis for problems: (B, H, inputs), (B, H), (B, H) and (B,). Points x are (B, S, inputs).
    """

    weights: FloatArray
    biases: FloatArray
    output: FloatArray
    constant: FloatArray

    def evaluate(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """F, (B, S), and its gradient with respect to the points."""
        t = self._hidden(points)
        values = self.constant[:, None] + (t @ self.output[:, :, None])[:, :, 0]
        return values, ((1.0 - t * t) * self.output[:, None, :]) @ self.weights

    def sensitivity(self, points: FloatArray, scales: FloatArray, directions: FloatArray) -> Parameters:
        """The derivative of the sum over points of ``scale F + direction . dF/dx`` for each problem."""
        t = self._hidden(points)
        slope = 1.0 - t * t
        moved = directions @ self.weights.transpose(0, 2, 1)
        scaled = scales[:, :, None]
        into_hidden = self.output[:, None, :] * slope * (scaled - 2.0 * t * moved)
        into_moved = self.output[:, None, :] * slope
        return Parameters(
            into_hidden.transpose(0, 2, 1) @ points + into_moved.transpose(0, 2, 1) @ directions,
            into_hidden.sum(axis=1),
            (scaled * t + slope * moved).sum(axis=1),
            scales.sum(axis=1),
        )

    def _hidden(self, points: FloatArray) -> FloatArray:
        hidden: FloatArray = np.tanh(points @ self.weights.transpose(0, 2, 1) + self.biases[:, None, :])
        return hidden


class Control(NamedTuple):
    """The control variate of one call: ``mean + scale F``, for each problem.

    Until two values differ, and the scale is `known`, it is 1, F is 0, and there is nothing to learn.
    """

    network: Parameters
    mean: FloatArray
    scale: FloatArray
    known: NDArray[np.bool_]


class ControlNetwork:
    """The control variate of `RELAX` and `lax_gradient`: a network with one hidden layer of tanh units.

    ``c(x) = m + s (b + a . tanh(W x + w))``, with m and s the mean and the standard deviation of the values
    seen so far. After each call a, b, w and W take one step of Adam along the exact derivative of the sum of
    the squared gradients of its samples, which is that of their variance. Both come from past calls only, so
    that estimates stay unbiased; for this each call needs noise of its own, so never the same seed twice. It
    begins as the baseline m. It holds what it has learnt: use a new one for each objective. Each problem of a
    batch has a network of its own.

    Parameters
    ----------
    hidden : int
        Hidden units.
    learning_rate : float
        Of Adam.
    """

    def __init__(self, hidden: int = 10, learning_rate: float = 0.01) -> None:
        self.hidden = check_integer(hidden, "hidden", 1)
        self.learning_rate = check_positive(learning_rate, "learning_rate")
        self._shape: tuple[int, int, int] | None = None
        self._n_steps = 0
        self._n_values = 0

    def control(self, n_problems: int, n_variables: int, n_categories: int) -> Control:
        """What it has learnt so far, which later calls of `learn` leave as it is."""
        shape = n_problems, n_variables, n_categories
        if self._shape is None:
            self._start(*shape)
        elif self._shape != shape:
            raise ValueError(
                "control has learnt an objective of {} problems of {} variables of {} categories, here there are "
                "{}, {} and {}; use a new one for each objective".format(*self._shape, *shape)
            )
        known = self._squares > 0.0
        scale = np.sqrt(self._squares / max(1, self._n_values))
        return Control(self._network, self._mean, np.where(known, scale, 1.0), known)

    def _start(self, n_problems: int, n_variables: int, n_categories: int) -> None:
        self._shape = n_problems, n_variables, n_categories
        hidden = n_problems, self.hidden
        # The input of a variable is about a unit vector. With output of zero the weights need differ only.
        weights = np.random.default_rng(0).normal(size=(*hidden, n_variables * n_categories))
        weights /= np.sqrt(n_variables)
        self._network = Parameters(weights, np.zeros(hidden), np.zeros(hidden), np.zeros(n_problems))
        self._first = self._second = Parameters(*(np.zeros_like(part) for part in self._network))
        self._mean, self._squares = np.zeros((2, n_problems))

    def learn(self, values: FloatArray, derivative: Parameters) -> None:
        """Take the values of one call, (B, S), into account, and take a step against the derivative."""
        n_new = values.shape[1]
        n = self._n_values + n_new
        difference = values.mean(axis=1) - self._mean
        spread = ((values - values.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
        self._squares = self._squares + spread + difference**2 * (self._n_values * n_new / n)
        self._mean = self._mean + difference * (n_new / n)
        self._n_values = n
        self._n_steps += 1
        first = [FIRST_DECAY * m + (1.0 - FIRST_DECAY) * d for m, d in zip(self._first, derivative, strict=True)]
        second = [
            SECOND_DECAY * v + (1.0 - SECOND_DECAY) * d * d for v, d in zip(self._second, derivative, strict=True)
        ]
        self._first, self._second = Parameters(*first), Parameters(*second)
        step = self.learning_rate / (1.0 - FIRST_DECAY**self._n_steps)
        correction = 1.0 - SECOND_DECAY**self._n_steps
        self._network = Parameters(
            *(
                part - step * m / (np.sqrt(v / correction) + TINY)
                for part, m, v in zip(self._network, first, second, strict=True)
            )
        )
