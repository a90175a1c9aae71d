"""Surrogates: their expectations are exact, and estimators round them are unbiased while they learn."""

import functools

import numpy as np
import pytest
from helpers import RandomFunction

from arsm_fast import ARSM, Additive, BestOf, ControlVariate, Hamming, LeaveOneOut, Surrogate, gradient, propose


def small_problem(rng, sizes=(3, 4, 2)):
    return [rng.normal(size=c) for c in sizes], RandomFunction(1)


def taught(surrogate, logits, f, n_calls, seed):
    """An estimator whose surrogate has seen so many calls."""
    estimator = ControlVariate(LeaveOneOut(4), surrogate)
    rng = np.random.default_rng(seed)
    for _ in range(n_calls):
        gradient(f, logits, estimator=estimator, rng=rng)
    return estimator, rng


@pytest.mark.parametrize("make", [Additive, Hamming, lambda: BestOf(Hamming(), Additive())])
def test_expectation_is_that_of_the_predictions(make):
    rng = np.random.default_rng(0)
    logits, f = small_problem(rng)
    estimator, _ = taught(make(), logits, f.batch, 20, 1)
    surrogate = estimator.surrogate
    probabilities = [np.exp(phi) / np.exp(phi).sum() for phi in logits]
    expected = gradient(surrogate.predict, logits, estimator="exact")
    mine, value = surrogate.expectation(probabilities)
    assert value == pytest.approx(expected.value, abs=1e-13)
    for own, truth in zip(mine, expected.gradient, strict=True):
        np.testing.assert_allclose(own, truth, atol=1e-13)
        assert np.abs(truth).max() > 1e-3


SURROGATES = {
    "additive": Additive,
    "hamming": lambda: Hamming(memory=20),
}
INNER = [LeaveOneOut(3), ARSM(), ARSM("coordinate")]


@functools.cache
def scores_while_learning(name, number):
    """The z-scores of the gradients, less one category of each variable, and of the value."""
    rng = np.random.default_rng([2, number, len(name)])
    logits, f = small_problem(rng)
    exact = gradient(f.batch, logits, estimator="exact")
    truth = np.concatenate([*(g[1:] for g in exact.gradient), [exact.value]])
    estimates = []
    for _ in range(500):
        estimator = ControlVariate(INNER[number], SURROGATES[name]())
        for _ in range(8):
            estimate = gradient(f.batch, logits, estimator=estimator, rng=rng)
        assert estimator.surrogate.scale >= 0
        estimates.append(np.concatenate([*(g[1:] for g in estimate.gradient), [estimate.value]]))
    estimates = np.array(estimates)
    return (estimates.mean(axis=0) - truth) / (estimates.std(axis=0, ddof=1) / np.sqrt(len(estimates)))


@pytest.mark.parametrize("number", range(len(INNER)), ids=lambda number: repr(INNER[number]))
@pytest.mark.parametrize("name", SURROGATES)
def test_unbiased_while_learning(name, number):
    z_scores = scores_while_learning(name, number)
    assert abs(z_scores).max() < 4.5
    assert np.sqrt(np.mean(z_scores**2)) < 1.6


def test_estimates_are_as_far_off_as_they_should_be():
    # One case has too few scores to say.
    z_scores = np.concatenate([scores_while_learning(n, i) for n in SURROGATES for i in range(len(INNER))])
    assert 0.7 < np.sqrt(np.mean(z_scores**2)) < 1.3


def test_an_additive_objective_is_soon_known():
    rng = np.random.default_rng(3)
    logits = rng.normal(size=(4, 5))
    effects = rng.normal(size=(4, 5))

    def f(actions):
        return effects[np.arange(4), actions].sum(axis=1)

    estimator, rng = taught(Additive(ridge=1e-6), logits, f, 200, 4)
    plain = gradient(f, logits, estimator=LeaveOneOut(4), n_samples=500, rng=5)
    known = gradient(f, logits, estimator=estimator, n_samples=500, rng=6)
    assert (known.standard_error**2).sum() < 1e-6 * (plain.standard_error**2).sum()


def test_the_best_of_several_is_that_which_predicts():
    rng = np.random.default_rng(8)
    logits = rng.normal(size=(6, 3))
    table = rng.normal(size=(6, 3))
    for f, best in (
        (lambda a: table[np.arange(6), a].sum(axis=1), Additive),
        (lambda a: (a[:, ::2] == a[:, 1::2]).sum(axis=1).astype(float), Hamming),
    ):
        estimator, _ = taught(BestOf(Additive(), Hamming(100)), logits, f, 60, 9)
        assert isinstance(estimator.surrogate.best, best)


def test_the_same_proposal_may_be_told_again():
    logits, f = small_problem(np.random.default_rng(5))
    estimator, _ = taught(Additive(), logits, f.batch, 20, 6)
    proposal = propose(logits, estimator=estimator, rng=99)
    values = f.batch(proposal.actions)
    first = proposal.estimate(values)
    scale = estimator.surrogate.scale
    again = proposal.estimate(values)
    assert estimator.surrogate.scale == scale
    for one, other in zip(first.gradient, again.gradient, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_surrogate_of_ones_own():
    class Known(Surrogate):
        def predict(self, actions):
            return 2.0 * actions[:, 0]

        def expectation(self, probabilities):
            p = probabilities[0]
            c = np.arange(p.size)
            return [2 * p * (c - p @ c), *(np.zeros_like(q) for q in probabilities[1:])], 2 * float(p @ c)

        def learn(self, actions, values, sizes):
            assert sizes == [3, 4, 2]

    logits, _ = small_problem(np.random.default_rng(6))
    estimator, rng = taught(Known(), logits, lambda actions: 2.0 * actions[:, 0], 10, 7)
    assert estimator.surrogate.scale == pytest.approx(1.0)
    estimate = gradient(lambda actions: 2.0 * actions[:, 0], logits, estimator=estimator, rng=rng)
    exact = gradient(lambda actions: 2.0 * actions[:, 0], logits, estimator="exact")
    for own, truth in zip(estimate.gradient, exact.gradient, strict=True):
        np.testing.assert_allclose(own, truth, atol=1e-12)


def test_bad_input():
    with pytest.raises(TypeError, match="estimator must be one that samples"):
        ControlVariate("loo", Additive())
    with pytest.raises(TypeError, match="surrogate must be a Surrogate"):
        ControlVariate(LeaveOneOut(), "additive")
    with pytest.raises(TypeError, match="surrogates must be at least one Surrogate"):
        BestOf()
    with pytest.raises(TypeError, match="surrogates must be at least one Surrogate"):
        BestOf(Additive(), "hamming")
    with pytest.raises(ValueError, match="ridge must be positive; got 0"):
        Additive(ridge=0)
    with pytest.raises(ValueError, match="memory must be at least 2; got 1"):
        Hamming(memory=1)
    with pytest.raises(ValueError, match="is for one problem"):
        propose(np.zeros((2, 3, 4)), estimator=ControlVariate(LeaveOneOut(), Additive()))
    small = ControlVariate(LeaveOneOut(), Additive(limit=5))
    with pytest.raises(ValueError, match="limited to 5 categories in all variables together; got 6"):
        gradient(lambda actions: actions[:, 0], np.zeros((2, 3)), estimator=small)
