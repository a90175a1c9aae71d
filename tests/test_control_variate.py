"""Surrogates: their expectations are exact, and estimators round them are unbiased while they learn."""

import functools

import numpy as np
import pytest
from arsm_fast.kernels import one_hots
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
    surrogates,
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


def regression(actions, values, sizes, ridge):
    """The matrix and right-hand side of a ridge regression on one-hots with an intercept, and the one-hots."""
    one_hots = np.concatenate([actions[:, k, None] == np.arange(c) for k, c in enumerate(sizes)], axis=1) * 1.0
    centred = one_hots - one_hots.mean(axis=0)
    matrix = centred.T @ centred + ridge * np.eye(sum(sizes))
    return matrix, centred.T @ (values - values.mean()), one_hots


def kernel_machine(actions, values, sizes, ridge):
    """The same for the kernel of degree two, whose rows take the place of the one-hots."""
    matches = (actions[:, None] == actions).sum(axis=2)
    kernel = matches + matches**2 / len(sizes)
    return kernel + ridge * 2 * len(sizes) * np.eye(len(actions)), values - values.mean(), kernel


def steps_towards(matrix, target, start, n, of_residual=False):
    """The n steps of conjugate gradients with the diagonal taken out: the best points of Krylov's spaces.

    Or of conjugate residuals, of which the residual is the least.
    """
    scale = 1 / np.sqrt(np.diag(matrix))
    scaled, rest = matrix * np.outer(scale, scale), scale * (target - matrix @ start)
    basis = np.linalg.qr(np.column_stack([np.linalg.matrix_power(scaled, i) @ rest for i in range(n)]))[0]
    if of_residual:
        return start + scale * (basis @ np.linalg.lstsq(scaled @ basis, rest)[0])
    return start + scale * (basis @ np.linalg.solve(basis.T @ scaled @ basis, basis.T @ rest))


SIZES = [3, 4, 2, 5]


def evaluations(n):
    rng = np.random.default_rng(13)
    return np.column_stack([rng.integers(0, c, n) for c in SIZES]).astype(np.int32), rng.normal(size=n)


KINDS = {
    Additive: (regression, lambda n_kept, n_news: max(0.3 * n_kept, 1.4)),
    Hamming: (kernel_machine, lambda n_kept, n_news: max(0.5 * (n_kept + n_news), 1.4)),
}


@pytest.mark.parametrize("n_steps", [3, 200])
@pytest.mark.parametrize("memory", [40, 1000])
@pytest.mark.parametrize("kind", KINDS)
def test_fits_are_steps_towards_the_regression_on_what_is_kept(kind, memory, n_steps, monkeypatch):
    # With many steps they arrive.
    monkeypatch.setattr(surrogates, "ADDITIVE_STEPS", n_steps)
    monkeypatch.setattr(surrogates, "HAMMING_STEPS", n_steps)
    monkeypatch.setattr(surrogates, "HAMMING_REST", 0.0)
    definition, least = KINDS[kind]
    actions, values = evaluations(120)
    surrogate = kind(memory=memory, ridge=0.3)
    weights, kept, fitted = np.zeros(14 if kind is Additive else 0), 0, 0
    for n in range(2, 121, 2):
        surrogate.learn(actions[n - 2 : n], values[n - 2 : n], SIZES)
        n_news = n - fitted
        if n_news >= min(least(kept, n_news), 0.5 * memory if kind is Hamming else memory):
            before, kept, fitted = kept, min(n, memory), n
            past = actions[n - kept : n], values[n - kept : n]
            matrix, target, features = definition(*past, SIZES, 0.3)
            if kind is Hamming:
                n_old = max(kept - n_news, 0)
                gone = weights[: before - n_old]
                of_new = gone.sum() / (kept - n_old)
                weights = np.append(weights[before - n_old :], np.full(kept - n_old, of_new))
                if np.linalg.norm(target - matrix @ weights) >= np.linalg.norm(target):
                    weights = np.zeros(kept)
            if n_steps == 3:
                weights = steps_towards(matrix, target, weights, n_steps, of_residual=kind is Hamming)
            else:
                weights = np.linalg.solve(matrix, target)
            expected = features @ weights + past[1].mean()
            if kind is Additive:
                expected -= features.mean(axis=0) @ weights
        tolerance = 3e-5 if kind is Hamming else 1e-8  # products with its matrix are of single precision
        np.testing.assert_allclose(surrogate.predict(past[0]), expected, rtol=tolerance, atol=tolerance)


def test_a_fit_of_hamming_starts_from_the_one_before(monkeypatch):
    # Evaluations that take the places of others have the mean of their weights at first.
    actions, _ = evaluations(60)
    values = actions @ np.array([1.0, -2.0, 1.5, 0.5])
    surrogate = Hamming(40, 0.1)
    surrogate.learn(actions[:40], values[:40], SIZES)
    first = surrogate._weights.copy()
    monkeypatch.setattr(surrogates, "HAMMING_STEPS", 0)
    surrogate.learn(actions[40:], values[40:], SIZES)
    np.testing.assert_array_equal(surrogate._weights, np.append(np.full(20, first[:20].mean()), first[20:]))
    surrogate.learn(actions[:40], 1000.0 - values[:40], SIZES)  # where that is worse than none, from none
    np.testing.assert_array_equal(surrogate._weights, 0.0)


def test_hamming_ends_where_little_is_left(monkeypatch):
    monkeypatch.setattr(surrogates, "HAMMING_STEPS", 50)
    actions, values = evaluations(70)
    surrogate = Hamming(70, 0.1)
    surrogate.learn(actions, values, SIZES)
    matrix, target, _ = kernel_machine(actions, values, SIZES, 0.1)
    rest = target - matrix @ surrogate._weights
    assert 1e-4 < rest @ rest / (target @ target) < 1e-2


@pytest.mark.parametrize("make", [Additive, Hamming])
def test_noise_and_what_it_cannot_see_do_no_harm(make):
    # Conjugate gradients, ended after a few steps, would be several times as far off as the mean is.
    rng = np.random.default_rng(0)
    for sizes, noise in (([3] * 4, 1.0), ([2] * 10, 1.0), ([4] * 5, 0.0)):
        table = rng.normal(size=sizes)
        surrogate, off, spread = make(), [], []
        for call in range(150):
            actions = np.column_stack([rng.integers(0, c, 10) for c in sizes]).astype(np.int32)
            values = table[tuple(actions.T)]
            deviations = surrogate.predict(actions) - values
            if call >= 60:
                off.append(deviations.var())
                spread.append(values.var())
            surrogate.learn(actions, values + noise * rng.normal(size=10), sizes)
        assert np.mean(off) < 1.6 * np.mean(spread)


@pytest.mark.parametrize("make", [Additive, Hamming])
@pytest.mark.parametrize("kind", [np.int64, np.int8, np.uint8])
def test_actions_of_other_kinds(make, kind):
    actions, values = evaluations(120)
    one, other = make(), make()
    one.learn(actions, values, SIZES)
    other.learn(actions.astype(kind), values, SIZES)
    np.testing.assert_array_equal(one.predict(actions), other.predict(actions.astype(kind)))


def test_hamming_takes_what_is_no_category_for_no_match():
    actions, values = evaluations(120)
    surrogate = Hamming()
    surrogate.learn(actions, values, SIZES)
    expected = surrogate.predict(np.full((1, 4), 99))
    for number in (-1, 255, 256, -256, 1000):
        np.testing.assert_array_equal(surrogate.predict(np.full((1, 4), number)), expected)


@pytest.mark.parametrize("make", [Additive, Hamming])
def test_another_objective_is_refused(make):
    surrogate = make()
    estimator, _ = taught(surrogate, [np.zeros(3), np.zeros(4)], lambda a: a[:, 0] + 2.0 * a[:, 1], 8, 0)
    for logits in ([np.zeros(4), np.zeros(3)], [np.zeros(3), np.zeros(5)], [np.zeros(3)], np.zeros((3, 4))):
        with pytest.raises(ValueError, match="learnt an objective of 2 variables and 7 categories in all"):
            gradient(lambda actions: actions[:, 0], logits, estimator=estimator, rng=1)
    with pytest.raises(ValueError, match="now used for 2 and 8; use a new one"):
        surrogate.learn(np.zeros((1, 2), np.int32), np.zeros(1), [3, 5])
    for actions in ([0, 4], [0, -1], [0]):
        with pytest.raises(ValueError, match="actions must"):
            surrogate.learn(np.array([actions] * 40, np.int32), np.zeros(40), [3, 4])
    with pytest.raises(ValueError, match="shape"):
        surrogate.predict(np.zeros((2, 3), np.int32))


@pytest.mark.parametrize("sizes", [[3, 300], [2] * 300, [255] * 2, [256] * 2, [2] * 255])
def test_hamming_of_many_categories_or_variables(sizes, monkeypatch):
    # Numbers of up to 255 are kept in bytes, others are not.
    monkeypatch.setattr(surrogates, "HAMMING_STEPS", 100)
    monkeypatch.setattr(surrogates, "HAMMING_REST", 0.0)
    rng = np.random.default_rng(21)
    n = sum(sizes) // 10 + 20
    actions = np.column_stack([rng.integers(0, c, n) for c in sizes]).astype(np.int32)
    actions[0], actions[1], actions[2] = 0, np.minimum(256, np.array(sizes) - 1), actions[3]
    values = rng.normal(size=n)
    surrogate = Hamming(ridge=0.3)
    surrogate.learn(actions, values, sizes)
    matrix, target, features = kernel_machine(actions, values, sizes, 0.3)
    expected = features @ np.linalg.solve(matrix, target) + values.mean()
    np.testing.assert_allclose(surrogate.predict(actions), expected, rtol=3e-5, atol=3e-5)


def test_hamming_compiles_once():
    actions, values = evaluations(50)
    surrogate = Hamming()
    surrogate.learn(actions, values, SIZES)
    frozen = actions.copy()
    frozen.flags.writeable = False
    expected = surrogate.predict(actions)
    n = len(one_hots.count_matches.dispatcher.signatures)
    for same in (frozen, actions.astype(np.int64), np.asfortranarray(actions)):
        np.testing.assert_array_equal(surrogate.predict(same), expected)
    assert len(one_hots.count_matches.dispatcher.signatures) == n


def test_fewer_may_be_kept_than_there_are_categories():
    surrogate = Additive(memory=3)
    surrogate.learn(np.array([[1, 2], [1, 3], [2, 2]], np.int32), np.array([1.0, 2.0, 3.0]), [50, 50])
    assert surrogate.predict(np.array([[2, 2]], np.int32)) > surrogate.predict(np.array([[1, 2]], np.int32))


@pytest.mark.parametrize("make", [Additive, Hamming])
def test_what_was_learnt_is_kept_as_it_was(make):
    actions, values = evaluations(50)
    surrogates = make(), make()
    for surrogate, own_values in zip(surrogates, (values, values.copy()), strict=True):
        own = actions.copy()
        surrogate.learn(own[:48], own_values[:48], SIZES)
        surrogate.learn(own[48:49], own_values[48:49], SIZES)
        if surrogate is surrogates[0]:
            own[48], own_values[48] = 0, 9.0
        surrogate.learn(own[:48], own_values[:48], SIZES)
    np.testing.assert_array_equal(*(surrogate.predict(actions) for surrogate in surrogates))


@pytest.mark.parametrize("make", [Additive, Hamming])
def test_values_of_any_size(make):
    actions, values = evaluations(60)
    for factor in (0.0, 1e-300, 1e-50, 1e90, 1e300):
        surrogate = make()
        with np.errstate(over="ignore"):
            surrogate.learn(actions, factor * values, SIZES)
        prediction = surrogate.predict(actions)
        assert np.isfinite(prediction).all()
        if 1e-60 < factor < 1e100:
            assert np.corrcoef(prediction, values)[0, 1] > 0.3


@pytest.mark.parametrize("make", [lambda memory: Additive(memory=memory), Hamming])
def test_more_at_once_than_is_kept(make):
    actions, values = evaluations(200)
    all_at_once, last = make(50), make(50)
    all_at_once.learn(actions, values, SIZES)
    last.learn(actions[-50:], values[-50:], SIZES)
    np.testing.assert_allclose(all_at_once.predict(actions), last.predict(actions), rtol=1e-12)


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
    for refit in (0.0, 1.5, np.nan):
        with pytest.raises(ValueError, match="refit must be a share, above 0 and at most 1; got"):
            Hamming(refit=refit)
    with pytest.raises(TypeError, match="expectation must be a function; got 3"):
        Features(own_features, 3)
    with pytest.raises(ValueError, match="is for one problem"):
        propose(np.zeros((2, 3, 4)), estimator=ControlVariate(LeaveOneOut(), Additive()))
    with pytest.raises(ValueError, match="memory must be at least 2; got 0"):
        Additive(memory=0)


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


def test_a_surrogate_may_keep_the_values_it_is_told():
    class Keeper(Additive):
        def learn(self, actions, values, sizes):
            self.kept = values

    surrogate = Keeper()
    proposal = propose(np.zeros((2, 3)), estimator=ControlVariate(LeaveOneOut(3), surrogate), rng=0)
    values = np.ones(len(proposal.actions))
    proposal.estimate(values)
    values[:] = 5.0
    assert (surrogate.kept == 1.0).all()
