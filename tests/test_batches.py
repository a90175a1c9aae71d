"""Bounded memory: vectors are formed and evaluated batch by batch, and results do not depend on it."""

import re

import naive
import numba
import numpy as np
import pytest
from helpers import RandomFunction, as_list, assert_close

from arsm_fast import (
    ARS,
    ARSM,
    DisARM,
    LeaveOneOut,
    LocalExpectation,
    LocalPair,
    RaoBlackwellTop,
    Reinforce,
    _coordinate,
    _joint_pairs,
    gradient,
    proposals,
    propose,
)

ESTIMATORS = [
    "ar",
    ARS(),
    ARSM(),
    ARSM(plus=True),
    ARSM("coordinate"),
    ARSM(references=2),
    Reinforce(0.5),
    LeaveOneOut(4),
    LocalExpectation(),
    RaoBlackwellTop(2),
    LocalPair(),
    DisARM(),
    "exact",
]
RNG = np.random.default_rng(0)
LOGITS = {
    "one variable": RNG.normal(size=7),
    "several": RNG.normal(size=(3, 4)),
    "problems": RNG.normal(size=(2, 3, 4)),
    "ragged": [RNG.normal(size=c) for c in (2, 5, 3)],
}


@numba.njit
def compiled(actions, problem=0):
    return np.cos(1.7 * actions.sum() + actions[0] * actions[-1] + problem)


@numba.njit
def compiled_scalar(action):
    return np.cos(1.7 * action)


class Asked:
    """A function of a batch that notes how many vectors it was given at a time."""

    def __init__(self):
        self.sizes = []

    def __call__(self, actions, problem=0):
        self.sizes.append(len(actions))
        assert not actions.flags.writeable
        return np.cos(np.arange(1.0, 1.0 + actions[0].size) @ np.atleast_2d(actions.T) + problem)


def bits(estimate):
    parts = [*as_list(estimate.gradient), estimate.value]
    if estimate.standard_error is not None:
        parts += as_list(estimate.standard_error)
    return [np.asarray(part).tobytes() for part in parts], estimate.n_evaluations


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)
@pytest.mark.parametrize("kind", LOGITS)
def test_results_do_not_depend_on_max_batch(kind, estimator):
    logits = LOGITS[kind]
    function = compiled_scalar if kind == "one variable" else compiled
    for n_samples in (1, 5):
        arguments = {"estimator": estimator, "n_samples": n_samples, "rng": 3}
        whole = Asked()
        expected = gradient(whole, logits, **arguments)
        expected_compiled = gradient(function, logits, **arguments)
        assert whole.sizes == [expected.n_evaluations]
        proposal = propose(logits, **arguments)
        for max_batch in (1, 2, 7, np.int64(1000)):
            asked = Asked()
            assert bits(gradient(asked, logits, max_batch=max_batch, **arguments)) == bits(expected)
            assert max(asked.sizes) <= max_batch
            assert len(asked.sizes) == -(-expected.n_evaluations // max_batch)
            estimate = gradient(function, logits, max_batch=max_batch, **arguments)
            assert bits(estimate) == bits(expected_compiled)
            batches = list(proposal.batches(max_batch))
            np.testing.assert_array_equal(np.concatenate([a for a, _ in batches]), proposal.actions)
            np.testing.assert_array_equal(np.concatenate([p for _, p in batches]), proposal.problem)


def test_a_table_takes_max_batch_too():
    table = np.cos(np.arange(4.0))
    expected = gradient(table, np.zeros(4), rng=0)
    assert bits(gradient(table, np.zeros(4), rng=0, max_batch=1)) == bits(expected)


def test_batches_have_a_bound_where_none_is_given(monkeypatch):
    logits = np.zeros((3, 8))
    expected = gradient(Asked(), logits, rng=0)
    expected_compiled = gradient(compiled, logits, rng=0)
    monkeypatch.setattr(proposals, "BATCH_ACTIONS", 31)
    proposal = propose(logits, rng=0)
    for n_formed in (0, 70, 10_000):  # one batch at once, two, all
        monkeypatch.setattr(proposals, "FORMED_ACTIONS", n_formed)
        asked = Asked()
        assert bits(gradient(asked, logits, rng=0)) == bits(expected)
        assert set(asked.sizes[:-1]) == {10}
        assert asked.sizes[-1] <= 10
        assert bits(gradient(compiled, logits, rng=0)) == bits(expected_compiled)
        actions, problem = zip(*proposal.batches(), strict=True)
        np.testing.assert_array_equal(np.concatenate(actions), proposal.actions)
        np.testing.assert_array_equal(np.concatenate(problem), proposal.problem)


@pytest.mark.parametrize("estimator", [ARSM(plus=True), ARSM("coordinate")], ids=str)
@pytest.mark.parametrize("threads", [1, 2, 4])
def test_results_do_not_depend_on_waves_and_threads(monkeypatch, threads, estimator):
    # More variables than a task has, more items than a wave has.
    logits = np.random.default_rng(1).normal(size=(3, 70, 12))
    arguments = {"estimator": estimator, "n_samples": 9, "rng": 2}
    expected = gradient(Asked(), logits, **arguments)
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(threads)
        assert bits(gradient(Asked(), logits, **arguments)) == bits(expected)
        monkeypatch.setattr(_joint_pairs, "WAVE_CHANGES", 1)
        for max_batch in (None, 100):
            assert bits(gradient(Asked(), logits, max_batch=max_batch, **arguments)) == bits(expected)
    finally:
        numba.set_num_threads(before)


@pytest.mark.parametrize("plus", [False, True])
@pytest.mark.parametrize("sizes", [(6, 6, 6), (9, 2, 5, 1), (30, 30)], ids=str)
def test_dense_and_sparse_joint_swaps_agree(monkeypatch, sizes, plus):
    rng = np.random.default_rng(4)
    for scale in (0.0, 1.0, 4.0):
        logits = [scale * rng.normal(size=c) for c in sizes]
        noise = [rng.dirichlet(np.ones(c)) for c in sizes]
        f = RandomFunction(5)
        expected, _ = naive.arsm_joint(f, noise, logits, plus)
        # Too little room, so that it must be found out how much is needed; the usual; and an entry for each pair.
        for changes in (1, 4, 1000):
            monkeypatch.setattr(_joint_pairs, "CHANGES_PER_CATEGORY", changes)
            proposal = propose(logits, estimator=ARSM(plus=plus), noise=[pi[None] for pi in noise])
            assert sorted(map(tuple, proposal.actions.tolist())) == sorted(f.table)
            assert_close(proposal.estimate(f.batch(proposal.actions)).gradient, expected)


@pytest.mark.parametrize("n_alike", [2, 3, 5])
@pytest.mark.parametrize("changes", [4, 1000])
def test_swaps_that_change_several_variables_alike_share_a_vector(monkeypatch, n_alike, changes):
    # With the same noise and logits variables change together, and many pairs bring the same vector.
    monkeypatch.setattr(_joint_pairs, "CHANGES_PER_CATEGORY", changes)
    rng = np.random.default_rng(n_alike)
    for scale in (1.0, 4.0):
        row, pi = scale * rng.normal(size=20), rng.dirichlet(np.ones(20))
        logits = [row] * n_alike + [scale * rng.normal(size=20)]
        noise = [pi] * n_alike + [rng.dirichlet(np.ones(20))]
        f = RandomFunction(6)
        expected, _ = naive.arsm_joint(f, noise, logits, False)
        proposal = propose(logits, noise=[own[None] for own in noise])
        assert sorted(map(tuple, proposal.actions.tolist())) == sorted(f.table)
        assert_close(proposal.estimate(f.batch(proposal.actions)).gradient, expected)


@pytest.mark.parametrize(
    "shape",
    [(7, 20, 10), (1, 3, 4), (2, 9, 3), (3, 2, 9), (2, 11, 64), (2, 10, 63), (2, 40, 50), (2, 17, 2), (2, 3, 1)],
    ids=str,
)
def test_short_rows_side_by_side_are_rows_one_by_one(monkeypatch, shape):
    rng = np.random.default_rng(6)
    weights = rng.normal(size=shape[1])

    def f(actions, problem):
        return np.cos(actions @ weights + problem)

    n_samples = 20 if shape == (1, 3, 4) else 3  # of so few vectors most are had again
    for scale in (0.0, 1.0, 4.0):
        logits = scale * rng.normal(size=shape)
        if shape[-1] > 1:
            logits[rng.random(shape) < 0.2] = -np.inf
            logits[..., 0] = 0.0
        estimates, proposed = [], []
        for longest in (_joint_pairs.LONGEST_ALL_PAIRS, 0):
            monkeypatch.setattr(_joint_pairs, "LONGEST_ALL_PAIRS", longest)
            proposal = propose(logits, n_samples=n_samples, rng=7)
            proposed.append(np.column_stack([proposal.problem, proposal.actions]))
            estimates.append(proposal.estimate(f(proposal.actions, proposal.problem)))
        monkeypatch.undo()
        assert len(proposed[0]) == len(proposed[1])
        assert {*map(tuple, proposed[0])} == {*map(tuple, proposed[1])}
        assert_close(estimates[0].gradient, estimates[1].gradient)
        assert_close(estimates[0].standard_error, estimates[1].standard_error)


@pytest.mark.parametrize(
    "shape", [(2, 5, 3), (1, 40, 2), (3, 4, 13), (2, 3, 200), (2, 2, 300), (2, 3, 1), "list"], ids=str
)
def test_coordinate_swaps_of_a_sample_are_those_of_any(monkeypatch, shape):
    monkeypatch.setattr(_coordinate, "LEAST_ROWS", 1)
    monkeypatch.setattr(_coordinate, "MOST_CATEGORIES", 300)
    rng = np.random.default_rng(8)
    for scale in (0.0, 1.0, 4.0):
        if shape == "list":
            logits = [scale * rng.normal(size=size) for size in (3, 5, 2, 9, 1, 40)]
        else:
            logits = scale * rng.normal(size=shape)
            logits[..., 1:][rng.random(shape)[..., 1:] < 0.2] = -np.inf
        proposals = [propose(logits, estimator=ARSM("coordinate"), rng=9)]
        with monkeypatch.context() as patched:
            patched.setattr(_coordinate, "SwapsOfASample", _coordinate.CoordinateSwaps)
            proposals.append(propose(logits, estimator=ARSM("coordinate"), rng=9))
        one, other = proposals
        assert type(one._method) is not type(other._method)
        assert np.array_equal(one.actions, other.actions)
        assert np.array_equal(one.problem, other.problem)
        values = np.cos(one.actions @ np.arange(1, 1 + one.actions.shape[1]) + one.problem)
        estimates = [proposal.estimate(values) for proposal in proposals]
        assert_close(estimates[0].gradient, estimates[1].gradient)
        np.testing.assert_allclose(estimates[0].value, estimates[1].value, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("max_batch", "kind", "message"),
    [
        (0, ValueError, "max_batch must be at least 1; got 0"),
        (-5, ValueError, "max_batch must be at least 1; got -5"),
        (2.0, TypeError, "max_batch must be an integer; got 2.0"),
        (True, TypeError, "max_batch must be an integer; got True"),
        ("all", TypeError, "max_batch must be an integer; got 'all'"),
    ],
)
def test_bad_max_batch(max_batch, kind, message):
    logits = np.zeros((2, 3))

    def never(actions):
        raise AssertionError

    for objective in (never, compiled, logits):
        with pytest.raises(kind, match=re.escape(message)):
            gradient(objective, logits, max_batch=max_batch)
    with pytest.raises(kind, match=re.escape(message)):
        propose(logits).batches(max_batch)


def in_batch(number, answer):
    """A function whose answer to batch `number` is made by `answer`."""
    asked = []

    def f(actions):
        asked.append(actions)
        return answer(actions) if len(asked) == number + 1 else np.zeros(len(actions))

    return f, asked


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (lambda a: np.zeros(len(a) + 1), ValueError, "values must have shape (4,), one number for each row of"),
        (lambda a: np.nan, ValueError, "values must have shape (4,), one number for each row of actions; got ()"),
        (
            lambda a: None,
            TypeError,
            "values must be 4 real numbers, one for each row of actions; got dtype object",
        ),
        (lambda a: [[0.0], [0.0, 1.0], 2.0, 3.0], ValueError, "got a ragged sequence"),
        (
            lambda a: [0.0, np.inf, 0.0, 0.0],
            ValueError,
            "values must be finite; 1 of 20 are not: values[9] = inf at [",
        ),
        (
            lambda a: np.full(4, np.nan),
            ValueError,
            "values must be finite; 4 of 20 are not: values[8] = nan at [",
        ),
    ],
)
def test_bad_values_of_a_later_batch(answer, kind, message):
    logits = np.zeros((4, 20))
    proposal = propose(logits, estimator=LeaveOneOut(20), rng=0)
    assert len(proposal.problem) == 20
    f, asked = in_batch(2, answer)
    with pytest.raises(kind, match=re.escape(message).replace("got\\ \\(\\)", "got shape \\(\\)")) as caught:
        gradient(f, logits, estimator=LeaveOneOut(20), rng=0, max_batch=4)
    assert len(asked) == 3  # and no further
    for i in map(int, re.findall(r"values\[(\d+)\]", str(caught.value))):
        assert str(proposal.actions[i]) in str(caught.value)


def test_an_exception_in_a_later_batch_comes_through_unchanged():
    error = RuntimeError("the simulator is down")

    def fail(actions):
        raise error

    f, asked = in_batch(2, fail)
    with pytest.raises(RuntimeError) as caught:
        gradient(f, np.zeros((4, 20)), rng=0, max_batch=4)
    assert caught.value is error
    assert len(asked) == 3

    @numba.njit
    def failing(actions):
        if actions[0] == 7:
            raise ValueError("seven is too much")
        return 1.0

    with pytest.raises(ValueError, match="seven is too much"):
        gradient(failing, np.zeros((4, 20)), estimator=LeaveOneOut(200), rng=0, max_batch=4)


def test_a_value_of_a_compiled_objective_that_is_not_finite():
    @numba.njit
    def infinite(actions):
        return np.inf if actions[0] == 7 else 0.0

    arguments = {"estimator": LeaveOneOut(200), "rng": 0}
    actions = propose(np.zeros((4, 20)), **arguments).actions
    i = np.argmax(actions[:, 0] == 7)
    where = f"values[{i}] = inf at {actions[i]}"
    with pytest.raises(ValueError, match=re.escape(where)):
        gradient(infinite, np.zeros((4, 20)), max_batch=3, **arguments)


def test_a_compiled_objective_may_write_to_its_vector():
    @numba.njit
    def writes(actions):
        total = actions.sum()
        actions[:] = 0
        return 1.0 * total

    for estimator in ("exact", "arsm", "loo"):
        estimate = gradient(writes, np.zeros((1, 5)), estimator=estimator, rng=0)
        expected = gradient(lambda a: 1.0 * a.sum(axis=1), np.zeros((1, 5)), estimator=estimator, rng=0)
        np.testing.assert_array_equal(estimate.gradient, expected.gradient)
