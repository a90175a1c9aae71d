"""Surrogates: their expectations are exact, and estimators round them are unbiased while they learn."""

import functools

import numpy as np
import pytest
from helpers import RandomFunction

from arsm_fast import (
    AR,
    ARS,
    ARSM,
    CARMS,
    REBAR,
    RELAX,
    Additive,
    BestOf,
    ControlNetwork,
    ControlVariate,
    DisARM,
    Features,
    Hamming,
    LeaveOneOut,
    LocalExpectation,
    LocalPair,
    MuProp,
    RaoBlackwellTop,
    Reinforce,
    RunningMean,
    Surrogate,
    UnorderedSet,
    gradient,
    propose,
)


def small_problem(rng, sizes=(3, 4, 2)):
    return [rng.normal(size=c) for c in sizes], RandomFunction(1)


def taught(surrogate, logits, f, n_calls, seed):
    """An estimator whose surrogate has seen so many calls."""
    estimator = ControlVariate(LeaveOneOut(4), surrogate)
    rng = np.random.default_rng(seed)
    for _ in range(n_calls):
        gradient(f, logits, estimator=estimator, rng=rng)
    return estimator, rng


def own_features(actions):
    """How the first two variables are combined, and the last one's number."""
    pairs = actions[:, 0, None] * 4 + actions[:, 1, None] == np.arange(12)
    return np.concatenate([pairs, actions[:, 2:]], axis=1)


def own_expectation(probabilities):
    p, q, r = probabilities
    means = np.append(np.outer(p, q), r[1])
    by_first, by_second, by_third = np.zeros((3, 13)), np.zeros((4, 13)), np.zeros((2, 13))
    by_first[:, :12] = np.kron(np.eye(3), q)
    by_second[:, :12] = np.kron(p, np.eye(4))
    by_third[1, 12] = 1.0
    return means, [by_first, by_second, by_third]


MAKE = [Additive, Hamming, lambda: BestOf(Hamming(), Additive()), lambda: Features(own_features, own_expectation)]


@pytest.mark.parametrize("make", MAKE)
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
    "features": lambda: Features(own_features, own_expectation),
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


def linear(points):
    return points[:, :, 1].sum(axis=1), np.ones_like(points) * [0.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    "make",
    [
        *(AR, ARS, ARSM, lambda: ARSM(plus=True), lambda: ARSM("coordinate"), Reinforce, lambda: CARMS(3)),
        *(LocalExpectation, LocalPair, lambda: RaoBlackwellTop(2), DisARM, lambda: UnorderedSet(3)),
        *(lambda: REBAR(linear), lambda: MuProp(linear), lambda: RELAX(ControlNetwork())),
        lambda: Reinforce(RunningMean()),
    ],
)
def test_is_its_definition_round_any_estimator(make):
    logits, f = small_problem(np.random.default_rng(16))
    surrogate = taught(Additive(), logits, f.batch, 20, 17)[0].surrogate
    scale = surrogate.scale
    assert scale > 0.1
    mine, value = surrogate.expectation([np.exp(phi) / np.exp(phi).sum() for phi in logits])

    def rest(actions):
        return f.batch(actions) - scale * surrogate.predict(actions)

    inner = gradient(rest, logits, estimator=make(), n_samples=5, rng=18)
    whole = gradient(f.batch, logits, estimator=ControlVariate(make(), surrogate), n_samples=5, rng=18)
    assert whole.value == pytest.approx(inner.value + scale * value, abs=1e-12)
    parts = zip(whole.gradient, inner.gradient, mine, whole.standard_error, inner.standard_error, strict=True)
    for own, other, exact, error, other_error in parts:
        np.testing.assert_allclose(own, other + scale * exact, atol=1e-12)
        np.testing.assert_allclose(error, other_error, atol=1e-12)


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


def test_features_know_what_others_cannot():
    def counts(actions):
        return (actions[:, :, None] == np.arange(3)).sum(axis=1)

    def expectation(probabilities):
        return np.sum(probabilities, axis=0), [np.eye(3)] * len(probabilities)

    def squares(actions):
        return counts(actions)[:, :2] ** 2

    def mean_squares(probabilities):
        # E[n^2] = sum p (1 - p) + (sum p)^2 for the number of variables in a category.
        p = np.array(probabilities)[:, :2]
        means = (p * (1 - p)).sum(axis=0) + p.sum(axis=0) ** 2
        return means, [np.eye(3)[:, :2] * (1 - 2 * row + 2 * p.sum(axis=0)) for row in p]

    def f(actions):
        return squares(actions) @ [1.0, -0.5]

    logits = np.random.default_rng(10).normal(size=(8, 3))
    variances = {}
    for name, functions in (("counts", (counts, expectation)), ("squares", (squares, mean_squares))):
        estimator, _ = taught(Features(*functions, ridge=1e-6), logits, f, 100, 11)
        estimate = gradient(f, logits, estimator=estimator, n_samples=500, rng=12)
        variances[name] = (estimate.standard_error**2).sum()
    plain = (gradient(f, logits, estimator=LeaveOneOut(4), n_samples=500, rng=12).standard_error ** 2).sum()
    assert variances["counts"] < 0.5 * plain
    assert variances["squares"] < 1e-6 * plain


@pytest.mark.parametrize("surrogate", [lambda: Additive(ridge=0.3), lambda: Hamming(memory=70, ridge=0.1)])
def test_fits_are_those_of_all_that_is_kept(surrogate):
    # What is added bit by bit is as if it had come at once.
    rng = np.random.default_rng(13)
    sizes = [3, 4, 2, 5]
    actions = np.column_stack([rng.integers(0, c, 200) for c in sizes]).astype(np.int32)
    values = rng.normal(size=200)
    grown = surrogate()
    for start in range(0, 200, 7):
        grown.learn(actions[start : start + 7], values[start : start + 7], sizes)
    (n_seen,) = (
        part._fitted_n for part in (grown, getattr(grown, "_regression", None)) if hasattr(part, "_fitted_n")
    )
    whole = surrogate()
    whole.learn(actions[:n_seen], values[:n_seen], sizes)
    np.testing.assert_allclose(grown.predict(actions), whole.predict(actions), rtol=1e-9, atol=1e-9)


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
    with pytest.raises(TypeError, match="expectation must be a function; got 3"):
        Features(own_features, 3)
    with pytest.raises(ValueError, match="is for one problem"):
        propose(np.zeros((2, 3, 4)), estimator=ControlVariate(LeaveOneOut(), Additive()))
    small = ControlVariate(LeaveOneOut(), Additive(limit=5))
    with pytest.raises(ValueError, match="limited to 5 categories in all variables together; got 6"):
        gradient(lambda actions: actions[:, 0], np.zeros((2, 3)), estimator=small)


def first_action(actions):
    return actions[:, :1]


@pytest.mark.parametrize(
    ("features", "expectation", "kind", "message"),
    [
        (lambda a: a[:, :1] * np.nan, None, ValueError, "features must be finite"),
        (lambda a: a[:1, :1], None, ValueError, r"features must have shape \(\d, 1\)"),
        (first_action, lambda p: 0.0, TypeError, "expectation must return a pair"),
        (first_action, lambda p: (np.zeros(1), []), TypeError, "one array for each of 3 variables"),
        (first_action, lambda p: (np.zeros(2), [0] * 3), ValueError, "means of expectation must have shape"),
        (first_action, lambda p: (np.zeros(1), [0] * 3), ValueError, "derivatives of expectation must have"),
    ],
)
def test_bad_features(features, expectation, kind, message):
    logits, f = small_problem(np.random.default_rng(14))
    estimator = ControlVariate(LeaveOneOut(4), Features(features, expectation or own_expectation))
    rng = np.random.default_rng(15)

    def two_calls():
        for _ in range(2):
            gradient(f.batch, logits, estimator=estimator, rng=rng)

    with pytest.raises(kind, match=message):
        two_calls()
