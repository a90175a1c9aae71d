"""Machines that draw a part of the samples each give, together, the gradient of one machine."""

import re
from itertools import pairwise

import numpy as np
import pytest
from helpers import assert_close
from worker_objectives import share_of_gradient, smooth

from arsm_fast import (
    AR,
    ARM,
    ARS,
    ARSM,
    CARMS,
    Additive,
    Auto,
    ControlVariate,
    DisARM,
    Exact,
    LeaveOneOut,
    LocalExpectation,
    LocalPair,
    MuProp,
    RaoBlackwellTop,
    Reinforce,
    RunningMean,
    ScopedLeaveOneOut,
    UnorderedSet,
    combine,
    gradient,
    propose,
)
from arsm_fast.estimators import _BY_NAME

RNG = np.random.default_rng(5)
SEVERAL, TWO, ONE = RNG.normal(size=(3, 5)), RNG.normal(size=(4, 2)), RNG.normal(size=7)
RAGGED = [RNG.normal(size=size) for size in (2, 6, 3)]
BATCH = RNG.normal(size=(2, 3, 4))


def objective(actions, problem=0):
    return np.cos(1.3 * actions.reshape(len(actions), -1)).sum(axis=1) + problem


def shares(logits, bounds, f=objective, **arguments):
    batched = isinstance(logits, np.ndarray) and logits.ndim == 3
    for sample_range in pairwise(bounds):
        proposal = propose(logits, sample_range=sample_range, **arguments)
        yield proposal.estimate(f(proposal.actions, *([proposal.problem] if batched else [])))


CASES = [
    *((SEVERAL, estimator) for estimator in (AR(), ARS(), ARS(1), ARSM(), ARSM(plus=True), ARSM(references=2))),
    *((SEVERAL, estimator) for estimator in (ARSM("coordinate"), ARSM("coordinate", references=2))),
    *((SEVERAL, estimator) for estimator in (Reinforce(0.3), LeaveOneOut(3), DisARM(), LocalExpectation())),
    *((SEVERAL, estimator) for estimator in (LocalExpectation(2), RaoBlackwellTop(2), LocalPair())),
    (SEVERAL, LocalPair(replacement=True)),
    *((TWO, estimator) for estimator in (ARM(), DisARM())),
    *((ONE, estimator) for estimator in (ARSM(), ARS(), ARSM(references=2), UnorderedSet(3), LeaveOneOut(2))),
    *((RAGGED, estimator) for estimator in (ARSM(), LeaveOneOut(3), LocalPair())),
    *((BATCH, estimator) for estimator in (ARSM("coordinate"), Reinforce([0.1, 0.2]), LocalExpectation(1))),
]


def short(value):
    return f"{len(value)} rows" if isinstance(value, np.ndarray | list) else str(value)


def assert_same(estimate, other):
    """Bit for bit."""
    for name in ("gradient", "standard_error", "value"):
        one, two = getattr(estimate, name), getattr(other, name)
        assert type(one) is type(two)
        for row, other_row in zip(*((x if isinstance(x, list) else [x]) for x in (one, two)), strict=True):
            np.testing.assert_array_equal(row, other_row)


@pytest.mark.parametrize(("logits", "estimator"), CASES, ids=short)
def test_shares_combine_to_the_gradient_of_one_machine(logits, estimator):
    arguments = {"estimator": estimator, "n_samples": 30, "rng": 3}
    whole = gradient(objective, logits, **arguments)
    for bounds in ((0, 1, 9, 30), (0, 16, 30), (0, 13, 14, 29, 30), range(31)):
        parts = list(shares(logits, bounds, **arguments))
        for seed in range(2):
            together = combine(parts[i] for i in np.random.default_rng(seed).permutation(len(parts)))
            assert_same(together, whole)
        assert together.n_evaluations == sum(part.n_evaluations for part in parts) >= whole.n_evaluations
        assert together.share is None


def test_no_estimator_is_left_out():
    others = {CARMS, Auto, Exact, ScopedLeaveOneOut}
    assert {type(estimator) for _, estimator in CASES} | others == set(_BY_NAME.values())


def test_scoped_leave_one_out():
    arguments = {"estimator": ScopedLeaveOneOut(3, scopes=[[0, 1], [1, 2]]), "n_samples": 30, "rng": 3}

    def terms(actions):
        return np.stack([np.cos(actions[:, 0] + actions[:, 1]), np.sin(actions[:, 1] * actions[:, 2])], axis=1)

    whole = propose(SEVERAL, **arguments)
    expected = whole.estimate(terms(whole.actions))
    for bounds in ((0, 1, 9, 30), (0, 8, 24, 30)):
        assert_same(combine(shares(SEVERAL, bounds, terms, **arguments)), expected)


@pytest.mark.parametrize("estimator", [ARSM(), LeaveOneOut(2)], ids=str)
def test_many_samples_and_long_rows(estimator):
    """Blocks, tiles and rows side by side begin elsewhere in a share."""
    for logits, n_samples in ((SEVERAL, 3000), (RNG.normal(size=(20, 30)), 50), (RNG.normal(size=(2, 300)), 20)):
        arguments = {"estimator": estimator, "n_samples": n_samples, "rng": 3}
        whole = gradient(objective, logits, **arguments)
        for bounds in ((0, 7, n_samples // 2, n_samples), (0, n_samples - 9, n_samples - 1, n_samples)):
            assert_same(combine(shares(logits, bounds, **arguments)), whole)


@pytest.mark.parametrize("size", [2, 3, 40, 100, 300])
def test_one_variable(size):
    logits = np.linspace(0, 2, size)
    whole = gradient(objective, logits, n_samples=11, rng=1)
    for bounds in ((0, 1, 2, 11), (0, 10, 11)):
        assert_same(combine(shares(logits, bounds, n_samples=11, rng=1)), whole)


def test_one_share_is_the_whole_and_its_bits_are_those_of_one_machine():
    whole = gradient(objective, SEVERAL, n_samples=20, rng=1)
    (part,) = shares(SEVERAL, (0, 20), n_samples=20, rng=1)
    np.testing.assert_array_equal(part.gradient, whole.gradient)
    np.testing.assert_array_equal(combine([part]).gradient, whole.gradient)
    (single,) = shares(SEVERAL, (0, 1), n_samples=1, rng=1)
    assert combine([single]).standard_error is None


def test_a_share_is_an_estimate_from_its_samples():
    arguments = {"estimator": LeaveOneOut(2), "n_samples": 8, "rng": 2}
    singles = list(shares(SEVERAL, range(9), **arguments))
    (part,) = shares(SEVERAL, (2, 6), **arguments)
    assert_close(part.gradient, np.mean([single.gradient for single in singles[2:6]], axis=0))
    assert singles[0].standard_error is None
    assert (part.share.first, part.share.stop, part.share.n_samples) == (2, 6, 8)


def test_generators_in_the_same_state():
    whole = gradient(objective, SEVERAL, n_samples=6, rng=np.random.default_rng(4))
    parts = []
    for sample_range in ((0, 3), (3, 6)):
        generator = np.random.default_rng(4)
        proposal = propose(SEVERAL, n_samples=6, rng=generator, sample_range=sample_range)
        parts.append(proposal.estimate(objective(proposal.actions)))
        one_draw = np.random.default_rng(4)
        one_draw.integers(2**64, dtype=np.uint64)
        assert generator.bit_generator.state == one_draw.bit_generator.state
    assert_same(combine(parts), whole)


def test_processes_of_dask_share_a_gradient():
    distributed = pytest.importorskip("distributed")
    arguments = {"estimator": ARSM("coordinate"), "n_samples": 40, "rng": 9}
    whole = gradient(smooth, SEVERAL, **arguments)
    bounds = (0, 10, 17, 32, 40)
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        executor = client.get_executor(pure=False)
        futures = [
            executor.submit(share_of_gradient, SEVERAL, sample_range=part, **arguments)
            for part in pairwise(bounds)
        ]
        together = combine(future.result(timeout=60) for future in futures)
    assert_same(together, whole)


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"sample_range": 3}, TypeError, "sample_range must be two integers, (first, stop); got 3"),
        ({"sample_range": (0, 2.5)}, TypeError, "sample_range must be two integers, (first, stop); got (0, 2.5)"),
        (
            {"sample_range": (0, 1, 2)},
            TypeError,
            "sample_range must be two integers, (first, stop); got (0, 1, 2)",
        ),
        ({"sample_range": (2, 2)}, ValueError, "0 <= first < stop <= n_samples, here 4; got (2, 2)"),
        ({"sample_range": (-1, 2)}, ValueError, "0 <= first < stop <= n_samples, here 4; got (-1, 2)"),
        ({"sample_range": (0, 5)}, ValueError, "0 <= first < stop <= n_samples, here 4; got (0, 5)"),
        ({"estimator": "exact"}, ValueError, "sample_range must be None for the estimator Exact, which draws no"),
        (
            {"estimator": ControlVariate(LeaveOneOut(2), Additive())},
            ValueError,
            "sample_range must be None for the estimator ControlVariate, which learns from all samples",
        ),
        ({"estimator": CARMS()}, ValueError, "the estimator CARMS, whose noise is not all addressed by samples"),
        ({"estimator": UnorderedSet(2)}, ValueError, "the estimator UnorderedSet, whose noise is not all"),
        ({"estimator": Reinforce(RunningMean())}, ValueError, "Reinforce, which learns from all samples"),
        ({"estimator": Auto()}, ValueError, "the estimator Auto, which learns from all samples"),
        (
            {"estimator": MuProp()},
            ValueError,
            "the estimator MuProp, whose noise is not all addressed",
        ),
        ({"noise": np.full((4, 3, 5), 0.2)}, ValueError, "noise must be None with sample_range"),
        ({"rng": None}, ValueError, "rng must be given with sample_range, the same for every share; got None"),
        ({"rng": "seed"}, TypeError, "rng must be None, a non-negative int"),
    ],
)
def test_bad_sample_range(arguments, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        propose(SEVERAL, **({"n_samples": 4, "sample_range": (0, 2), "rng": 0} | arguments))


def test_bad_estimates():
    first, second, third = shares(SEVERAL, (0, 2, 5, 9), n_samples=9, rng=0)

    def refused(kind, message, *estimates):
        with pytest.raises(kind, match=re.escape(message)):
            combine(estimates)

    refused(ValueError, "estimates must have at least one GradientEstimate; got none")
    refused(TypeError, "estimates must be GradientEstimates; estimates[1] is ndarray", first, first.gradient)
    for wrong in (first, 3):
        with pytest.raises(TypeError, match="estimates must be a sequence of GradientEstimates; got"):
            combine(wrong)
    whole = gradient(objective, SEVERAL, n_samples=9, rng=0)
    refused(ValueError, "from proposals with a sample_range; estimates[0] is not", whole)
    refused(ValueError, "each of the 9 samples once; 2..4 are missing, counted from 0", third, first)
    refused(ValueError, "each of the 9 samples once; 0..1 are missing", third, second)
    refused(ValueError, "each of the 9 samples once; 5..8 are missing", second, first)
    refused(ValueError, "each of the 9 samples once; 2..4 are there twice", second, first, second, third)
    for name, logits, arguments in (
        ("n_samples", SEVERAL, {"n_samples": 10, "rng": 0}),
        ("estimator", SEVERAL, {"n_samples": 9, "rng": 0, "estimator": "loo"}),
        ("rng", SEVERAL, {"n_samples": 9, "rng": 1}),
        ("logits", TWO, {"n_samples": 9, "rng": 0}),
        ("logits", SEVERAL + np.arange(5), {"n_samples": 9, "rng": 0}),
    ):
        (other,) = shares(logits, (5, 9), **arguments)
        refused(ValueError, f"shares of one gradient; these are not of the same {name}", first, second, other)
