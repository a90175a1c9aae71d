"""Eight samples, rows or categories at a time against one at a time: the same noise, drawn and handed in."""

import numba
import numpy as np
import pytest
from arsm_fast.kernels.arsm_row import winner_of_row
from arsm_fast.kernels.lanes import lane_of
from arsm_fast.kernels.long_row import PART
from arsm_fast.kernels.tile import race_tile, row_of_winner_tile
from helpers import assert_close

from arsm_fast import _long_rows, _one_variable, combine, dirichlet_noise, gradient, propose, sample

SHAPES = [
    (1,), (2,), (3,), (7,), (8,), (30,), (100,), (257,), (1000,), (3, 40), (400, 30),
    (8, 1), (9, 2), (10_000, 2), (33, 3), (9, 4), (17, 5), (40, 6), (17, 10), (31, 11), (9, 12),
    (9, 13), (7, 16), (9, 19), (11, 20), (11, 21), (19, 29), (17, 30), (9, 31), (9, 36), (17, 37),
    (13, 64), (11, 65), (12, 128), (20, 255), (5, 256), (11, 257), (3, 320), (4, 321),
    (3, 240), (4, 241), (3, 480), (11, 481), (3, 1024), (4096,), (2, 5000),
]  # fmt: skip


SCALES = [0.0, 1.0, 4.0, 40.0, 700.0, "mixed", "ramp", "unavailable", "one", "level"]


def logits_of(scale, shape, rng):
    if scale == "mixed":  # rows side by side that have little in common
        rows = rng.choice([0.0, 0.5, 4.0, 40.0], size=(*shape[:-1], 1))
        return rows * rng.normal(size=shape)
    if scale == "ramp":
        return np.broadcast_to(np.linspace(0, 8, shape[-1]), shape)
    if scale == "unavailable":
        logits = np.where(rng.random(shape) < 0.5, -np.inf, 0.0)
        logits[..., 0] = 1.0
        return logits
    if scale == "one":
        logits = np.full(shape, -np.inf)
        logits[..., shape[-1] // 2] = 3.0
        return logits
    if scale == "level":  # many losers of one weight swap with more light ones
        logits = np.where(rng.random(shape) < 0.025, -2.3, -9.0)
        logits[..., 0] = 0.0
        return logits
    return scale * rng.normal(size=shape)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("n_samples", [1, 3, 8, 75])
def test_tiles_agree_with_single_samples(shape, scale, n_samples):
    rng = np.random.default_rng(shape[-1])
    table = rng.normal(size=shape)
    logits = logits_of(scale, shape, rng)
    drawn = gradient(table, logits, n_samples=n_samples, rng=1)
    noise = dirichlet_noise(logits, n_samples, rng=1)
    handed_in = gradient(table, logits, n_samples=n_samples, noise=noise)
    assert_close(drawn.gradient, handed_in.gradient)
    if n_samples > 1:
        assert_close(drawn.standard_error, handed_in.standard_error)
    np.testing.assert_allclose(drawn.value, handed_in.value, atol=1e-12)
    assert drawn.n_evaluations == handed_in.n_evaluations


@pytest.mark.parametrize("n", [8, 9, 15, 16, 17, 23, 24, 25, 31, 32, 33, 200, 900])
@pytest.mark.parametrize("scale", SCALES)
def test_the_kernel_of_long_rows_takes_short_ones(n, scale, monkeypatch):
    monkeypatch.setattr(_one_variable, "LONGEST_ROW_BY_ROW", 0)
    rng = np.random.default_rng(n)
    logits, table = logits_of(scale, (40, n), rng), rng.normal(size=(40, n))
    for n_samples in (1, 3):
        drawn = gradient(table, logits, n_samples=n_samples, rng=1)
        handed_in = gradient(table, logits, n_samples=n_samples, noise=dirichlet_noise(logits, n_samples, rng=1))
        assert_close(drawn.gradient, handed_in.gradient)
        np.testing.assert_allclose(drawn.value, handed_in.value, atol=1e-12)
        np.testing.assert_array_equal(drawn.n_evaluations, handed_in.n_evaluations)


@pytest.mark.parametrize("n", [3, 5, 12, 30, 100, 300])
def test_rows_do_not_depend_on_those_beside_them(n):
    rng = np.random.default_rng(n)
    logits, table = rng.normal(size=(2, 1000, n))
    whole = gradient(table, logits, rng=2).gradient
    logits[1::8] = 5.0 * rng.normal(size=(125, n))
    others = np.arange(1000) % 8 != 1
    assert np.array_equal(gradient(table, logits, rng=2).gradient[others], whole[others])


def test_the_noise_of_a_row_of_one_category_may_be_tiny():
    def winners_entry(noise, weights, values, h, seen):
        total, first_at, second_at, first, second = race_tile(noise, weights, 0)
        race = first_at, second_at, first, second
        return lane_of(row_of_winner_tile(noise, weights, values, -1.0 / total, race, h, seen, 0)[0], 0)

    noise, ones = np.full((1, 8), 1e-12), np.ones((1, 8))
    assert numba.njit(winners_entry)(noise, ones, ones, np.empty((1, 8)), np.zeros(1, np.uint64)) == 0.0


def test_a_winner_level_with_the_second_wins_its_own_swap():
    # The logarithm of the quotient may be rounded to less than the gap it was made of.
    near_gap = numba.njit(lambda noise, gap, second: winner_of_row(noise, gap, second, 0.0, 0.0, 0.0)[3])
    weight = numba.njit(lambda noise, gap: winner_of_row(noise, gap, 1.0, 0.0, 0.0, 0.0)[1])
    for noise, gap in np.random.default_rng(0).exponential([1.0, 20.0], size=(1000, 2)):
        assert gap < near_gap(noise, gap, noise * weight(noise, gap)) < gap + 1e-12


@pytest.mark.parametrize("n", [9, 12, 100, 257, 264, 1025, 1032])
def test_values_of_every_lane_are_looked_at(n):
    for c in range(n):
        table = np.zeros(n)
        table[c] = np.nan
        with pytest.raises(ValueError, match=rf"objective\[{c}\]"):
            gradient(table, np.zeros(n), rng=1)


@pytest.mark.parametrize(
    "shape", [(8,), (257,), (PART + 7,), (PART + 8,), (2, 5 * PART // 2), (7 * PART,)], ids=str
)
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("n_samples", [1, 3, 20])
def test_rows_in_parts_agree_with_whole_ones(shape, scale, n_samples, monkeypatch):
    rng = np.random.default_rng(shape[-1])
    table = rng.normal(size=shape)
    logits = logits_of(scale, shape, rng)
    monkeypatch.setattr(_one_variable, "LONG_ROW", 10**9)
    monkeypatch.setattr(_one_variable, "LONGEST_ROW_BY_ROW", 0)
    monkeypatch.setattr(_one_variable, "LONGEST_TILE", 0)
    whole = gradient(table, logits, n_samples=n_samples, rng=1)
    monkeypatch.setattr(_one_variable, "LONG_ROW", 8)
    monkeypatch.setattr(_long_rows, "MOST_GROUPS", 3)
    in_parts = gradient(table, logits, n_samples=n_samples, rng=1)
    assert_close(in_parts.gradient, whole.gradient)
    if n_samples > 1:
        assert_close(in_parts.standard_error, whole.standard_error)
    np.testing.assert_allclose(in_parts.value, whole.value, atol=1e-12)
    assert in_parts.n_evaluations == whole.n_evaluations
    one_by_one = logits.reshape(-1, 1, shape[-1])
    proposal = propose(one_by_one, n_samples=n_samples, rng=1)
    assert len(proposal.actions) == np.sum(in_parts.n_evaluations)
    estimate = proposal.estimate(table.reshape(one_by_one.shape)[proposal.problem, 0, proposal.actions[:, 0]])
    np.testing.assert_array_equal(estimate.gradient.reshape(shape), in_parts.gradient)


@pytest.mark.parametrize("n_samples", [1, 3])
def test_rows_in_parts_refuse_what_whole_ones_do(n_samples, monkeypatch):
    monkeypatch.setattr(_one_variable, "LONG_ROW", 8)
    table = np.zeros((2, 2 * PART))
    for bad, message in ((np.nan, "nan"), (np.inf, r"\+inf")):
        for wrong in (slice(PART + 5, PART + 6), slice(PART, 2 * PART)):  # one of a part, and all
            logits = np.zeros((2, 2 * PART))
            logits[1, wrong] = bad
            where = rf"{wrong.stop - wrong.start} such, the first at logits\[1, {wrong.start}\]"
            with pytest.raises(ValueError, match=f"logits must not be {message}; got {where}"):
                gradient(table, logits, n_samples=n_samples)
    logits = np.zeros((2, 2 * PART))
    logits[1] = -np.inf
    with pytest.raises(ValueError, match="finite"):
        gradient(table, logits, n_samples=n_samples)
    table[1, PART + 5] = np.nan
    with pytest.raises(ValueError, match=rf"objective\[1, {PART + 5}\]"):
        gradient(table, np.zeros((2, 2 * PART)), n_samples=n_samples)


@pytest.mark.parametrize("top", [-1e308, -700.0, 1e308])
def test_parts_of_a_row_may_have_little_in_common(top, monkeypatch):
    monkeypatch.setattr(_one_variable, "LONG_ROW", 8)
    rng = np.random.default_rng(3)
    for kinds in ((0.0, -np.inf, 5.0), (-np.inf, 1.0, -1e308), (-30.0, 0.5, -705.0)):
        logits = np.concatenate([kind + rng.normal(size=PART) for kind in kinds])
        logits[rng.integers(logits.size)] = top
        table = rng.normal(size=logits.size)
        drawn = gradient(table, logits, n_samples=3, rng=1)
        handed_in = gradient(table, logits, n_samples=3, noise=dirichlet_noise(logits, 3, rng=1))
        assert_close(drawn.gradient, handed_in.gradient)
        assert_close(drawn.standard_error, handed_in.standard_error)
        assert drawn.n_evaluations == handed_in.n_evaluations


def test_shares_of_rows_in_parts_are_put_together(monkeypatch):
    monkeypatch.setattr(_one_variable, "LONG_ROW", 8)
    rng = np.random.default_rng(4)
    logits, table = rng.normal(size=(2, 1, PART + 9)), rng.normal(size=(2, PART + 9))
    whole = gradient(lambda actions, problem: table[problem, actions[:, 0]], logits, n_samples=7, rng=5)
    shares = [propose(logits, n_samples=7, sample_range=part, rng=5) for part in ((0, 3), (3, 7))]
    joined = combine(share.estimate(table[share.problem, share.actions[:, 0]]) for share in shares)
    np.testing.assert_array_equal(joined.gradient, whole.gradient)
    np.testing.assert_array_equal(joined.standard_error, whole.standard_error)
    np.testing.assert_array_equal(joined.value, whole.value)


@pytest.mark.parametrize(
    "shape",
    [
        *((1, 1, 5), (9, 1, 2), (9_000, 1, 2), (30, 1, 10), (30, 1, 13), (9, 1, 40), (45, 1, 65), (3, 1, 128)),
        *((5, 1, 200), (9, 1, 700), (3, 1, 1100)),
    ],
    ids=str,
)
@pytest.mark.parametrize("n_samples", [1, 70])
def test_proposals_of_rows_side_by_side_ask_for_what_they_need(shape, n_samples):
    rng = np.random.default_rng(shape[-1])
    table, logits = rng.normal(size=shape), rng.normal(size=shape)
    noise = dirichlet_noise(logits, n_samples, rng=1)
    proposal = propose(logits, n_samples=n_samples, rng=1)
    other = propose(logits, n_samples=n_samples, noise=noise)
    np.testing.assert_array_equal(proposal.actions, other.actions)
    np.testing.assert_array_equal(proposal.problem, other.problem)
    estimate = proposal.estimate(table[proposal.problem, 0, proposal.actions[:, 0]])
    fused = gradient(table, logits, n_samples=n_samples, rng=1)
    np.testing.assert_array_equal(estimate.gradient, fused.gradient)
    assert estimate.n_evaluations == fused.n_evaluations == len(proposal.actions)


@pytest.mark.parametrize("shape", [(1,), (5,), (300,), (3, 10), (20, 7), (3, 9, 2)], ids=str)
@pytest.mark.parametrize("n_samples", [1, 5, 8, 21])
def test_draws_are_the_winners_of_the_noise(shape, n_samples):
    logits = np.random.default_rng(1).normal(size=shape)
    noise = dirichlet_noise(logits, n_samples, rng=1)
    winners = (noise * np.exp(-logits)).argmin(axis=-1)
    np.testing.assert_array_equal(sample(logits, n_samples, rng=1), winners)


@pytest.mark.parametrize("sizes", [(1, 50, 2, 9), (8, 300, 41, 2000)], ids=str)
@pytest.mark.parametrize("n_samples", [1, 5, 100])
def test_tiles_agree_for_variables_of_different_length(sizes, n_samples):
    rng = np.random.default_rng(0)
    logits = [rng.normal(size=c) for c in sizes]
    table = [rng.normal(size=c) for c in sizes]
    drawn = gradient(table, logits, n_samples=n_samples, rng=1)
    noise = dirichlet_noise(logits, n_samples, rng=1)
    handed_in = gradient(table, logits, n_samples=n_samples, noise=noise)
    assert_close(drawn.gradient, handed_in.gradient)
    assert drawn.n_evaluations == handed_in.n_evaluations
