"""REINFORCE with a baseline that learns: unbiased meanwhile, and better for it."""

import re

import numpy as np
import pytest
from helpers import RandomFunction

from arsm_fast import NVIL, Additive, Baseline, ControlVariate, Reinforce, RunningMean, gradient, propose

BASELINES = {"mean": RunningMean, "fading": lambda: RunningMean(decay=0.8), "nvil": NVIL}
LOGITS = [np.array([0.3, -0.5, 0.1]), np.array([1.0, 0.0]), np.array([0.0, 0.7, -0.2, 0.4])]


def shifted(actions):
    """Far from zero."""
    return 5.0 + (actions * [1.0, -0.5, 0.3]).sum(axis=1)


@pytest.mark.parametrize("control", [False, True], ids=["alone", "with a control variate"])
@pytest.mark.parametrize("name", BASELINES)
def test_unbiased_while_learning(name, control):
    f = RandomFunction(1)
    exact = gradient(f.batch, LOGITS, estimator="exact")
    truth = np.concatenate([*(g[1:] for g in exact.gradient), [exact.value]])
    rng = np.random.default_rng([len(name), control])
    estimates = []
    for _ in range(400 if control else 1000):
        estimator = Reinforce(BASELINES[name]())
        if control:
            estimator = ControlVariate(estimator, Additive())
        for n_samples in (1, 3, 1, 2) if not control else (4, 4, 4, 4, 4, 4, 3):
            estimate = gradient(f.batch, LOGITS, estimator=estimator, n_samples=n_samples, rng=rng)
        estimates.append(np.concatenate([*(g[1:] for g in estimate.gradient), [estimate.value]]))
    estimates = np.array(estimates)
    z_scores = (estimates.mean(axis=0) - truth) / (estimates.std(axis=0, ddof=1) / np.sqrt(len(estimates)))
    assert abs(z_scores).max() < 4
    assert np.sqrt(np.mean(z_scores**2)) < 1.6


def test_a_baseline_that_knew_the_present_would_be_found():
    class Cheat(RunningMean):
        def predict(self, probabilities):
            return np.full(1, now)

    truth = np.concatenate(gradient(shifted, LOGITS, estimator="exact").gradient)
    estimates = []
    for seed in range(500):
        now = shifted(propose(LOGITS, estimator="reinforce", rng=seed).actions)[0] / 2 + 2.5
        estimate = gradient(shifted, LOGITS, estimator=Reinforce(Cheat()), rng=seed)
        estimates.append(np.concatenate(estimate.gradient))
    z_scores = (np.mean(estimates, axis=0) - truth) / (np.std(estimates, axis=0, ddof=1) / np.sqrt(500))
    assert abs(z_scores).max() > 4


@pytest.mark.parametrize("name", BASELINES)
def test_less_variance_than_without(name):
    estimator = Reinforce(BASELINES[name]())
    rng = np.random.default_rng(2)
    for _ in range(50):
        gradient(shifted, LOGITS, estimator=estimator, n_samples=10, rng=rng)
    learnt, plain = (
        gradient(shifted, LOGITS, estimator=e, n_samples=2000, rng=rng) for e in (estimator, "reinforce")
    )
    variances = [sum((error**2).sum() for error in e.standard_error) for e in (learnt, plain)]
    assert variances[0] < 0.1 * variances[1]


def test_means_are_those_of_all_draws():
    logits = np.zeros((2, 1, 3))
    mean, fading = RunningMean(), RunningMean(decay=0.5)
    draws = []
    for seed, n_samples in enumerate((3, 5)):
        for baseline in (mean, fading):
            estimate = gradient(
                lambda a, b: a[:, 0] + 10.0 * b,
                logits,
                estimator=Reinforce(baseline),
                n_samples=n_samples,
                rng=seed,
            )
        draws.append(estimate.value)
    np.testing.assert_allclose(mean.predict([np.ones(3)] * 2), (3 * draws[0] + 5 * draws[1]) / 8)
    np.testing.assert_allclose(fading.predict([np.ones(3)] * 2), (1.5 * draws[0] + 5 * draws[1]) / 6.5)


def test_nvil_learns_what_the_probabilities_tell():
    rng = np.random.default_rng(3)
    baseline = NVIL(rate=0.5)

    def f(actions, problem):
        return 30.0 + 10.0 * actions[:, 0] - 5.0 * actions[:, 1]

    for _ in range(300):  # of other problems each time
        logits = 2 * rng.normal(size=(int(rng.integers(3, 8)), 2, 3))
        gradient(f, logits, estimator=Reinforce(baseline), n_samples=20, rng=rng)
    logits = 2 * rng.normal(size=(50, 2, 3))
    exact = gradient(f, logits, estimator="exact").value
    weights = np.exp(logits)
    predicted = baseline.predict(list((weights / weights.sum(axis=2, keepdims=True)).reshape(50, -1)))
    assert np.std(predicted - exact) < 0.2 * np.std(exact)
    assert abs(np.mean(predicted - exact)) < 0.2 * np.std(exact)
    # About the spread of f given the logits, as the function knows the rest.
    assert 1 / 12 < baseline.scale < 1 / 3


def test_the_same_proposal_may_be_told_again():
    for make in BASELINES.values():
        baseline = make()
        proposal = propose(LOGITS, estimator=Reinforce(baseline), n_samples=4, rng=0)
        values = shifted(proposal.actions)
        first = proposal.estimate(values)
        inputs = [np.full(9, 1 / 3)]
        learnt = baseline.predict(inputs)
        again = proposal.estimate(values)
        np.testing.assert_array_equal(baseline.predict(inputs), learnt)
        for one, other in zip(first.gradient, again.gradient, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_baseline_of_ones_own_and_of_a_table():
    class Known(Baseline):
        def predict(self, probabilities):
            return np.array([p @ table[i] for i, p in enumerate(probabilities)])

        def learn(self, probabilities, values):
            assert values.shape == (4, 7)

    table = np.arange(12.0).reshape(4, 3)
    logits = np.zeros((4, 3))
    mine = gradient(table, logits, estimator=Reinforce(Known()), n_samples=7, rng=1)
    same = gradient(table, logits, estimator=Reinforce(table.mean(axis=1)), n_samples=7, rng=1)
    np.testing.assert_allclose(mine.gradient, same.gradient, rtol=1e-12)


def test_bad_input():
    for make, kind, message in (
        (lambda: RunningMean(0), ValueError, "decay must be above 0 and at most 1; got 0"),
        (lambda: RunningMean(1.5), ValueError, "decay must be above 0 and at most 1; got 1.5"),
        (lambda: RunningMean("x"), TypeError, "decay must be a number; got 'x'"),
        (lambda: NVIL(rate=-1), ValueError, "rate must be above 0 and at most 1; got -1"),
        (lambda: NVIL(decay=np.nan), ValueError, "decay must be above 0 and at most 1; got nan"),
    ):
        with pytest.raises(kind, match=re.escape(message)):
            make()
    baseline = RunningMean()
    gradient(lambda a, b: a[:, 0], np.zeros((3, 2, 2)), estimator=Reinforce(baseline), rng=0)
    with pytest.raises(ValueError, match="baseline has learnt 3 problems, and is now used for 1"):
        propose(np.zeros((2, 2)), estimator=Reinforce(baseline), rng=0)
    nvil = NVIL()
    gradient(shifted, LOGITS, estimator=Reinforce(nvil), rng=0)
    with pytest.raises(ValueError, match=re.escape("of the same number of categories in all variables")):
        propose(np.zeros(3), estimator=Reinforce(nvil), rng=0)

    class Bad(RunningMean):
        def predict(self, probabilities):
            return np.array([np.nan])

    with pytest.raises(ValueError, match="baseline must predict 1 finite numbers, one for each problem"):
        propose(LOGITS, estimator=Reinforce(Bad()))
