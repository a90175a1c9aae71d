"""Estimators for relaxed objectives and relaxed noise: unbiased or visibly not, and true to their definitions."""

import functools

import naive
import numpy as np
import pytest
from helpers import as_list

from arsm_fast import (
    REBAR,
    RELAX,
    ControlNetwork,
    GumbelSoftmax,
    MuProp,
    gradient,
)


class Smooth:
    """A random function of one-hot vectors that is smooth between them; one for each problem."""

    def __init__(self, n_variables, n_categories, n_problems=1, seed=0):
        rng = np.random.default_rng(seed)
        self.weights = rng.normal(size=(n_problems, 8, n_variables, n_categories)) / np.sqrt(n_variables)
        self.output = rng.normal(size=8)

    def relaxed(self, points, problem=0):
        points = points.reshape(len(points), *self.weights.shape[2:])
        weights = self.weights[np.broadcast_to(problem, len(points))]
        t = np.tanh(np.einsum("mhkc,mkc->mh", weights, points))
        return t @ self.output, np.einsum("mh,mhkc->mkc", (1 - t**2) * self.output, weights)

    def __call__(self, actions, problem=0):
        actions = np.reshape(actions, (len(actions), -1))
        return self.relaxed(np.eye(self.weights.shape[-1])[actions], problem)[0]


def problems():
    rng = np.random.default_rng(1)
    concentrated = 2.5 * rng.normal(size=(2, 4))
    concentrated[1, 2] = -np.inf
    yield rng.normal(size=(3, 4)), Smooth(3, 4)
    yield concentrated, Smooth(2, 4, seed=2)
    yield [rng.normal(size=c) for c in (2, 4, 3)], Smooth(3, 4, seed=3)
    yield rng.normal(size=(1, 2)), Smooth(1, 2, seed=4)


def taught(f, logits, n_calls, rng, learning_rate=0.02):
    """RELAX after so many calls."""
    estimator = RELAX(ControlNetwork(hidden=6, learning_rate=learning_rate))
    for _ in range(n_calls):
        gradient(f, logits, estimator=estimator, n_samples=8, rng=rng)
    return estimator


def z_scores(estimate, logits, f):
    truth, _ = naive.exact(lambda vector: f(np.array([vector]))[0], as_list(logits))
    truth, error = np.concatenate(truth), np.concatenate(as_list(estimate.standard_error))
    spread = error > 1e-15
    difference = np.concatenate(as_list(estimate.gradient)) - truth
    np.testing.assert_allclose(difference[~spread], 0.0, atol=1e-14)
    return difference[spread] / error[spread]


UNBIASED = {
    "rebar": lambda f, logits: REBAR(f.relaxed),
    "rebar, other settings": lambda f, logits: REBAR(f.relaxed, temperature=0.2, eta=-0.7),
    "muprop": lambda f, logits: MuProp(f.relaxed),
    "relax, frozen": lambda f, logits: taught(f, logits, 100, np.random.default_rng(5)),
}


@functools.cache
def all_scores(name):
    scores = []
    for number, (logits, f) in enumerate(problems()):
        estimator = UNBIASED[name](f, logits)
        estimate = gradient(f, logits, estimator=estimator, n_samples=50_000, rng=[6, number])
        scores.extend(z_scores(estimate, logits, f))
    return np.array(scores)


@pytest.mark.parametrize("name", UNBIASED)
def test_unbiased(name):
    assert abs(all_scores(name)).max() < 4.5


def test_estimates_are_as_far_off_as_they_should_be():
    scores = np.concatenate([all_scores(name) for name in UNBIASED])
    assert 0.8 < np.sqrt(np.mean(scores**2)) < 1.2


@pytest.mark.parametrize("straight_through", [False, True])
def test_gumbel_softmax_is_found_to_be_biased(straight_through):
    for number, (logits, f) in enumerate(problems()):
        estimator = GumbelSoftmax(f.relaxed, straight_through=straight_through)
        estimate = gradient(f, logits, estimator=estimator, n_samples=50_000, rng=[7, number])
        assert abs(z_scores(estimate, logits, f)).max() > 10
