"""The estimators for relaxed objectives and relaxed noise.

Arrays are (problems, samples, variables, categories). Variables with different numbers of categories are filled
up with categories of probability zero, which come out with a gradient of zero, as unavailable ones do.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from functools import cached_property
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ._checks import check_answer
from ._draws import Draws, true_actions
from ._logits import FloatArray, Logits
from ._moments import Moments
from ._noise import Noise
from ._vectors import Vectors
from .control_network import ControlNetwork, Parameters
from .estimators import ControlVariate, Estimator, Sampling
from .kernels.draws import REINFORCE
from .relaxed_estimators import REBAR, RELAX, GumbelSoftmax, MuProp, Relaxed, WithRelaxed

# Samples are taken so many together that arrays of about so many entries are passed from step to step in a cache.
BLOCK_ENTRIES = 2**14


def relaxed_method(logits: Logits, noise: Noise, estimator: GumbelSoftmax | REBAR | MuProp | RELAX) -> _Relaxed:
    """The method that carries out an estimator."""
    if isinstance(estimator, RELAX):
        return _Learnt(logits, noise, estimator.control, estimator.temperature)
    if estimator.relaxed is None:
        name = type(estimator).__name__
        raise ValueError(
            f"estimator {name} needs a relaxed objective: {name}(relaxed), or for gradient an objective that has "
            "one as its attribute relaxed"
        )
    objective = _RelaxedObjective(estimator.relaxed, logits)
    if isinstance(estimator, GumbelSoftmax):
        return _Pathwise(logits, noise, objective, estimator.temperature, estimator.straight_through)
    if isinstance(estimator, MuProp):
        return _MeanField(logits, noise, objective)
    return _FixedControl(logits, noise, objective, estimator.temperature, estimator.eta)


class LinearTable:
    """The relaxed objective of a table of values, linear; each row is a problem of its own."""

    def __init__(self, table: FloatArray, rows: Logits) -> None:
        self._table = table
        self._rows = rows

    @cached_property
    def _slopes(self) -> FloatArray:
        return _filled(self._table, self._rows)[:, 0]

    def __call__(self, points: FloatArray, problem: NDArray[np.int32]) -> tuple[FloatArray, FloatArray]:
        """Values and gradients."""
        slopes = self._slopes[problem]
        return (points.reshape(slopes.shape) * slopes).sum(axis=1), slopes.reshape(points.shape)


def with_relaxed(estimator: Estimator, relaxed: Any) -> Estimator:
    """An estimator with the objective's own relaxation, where it needs one and has none."""
    if isinstance(estimator, ControlVariate):
        return replace(estimator, estimator=cast(Sampling, with_relaxed(estimator.estimator, relaxed)))
    if not isinstance(estimator, WithRelaxed):
        return estimator
    if estimator.relaxed is None:
        return replace(estimator, relaxed=relaxed)
    if isinstance(relaxed, LinearTable):
        raise ValueError("relaxed must be None where the objective is an array of values, which has its own")
    return estimator


class _RelaxedObjective:
    """A relaxed objective for arrays of ours, and checks of what it returns."""

    def __init__(self, relaxed: Relaxed, logits: Logits) -> None:
        self._relaxed = relaxed
        self._logits = logits

    def __call__(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Values, (B, S), and gradients, (B, S, K, C), at points of that shape."""
        n_problems, n_samples = points.shape[:2]
        given = points.reshape(n_problems * n_samples, *points.shape[3 if self._logits.single else 2 :])
        given.flags.writeable = False
        arguments: tuple[Any, ...] = (given,)
        if self._logits.batched or isinstance(self._relaxed, LinearTable):
            arguments = given, np.repeat(np.arange(n_problems, dtype=np.int32), n_samples)
        answer = self._relaxed(*arguments)
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            raise TypeError(f"relaxed must return a pair, values and gradients; got {type(answer).__name__}")
        values = check_answer(answer[0], "values of relaxed", given.shape[:1], "one number for each point")
        gradients = check_answer(answer[1], "gradients of relaxed", given.shape, "that of the points")
        return values.reshape(n_problems, n_samples), gradients.reshape(points.shape)


def _filled(flat: FloatArray, logits: Logits) -> FloatArray:
    """A flat array as (problems, variables, categories), with zeros where a variable has no category."""
    n_categories = logits.longest
    filled = np.zeros((logits.offsets.size - 1, n_categories))
    filled[np.arange(n_categories) < logits.sizes[:, None]] = flat
    return filled.reshape(logits.n_problems, logits.n_variables, n_categories)


def _sum(array: FloatArray) -> FloatArray:
    """The sum over categories, kept as an axis."""
    total: FloatArray = array.sum(axis=-1, keepdims=True)
    return total


def _soften(ratios: FloatArray, temperature: float) -> FloatArray:
    """softmax(z / temperature), from exp(z) over the largest of its variable."""
    powers = ratios ** (1.0 / temperature)
    return powers / _sum(powers)


def _through_softmax(points: FloatArray, gradients: FloatArray, temperature: float) -> FloatArray:
    """The gradient for z from that for softmax(z / temperature); the matrix between them is symmetric."""
    return points * (gradients - _sum(points * gradients)) / temperature


class _Relaxed(Draws, ABC):
    """The distinct vectors among the draws, and the gradient from their values and from what is relaxed."""

    def __init__(self, logits: Logits, noise: Noise) -> None:
        super().__init__(logits, noise, REINFORCE, n_draws=1, baseline=np.zeros(logits.n_problems))
        self._probabilities = _filled(logits.probabilities(), logits)

    @abstractmethod
    def _samples(self, actions: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The gradient of each sample, and the value, from actions as one-hot vectors and values, (B, S)."""

    def estimate(self, values: FloatArray) -> Moments:
        """The gradient from the values of the distinct vectors."""
        logits, n_samples = self._logits, self._noise.n_samples
        by_problem = self._actions.reshape(n_samples, logits.n_problems, logits.n_variables).transpose(1, 0, 2)
        sample_values = self._sample_values(values)
        # The kernels' generator gave the actions; what is drawn given these has a stream of its own.
        self._generator = np.random.Generator(np.random.Philox(key=int(self._noise.generator_key)))
        mean, squares = np.zeros((2, *self._probabilities.shape))
        value = np.zeros(logits.n_problems)
        step = max(1, BLOCK_ENTRIES // self._probabilities.size)
        for start in range(0, n_samples, step):
            part = slice(start, min(n_samples, start + step))
            actions = (by_problem[:, part, :, None] == np.arange(mean.shape[-1])).astype(np.float64)
            gradients, part_values = self._samples(actions, sample_values[:, part])
            n_new = part.stop - start
            part_mean = gradients.mean(axis=1)
            difference = part_mean - mean
            squares += ((gradients - part_mean[:, None]) ** 2).sum(axis=1)
            squares += difference**2 * (start * n_new / part.stop)
            mean += difference * (n_new / part.stop)
            value += part_values.sum(axis=1)
        present = np.arange(mean.shape[-1]) < logits.sizes.reshape(mean.shape[:2])[..., None]
        return Moments(mean[present], squares[present] if n_samples > 1 else np.empty(0), value / n_samples)

    def _sample_values(self, values: FloatArray) -> FloatArray:
        """The value of each draw, (B, S)."""
        return values[self._number].reshape(self._logits.n_problems, -1)

    def _score(self, actions: FloatArray) -> FloatArray:
        """The derivative of the logarithm of the actions' probability."""
        return actions - self._probabilities[:, None]

    def _ratios_given(self, actions: FloatArray) -> FloatArray:
        """Draw z = phi + Gumbel noise given its largest, as exp(z) over that of the action.

        With exponential noise e and the action b, z is -log(e_b / sum(w)) at b, as it is the largest, and
        -log(e_b / sum(w) + e_i / w_i) elsewhere.
        """
        noise = self._generator.standard_exponential(actions.shape)
        lowest = self._probabilities[:, None] * _sum(noise * actions)
        ratios: FloatArray = lowest / (lowest + noise * (1.0 - actions))
        return ratios

    def _through_conditional(self, gradients: FloatArray, ratios: FloatArray) -> FloatArray:
        """The gradient for logits from that for z given the action, its noise held fixed.

        ``d z_i / d phi_j = p_j q_i + (1 - q_i) 1[i = j]``, q being the ratios.
        """
        shared = gradients * ratios
        return gradients - shared + self._probabilities[:, None] * _sum(shared)

    def _back_through_conditional(self, directions: FloatArray, ratios: FloatArray) -> FloatArray:
        """How z given the action moves where the logits move: the transpose of `_through_conditional`."""
        return directions + ratios * (_sum(self._probabilities[:, None] * directions) - directions)


class _Pathwise(_Relaxed):
    """Gumbel-Softmax: no vectors to evaluate."""

    def __init__(
        self,
        logits: Logits,
        noise: Noise,
        objective: _RelaxedObjective,
        temperature: float,
        straight_through: bool,
    ) -> None:
        super().__init__(logits, noise)
        self._objective = objective
        self._temperature = temperature
        self._straight_through = straight_through

    def propose(self) -> tuple[Vectors, NDArray[np.int32]]:
        """None."""
        self._actions = true_actions(self._logits, self._noise, self._noise.n_samples)
        return np.empty((0, self._logits.n_variables), np.int32), np.empty(0, np.int32)

    def _sample_values(self, values: FloatArray) -> FloatArray:
        return np.empty((self._logits.n_problems, 0))

    def _samples(self, actions: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        points = _soften(self._ratios_given(actions), self._temperature)
        values, gradients = self._objective(actions if self._straight_through else points)
        return _through_softmax(points, gradients, self._temperature), values


class _MeanField(_Relaxed):
    """MuProp: the linear part of the relaxed objective at the mean."""

    def __init__(self, logits: Logits, noise: Noise, objective: _RelaxedObjective) -> None:
        super().__init__(logits, noise)
        self._objective = objective

    def estimate(self, values: FloatArray) -> Moments:
        """The gradient from the values of the distinct vectors."""
        self._level, self._slope = self._objective(self._probabilities[:, None])
        return super().estimate(values)

    def _samples(self, actions: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        score = self._score(actions)
        excess = values - self._level - (self._slope * score).sum(axis=(2, 3))
        linear = _through_softmax(self._probabilities[:, None], self._slope, 1.0)
        return excess[..., None, None] * score + linear, values


class _FixedControl(_Relaxed):
    """REBAR: the relaxed objective as control variate."""

    def __init__(
        self, logits: Logits, noise: Noise, objective: _RelaxedObjective, temperature: float, eta: float
    ) -> None:
        super().__init__(logits, noise)
        self._objective = objective
        self._temperature = temperature
        self._eta = eta

    def _control(self, ratios: FloatArray) -> tuple[FloatArray, FloatArray]:
        """c and its gradient for z."""
        points = _soften(ratios, self._temperature)
        values, gradients = self._objective(points)
        return self._eta * values, self._eta * _through_softmax(points, gradients, self._temperature)

    def _samples(self, actions: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        # z has the distribution of z~ given the action; as z = phi + noise its derivative is the identity.
        free, given = self._ratios_given(actions), self._ratios_given(actions)
        _, free_gradients = self._control(free)
        given_values, given_gradients = self._control(given)
        samples = (values - given_values)[..., None, None] * self._score(actions)
        samples += free_gradients - self._through_conditional(given_gradients, given)
        return samples, values


class _Learnt(_Relaxed):
    """RELAX: a network as control variate, which learns after the first estimate."""

    def __init__(self, logits: Logits, noise: Noise, network: ControlNetwork, temperature: float) -> None:
        super().__init__(logits, noise)
        self._learner = network
        self._control = network.control(*self._probabilities.shape)
        self._temperature = temperature
        self._told = False

    def estimate(self, values: FloatArray) -> Moments:
        """The gradient from the values of the distinct vectors, which the network learns from the first time."""
        self._derivatives: list[Parameters] = []
        moments = super().estimate(values)
        if not self._told:
            self._told = True
            total = (sum(parts) / self._noise.n_samples for parts in zip(*self._derivatives, strict=True))
            self._learner.learn(self._sample_values(values), Parameters(*total))
        return moments

    def _samples(self, actions: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        network, mean, scale, _ = self._control
        given = self._ratios_given(actions)
        # Free ones first, then those given the action.
        points = _soften(np.concatenate([self._ratios_given(actions), given], axis=1), self._temperature)
        inputs = points.reshape(*points.shape[:2], -1)
        outputs, slopes = network.evaluate(inputs)
        gradients = _through_softmax(points, slopes.reshape(points.shape), self._temperature)
        n = actions.shape[1]
        score = self._score(actions)
        # In units of the scale, so that what the network learns does not depend on it.
        excess = (values - mean[:, None]) / scale[:, None] - outputs[:, n:]
        samples = excess[..., None, None] * score
        samples += gradients[:, :n] - self._through_conditional(gradients[:, n:], given)
        if not self._told:
            self._derivatives.append(self._variance_derivative(inputs, points, samples, score, given))
        return samples * scale[:, None, None, None], values

    def _variance_derivative(
        self, inputs: FloatArray, points: FloatArray, samples: FloatArray, score: FloatArray, given: FloatArray
    ) -> Parameters:
        """The derivative of the sum of the squared samples with respect to the network's parameters."""
        samples = samples * self._control.known[:, None, None, None]
        scales = np.concatenate([np.zeros(samples.shape[:2]), -2.0 * (samples * score).sum(axis=(2, 3))], axis=1)
        moves = [2.0 * samples, -2.0 * self._back_through_conditional(samples, given)]
        directions = _through_softmax(points, np.concatenate(moves, axis=1), self._temperature)
        return self._control.network.sensitivity(inputs, scales, directions.reshape(inputs.shape))
