"""SciPy's optimisers find the optimum of expectations under common random numbers."""

import re

import numba
import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize

from arsm_fast import (
    Additive,
    Auto,
    ControlVariate,
    ExpectedObjective,
    LeaveOneOut,
    Reinforce,
    RunningMean,
    gradient,
)

K, C = 10, 4
RNG = np.random.default_rng(0)
PAIRS = RNG.normal(size=(K, C, K, C)) / 3
LINEAR = RNG.normal(size=(K, C))
VARIABLES = np.arange(K)


def quadratic(actions):
    pairs = PAIRS[VARIABLES[:, None], actions[:, :, None], VARIABLES, actions[:, None, :]].sum(axis=(1, 2))
    return LINEAR[VARIABLES, actions].sum(axis=1) + pairs


def toy(actions):
    """The paper's, to be minimised."""
    return -(0.5 + (actions + 1) / 900)


def least_of_quadratic():
    values = np.concatenate(
        [quadratic(np.stack(np.unravel_index(part, (C,) * K), axis=1)) for part in np.split(np.arange(C**K), 64)]
    )
    return np.array(np.unravel_index(values.argmin(), (C,) * K)), values.min()


def run(expected, size, **options):
    return minimize(expected.value_and_grad, np.zeros(size), jac=True, method="L-BFGS-B", **options)


def test_lbfgs_reaches_the_optimum_of_the_toy():
    for estimator in ("local", "exact"):
        expected = ExpectedObjective(toy, (30,), 1, rng=0, estimator=estimator)
        result = run(expected, 30, options={"gtol": 1e-9, "ftol": 1e-14})
        assert result.success
        assert result.x.argmax() == 29
        assert result.fun == pytest.approx(toy(29), abs=1e-6)
        assert expected.n_evaluations == 30 * result.nfev


def test_lbfgs_reaches_the_optimum_of_a_quadratic():
    target = np.random.default_rng(1).integers(C, size=K)

    def bowl(actions):
        away = actions - target
        return (away**2).sum(axis=1) + 0.5 * (away[:, :-1] * away[:, 1:]).sum(axis=1)

    for seed in range(3):
        expected = ExpectedObjective(bowl, (K, C), rng=seed)
        result = run(expected, K * C, bounds=[(-8, 8)] * (K * C))
        assert result.success
        np.testing.assert_array_equal(expected.logits(result.x).argmax(axis=1), target)
        assert result.fun == pytest.approx(0, abs=1e-2)


def test_lbfgs_reaches_the_optimum_of_a_quadratic_of_many_optima():
    best, least = least_of_quadratic()
    found = []
    for seed in range(6):
        expected = ExpectedObjective(quadratic, (K, C), 5, rng=seed)
        result = run(expected, K * C, bounds=[(-8, 8)] * (K * C))
        assert result.success
        found.append(expected.logits(result.x).argmax(axis=1))
    values = quadratic(np.array(found))
    np.testing.assert_array_equal(found[values.argmin()], best)
    assert (values < least + 0.05 * abs(least)).all()


def test_value_and_gradient_agree_where_they_should():
    point = np.random.default_rng(1).normal(size=K * C)
    for shape, f, estimator, share in (
        ((K * C,), np.cos, "local", 1),
        ((K, C), quadratic, "local", K),
        ((5, 2), lambda actions: np.cos(actions @ np.arange(5)), "exact", 1),
    ):
        expected = ExpectedObjective(f, shape, 3, rng=1, estimator=estimator)
        x = point[: np.prod(shape)]
        slope = approx_fprime(x, lambda x, expected=expected: expected.value_and_grad(x)[0], 1e-7)
        np.testing.assert_allclose(share * slope, expected.value_and_grad(x)[1], atol=1e-5)
    steps = ExpectedObjective(quadratic, (K, C), 3, rng=1, estimator="loo")
    assert (approx_fprime(point, lambda x: steps.value_and_grad(x)[0], 1e-7) == 0).all()


def test_noise_is_fixed_and_is_that_of_gradient():
    x = np.random.default_rng(2).normal(size=K * C)
    expected = ExpectedObjective(quadratic, (K, C), rng=np.random.default_rng(3), estimator=LeaveOneOut(3))
    value, slope = expected.value_and_grad(x)
    expected.value_and_grad(x + 1)
    again = expected.value_and_grad(x)
    assert value == again[0]
    np.testing.assert_array_equal(slope, again[1])
    other = ExpectedObjective(quadratic, (K, C), rng=4, estimator=LeaveOneOut(3))
    assert value != other.value_and_grad(x)[0]
    assert isinstance(value, float)


def test_a_list_of_sizes_and_a_compiled_objective():
    @numba.njit
    def compiled(actions):
        return 1.0 * actions[0] - actions[1] + 0.5 * actions[2] * actions[0]

    sizes = [2, 5, 3]
    x = np.random.default_rng(3).normal(size=10)
    expected = ExpectedObjective(compiled, sizes, rng=0, estimator="exact")
    value, slope = expected.value_and_grad(x)
    logits = expected.logits(x)
    assert [len(variable) for variable in logits] == sizes
    exact = gradient(lambda a: a[:, 0] - a[:, 1] + 0.5 * a[:, 2] * a[:, 0], logits, estimator="exact")
    assert value == pytest.approx(exact.value)
    np.testing.assert_allclose(slope, np.concatenate(exact.gradient))
    result = run(expected, 10, bounds=[(-6, 6)] * 10)
    assert [variable.argmax() for variable in expected.logits(result.x)][:2] == [0, 4]
    one = ExpectedObjective(lambda actions: actions[:, 0] * 1.0, [3], rng=0, estimator="exact")
    assert one.value_and_grad(np.zeros(3))[0] == 1


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"objective": np.zeros(3)}, TypeError, "objective must be a function; got ndarray"),
        ({"shape": (2, 3, 4)}, ValueError, "shape must be a tuple (C,) or (K, C), or a list of the number of"),
        ({"shape": []}, ValueError, "shape must be a tuple (C,) or (K, C), or a list of the number of"),
        ({"shape": 3}, ValueError, "shape must be a tuple (C,) or (K, C), or a list of the number of"),
        ({"shape": (3, 0)}, ValueError, "shape[1] must be at least 1; got 0"),
        ({"shape": [3, 2.5]}, TypeError, "shape[1] must be an integer; got 2.5"),
        ({"n_samples": 0}, ValueError, "n_samples must be at least 1; got 0"),
        ({"rng": "seed"}, TypeError, "rng must be None, a non-negative int"),
        ({"estimator": "arms"}, ValueError, "estimator must be one of"),
        (
            {"estimator": ControlVariate(LeaveOneOut(2), Additive())},
            ValueError,
            "estimator must not be one that learns from call to call; got ControlVariate",
        ),
        ({"estimator": Reinforce(RunningMean())}, ValueError, "learns from call to call; got Reinforce"),
        ({"estimator": Auto()}, ValueError, "learns from call to call; got Auto"),
    ],
)
def test_bad_arguments(arguments, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        ExpectedObjective(**({"objective": toy, "shape": (3,)} | arguments))


def test_bad_logits():
    expected = ExpectedObjective(toy, (3,))
    for bad in (np.zeros(4), np.zeros((1, 3)), 0.0):
        with pytest.raises(
            ValueError, match=re.escape("flat_logits must have shape (3,), those of all variables")
        ):
            expected.value_and_grad(bad)
    with pytest.raises(ValueError, match="logits must not be nan"):
        expected.value_and_grad([0.0, np.nan, 0.0])
    assert expected.n_evaluations == 0
