"""Auto: unbiased in its trial and after, and settles on what is best."""

import re

import numpy as np
import pytest
from helpers import RandomFunction

from arsm_fast import (
    ARSM,
    Additive,
    Auto,
    BestOf,
    ControlVariate,
    Exact,
    Hamming,
    LeaveOneOut,
    LocalExpectation,
    LocalPair,
    ScopedLeaveOneOut,
    UnorderedSet,
    gradient,
    propose,
)

LOGITS = [np.array([0.3, -0.5, 0.1]), np.array([1.0, 0.0]), np.array([0.0, 0.7, -0.2, 0.4])]


def wide(seed=0, shape=(8, 6)):
    return np.random.default_rng(seed).normal(size=shape)


def additive(actions):
    return actions @ np.arange(1.0, actions.shape[1] + 1)


def rough(actions):
    """Next to nothing can be said from one vector of another."""
    return np.sin(1000.0 * (actions @ np.sqrt(np.arange(2.0, actions.shape[1] + 2))))


def settled(auto, f, logits, rng):
    """How many calls and evaluations it takes to settle."""
    n_calls = n_evaluations = 0
    while auto.choice is None:
        n_evaluations += gradient(f, logits, estimator=auto, rng=rng).n_evaluations
        n_calls += 1
    return n_calls, n_evaluations


def test_unbiased_in_the_trial_and_after():
    f = RandomFunction(1)
    exact = gradient(f.batch, LOGITS, estimator="exact")
    truth = np.concatenate([*(g[1:] for g in exact.gradient), [exact.value]])
    rng = np.random.default_rng(2)
    estimates, choices = [], set()
    for _ in range(300):
        cv = ControlVariate(LeaveOneOut(3), BestOf(Additive(), Hamming(memory=20)))
        auto = Auto([LeaveOneOut(3), cv, LocalPair(), LocalExpectation()], evaluations=14, trial=90)
        calls = []
        for _ in range(11):
            estimate = gradient(f.batch, LOGITS, estimator=auto, rng=rng)
            calls.append(np.concatenate([*(g[1:] for g in estimate.gradient), [estimate.value]]))
        choices.add(type(auto.choice))
        estimates.append(calls)
    assert len(choices) > 2
    estimates = np.array(estimates)
    z_scores = (estimates.mean(axis=0) - truth) / (estimates.std(axis=0, ddof=1) / np.sqrt(len(estimates)))
    assert abs(z_scores).max() < 4.5
    assert 0.7 < np.sqrt(np.mean(z_scores**2)) < 1.3


def test_settles_on_the_best():
    auto = Auto(trial=2000)
    n_calls, n_evaluations = settled(auto, additive, wide(), np.random.default_rng(0))
    assert isinstance(auto.choice, LocalExpectation)  # which has no variance here
    assert n_evaluations < 2400
    best, *others = auto.report
    assert best.estimator is auto.choice
    assert best.score < 1e-20
    assert [trial.score for trial in others] == sorted(trial.score for trial in others)
    assert sum(trial.calls for trial in auto.report) == n_calls
    # Here the surrogate is no use, and does no harm.
    auto = Auto(trial=2000)
    settled(auto, rough, wide(), np.random.default_rng(1))
    assert isinstance(auto.choice, ControlVariate)
    plain = gradient(rough, wide(), estimator=LeaveOneOut(20), n_samples=300, rng=2)
    mine = gradient(rough, wide(), estimator=auto.choice, n_samples=300, rng=3)
    assert (mine.standard_error**2).sum() < 1.15 * (plain.standard_error**2).sum()


def test_a_surrogate_that_is_chosen_has_learnt():
    def partly(actions):
        return additive(actions) + 2.0 * rough(actions)

    ratios = []
    for seed in range(3):
        auto = Auto(trial=3000)
        rng = np.random.default_rng(seed)
        _, n_evaluations = settled(auto, partly, wide(), rng)
        assert isinstance(auto.choice, ControlVariate)
        assert max(auto.report, key=lambda trial: trial.calls).estimator is auto.choice
        rival = ControlVariate(LeaveOneOut(20), Additive())
        while n_evaluations > 0:
            n_evaluations -= gradient(partly, wide(), estimator=rival, n_samples=10, rng=rng).n_evaluations
        mine, best = (gradient(partly, wide(), estimator=e, n_samples=300, rng=1) for e in (auto.choice, rival))
        ratios.append((mine.standard_error**2).sum() / (best.standard_error**2).sum())
    assert np.mean(ratios) < 1.2


def test_what_was_measured_is_what_others_measure():
    auto = Auto([LeaveOneOut(4), ARSM("coordinate")], evaluations=400, trial=20_000)
    settled(auto, rough, wide(), np.random.default_rng(0))
    for trial in auto.report:
        estimate = gradient(rough, wide(), estimator=trial.estimator, n_samples=4000, rng=1)
        assert trial.variance == pytest.approx(4000 * (estimate.standard_error**2).sum(), rel=0.4)
        single = [gradient(rough, wide(), estimator=trial.estimator, rng=i).n_evaluations for i in range(50)]
        assert trial.evaluations == pytest.approx(np.mean(single), rel=0.2)
    assert auto.choice == LeaveOneOut(4)


def test_a_call_takes_the_evaluations_it_may():
    auto = Auto([LeaveOneOut(5)], evaluations=60)
    logits = wide()
    gradient(rough, logits, estimator=auto, n_samples=2, rng=0)
    for n_samples in (1, 3):
        estimate = gradient(rough, logits, estimator=auto, n_samples=n_samples, rng=1)
        assert 50 * n_samples < estimate.n_evaluations <= 70 * n_samples


class Pairs:
    """A sum of terms of two neighbours each, which tells all that it can."""

    scopes = tuple((k, k + 1) for k in range(7))

    def __call__(self, actions):
        return self.terms(actions).sum(axis=1)

    def terms(self, actions):
        return np.cos(3.0 * actions[:, :-1] * actions[:, 1:] + np.arange(7))


class PairsWithDelta(Pairs):
    def delta(self, actions, variable):
        changed = np.repeat(actions, 6, axis=0)
        changed[:, variable] = np.tile(np.arange(6), len(actions))
        return self(changed).reshape(-1, 6)


def test_uses_what_the_objective_tells():
    auto = Auto(trial=600)
    settled(auto, Pairs(), wide(), np.random.default_rng(0))
    (scoped,) = (trial for trial in auto.report if isinstance(trial.estimator, ScopedLeaveOneOut))
    plain = gradient(Pairs(), wide(), estimator=LeaveOneOut(20), n_samples=300, rng=1)
    assert scoped.variance < 0.6 * 300 * (plain.standard_error**2).sum()
    auto = Auto(trial=600)
    settled(auto, PairsWithDelta(), wide(), np.random.default_rng(0))
    assert isinstance(auto.choice, LocalExpectation)
    assert 0.9 < auto.report[0].evaluations <= 1.0  # f itself is asked the true vectors alone


def test_exact_where_that_is_affordable():
    f = RandomFunction(4)
    exact = gradient(f.batch, LOGITS, estimator="exact")
    auto = Auto(evaluations=24)
    for estimator in (auto, "auto"):
        estimate = gradient(f.batch, LOGITS, estimator=estimator, rng=0)
        for mine, truth in zip(estimate.gradient, exact.gradient, strict=True):
            np.testing.assert_array_equal(mine, truth)
    assert isinstance(auto.choice, Exact)
    table = np.arange(12.0).reshape(3, 4)
    estimate = gradient(table, 0 * table, estimator=Auto(), rng=0)
    np.testing.assert_array_equal(estimate.gradient, gradient(table, 0 * table, estimator="exact").gradient)


def test_one_variable_tables_and_batches():
    table = np.cos(np.arange(600.0)).reshape(2, 300)
    auto = Auto(trial=1000)
    for seed in range(20):
        estimate = gradient(table, 0 * table, estimator=auto, n_samples=2, rng=seed)
    assert estimate.gradient.shape == (2, 300)
    assert isinstance(auto.choice, LeaveOneOut | UnorderedSet)
    batch = Auto(trial=1000)
    logits = wide(shape=(3, 5, 4))
    for seed in range(20):
        estimate = gradient(lambda a, b: rough(a) + b, logits, estimator=batch, rng=seed)
    assert estimate.gradient.shape == (3, 5, 4)
    assert not any(isinstance(trial.estimator, ControlVariate) for trial in batch.report)
    np.testing.assert_allclose(estimate.value, [0, 1, 2], atol=0.5)


def test_the_name_alone_tries_first():
    logits = wide(shape=(6, 6))
    one, same = (gradient(rough, logits, estimator="auto", n_samples=5, rng=3) for _ in range(2))
    np.testing.assert_array_equal(one.gradient, same.gradient)
    exact = gradient(rough, logits, estimator="exact").gradient
    assert 0.25 < ((one.gradient - exact) ** 2).sum() / (one.standard_error**2).sum() < 4
    assert one.n_evaluations > 2600
    with pytest.raises(ValueError, match=re.escape("must remember what it tried: pass one object Auto()")):
        propose(logits, estimator="auto")


def test_each_estimate_reports_what_was_measured_by_then():
    table = np.cos(np.arange(600.0)).reshape(2, 300)
    for objective, logits in ((rough, wide()), (table, 0 * table)):
        auto = Auto()
        estimates = [gradient(objective, logits, estimator=auto, rng=seed) for seed in range(4)]
        calls = [sum(trial.calls for trial in estimate.report) for estimate in estimates]
        assert calls == [1, 2, 3, 4]
        assert estimates[-1].report == auto.report
    assert len(gradient(rough, wide(shape=(6, 6)), estimator="auto", rng=1).report) > 1
    assert gradient(rough, wide(), estimator="loo", rng=1).report is None


def test_ask_and_tell_once_or_again():
    auto, same = (Auto(trial=500) for _ in range(2))
    logits = wide()
    for seed in range(12):
        proposal = propose(logits, estimator=auto, rng=seed)
        with pytest.raises(ValueError, match="values must be finite"):
            proposal.estimate(np.full(len(proposal.problem), np.nan))
        values = rough(proposal.actions)
        told = proposal.estimate(values)
        again = proposal.estimate(values)
        np.testing.assert_array_equal(told.gradient, again.gradient)
        direct = gradient(rough, logits, estimator=same, rng=seed)
        np.testing.assert_array_equal(told.gradient, direct.gradient)
    assert [trial.score for trial in auto.report] == [trial.score for trial in same.report]


def test_a_failure_of_the_objective_loses_nothing():
    def failing(actions):
        raise OSError("gone")

    auto, same = (Auto(trial=500) for _ in range(2))
    for seed in range(6):
        with pytest.raises(OSError, match="gone"):
            gradient(failing, wide(), estimator=auto, rng=seed)
        for one in (auto, same):
            gradient(rough, wide(), estimator=one, rng=seed)
    assert [trial.score for trial in auto.report] == [trial.score for trial in same.report]


def test_bad_input():
    for make, kind, message in (
        (lambda: Auto("loo"), TypeError, "candidates must be a sequence of estimators"),
        (lambda: Auto([]), TypeError, "candidates must be a sequence of estimators"),
        (lambda: Auto(LeaveOneOut()), TypeError, "candidates must be a sequence of estimators"),
        (lambda: Auto(["loo"]), TypeError, "candidates must be estimators, such as LeaveOneOut(); got 'loo'"),
        (lambda: Auto([Auto()]), TypeError, "candidates must be estimators"),
        (lambda: Auto(evaluations=3), ValueError, "evaluations must be at least 4; got 3"),
        (lambda: Auto(trial=0), ValueError, "trial must be at least 1; got 0"),
    ):
        with pytest.raises(kind, match=re.escape(message)):
            make()
    auto = Auto()
    propose(wide(), estimator=auto, rng=0)
    with pytest.raises(ValueError, match="was tried on 8 variables of 6 categories, and is now used for 3"):
        propose(LOGITS, estimator=auto, rng=0)
    for call in (propose, lambda logits, **more: gradient(additive, logits, **more)):
        with pytest.raises(ValueError, match="noise must be None for the estimator Auto"):
            call(wide(), estimator=Auto(), noise=np.full((1, 8, 6), 1 / 6))
