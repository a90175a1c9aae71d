"""Kinds of objective: what f is given, what it may return, and what happens when it fails."""

import numba
import numpy as np
import pytest

from arsm_fast import ARSM, LeaveOneOut, gradient, propose


@numba.njit
def compiled_scalar(action):
    return 0.5 * action * action


@numba.njit
def compiled_vector(actions):
    total = 0.0
    for k in range(actions.size):
        total += (k + 1.0) * actions[k]
    return np.cos(total)


@numba.njit
def compiled_problem(actions, problem):
    return compiled_vector(actions) + problem


def test_compiled_objectives_agree_with_python_ones():
    rng = np.random.default_rng(0)
    weights = np.arange(1.0, 4.0)
    cases = [
        (compiled_scalar, lambda a: 0.5 * a * a, rng.normal(size=7)),
        (compiled_vector, lambda a: np.cos(a @ weights), rng.normal(size=(3, 4))),
        (compiled_problem, lambda a, b: np.cos(a @ weights) + b, rng.normal(size=(5, 3, 4))),
        (compiled_vector, lambda a: np.cos(a @ weights), [rng.normal(size=c) for c in (2, 3, 4)]),
    ]
    for compiled, python, logits in cases:
        for estimator in ("arsm", ARSM("coordinate"), LeaveOneOut(3)):
            fast = gradient(compiled, logits, estimator=estimator, n_samples=5, rng=1)
            slow = gradient(python, logits, estimator=estimator, n_samples=5, rng=1)
            assert fast.n_evaluations == slow.n_evaluations
            np.testing.assert_allclose(fast.value, slow.value, rtol=1e-12)
            for a, b in zip(fast.gradient, slow.gradient, strict=True):
                np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


def test_the_exception_of_a_compiled_objective_comes_through():
    @numba.njit
    def failing(actions):
        if actions[0] == 2:
            raise ValueError("two is too much")
        return 1.0

    for _ in range(5):
        with pytest.raises(ValueError, match="two is too much"):
            gradient(failing, np.zeros((2, 3)), estimator=LeaveOneOut(50), rng=0)


def test_a_compiled_objective_keeps_python_errors():
    @numba.njit
    def divides(actions):
        return 10 // actions[0]

    with pytest.raises(ZeroDivisionError):
        gradient(divides, np.zeros((2, 3)), estimator=LeaveOneOut(50), rng=0)
    with pytest.raises(ZeroDivisionError):
        divides(np.zeros(2, np.int32))


@pytest.mark.parametrize(
    "function",
    [lambda a: None, lambda a: 1j * a[0], lambda a: a, lambda a, b: 1.0, lambda a: "x"],
    ids=["none", "complex", "array", "arguments", "string"],
)
def test_a_compiled_objective_that_returns_no_number(function):
    with pytest.raises(TypeError, match="objective, as a compiled function, must take an int32 array of 2"):
        gradient(numba.njit(function), np.zeros((2, 3)), rng=0)


def test_a_compiled_objective_with_a_signature():
    @numba.njit("float64(int32[::1])")
    def first(actions):
        return 1.0 * actions[0]

    estimate = gradient(first, np.zeros((2, 3)), rng=0)
    expected = gradient(lambda a: a[:, 0], np.zeros((2, 3)), rng=0)
    np.testing.assert_array_equal(estimate.gradient, expected.gradient)


def test_a_proposal_keeps_its_noise():
    rng = np.random.default_rng(0)
    noise = rng.dirichlet(np.ones(4), size=(1, 3))
    proposal = propose(np.zeros((3, 4)), noise=noise)
    values = rng.normal(size=len(proposal.actions))
    before = proposal.estimate(values).gradient
    noise[:] = noise[..., ::-1].copy()
    np.testing.assert_array_equal(proposal.estimate(values).gradient, before)


@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4)])
def test_what_f_is_given(shape):
    seen = []

    def f(actions, *problem):
        seen.append((actions, problem))
        return np.zeros(len(actions))

    estimate = gradient(f, np.zeros(shape), n_samples=3, rng=0)
    assert len(seen) == 1  # one call
    actions, problem = seen[0]
    assert actions.dtype == np.int32
    assert actions.shape == (estimate.n_evaluations, *shape[-2:-1])
    assert len(problem) == (len(shape) == 3)
    assert np.shape(estimate.gradient) == shape
    assert np.shape(estimate.value) == (shape[:1] if len(shape) == 3 else ())
    if problem:
        assert problem[0].shape == (estimate.n_evaluations,)
        assert set(problem[0]) == {0, 1}


def test_f_cannot_change_the_actions():
    def f(actions):
        actions[0] = 0
        return np.zeros(len(actions))

    with pytest.raises(ValueError, match="read-only"):
        gradient(f, np.zeros((2, 3)), rng=0)


def test_an_exception_comes_through_unchanged_and_the_proposal_can_be_told_again():
    error = RuntimeError("the simulator is down")

    def f(actions):
        raise error

    with pytest.raises(RuntimeError) as caught:
        gradient(f, np.zeros((2, 3)), rng=0)
    assert caught.value is error
    proposal = propose(np.zeros((2, 3)), rng=0)
    n = len(proposal.actions)
    with pytest.raises(ValueError, match="values must be finite"):
        proposal.estimate(np.full(n, np.nan))
    estimate = proposal.estimate(np.arange(n))
    assert estimate.n_evaluations == n


def test_values_may_be_any_real_sequence():
    proposal = propose(np.zeros((2, 3)), rng=0)
    n = len(proposal.actions)
    expected = proposal.estimate(np.arange(n, dtype=float)).gradient
    for values in (list(range(n)), np.arange(n, dtype=np.float32), np.arange(n, dtype=np.uint8)):
        np.testing.assert_array_equal(proposal.estimate(values).gradient, expected)


def test_n_evaluations_counts_distinct_vectors_over_samples():
    rng = np.random.default_rng(1)
    for estimator in ("ar", "ars", "arsm", ARSM("coordinate"), ARSM(references=2), "reinforce", "loo"):
        asked = []

        def f(actions, problem, asked=asked):
            asked.extend(zip(problem.tolist(), map(tuple, actions.tolist()), strict=True))
            return np.zeros(len(actions))

        estimate = gradient(f, rng.normal(size=(3, 4, 5)), estimator=estimator, n_samples=70, rng=2)
        assert estimate.n_evaluations == len(asked) == len(set(asked))
