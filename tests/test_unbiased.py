"""Every estimator against exact enumeration: z-scores of the gradient and of the value."""

import functools

import naive
import numpy as np
import pytest
from helpers import RandomFunction, as_list

from arsm_fast import (
    AR,
    ARM,
    ARS,
    ARSM,
    CARMS,
    DisARM,
    Exact,
    LeaveOneOut,
    LocalExpectation,
    LocalPair,
    RaoBlackwellTop,
    Reinforce,
    UnorderedSet,
    gradient,
)

N_SAMPLES = 200_000

ESTIMATORS = [
    AR(),
    ARS(),
    ARS(reference=1),
    ARSM(),
    ARSM(plus=True),
    ARSM(references=2),
    ARSM(references=2, plus=True),
    ARSM(swap="coordinate"),
    ARSM(swap="coordinate", references=2),
    Reinforce(),
    Reinforce(baseline=0.7),
    LeaveOneOut(2),
    LeaveOneOut(5),
    LocalExpectation(),
    LocalExpectation(variables=1),
    LocalExpectation(variables=2),
    RaoBlackwellTop(1),
    RaoBlackwellTop(2),
    LocalPair(),
    LocalPair(replacement=True),
    DisARM(),
    CARMS(2),
    CARMS(3),
    CARMS(5),
]


def problems():
    rng = np.random.default_rng(20)
    for scale in (0.0, 1.0, 2.0):
        yield [scale * rng.normal(size=c) for c in (2, 3, 4)], RandomFunction(1)
        yield scale * rng.normal(size=(1, 6)), RandomFunction(2)
        yield scale * rng.normal(size=(2, 5)), RandomFunction(3)
    yield np.array([[0.0, 1.0, -np.inf, 0.5]]), RandomFunction(5)


def estimate_in_parts(f, logits, estimator, seed, n_parts=100):
    """Gradient and standard error from all samples; values of the parts, which say how they spread."""
    parts = [
        gradient(f, logits, estimator=estimator, n_samples=N_SAMPLES // n_parts, rng=[seed, part])
        for part in range(n_parts)
    ]
    gradients = np.array([np.concatenate(as_list(part.gradient)) for part in parts])
    errors = np.array([np.concatenate(as_list(part.standard_error)) for part in parts])
    values = np.array([part.value for part in parts])
    return gradients.mean(axis=0), np.sqrt((errors**2).sum(axis=0)) / n_parts, values


def z_scores_of(gradient_mean, error, truth):
    """In units of the standard error; entries without spread must be right."""
    spread = error > 0
    np.testing.assert_allclose(gradient_mean[~spread], truth[~spread], atol=1e-14)
    return (gradient_mean - truth)[spread] / error[spread]


@functools.cache
def all_scores(number):
    """The z-scores of an estimator's gradients and values on all problems."""
    estimator = ESTIMATORS[number]
    z_scores, value_scores = [], []
    for problem, (logits, f) in enumerate(problems()):
        truth, expectation = naive.exact(f, as_list(logits))
        mean, error, values = estimate_in_parts(f.batch, logits, estimator, seed=100 * number + problem)
        z_scores.extend(z_scores_of(mean, error, np.concatenate(truth)))
        if values.std() < 1e-14:
            assert values.mean() == pytest.approx(expectation, abs=1e-14)
        else:
            value_scores.append((values.mean() - expectation) / (values.std(ddof=1) / np.sqrt(values.size)))
    return np.array(z_scores), np.array(value_scores)


@pytest.mark.parametrize("number", range(len(ESTIMATORS)), ids=lambda number: repr(ESTIMATORS[number]))
def test_unbiased(number):
    z_scores, value_scores = all_scores(number)
    assert abs(z_scores).max() < 5
    assert 0.7 < np.sqrt(np.mean(z_scores**2)) < 1.3
    assert abs(value_scores).max() < 5


def test_values_are_as_far_off_as_they_should_be():
    # One value a problem is too few to say for each estimator alone.
    value_scores = np.concatenate([all_scores(number)[1] for number in range(len(ESTIMATORS))])
    assert 0.7 < np.sqrt(np.mean(value_scores**2)) < 1.3


@pytest.mark.parametrize(
    ("estimator", "n_categories"),
    [
        *((ARSM("coordinate"), 4), (LeaveOneOut(3), 4), (LocalExpectation(), 4), (LocalExpectation(2), 4)),
        *((RaoBlackwellTop(2), 4), (LocalPair(), 4), (LocalPair(replacement=True), 4), (DisARM(), 4)),
        *((CARMS(4), 4), (ARM(), 2), (DisARM(), 2), (CARMS(2), 2)),
    ],
    ids=repr,
)
def test_unbiased_in_a_batch(estimator, n_categories):
    rng = np.random.default_rng(23)
    logits = 1.5 * rng.normal(size=(4, 3, n_categories))
    if n_categories > 2:
        logits[0, 1, 2] = logits[1, 0, 1] = -np.inf
    table = rng.normal(size=(4, *[n_categories] * 3))

    def f(actions, problem):
        return table[(problem, *actions.T)]

    exact = gradient(f, logits, estimator=Exact())
    estimate = gradient(f, logits, estimator=estimator, n_samples=N_SAMPLES, rng=7)
    z_scores = z_scores_of(estimate.gradient, estimate.standard_error, exact.gradient)
    assert abs(z_scores).max() < 5
    assert 0.6 < np.sqrt(np.mean(z_scores**2)) < 1.4
    np.testing.assert_allclose(estimate.value, exact.value, atol=5 * table.std() / np.sqrt(N_SAMPLES))


@pytest.mark.parametrize(
    "estimator",
    [
        *(ARSM(), AR(), ARS(), LeaveOneOut(3), RaoBlackwellTop(2), LocalPair(), DisARM(), CARMS(4)),
    ],
    ids=repr,
)
def test_unbiased_from_a_table(estimator):
    rng = np.random.default_rng(21)
    logits, table = rng.normal(size=(16, 6)), rng.normal(size=(16, 6))
    estimate = gradient(table, logits, estimator=estimator, n_samples=N_SAMPLES, rng=5)
    exact = gradient(table, logits, estimator=Exact())
    z_scores = (estimate.gradient - exact.gradient) / estimate.standard_error
    assert abs(z_scores).max() < 5
    assert 0.7 < np.sqrt(np.mean(z_scores**2)) < 1.3


@pytest.mark.parametrize("shape", [(7,), (3, 4), (2, 2, 3)], ids=["one variable", "two", "three"])
def test_unordered_set_of_several_problems(shape):
    rng = np.random.default_rng(24)
    tables, logits = rng.normal(size=(3, *shape)), 2 * rng.normal(size=(3, len(shape), max(shape)))
    for k, n_categories in enumerate(shape):
        logits[:, k, n_categories:] = -np.inf
    logits[1, -1, 1] = -np.inf

    def f(actions, problem):
        return tables[(problem, *actions.T)]

    exact = gradient(f, logits, estimator=Exact())
    parts = [gradient(f, logits, estimator=UnorderedSet(3), n_samples=1000, rng=seed) for seed in range(40)]
    mean = np.mean([part.gradient for part in parts], axis=0)
    error = np.sqrt(np.sum([part.standard_error**2 for part in parts], axis=0)) / 40
    z_scores = z_scores_of(mean, error, exact.gradient)
    assert abs(z_scores).max() < 5
    assert 0.5 < np.sqrt(np.mean(z_scores**2)) < 1.5
    values = np.array([part.value for part in parts])
    value_errors = values.std(axis=0, ddof=1) / np.sqrt(40)
    assert abs((values.mean(axis=0) - exact.value) / value_errors).max() < 5


def test_exact_is_enumeration():
    for logits, f in problems():
        expected, expectation = naive.exact(f, as_list(logits))
        estimate = gradient(f.batch, logits, estimator="exact")
        for g, truth in zip(as_list(estimate.gradient), expected, strict=True):
            np.testing.assert_allclose(g, truth, atol=1e-14)
        assert estimate.value == pytest.approx(expectation, abs=1e-14)
        assert all(not np.any(error) for error in as_list(estimate.standard_error))


def test_a_biased_estimator_would_be_found():
    # The same test, with AR's older weight 1 - pi_c in place of 1 - C pi_c (METHOD's first erratum).
    logits = np.array([0.3, -0.2, 0.5, 0.0])
    table = np.array([1.0, 2.0, 0.5, 3.0])
    rng = np.random.default_rng(22)
    noise = rng.dirichlet(np.ones(4), size=N_SAMPLES)
    values = table[np.argmin(noise * np.exp(-logits), axis=1)]
    samples = values[:, None] * (1 - noise)
    exact = gradient(table, logits, estimator="exact").gradient
    z_scores = (samples.mean(axis=0) - exact) / (samples.std(axis=0) / np.sqrt(N_SAMPLES))
    assert abs(z_scores).max() > 5


@pytest.mark.parametrize(("size", "n", "scale"), [(6, 2, 1.0), (6, 4, 1.0), (8, 3, 2.5)])
def test_unordered_set_from_a_table(size, n, scale):
    rng = np.random.default_rng(3)
    logits, table = scale * rng.normal(size=size), rng.normal(size=size)
    exact = gradient(table, logits, estimator="exact").gradient
    estimate = gradient(table, logits, estimator=UnorderedSet(n), n_samples=N_SAMPLES, rng=7)
    assert abs((estimate.gradient - exact) / estimate.standard_error).max() < 5
