"""Objectives that offer their terms, or all categories of a variable."""

import re

import naive
import numpy as np
import pytest
from helpers import RandomFunction, RandomTerms, WithDelta, as_list, assert_close, random_logits, random_noise

from arsm_fast import (
    ARSM,
    Additive,
    ControlVariate,
    LeaveOneOut,
    LocalExpectation,
    LocalPair,
    RaoBlackwellTop,
    ScopedLeaveOneOut,
    gradient,
    propose,
)

SIZES = (2, 3, 4, 3)
SCOPES = [(0, 1), (1, 2), (3,), (), (0, 2, 3)]


def logits_of(seed, sizes=SIZES):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=c) for c in sizes]


def bits(estimate):
    parts = [*as_list(estimate.gradient), estimate.value]
    if estimate.standard_error is not None:
        parts += as_list(estimate.standard_error)
    return [np.asarray(part).tobytes() for part in parts]


def test_scoped_equals_its_definition():
    rng = np.random.default_rng(0)
    for seed in range(60):
        sizes = rng.integers(1, 6, size=rng.integers(1, 5))
        scopes = [
            tuple(rng.choice(sizes.size, rng.integers(sizes.size + 1), replace=False).tolist())
            for _ in range(rng.integers(1, 6))
        ]
        f = RandomTerms(seed, sizes, scopes)
        logits = [random_logits(rng, c) for c in sizes]
        draws = [[random_noise(rng, c) for c in sizes] for _ in range(4)]
        noise = [np.stack([draw[k] for draw in draws])[None] for k in range(sizes.size)]

        def terms(vector, f=f):
            return f.terms(np.array([vector]))[0]

        expected, value = naive.scoped_leave_one_out(terms, scopes, draws, logits)
        estimate = gradient(f, logits, estimator=ScopedLeaveOneOut(4), noise=noise)
        assert_close(estimate.gradient, expected)
        assert estimate.value == pytest.approx(value, abs=1e-12)


def z_scores(f, logits, estimator, *, n_samples=200_000):
    exact = gradient(f, logits, estimator="exact")
    estimate = gradient(f, logits, estimator=estimator, n_samples=n_samples, rng=1)
    parts = [np.concatenate(as_list(g)) for g in (estimate.gradient, exact.gradient, estimate.standard_error)]
    error = abs(np.asarray(estimate.value) - exact.value)
    assert (error < 6 * sum(abs(table).max() for table in f.tables) / np.sqrt(n_samples)).all()
    return (parts[0] - parts[1]) / parts[2]


@pytest.mark.parametrize("n", [2, 5])
def test_scoped_is_unbiased(n):
    scores = z_scores(RandomTerms(1, SIZES, SCOPES), logits_of(2), ScopedLeaveOneOut(n))
    assert abs(scores).max() < 5
    assert 0.5 < np.sqrt(np.mean(scores**2)) < 1.5


def test_scoped_is_unbiased_in_a_batch():
    logits = np.random.default_rng(3).normal(size=(3, 4, 3))
    f = RandomTerms(4, [3] * 4, [(0, 1), (1, 2), (2, 3), (3,)], n_problems=3)
    scores = z_scores(f, logits, "scoped", n_samples=50_000)
    assert abs(scores).max() < 5
    assert 0.7 < np.sqrt(np.mean(scores**2)) < 1.3


def test_a_scope_too_small_would_be_found():
    f = RandomTerms(1, SIZES, SCOPES)
    scores = z_scores(f, logits_of(2), ScopedLeaveOneOut(5, scopes=[(0,), *SCOPES[1:]]))
    assert abs(scores).max() > 5


def test_scoped_with_all_variables_in_every_term_is_leave_one_out():
    logits = logits_of(5)
    f = RandomTerms(6, SIZES, [(0, 1, 2, 3), (3, 2, 1, 0), (0, 1, 2, 3, 0)])
    for n_samples in (1, 300):
        scoped = gradient(f, logits, estimator="scoped", n_samples=n_samples, rng=7)
        plain = gradient(f, logits, estimator="loo", n_samples=n_samples, rng=7)
        assert_close(scoped.gradient, plain.gradient)
        assert scoped.value == pytest.approx(plain.value, abs=1e-12)
        assert scoped.n_evaluations == plain.n_evaluations
        if n_samples > 1:
            assert_close(scoped.standard_error, plain.standard_error)


def test_scoped_of_one_variable():
    f = RandomTerms(8, [5], [(0,), ()])
    logits = logits_of(9, [5])[0]
    scoped, plain = (gradient(f, logits, estimator=e, n_samples=4, rng=0) for e in ("scoped", "loo"))
    np.testing.assert_allclose(scoped.gradient, plain.gradient, atol=1e-14)
    assert isinstance(scoped.value, float)


def test_scoped_by_hand_and_in_batches():
    rng = np.random.default_rng(10)
    for logits, sizes, n_problems in ((rng.normal(size=(2, 4, 3)), [3] * 4, 2), (logits_of(11), SIZES, 1)):
        f = RandomTerms(12, sizes, SCOPES, n_problems)
        arguments = {"n_samples": 5, "rng": 13}
        whole = gradient(f, logits, estimator="scoped", **arguments)
        for max_batch in (1, 7):
            parts = gradient(f, logits, estimator="scoped", max_batch=max_batch, **arguments)
            assert bits(parts) == bits(whole)
        proposal = propose(logits, estimator=ScopedLeaveOneOut(scopes=f.scopes), **arguments)
        problem = (proposal.problem,) if n_problems > 1 else ()
        terms = f.terms(proposal.actions, *problem)
        assert bits(proposal.estimate(terms)) == bits(whole)
        assert bits(proposal.estimate(terms.tolist())) == bits(whole)
        assert whole.n_evaluations == len(terms) <= 50 * n_problems


def test_scoped_at_size():
    rng = np.random.default_rng(14)
    n_variables, n_terms = 1000, 3000
    scopes = rng.integers(n_variables, size=(n_terms, 2))
    tables = rng.normal(size=(n_terms, 10, 10))

    class Quadratic:
        def terms(self, actions):
            assert len(actions) <= 300
            return tables[np.arange(n_terms), actions[:, scopes[:, 0]], actions[:, scopes[:, 1]]]

        def __call__(self, actions):
            return self.terms(actions).sum(axis=1)

    f = Quadratic()
    f.scopes = scopes
    logits = rng.normal(size=(n_variables, 10))
    scoped = gradient(f, logits, estimator="scoped", n_samples=30, rng=0, max_batch=300)
    plain = gradient(f, logits, estimator="loo", n_samples=30, rng=0, max_batch=300)
    assert scoped.n_evaluations == plain.n_evaluations == 300
    assert (scoped.standard_error**2).sum() < 0.01 * (plain.standard_error**2).sum()


def test_scopes_are_kept_as_tuples():
    given = np.array([[0, 1], [1, 2]])
    estimator = ScopedLeaveOneOut(3, given)
    assert estimator.scopes == ((0, 1), (1, 2))
    assert hash(estimator) == hash(ScopedLeaveOneOut(3, [[np.int64(0), 1], (1, 2)]))
    # Those of the estimator come before those of the objective.
    f = RandomTerms(1, SIZES, SCOPES)
    one, other = (gradient(f, logits_of(2), estimator=ScopedLeaveOneOut(4, s), rng=0) for s in (SCOPES, None))
    assert bits(one) == bits(other)
    without = offering(terms=f.terms)
    assert bits(gradient(without, logits_of(2), estimator=ScopedLeaveOneOut(4, SCOPES), rng=0)) == bits(one)


@pytest.mark.parametrize(
    ("scopes", "kind", "message"),
    [
        (3, TypeError, "scopes must be a sequence of sequences of variables, one for each term; got 3"),
        ([0, 1], TypeError, "scopes must be a sequence of sequences of variables, one for each term; got [0, 1]"),
        ([], ValueError, "scopes must be those of at least one term; got none"),
        ([(0,), (1, -2)], ValueError, "scopes[1] must be at least 0; got -2"),
        ([(0,), (1.0,)], TypeError, "scopes[1] must be an integer; got 1.0"),
        ([(0, True)], TypeError, "scopes[0] must be an integer; got True"),
        (["ab"], TypeError, "scopes[0] must be an integer; got 'a'"),
    ],
)
def test_bad_scopes(scopes, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        ScopedLeaveOneOut(scopes=scopes)


def never(*arguments):
    pytest.fail("f was called")


def offering(**what):
    """A function that must not be called, with attributes."""

    def f(*arguments):
        never()

    vars(f).update(what)
    return f


@pytest.mark.parametrize(
    ("objective", "kind", "message"),
    [
        (
            offering(),
            TypeError,
            "objective must have scopes and a method terms(actions), which returns (M, T) values, for the "
            "estimator ScopedLeaveOneOut; got function without a method terms and scopes",
        ),
        (offering(terms=never), TypeError, "got function without scopes"),
        (offering(scopes=[(0,)], terms=3.0), TypeError, "got function without a method terms"),
        (np.zeros((2, 3)), TypeError, "got ndarray without a method terms and scopes"),
        (offering(scopes=[(0,), ()], terms=3.0), TypeError, "got function without a method terms"),
        (offering(scopes=[(), (1, 2)], terms=never), ValueError, "which has 2, from 0 on; scopes[1] names 2"),
        (offering(scopes=[(0.5,)], terms=never), TypeError, "scopes[0] must be an integer; got 0.5"),
        (
            offering(scopes=[(0,), (1,)], terms=lambda a: np.zeros(len(a))),
            ValueError,
            "objective.terms(actions) must have shape (3, 2), a row for each row of actions and a number in it "
            "for each of the scopes; got shape (3,)",
        ),
        (offering(scopes=[(0,)], terms=lambda a: np.zeros((len(a), 2))), ValueError, "got shape (3, 2)"),
        (
            offering(scopes=[(0,)], terms=lambda a: None),
            TypeError,
            "objective.terms(actions) must be real numbers; got dtype object",
        ),
        (
            offering(scopes=[(0,), (1,)], terms=lambda a: np.tile([0.0, np.nan], (len(a), 1))),
            ValueError,
            "objective.terms(actions) must be finite; 3 of 6 are not: term 1 = nan at [",
        ),
    ],
)
def test_bad_objective_of_scoped(objective, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        gradient(objective, np.zeros((2, 3)), estimator=ScopedLeaveOneOut(3), rng=1)


def test_bad_proposal_of_scoped():
    with pytest.raises(
        ValueError, match=re.escape("scopes must be given where there is no objective to have them")
    ):
        propose(np.zeros((2, 3)), estimator="scoped")
    estimator = ScopedLeaveOneOut(3, [(0,), (1,)])
    proposal = propose(np.zeros((2, 3)), estimator=estimator, rng=1)
    n = len(proposal.problem)
    for values, message in (
        (
            np.zeros(n),
            f"values must have shape ({n}, 2), a row for each row of actions and a number in it for each",
        ),
        (np.full((n, 2), np.inf), f"values must be finite; {2 * n} of {2 * n} are not: term 0 = inf at ["),
        ([[0.0], [0.0, 1.0]], "values must be an array; got nested sequences of different lengths"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            proposal.estimate(values)
    assert proposal.estimate(np.ones((n, 2))).value == 2.0
    with pytest.raises(ValueError, match=re.escape("noise must have shape (1, 3, 2, 3)")):
        propose(np.zeros((2, 3)), estimator=estimator, noise=np.full((1, 2, 3), 1 / 3))
    with pytest.raises(TypeError, match="estimator must be one that samples f"):
        ControlVariate(estimator, Additive())
    with pytest.raises(ValueError, match="n must be at least 2; got 1"):
        ScopedLeaveOneOut(1)


def test_a_failure_of_terms_comes_through_unchanged():
    error = RuntimeError("the simulator is down")

    def fail(actions):
        raise error

    with pytest.raises(RuntimeError) as caught:
        gradient(offering(scopes=[(0,)], terms=fail), np.zeros((2, 3)), estimator="scoped")
    assert caught.value is error


BY_DELTA = [
    LocalExpectation(),
    LocalExpectation(variables=2),
    RaoBlackwellTop(2),
    LocalPair(),
    LocalPair(replacement=True),
    ARSM("coordinate"),
    ARSM("coordinate", references=2),
]
RNG = np.random.default_rng(20)
LOGITS = {
    "one variable": RNG.normal(size=7),
    "several": np.where(RNG.random((4, 5)) < 0.2, -np.inf, RNG.normal(size=(4, 5))),
    "problems": RNG.normal(size=(2, 3, 4)),
    "ragged": [RNG.normal(size=c) for c in (2, 5, 1, 3)],
}


@pytest.mark.parametrize(
    ("kind", "estimator"),
    [(kind, e) for kind in LOGITS for e in BY_DELTA if not (kind == "one variable" and isinstance(e, ARSM))],
    ids=repr,
)
def test_delta_changes_nothing_but_what_f_is_asked(kind, estimator):
    logits = LOGITS[kind]
    sizes = [len(phi) for phi in as_list(logits if kind != "problems" else logits[0])]
    values = RandomFunction(3)

    def f(actions, *problem):
        return values.batch(np.column_stack([*problem, actions]))

    for n_samples in (1, 6):
        arguments = {"estimator": estimator, "n_samples": n_samples, "rng": 4}
        expected = gradient(f, logits, **arguments)
        proposal = propose(logits, **arguments)
        for max_batch in (None, 1, 4):
            offer = WithDelta(f, sizes)
            estimate = gradient(offer, logits, max_batch=max_batch, **arguments)
            assert bits(estimate) == bits(expected)
            assert estimate.n_evaluations == len(offer.asked) == len(set(offer.asked))
            assert estimate.n_evaluations <= n_samples * (2 if kind == "problems" else 1)
            assert len(proposal.problem) == expected.n_evaluations
            if max_batch is None:
                assert sorted(set(offer.variables)) == offer.variables


def test_delta_is_for_those_that_change_one_variable():
    def delta(*arguments):
        never()

    def f(actions):
        return actions @ [1.0, 2.0, 4.0]

    f.delta = delta
    for estimator in ("arsm", "loo", "disarm", "exact", "reinforce"):
        gradient(f, np.zeros((3, 4)), estimator=estimator, rng=0)
    gradient(WithDelta(f, None).__call__, np.zeros((3, 4)), estimator="local", rng=0)
    f.delta = 0.5  # a setting of that name
    gradient(f, np.zeros((3, 4)), estimator="local", rng=0)
    f.delta = delta
    certain = np.where(np.arange(4) == 2, 0.0, -np.inf) + np.zeros((3, 1))
    assert gradient(f, certain, estimator="pair", rng=0).value == 14.0  # there is nothing to change


def test_delta_may_be_off_by_rounding():
    logits = np.zeros((2, 3))
    for level in (0.0, 1.0, 1e6):

        def f(actions, level=level):
            return np.full(len(actions), level)

        f.delta = lambda actions, variable, f=f: np.repeat(f(actions)[:, None] * (1 + 1e-7) + 1e-17, 3, axis=1)
        assert abs(gradient(f, logits, estimator="local", rng=0).gradient).max() < 1e-6 * max(level, 1e-9)


@pytest.mark.parametrize(
    ("delta", "kind", "message"),
    [
        (
            lambda a, k: np.zeros(len(a)),
            ValueError,
            "objective.delta(actions, variable) must have shape (1, 2), for variable 0 a row for each row of "
            "actions with f for every category; got shape (1,)",
        ),
        (lambda a, k: np.zeros((len(a), 3)), ValueError, "for variable 0 a row"),
        (
            lambda a, k: None,
            TypeError,
            "objective.delta(actions, variable) must be real numbers; got dtype object",
        ),
        (lambda a, k: [[0.0], [1.0, 2.0]], ValueError, "objective.delta(actions, variable) must be an array"),
        (
            lambda a, k: np.arange([2, 3][k]) - a[:, k, None],
            ValueError,
            "objective.delta must give f of the whole vector for every category, and so f itself for the one "
            "that the vector has; for variable 0 of [1 1] it gave 0.0, and f is 5.0",
        ),
        (
            lambda a, k: np.where(np.arange([2, 3][k]) == a[:, k, None], 5.0, np.nan),
            ValueError,
            "objective.delta must give finite values; got nan for category 0 of variable 0 in [1 1]",
        ),
    ],
)
def test_bad_delta(delta, kind, message):
    def f(actions):
        return 5.0 * actions.prod(axis=1)

    f.delta = delta
    logits = [np.array([-9.0, 0.0]), np.array([0.0, 9.0, 0.0])]
    with pytest.raises(kind, match=re.escape(message)):
        gradient(f, logits, estimator="local", rng=0)


def test_bad_values_of_f_are_found_before_delta_is_asked():
    def f(actions):
        return np.where(actions[:, 0] == 1, np.nan, 0.0)

    f.delta = never
    with pytest.raises(
        ValueError, match=re.escape("values must be finite; 1 of 4 are not: values[0] = nan at [1 1]")
    ):
        gradient(f, [np.array([-9.0, 0.0]), np.array([0.0, 9.0, 0.0])], estimator="local", rng=0)
    error = RuntimeError("the simulator is down")

    def fail(actions, variable):
        raise error

    f.delta = fail
    with pytest.raises(RuntimeError) as caught:
        gradient(f, np.array([[0.0, -np.inf], [0.0, 0.0]]), estimator="local", rng=0)
    assert caught.value is error


def test_leave_one_out_has_more_variance_than_scoped():
    f = RandomTerms(15, [4] * 8, [(k, (k + 1) % 8) for k in range(8)])
    logits = np.zeros((8, 4))
    plain, scoped = (
        (gradient(f, logits, estimator=e, n_samples=2000, rng=0).standard_error ** 2).sum()
        for e in (LeaveOneOut(4), ScopedLeaveOneOut(4))
    )
    assert scoped < 0.4 * plain
