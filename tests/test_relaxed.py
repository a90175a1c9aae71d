"""Estimators for relaxed objectives and relaxed noise: unbiased or visibly not, and true to their definitions."""

import copy
import functools
import re

import naive
import numba
import numpy as np
import pytest
from helpers import as_list

from arsm_fast import (
    REBAR,
    RELAX,
    Additive,
    ControlNetwork,
    ControlVariate,
    GumbelSoftmax,
    MuProp,
    Reinforce,
    gradient,
    lax_gradient,
    propose,
    sample,
)
from arsm_fast import _relaxed as methods
from arsm_fast.control_network import Parameters


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


def taught(f, logits, n_calls, seed):
    """RELAX after so many calls."""
    estimator, rng = RELAX(ControlNetwork(hidden=6, learning_rate=0.02)), np.random.default_rng(seed)
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
    "relax, frozen": lambda f, logits: taught(f, logits, 100, 5),
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


def test_straight_through_has_the_value_of_the_objective():
    logits, f = next(problems())
    estimator = GumbelSoftmax(f.relaxed, straight_through=True)
    estimate = gradient(f, logits, estimator=estimator, n_samples=50_000, rng=8)
    assert estimate.value == pytest.approx(gradient(f, logits, estimator="exact").value, abs=0.02)
    assert estimate.n_evaluations == 0


def test_unbiased_while_learning():
    # Means over learners that have each made few calls: what the last call leaves is the control variate's error.
    rng = np.random.default_rng(9)
    logits, f = np.tile(rng.normal(size=(2, 3)), (400, 1, 1)), Smooth(2, 3, n_problems=1)
    truth = gradient(f, logits[0], estimator="exact").gradient[:, 1:]
    for n_calls in (1, 2, 3, 30):
        estimator = RELAX(ControlNetwork(hidden=4, learning_rate=0.1))
        for _ in range(n_calls):
            last = gradient(
                lambda actions, problem: f(actions), logits, estimator=estimator, n_samples=2, rng=rng
            )
        runs = last.gradient[:, :, 1:]
        z = (runs.mean(axis=0) - truth) / (runs.std(axis=0, ddof=1) / np.sqrt(400))
        assert abs(z).max() < 4


def test_relax_learns():
    logits, f = next(problems())
    plain = gradient(f, logits, estimator=Reinforce(), n_samples=20_000, rng=1)
    learnt = gradient(f, logits, estimator=taught(f, logits, 500, 2), n_samples=20_000, rng=3)
    assert (learnt.standard_error**2).sum() < 0.6 * (plain.standard_error**2).sum()


def test_relax_does_not_depend_on_the_level_or_the_unit_of_the_objective():
    logits, f = next(problems())
    estimates = []
    for level, unit in ((0.0, 1.0), (300.0, 1000.0)):

        def scaled(actions, level=level, unit=unit):
            return level + unit * f(actions)

        estimate = gradient(scaled, logits, estimator=taught(scaled, logits, 50, 4), rng=5)
        estimates.append(estimate.gradient / unit)
    np.testing.assert_allclose(*estimates, rtol=1e-6)


def softmax(x):
    weights = np.exp(x - x.max())
    return weights / weights.sum()


def control(f, z, temperature):
    return f.relaxed(np.apply_along_axis(softmax, -1, z / temperature)[None])[0][0]


def numerical(function, x, step=1e-5):
    gradient = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        change = np.zeros_like(x)
        change[i] = step
        gradient[i] = (function(x + change) - function(x - change)) / (2 * step)
    return gradient


def conditional(logits, actions, noise):
    """Gumbel-perturbed logits given which is the largest, from exponentials."""
    weights = np.exp(logits)
    rows = np.arange(len(logits))
    race = (noise[rows, actions] / weights.sum(axis=1))[:, None] + noise / weights
    race[rows, actions] = noise[rows, actions] / weights.sum(axis=1)
    return -np.log(race)


def test_conditional_gumbels_have_the_distribution_that_they_should():
    # z given its arg-max, over arg-maxes of their own, is phi plus Gumbel noise; and the arg-max is kept in all.
    rng = np.random.default_rng(10)
    logits = np.array([0.5, -1.0, 1.5])
    actions = sample(logits, 20_000, rng=rng)
    given = np.array([conditional(logits[None], [b], rng.exponential(size=(1, 3)))[0] for b in actions])
    assert (given.argmax(axis=1) == actions).all()
    gumbel = given - logits
    np.testing.assert_allclose(gumbel.mean(axis=0), np.euler_gamma, atol=0.05)
    np.testing.assert_allclose(np.cov(gumbel.T), np.eye(3) * np.pi**2 / 6, atol=0.08)


def test_rebar_is_its_definition():
    # With numerical derivatives, from the same noise.
    logits, f = np.random.default_rng(11).normal(size=(2, 3)), Smooth(2, 3)
    for seed in range(5):
        proposal = propose(logits, estimator=REBAR(f.relaxed, temperature=0.7, eta=0.8), rng=seed)
        (actions,) = proposal.actions
        estimate = proposal.estimate(f(proposal.actions))
        key = np.random.default_rng(seed).integers(2**64, dtype=np.uint64)
        noise = np.random.Generator(np.random.Philox(key=int(key))).standard_exponential((2, 2, 3))
        free = conditional(logits, actions, noise[0])

        def given(phi, actions=actions, noise=noise[1]):
            return 0.8 * control(f, conditional(phi, actions, noise), 0.7)

        p = np.apply_along_axis(softmax, 1, logits)
        expected = (f(actions[None])[0] - given(logits)) * (np.eye(3)[actions] - p)
        expected += numerical(lambda z: 0.8 * control(f, z, 0.7), free) - numerical(given, logits)
        np.testing.assert_allclose(estimate.gradient, expected, atol=1e-8)


def test_rebar_of_two_categories_is_that_of_the_paper():
    # Tucker et al., in theta = sigmoid(x) with logistic noise: z = x + logit(u), z~ = x + logit(v') where v' is
    # v theta + 1 - theta for b = 1 and v (1 - theta) for b = 0, and f is at sigmoid(z / temperature).
    x, temperature, target = 0.4, 0.3, 0.45
    logits = np.array([[0.0, x]])

    def relaxed(points):
        gradients = np.zeros_like(points)
        gradients[:, 0, 1] = 2 * (points[:, 0, 1] - target)
        return (points[:, 0, 1] - target) ** 2, gradients

    def f(actions):
        return (actions[:, 0] - target) ** 2

    def sigmoid(y):
        return 1 / (1 + np.exp(-y))

    def at(z):
        return (sigmoid(z / temperature) - target) ** 2

    for seed in range(6):
        proposal = propose(logits, estimator=REBAR(relaxed, temperature), rng=seed)
        b = int(proposal.actions[0, 0])
        key = np.random.default_rng(seed).integers(2**64, dtype=np.uint64)
        noise = np.random.Generator(np.random.Philox(key=int(key))).standard_exponential((2, 1, 2))[:, 0]
        theta = sigmoid(x)
        # Of both draws: the uniform number that gives the same difference of the two perturbed logits.
        free, given = (np.subtract(*conditional(logits, [b], e[None])[0][::-1]) for e in noise)
        v = (sigmoid(given - x) - (1 - theta)) / theta if b else sigmoid(given - x) / (1 - theta)
        assert 0 < v < 1

        def tilde(y, v=v, b=b):
            vv = v * sigmoid(y) + 1 - sigmoid(y) if b else v * (1 - sigmoid(y))
            return y + np.log(vv / (1 - vv))

        step = 1e-6
        expected = ((b - target) ** 2 - at(tilde(x))) * (b - theta)
        expected += (at(free + step) - at(free - step)) / (2 * step)
        expected -= (at(tilde(x + step)) - at(tilde(x - step))) / (2 * step)
        estimate = proposal.estimate(f(proposal.actions))
        np.testing.assert_allclose(estimate.gradient[0], [-expected, expected], atol=1e-8)


def random_parameters(rng, n_problems=2, n_hidden=3, n_inputs=4):
    hidden = n_problems, n_hidden
    return Parameters(
        rng.normal(size=(*hidden, n_inputs)), rng.normal(size=hidden), rng.normal(size=hidden), rng.normal(size=2)
    )


def test_network_derivatives():
    rng = np.random.default_rng(12)
    network = random_parameters(rng)
    points, directions, scales = rng.normal(size=(2, 5, 4)), rng.normal(size=(2, 5, 4)), rng.normal(size=(2, 5))
    _, slopes = network.evaluate(points)
    expected = numerical(lambda x: network.evaluate(x)[0].sum(), points)
    np.testing.assert_allclose(slopes, expected, atol=1e-8)
    sensitivity = network.sensitivity(points, scales, directions)
    for name, part in zip(Parameters._fields, network, strict=True):

        def weighted(value, name=name):
            values, slopes = network._replace(**{name: value}).evaluate(points)
            return (scales * values).sum() + (directions * slopes).sum()

        np.testing.assert_allclose(getattr(sensitivity, name), numerical(weighted, part), atol=1e-7)


def assert_learns_the_variance(control, squares):
    """What the network is taught is the derivative of the mean of squares, in units of its scale."""
    before = control._network
    taught, derivatives = [], []
    control.learn = lambda values, derivative: derivatives.append(derivative)
    total = squares()
    (derivative,) = derivatives
    for name, part in zip(Parameters._fields, before, strict=True):

        def changed(value, name=name):
            control._network = before._replace(**{name: value})
            return squares()

        taught = numerical(changed, part, step=1e-4) / control._squares * control._n_values
        np.testing.assert_allclose(getattr(derivative, name), taught, rtol=1e-5, atol=1e-7 * abs(total))


def test_relax_is_taught_the_derivative_of_its_variance():
    logits, f = np.random.default_rng(13).normal(size=(2, 3)), Smooth(2, 3)
    estimator = taught(f, logits, 20, 14)

    def squares():
        estimate = gradient(f, logits, estimator=estimator, n_samples=3, rng=15)
        return (
            (estimate.standard_error**2 * 2) + estimate.gradient**2
        ).sum()  # the mean of squares over 3 samples

    assert_learns_the_variance(estimator.control, squares)


def quadratic(points):
    return ((points - np.array([1.0, -0.5])) ** 2).sum(axis=1) + points[:, 0] * points[:, 1]


MEAN, LOG_STD = np.array([0.3, 0.2]), np.array([-0.5, 0.4])


def test_lax_is_taught_the_derivative_of_its_variance():
    control = ControlNetwork(hidden=3)
    for seed in range(20):
        lax_gradient(quadratic, MEAN, LOG_STD, control=control, n_samples=4, rng=seed)

    def squares():
        estimate = lax_gradient(quadratic, MEAN, LOG_STD, control=control, n_samples=3, rng=99)
        return sum(
            (e**2 * 2 + g**2).sum() for e, g in zip(estimate.standard_error, estimate.gradient, strict=True)
        )

    assert_learns_the_variance(control, squares)


def test_lax_is_unbiased_and_learns():
    # E of the quadratic is (m - a)^2 + s^2 summed, and m_0 m_1.
    truth = [2 * (MEAN - [1.0, -0.5]) + MEAN[::-1], 2 * np.exp(2 * LOG_STD)]
    control, rng = ControlNetwork(hidden=8), np.random.default_rng(16)
    errors = []
    for n_calls in (0, 1, 500):
        for _ in range(n_calls):
            lax_gradient(quadratic, MEAN, LOG_STD, control=control, n_samples=8, rng=rng)
        estimate = lax_gradient(
            quadratic, MEAN, LOG_STD, control=copy.deepcopy(control), n_samples=100_000, rng=rng
        )
        for g, e, t in zip(estimate.gradient, estimate.standard_error, truth, strict=True):
            assert abs((g - t) / e).max() < 4.5
        errors.append(np.concatenate(estimate.standard_error))
    assert (errors[2] ** 2).sum() < 0.3 * (errors[0] ** 2).sum()
    assert estimate.n_evaluations == 100_000


def test_muprop_and_tables_of_values():
    rng = np.random.default_rng(17)
    table, logits = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    logits[1, 2] = -np.inf
    exact = gradient(table, logits, estimator="exact")
    # Linear, so without noise.
    estimate = gradient(table, logits, estimator=MuProp(), n_samples=2, rng=0)
    np.testing.assert_allclose(estimate.gradient, exact.gradient, atol=1e-14)
    for estimator in (REBAR(), RELAX(ControlNetwork())):
        estimate = gradient(table, logits, estimator=estimator, n_samples=50_000, rng=1)
        error = np.where(estimate.standard_error > 0, estimate.standard_error, np.inf)
        assert abs((estimate.gradient - exact.gradient) / error).max() < 4.5
    biased = gradient(table, logits, estimator=GumbelSoftmax(), n_samples=50_000, rng=1)
    assert abs(biased.gradient - exact.gradient).max() > 10 * biased.standard_error.max()
    one = gradient(table[0], logits[0], estimator=MuProp(), rng=0)
    np.testing.assert_allclose(one.gradient, exact.gradient[0], atol=1e-14)
    ragged = [rng.normal(size=c) for c in (2, 4)]
    for estimator in (MuProp(), REBAR(), GumbelSoftmax(), RELAX(ControlNetwork())):
        (first, second) = gradient(ragged, ragged, estimator=estimator, rng=2).gradient
        assert (first.shape, second.shape) == ((2,), (4,))


def test_each_problem_of_a_batch_has_its_own():
    rng = np.random.default_rng(18)
    logits, f = rng.normal(size=(3, 2, 4)), Smooth(2, 4, n_problems=3)
    exact = gradient(f, logits, estimator="exact")
    for estimator in (MuProp(f.relaxed), REBAR(f.relaxed), RELAX(ControlNetwork())):
        gradient(f, logits, estimator=estimator, n_samples=50, rng=1)
        estimate = gradient(f, logits, estimator=estimator, n_samples=40_000, rng=2)
        assert abs((estimate.gradient - exact.gradient) / estimate.standard_error).max() < 4.5
        np.testing.assert_allclose(estimate.value, exact.value, atol=0.05)


def test_the_objective_s_own_relaxation():
    logits, f = next(problems())
    for cls in (REBAR, MuProp, GumbelSoftmax):
        own = gradient(f, logits, estimator=cls(), rng=3)
        given = gradient(f, logits, estimator=cls(f.relaxed), rng=3)
        np.testing.assert_array_equal(own.gradient, given.gradient)
    inside = ControlVariate(REBAR(), Additive())
    np.testing.assert_array_equal(
        gradient(f, logits, estimator=inside, rng=3).gradient,
        gradient(f, logits, estimator=REBAR(), rng=3).gradient,
    )


def test_one_variable_has_points_without_an_axis_for_variables():
    table = np.array([1.0, 2.0, 4.0])

    def relaxed(points):
        assert points.shape[1:] == (3,)
        np.testing.assert_allclose(points.sum(axis=1), 1.0)
        return points @ table, np.tile(table, (len(points), 1))

    estimate = gradient(lambda actions: table[actions], np.zeros(3), estimator=MuProp(relaxed), rng=0)
    np.testing.assert_allclose(estimate.gradient, gradient(table, np.zeros(3), estimator="exact").gradient)


def test_the_same_actions_as_sample_and_the_same_bits_again():
    logits, f = next(problems())
    for estimator in (MuProp(f.relaxed), REBAR(f.relaxed), RELAX(ControlNetwork())):
        proposal = propose(logits, estimator=estimator, rng=4)
        np.testing.assert_array_equal(proposal.actions[0], sample(logits, rng=4))
        values = f(proposal.actions)
        first = proposal.estimate(values).gradient
        np.testing.assert_array_equal(proposal.estimate(values).gradient, first)


def test_any_number_of_threads():
    before, bits = numba.get_num_threads(), []
    logits, f = next(problems())
    try:
        for n_threads in (1, 2):
            numba.set_num_threads(n_threads)
            estimators = MuProp(f.relaxed), REBAR(f.relaxed), taught(f, logits, 3, 1), GumbelSoftmax(f.relaxed)
            bits.append([gradient(f, logits, estimator=e, n_samples=2000, rng=2).gradient for e in estimators])
    finally:
        numba.set_num_threads(before)
    np.testing.assert_array_equal(*bits)


def test_gumbel_softmax_asks_for_no_values():
    logits, f = next(problems())
    proposal = propose(logits, estimator=GumbelSoftmax(f.relaxed), rng=3)
    assert proposal.actions.shape == (0, 3)
    estimate = gradient(never, logits, estimator=GumbelSoftmax(f.relaxed), rng=3)
    np.testing.assert_array_equal(proposal.estimate([]).gradient, estimate.gradient)


def test_blocks_of_samples_add_up(monkeypatch):
    logits, f = next(problems())
    whole = gradient(f, logits, estimator=MuProp(f.relaxed), n_samples=50, rng=5)
    monkeypatch.setattr(methods, "BLOCK_ENTRIES", 100)
    parts = gradient(f, logits, estimator=MuProp(f.relaxed), n_samples=50, rng=5)
    np.testing.assert_allclose(parts.gradient, whole.gradient, rtol=1e-12)
    np.testing.assert_allclose(parts.standard_error, whole.standard_error, rtol=1e-12)


def test_gradients_of_each_variable_sum_to_zero_and_concentrated_logits_do_no_harm():
    f = Smooth(2, 3)
    for logits in (
        np.array([[0.0, 800.0, -800.0], [-np.inf, 0.0, 1e-300]]),
        np.array([[0.0, 1, 2], [5, 5, -40]]),
    ):
        for estimator in (
            *(REBAR(f.relaxed, temperature=0.01), GumbelSoftmax(f.relaxed, 0.01), MuProp(f.relaxed)),
            taught(f, logits, 20, 6),
        ):
            estimate = gradient(f, logits, estimator=estimator, n_samples=100, rng=7)
            assert np.isfinite(estimate.gradient).all()
            np.testing.assert_allclose(estimate.gradient.sum(axis=1), 0.0, atol=1e-12)


def never(*arguments):
    pytest.fail("f was called")


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: REBAR(3), TypeError, "relaxed must be a function of relaxed points; got 3"),
        (lambda: REBAR(temperature=0), ValueError, "temperature must be positive and finite; got 0"),
        (lambda: REBAR(eta=np.nan), ValueError, "eta must be finite; got nan"),
        (lambda: REBAR(eta="1"), TypeError, "eta must be a number; got '1'"),
        (lambda: GumbelSoftmax(temperature="hot"), TypeError, "temperature must be a number; got 'hot'"),
        (lambda: GumbelSoftmax(straight_through=1), TypeError, "straight_through must be True or False; got 1"),
        (lambda: RELAX("network"), TypeError, "control must be a ControlNetwork; got 'network'"),
        (lambda: RELAX(ControlNetwork(), np.inf), ValueError, "temperature must be positive and finite; got inf"),
        (lambda: ControlNetwork(hidden=0), ValueError, "hidden must be at least 1; got 0"),
        (
            lambda: ControlNetwork(learning_rate=-1),
            ValueError,
            "learning_rate must be positive and finite; got -1",
        ),
        (
            lambda: propose(np.zeros((2, 3)), estimator=MuProp()),
            ValueError,
            "estimator MuProp needs a relaxed objective: MuProp(relaxed), or for gradient an objective that has",
        ),
        (
            lambda: gradient(never, np.zeros((2, 3)), estimator=REBAR()),
            ValueError,
            "estimator REBAR needs a relaxed objective",
        ),
        (
            lambda: gradient(np.zeros(3), np.zeros(3), estimator=REBAR(never)),
            ValueError,
            "relaxed must be None where the objective is an array of values",
        ),
        (
            lambda: propose(np.zeros(2), estimator=RELAX(ControlNetwork()), noise=[[0.5, 0.5]]),
            ValueError,
            "noise must be None for the estimator RELAX, which draws more than Dirichlet noise",
        ),
        (
            lambda: ControlVariate(GumbelSoftmax(never), Additive()),
            TypeError,
            "estimator must be one that samples",
        ),
        (
            lambda: lax_gradient(never, 0.0, 0.0, control=ControlNetwork()),
            ValueError,
            "mean must have shape (D,), one number for each variable; got shape ()",
        ),
        (
            lambda: lax_gradient(never, [0.0], [0.0, 1.0], control=ControlNetwork()),
            ValueError,
            "log_std must have the shape of mean, (1,); got shape (2,)",
        ),
        (
            lambda: lax_gradient(never, [0.0], [np.inf], control=ControlNetwork()),
            ValueError,
            "log_std must be finite; got inf",
        ),
        (
            lambda: lax_gradient(never, [0.0], [0.0], control=3),
            TypeError,
            "control must be a ControlNetwork; got 3",
        ),
        (
            lambda: lax_gradient(lambda x: x, [0.0], [0.0], control=ControlNetwork()),
            ValueError,
            "values must have shape (1,), one number for each point; got shape (1, 1)",
        ),
    ],
)
def test_bad_input(make, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        make()


@pytest.mark.parametrize(
    ("relaxed", "kind", "message"),
    [
        (lambda x: np.zeros(len(x)), TypeError, "relaxed must return a pair, values and gradients; got ndarray"),
        (
            lambda x: (np.zeros(1), x),
            ValueError,
            "values of relaxed must have shape (4,), one number for each point",
        ),
        (
            lambda x: (np.zeros(4), x[0]),
            ValueError,
            "gradients of relaxed must have shape (4, 2, 3), that of the points; got shape (2, 3)",
        ),
        (lambda x: (["a"] * 4, x), TypeError, "values of relaxed must be real numbers; got dtype <U1"),
        (
            lambda x: (np.zeros(4), np.where(np.arange(3) == 1, np.nan, x)),
            ValueError,
            "gradients of relaxed must be finite; 8 of 24 are not, the first with index [0, 0, 1]",
        ),
    ],
)
def test_bad_answers_of_relaxed(relaxed, kind, message):
    proposal = propose(np.zeros((2, 3)), estimator=REBAR(relaxed), n_samples=4, rng=0)
    with pytest.raises(kind, match=re.escape(message)):
        proposal.estimate(np.zeros(len(proposal.actions)))


def test_a_control_network_is_for_one_objective():
    estimator = RELAX(ControlNetwork())
    propose(np.zeros((2, 3)), estimator=estimator)
    message = (
        "control has learnt an objective of 1 problems of 2 variables of 3 categories, here there are 1, 2 and 4"
    )
    with pytest.raises(ValueError, match=message):
        propose(np.zeros((2, 4)), estimator=estimator)


def test_an_objective_that_fails_teaches_nothing():
    control = ControlNetwork()

    def fails(actions):
        raise RuntimeError("no")

    for _ in range(2):
        with pytest.raises(RuntimeError, match="no"):
            gradient(fails, np.zeros((2, 3)), estimator=RELAX(control))
    assert control._n_values == 0
