"""What holds for every draw, not only on average."""

import numpy as np
import pytest
from helpers import RandomFunction
from hypothesis import given, settings
from hypothesis import strategies as st

from arsm_fast import (
    AR,
    ARM,
    ARS,
    ARSM,
    CARMS,
    DisARM,
    LeaveOneOut,
    LocalExpectation,
    LocalPair,
    RaoBlackwellTop,
    Reinforce,
    UnorderedSet,
    dirichlet_noise,
    gradient,
    propose,
    sample,
)


@pytest.mark.parametrize("swap", ["joint", "coordinate"])
def test_ars_arsm_and_arm_are_one_with_two_categories(swap):
    rng = np.random.default_rng(0)
    for _ in range(50):
        k = int(rng.integers(1, 4)) if swap == "joint" else 1
        logits, noise = 2 * rng.normal(size=(k, 2)), rng.dirichlet(np.ones(2), size=(1, k))
        f = RandomFunction(1)
        arsm = gradient(f.batch, logits, estimator=ARSM(swap), noise=noise)
        for reference in (0, 1):
            ars = gradient(f.batch, logits, estimator=ARS(reference), noise=noise)
            np.testing.assert_allclose(ars.gradient, arsm.gradient, atol=1e-14)
        # ARM (Yin and Zhou, 2019) in u ~ U(0, 1): (f(z_1) - f(z_2)) (u - 1/2) for the log-odds.
        u = noise[0, :, 0]
        odds = logits[:, 0] - logits[:, 1]
        z = np.where(u < 1 / (1 + np.exp(-odds)), 0, 1)
        anti_z = np.where(1 - u < 1 / (1 + np.exp(-odds)), 0, 1)
        arm = (f(anti_z) - f(z)) * (u - 0.5)
        np.testing.assert_allclose(arsm.gradient, np.stack([arm, -arm], axis=1), atol=1e-14)


def test_arm_is_arsm():
    logits = np.random.default_rng(8).normal(size=(3, 2))
    f = RandomFunction(2).batch
    arm, arsm = (gradient(f, logits, estimator=e, n_samples=20, rng=1) for e in (ARM(), ARSM()))
    np.testing.assert_array_equal(arm.gradient, arsm.gradient)
    assert all(len(propose(logits, estimator="arm", rng=seed).actions) <= 2 for seed in range(20))


def test_disarm_of_two_categories():
    logits = np.random.default_rng(9).normal(size=(4, 2))
    odds = logits[:, 1] - logits[:, 0]
    for seed in range(50):
        proposal = propose(logits, estimator="disarm", rng=seed)
        values = np.random.default_rng(seed).normal(size=len(proposal.actions))
        # Dong, Mnih and Tucker, 2020, in b ~ Bernoulli(sigmoid(odds)).
        b, anti_b = proposal.actions[0], proposal.actions[-1]
        sigmoid = 1 / (1 + np.exp(-abs(odds)))
        expected = 0.5 * (values[0] - values[-1]) * (-1.0) ** anti_b * (b != anti_b) * sigmoid
        estimate = proposal.estimate(values)
        np.testing.assert_allclose(estimate.gradient, np.stack([-expected, expected], axis=1), atol=1e-14)


def test_local_expectation_of_one_variable_is_the_gradient():
    logits, table = np.random.default_rng(10).normal(size=(2, 5, 40))
    logits[0, :30] = -np.inf
    exact = gradient(table, logits, estimator="exact")
    for estimator in ("local", LocalExpectation(variables=3), RaoBlackwellTop(40)):
        estimate = gradient(table, logits, estimator=estimator, n_samples=7, rng=0)
        np.testing.assert_allclose(estimate.gradient, exact.gradient, atol=1e-14)
        np.testing.assert_allclose(estimate.value, exact.value, atol=1e-14)
        np.testing.assert_array_equal(estimate.standard_error, 0.0)
        assert estimate.n_evaluations == exact.n_evaluations
    ragged = [logits[0], logits[1, :3]]
    estimate = gradient([table[0], table[1, :3]], ragged, estimator="local", n_samples=2, rng=0)
    np.testing.assert_allclose(estimate.gradient[0], exact.gradient[0], atol=1e-14)


def test_unordered_sets_at_their_limits():
    logits, table = np.random.default_rng(14).normal(size=(2, 2, 6))
    logits[0, 4] = logits[0, 5] = -np.inf
    exact = gradient(table, logits, estimator="exact")
    for n in (6, 10):
        estimate = gradient(table, logits, estimator=UnorderedSet(n), n_samples=5, rng=0)
        np.testing.assert_allclose(estimate.gradient, exact.gradient, atol=1e-15)
        np.testing.assert_array_equal(estimate.standard_error, 0.0)
        assert estimate.n_evaluations == 10
    assert not gradient(table[:, :1], logits[:, :1], estimator="unordered", rng=0).gradient.any()
    ragged = gradient([table[0], table[1, :2]], [logits[0], logits[1, :2]], estimator=UnorderedSet(4), rng=0)
    np.testing.assert_allclose(ragged.gradient[0], exact.gradient[0], atol=1e-15)
    # Nearly all of the probability in the set, and nearly none.
    for logits, n in ((np.r_[50.0, 40, -690, 0], 2), (np.r_[690.0, -5, -10, -20], 3), (np.zeros(9999), 20)):
        table = np.arange(logits.size) % 7.0
        exact = gradient(table, logits, estimator="exact")
        estimate = gradient(table, logits, estimator=UnorderedSet(n), n_samples=50, rng=0)
        assert abs(estimate.value - exact.value) < 0.5
        assert np.isfinite(estimate.gradient).all()
        if n < 20:
            np.testing.assert_allclose(estimate.gradient, exact.gradient, atol=1e-12)


def test_sets_of_vectors_at_their_limits():
    rng = np.random.default_rng(16)
    logits, table = rng.normal(size=(2, 2, 3)), rng.normal(size=(2, 3, 3))
    logits[0, 0, 1] = -np.inf

    def f(actions, problem):
        return table[problem, actions[:, 0], actions[:, 1]]

    exact = gradient(f, logits, estimator="exact")
    for n in (9, 30):
        estimate = gradient(f, logits, estimator=UnorderedSet(n), n_samples=5, rng=0)
        np.testing.assert_allclose(estimate.gradient, exact.gradient, atol=1e-15)
        np.testing.assert_array_equal(estimate.standard_error, 0.0)
        assert estimate.n_evaluations == 6 + 9
    # All of the probability in the set, or so little of it that it is no number.
    for logits in ([[50.0, 0.0], [-690.0, 0.0], [0.0, 5.0]], np.full((3, 2), 600.0), np.zeros((900, 3))):
        proposal = propose(logits, estimator=UnorderedSet(6), n_samples=3, rng=0)
        estimate = proposal.estimate(proposal.actions[:, 0])
        p = np.exp(np.array(logits[0]) - max(logits[0]))
        assert abs(estimate.value - p[1] / p.sum()) < 0.6
        assert np.isfinite(estimate.gradient).all()
        assert len(np.unique(proposal.actions, axis=0)) == len(proposal.actions)


def test_the_top_of_all_categories_is_the_local_expectation():
    logits = np.random.default_rng(11).normal(size=(2, 3, 5))
    local, top = (propose(logits, estimator=e, n_samples=4, rng=1) for e in ("local", RaoBlackwellTop(5)))
    np.testing.assert_array_equal(local.actions, top.actions)
    values = np.random.default_rng(0).normal(size=len(local.actions))
    np.testing.assert_array_equal(local.estimate(values).gradient, top.estimate(values).gradient)


def test_evaluations_of_local_estimators():
    logits = np.random.default_rng(12).normal(size=(20, 10))
    logits[0, 1:3] = logits[7, 0] = -np.inf
    for seed in range(10):
        for estimator, least, most in (
            (LocalExpectation(), 178, 178),
            (LocalExpectation(variables=4), 34, 37),
            (RaoBlackwellTop(3), 61, 61),
            (LocalPair(), 21, 21),
            (LocalPair(replacement=True), 1, 21),
            (DisARM(), 2, 2),
        ):
            assert least <= len(propose(logits, estimator=estimator, rng=seed).actions) <= most


def test_a_subset_of_variables_takes_each_as_often():
    logits = np.random.default_rng(13).normal(size=(5, 3))
    single = [
        gradient(lambda a: a @ 3.0 ** np.arange(5), logits, estimator=LocalExpectation(variables=2), rng=seed)
        for seed in range(400)
    ]
    taken = np.array([estimate.gradient.any(axis=1) for estimate in single])
    assert (taken.sum(axis=1) == 2).all()
    assert (abs(taken.mean(axis=0) - 0.4) < 5 * np.sqrt(0.24 / 400)).all()


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(1, 4),
    st.integers(1, 9),
    st.sampled_from(
        [
            *(ARS(), ARSM(), ARSM(plus=True), ARSM("coordinate"), LeaveOneOut(3)),
            *(LocalExpectation(), RaoBlackwellTop(2), LocalPair(), LocalPair(replacement=True)),
            *(DisARM(), CARMS(4), UnorderedSet(3)),
        ]
    ),
    st.floats(-500, 500),
    st.sampled_from([0.0, 1.0, 5.0, 100.0]),
)
def test_sums_to_zero_and_ignores_a_constant(seed, n_variables, size, estimator, constant, scale):
    logits = scale * np.random.default_rng(seed).normal(size=(n_variables, size))
    shifted = logits + constant
    proposal = propose(logits, estimator=estimator, rng=seed)
    again = propose(shifted, estimator=estimator, rng=seed)
    np.testing.assert_array_equal(proposal.actions, again.actions)
    values = np.random.default_rng(seed + 1).normal(size=len(proposal.actions))
    estimate = proposal.estimate(values)
    np.testing.assert_allclose(estimate.gradient.sum(axis=1), 0.0, atol=1e-12)
    np.testing.assert_allclose(again.estimate(values).gradient, estimate.gradient, atol=1e-12)


def test_no_pseudo_action_no_gradient():
    logits = np.zeros((3, 5))
    logits[:, 2] = 200.0
    for estimator in ("ars", "arsm", ARSM("coordinate")):
        estimate = gradient(lambda a: a.sum(axis=1), logits, estimator=estimator, rng=0)
        np.testing.assert_array_equal(estimate.gradient, 0.0)
        assert estimate.n_evaluations == 1
        assert estimate.value == 6.0


def test_one_category():
    swaps = ("ar", "ars", "arsm", ARSM("coordinate"))
    for estimator in (*swaps, "reinforce", "loo", "local", "top", "pair", "disarm", "carms", "exact"):
        estimate = gradient(lambda a: 3.0 + a[:, 0], np.zeros((2, 1)), estimator=estimator, n_samples=3, rng=0)
        np.testing.assert_array_equal(estimate.gradient, 0.0)
        assert estimate.value == 3.0
        assert estimate.n_evaluations == 1


@pytest.mark.parametrize(
    "estimator",
    [
        *(AR(), ARS(), ARSM(), ARSM(plus=True), ARSM("coordinate"), Reinforce(), LeaveOneOut(4), "exact"),
        *(LocalExpectation(), RaoBlackwellTop(2), LocalPair(), LocalPair(replacement=True)),
        *(DisARM(), CARMS(4), UnorderedSet(5)),
    ],
)
def test_unavailable_categories_are_never_asked(estimator):
    logits = np.zeros((3, 4))
    logits[0, 1] = logits[1, :3] = -np.inf
    for scale in (1.0, 700.0):
        proposal = propose(
            np.where(np.isfinite(logits), scale, -np.inf), estimator=estimator, n_samples=50, rng=1
        )
        assert not (proposal.actions[:, 0] == 1).any()
        assert (proposal.actions[:, 1] == 3).all()
        assert np.isfinite(proposal.estimate(np.ones(len(proposal.problem))).gradient).all()


def test_extreme_logits():
    rng = np.random.default_rng(2)
    for logits in (np.array([700.0, -700.0, 0.0]), np.array([-700.0, -700.0]), rng.uniform(-700, 700, 30)):
        for estimator in ("ar", "ars", "arsm", "loo", "exact"):
            estimate = gradient(np.arange(logits.size), logits, estimator=estimator, n_samples=20, rng=3)
            assert np.isfinite(estimate.gradient).all()


def test_the_level_of_f_does_not_matter():
    logits, table = np.random.default_rng(4).normal(size=(2, 40))
    low = gradient(table, logits, n_samples=10, rng=5)
    high = gradient(table + 2.0**20, logits, n_samples=10, rng=5)
    np.testing.assert_allclose(high.gradient, low.gradient, atol=1e-9)


def test_exact_with_many_variables_of_few_available_categories():
    logits = np.full((70, 3), -np.inf)
    logits[:, 1] = 0.0
    logits[:2, 2] = 1.0
    estimate = gradient(lambda a: a.sum(axis=1), logits, estimator="exact")
    assert estimate.n_evaluations == 4
    p = np.exp(1) / (1 + np.exp(1))
    np.testing.assert_allclose(estimate.gradient[0], [0, -p * (1 - p), p * (1 - p)], atol=1e-12)


def test_sample_follows_the_softmax():
    logits = np.array([[0.0, 1.0, -1.0, 2.0], [0.0, -np.inf, 0.0, 0.0]])
    n = 100_000
    actions = sample(logits, n, rng=0)
    assert actions.shape == (n, 2)
    assert actions.dtype == np.int32
    for k in range(2):
        p = np.exp(logits[k]) / np.exp(logits[k]).sum()
        counts = np.bincount(actions[:, k], minlength=4)
        assert (abs(counts - n * p) < 5 * np.sqrt(n * p * (1 - p)) + 1e-9).all()


@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0])
@pytest.mark.parametrize(
    "shape", [(1,), (9,), (600,), (1, 1, 3), (7, 1), (30, 2), (33, 10), (9, 256), (9, 257), (3, 2, 1100)]
)
def test_a_single_draw_weighs_its_logits_itself(shape, scale):
    rng = np.random.default_rng(len(shape))
    logits = scale * rng.normal(size=shape)
    logits[..., 1:][rng.random(logits[..., 1:].shape) < 0.2] = -np.inf
    weights = np.exp(np.max(logits, axis=-1, keepdims=True) - logits)
    noise = dirichlet_noise(logits, 3, rng=5)
    np.testing.assert_array_equal(sample(logits, rng=5), np.argmin(noise[0] * weights, axis=-1))
    np.testing.assert_array_equal(sample(logits, 3, rng=5), np.argmin(noise * weights, axis=-1))


@pytest.mark.parametrize("regime", ["zero", "normal", "concentrated", "rising", "falling", "steep", "extreme"])
def test_single_draws_of_long_rows_are_winners_of_the_race(regime):
    rng = np.random.default_rng(8)
    shape = 300, 1000
    ramp = np.broadcast_to(np.linspace(0, 8, shape[1]), shape)
    logits = {
        "zero": np.zeros(shape),
        "normal": rng.normal(size=shape),
        "concentrated": 4 * rng.normal(size=shape),
        "rising": ramp,
        "falling": -ramp,
        "steep": 20 * ramp,  # next to every block of categories has a new winner
        "extreme": rng.uniform(-700, 700, shape),
    }[regime]
    weights = np.exp(np.minimum(logits.max(axis=1, keepdims=True) - logits, 700))
    winners = np.argmin(dirichlet_noise(logits, 9, rng=5) * weights, axis=-1)
    np.testing.assert_array_equal(sample(logits, rng=5), winners[0])
    np.testing.assert_array_equal(sample(logits, 9, rng=5), winners)  # eight side by side, and one


def test_sample_draws_the_true_actions_of_the_estimators():
    logits = np.random.default_rng(6).normal(size=(20, 300))
    noise = dirichlet_noise(logits, 2, rng=7)
    np.testing.assert_array_equal(sample(logits, 2, rng=7), np.argmin(noise * np.exp(-logits), axis=2))
    assert sample(logits, rng=7).shape == (20,)
    assert isinstance(sample(logits[0], rng=7), int)
    ragged = sample([np.zeros(2), np.zeros(5)], 3, rng=0)
    assert ragged.shape == (3, 2)


def test_inputs_are_not_modified_and_dtypes_are_converted():
    for logits in (
        np.zeros((3, 4), np.float32),
        np.zeros((3, 4), np.int64),
        np.asfortranarray(np.zeros((3, 4))),
        np.zeros((3, 8))[:, ::2],
        np.zeros((3, 4)).tolist(),
    ):
        before = np.array(logits)
        estimate = gradient(lambda a: a.sum(axis=1), logits, rng=0)
        np.testing.assert_array_equal(before, logits)
        assert estimate.gradient.dtype == np.float64
        reference = gradient(lambda a: a.sum(axis=1), np.zeros((3, 4)), rng=0)
        np.testing.assert_array_equal(estimate.gradient, reference.gradient)
