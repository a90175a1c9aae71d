"""Eight samples at a time against one at a time: the same noise, drawn and handed in."""

import numpy as np
import pytest
from helpers import assert_close

from arsm_fast import dirichlet_noise, gradient

SHAPES = [(1,), (2,), (3,), (7,), (8,), (30,), (100,), (257,), (1000,), (3, 40), (400, 30)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("scale", [0.0, 1.0, 4.0, 40.0, "ramp", "unavailable"])
@pytest.mark.parametrize("n_samples", [8, 75])
def test_tiles_agree_with_single_samples(shape, scale, n_samples):
    rng = np.random.default_rng(shape[-1])
    table = rng.normal(size=shape)
    if scale == "ramp":
        logits = np.broadcast_to(np.linspace(0, 8, shape[-1]), shape)
    elif scale == "unavailable":
        logits = np.where(rng.random(shape) < 0.5, -np.inf, 0.0)
        logits[..., 0] = 1.0
    else:
        logits = scale * rng.normal(size=shape)
    drawn = gradient(table, logits, n_samples=n_samples, rng=1)
    noise = dirichlet_noise(logits, n_samples, rng=1)
    handed_in = gradient(table, logits, n_samples=n_samples, noise=noise)
    assert_close(drawn.gradient, handed_in.gradient)
    assert_close(drawn.standard_error, handed_in.standard_error)
    np.testing.assert_allclose(drawn.value, handed_in.value, atol=1e-12)
    assert drawn.n_evaluations == handed_in.n_evaluations


def test_tiles_agree_for_variables_of_different_length():
    rng = np.random.default_rng(0)
    logits = [rng.normal(size=c) for c in (1, 50, 2, 9)]
    table = [rng.normal(size=c) for c in (1, 50, 2, 9)]
    drawn = gradient(table, logits, n_samples=100, rng=1)
    handed_in = gradient(table, logits, n_samples=100, noise=dirichlet_noise(logits, 100, rng=1))
    assert_close(drawn.gradient, handed_in.gradient)
    assert drawn.n_evaluations == handed_in.n_evaluations
