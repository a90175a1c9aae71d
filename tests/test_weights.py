"""Inverse weights: the exponential, and what is not a number."""

import math

import numpy as np
import pytest
from arsm_fast.kernels.weights import fill_inverse_weights

from arsm_fast import gradient, propose


def weights_of(logits, offsets=None):
    logits = np.asarray(logits, np.float64)
    out = np.empty_like(logits)
    offsets = np.array([0, logits.size] if offsets is None else offsets)
    return out, fill_inverse_weights(logits, offsets, out)


def test_exponentials_to_the_last_digits():
    rng = np.random.default_rng(0)
    gaps = np.concatenate([[0.0], rng.random(20_000) * 709.78, rng.random(20_000), 1e-17 * rng.random(100)])
    weights, bad = weights_of(-gaps)
    expected = np.array([math.exp(gap) for gap in gaps])
    assert bad == 0
    assert weights[0] == 1.0
    np.testing.assert_allclose(weights, expected, rtol=4e-16)


def test_far_categories_have_infinite_inverse_weight():
    weights, bad = weights_of([0.0, -709.7827, -709.783, -1e5, -1e308, -np.inf])
    assert bad == 0
    assert np.isfinite(weights).tolist() == [True, True, False, False, False, False]


@pytest.mark.parametrize("length", [1, 2, 23, 24, 25, 1000])
def test_each_row_has_a_category_of_weight_one(length):
    rows = np.random.default_rng(length).normal(size=(7, length)) * 70
    weights, bad = weights_of(rows.ravel(), np.arange(8) * length)
    assert bad == 0
    np.testing.assert_allclose(weights.reshape(7, -1), np.exp(rows.max(1, keepdims=True) - rows), rtol=1e-12)


@pytest.mark.parametrize("length", [1, 5, 40])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("at", [0, -1])
def test_what_is_not_a_number_is_seen(length, bad, at):
    rows = np.zeros((3, length))
    rows[1, at] = bad
    assert weights_of(rows.ravel(), np.arange(4) * length)[1] > 0


@pytest.mark.parametrize("length", [1, 5, 40])
def test_a_row_without_weight_is_seen(length):
    rows = np.zeros((3, length))
    rows[2] = -np.inf
    assert weights_of(rows.ravel(), np.arange(4) * length)[1] > 0


# One of each kernel that weighs rows as they come: of two, a few, some and many categories.
SHAPES = [(9, 2), (9, 3), (17, 10), (9, 41), (3, 300), (5000,)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n_samples", [1, 3])
def test_rows_weighed_as_they_come_have_the_same_weights(shape, n_samples):
    logits = np.random.default_rng(1).normal(size=shape) * 3
    logits[..., 1] = -np.inf
    table = np.cos(np.arange(logits.size)).reshape(shape)
    estimate = gradient(table, logits, n_samples=n_samples, rng=2)
    rows = logits.reshape(-1, 1, shape[-1])
    proposal = propose(rows, n_samples=n_samples, rng=2)
    weighed = proposal.estimate(table.reshape(-1, shape[-1])[proposal.problem, proposal.actions[:, 0]])
    np.testing.assert_array_equal(estimate.gradient.ravel(), weighed.gradient.ravel())
    np.testing.assert_array_equal(np.ravel(estimate.value), weighed.value)
    assert estimate.n_evaluations == weighed.n_evaluations


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n_samples", [1, 3])
@pytest.mark.parametrize("at", [0, -1])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_rows_weighed_as_they_come_are_refused(shape, n_samples, at, bad):
    logits = np.zeros(shape)
    rows = logits.reshape(-1, shape[-1])
    if bad == -np.inf:
        rows[at] = bad
        message = "each variable must have a category"
    else:
        rows[at, at] = bad
        message = rf"logits must not be \{bad:+}" if bad == np.inf else "logits must not be nan"
    with pytest.raises(ValueError, match=message):
        gradient(np.zeros(shape), logits, n_samples=n_samples, rng=0)
