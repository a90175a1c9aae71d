"""A clear error that names the argument, before f is called."""

import re

import numpy as np
import pytest

from arsm_fast import (
    ARS,
    ARSM,
    CARMS,
    Exact,
    LeaveOneOut,
    LocalExpectation,
    LocalPair,
    RaoBlackwellTop,
    Reinforce,
    UnorderedSet,
    combine,
    dirichlet_noise,
    gradient,
    propose,
    pseudo_action_matrix,
    sample,
)


def never(*arguments):
    pytest.fail("f was called")


ZEROS = np.zeros((2, 3))
NOISE = np.full((1, 2, 3), 1 / 3)

BAD_LOGITS = [
    ([[0.0, np.nan, 1.0]], ValueError, "logits must not be nan; got 1 such, the first at logits[0, 1]"),
    (np.array([0.0, np.inf]), ValueError, "logits must not be +inf; got 1 such, the first at logits[1]"),
    (
        np.array([[0.0, 1.0], [-np.inf, -np.inf]]),
        ValueError,
        "each variable must have a category whose logit is finite; 1 have only -inf, the first starts at "
        "logits[1, 0]",
    ),
    (
        [np.zeros(2), np.array([0.0, np.nan, 0.0])],
        ValueError,
        "logits must not be nan; got 1 such, the first at logits[1][1]",
    ),
    (
        np.zeros((3, 0)),
        ValueError,
        "logits must have at least one variable and one category; got shape (3, 0)",
    ),
    (
        np.zeros((0, 3)),
        ValueError,
        "logits must have at least one variable and one category; got shape (0, 3)",
    ),
    ([], ValueError, "logits must have at least one variable and one category; got shape (0,)"),
    (
        [np.zeros(2), np.zeros(0)],
        ValueError,
        "logits[1] must have at least one category; got an empty array",
    ),
    (
        np.zeros((1, 2, 3, 4)),
        ValueError,
        "logits must have shape (C,), (K, C) or (B, K, C), or be a list of 1-D arrays; got shape (1, 2, 3, 4)",
    ),
    (3.0, ValueError, "got shape ()"),
    (
        [np.zeros(2), np.zeros((2, 2))],
        ValueError,
        "each array in a list of logits must be 1-D; logits[1] has shape (2, 2)",
    ),
    (np.array(["a", "b"]), TypeError, "logits must be real numbers; got dtype <U1"),
    ([[0.0, "a"]], TypeError, "logits[0] must be real numbers; got dtype <U32"),
    (np.zeros(2, complex), TypeError, "logits must be real numbers; got dtype complex128"),
    (
        [[[0.0], [0.0, 1.0]]],
        ValueError,
        "logits[0] must be an array, or a list of 1-D arrays; got nested sequences of different lengths",
    ),
]


@pytest.mark.parametrize(("logits", "kind", "message"), BAD_LOGITS)
@pytest.mark.parametrize("call", [lambda phi: gradient(never, phi), propose, sample, dirichlet_noise])
def test_bad_logits(call, logits, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        call(logits)


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"n_samples": 0}, ValueError, "n_samples must be at least 1; got 0"),
        ({"n_samples": -3}, ValueError, "n_samples must be at least 1; got -3"),
        ({"n_samples": 1.5}, TypeError, "n_samples must be an integer; got 1.5"),
        ({"n_samples": True}, TypeError, "n_samples must be an integer; got True"),
        ({"n_samples": 2**32}, ValueError, "n_samples must be below 2**32"),
        (
            {"estimator": "arms"},
            ValueError,
            "estimator must be one of 'ar', 'ars', 'arsm', 'reinforce', 'loo', 'scoped', 'local', 'top', 'pair', "
            "'arm', 'disarm', 'carms', 'unordered', 'exact', 'auto', or one of AR(), ARS(), ARSM(), Reinforce(), "
            "LeaveOneOut(), ScopedLeaveOneOut(), LocalExpectation(), RaoBlackwellTop(), LocalPair(), ARM(), "
            "DisARM(), CARMS(), UnorderedSet(), Exact(), Auto(), ControlVariate(...), "
            "GumbelSoftmax(...), REBAR(...), RELAX(...), MuProp(...); got 'arms'",
        ),
        ({"estimator": ARSM}, ValueError, "estimator must be one of"),
        ({"estimator": None}, ValueError, "estimator must be one of"),
        (
            {"estimator": ARS(3)},
            ValueError,
            "reference must be a category of every variable, below 3; got 3",
        ),
        ({"estimator": Exact(8)}, ValueError, "here 9 of 2 variables, more than its limit of 8"),
        (
            {"estimator": Reinforce([1.0, 2.0, 3.0])},
            ValueError,
            "baseline must be a number, or one for each of 1",
        ),
        (
            {"rng": "seed"},
            TypeError,
            "rng must be None, a non-negative int (or several), a numpy SeedSequence or",
        ),
        ({"rng": -1}, ValueError, "rng must be None, a non-negative int"),
        ({"rng": 1.5}, TypeError, "rng must be None, a non-negative int"),
        (
            {"noise": NOISE[0]},
            ValueError,
            "noise must have shape (1, 2, 3), that is (1,) followed by the shape of logits; got shape (2, 3)",
        ),
        ({"noise": NOISE, "n_samples": 2}, ValueError, "noise must have shape (2, 2, 3)"),
        (
            {"noise": 0 * NOISE},
            ValueError,
            "noise must be positive; got 6 entries that are not, the smallest 0.0",
        ),
        ({"noise": np.nan * NOISE}, ValueError, "noise must be positive; got 6 entries that are not"),
        (
            {"noise": 2 * NOISE},
            ValueError,
            "noise must sum to 1 over the categories of each variable; got a sum of 2.0",
        ),
        ({"noise": 1j * NOISE}, TypeError, "noise must be real numbers; got dtype complex128"),
        ({"noise": [[0.5], [0.2, 0.3]]}, ValueError, "noise must be an array; got nested sequences"),
        ({"noise": NOISE, "estimator": LeaveOneOut(4)}, ValueError, "noise must have shape (1, 4, 2, 3)"),
        (
            {"estimator": "arm"},
            ValueError,
            "estimator ARM is for variables of two categories, here one has 3; ARSM is its form for others",
        ),
        ({"noise": NOISE, "estimator": "disarm"}, ValueError, "noise must be None for the estimator DisARM"),
        ({"noise": NOISE, "estimator": "carms"}, ValueError, "noise must be None for the estimator CARMS"),
        (
            {"estimator": CARMS(2, limit=17)},
            ValueError,
            "weights all pairs of categories, here 18, more than its limit of 17; LeaveOneOut is as good",
        ),
        (
            {"noise": NOISE, "estimator": "unordered"},
            ValueError,
            "noise must be None for the estimator UnorderedSet of several variables",
        ),
        ({"noise": NOISE, "estimator": LocalPair(True)}, ValueError, "noise must have shape (1, 2, 2, 3)"),
        ({"noise": NOISE[0], "estimator": "local"}, ValueError, "noise must have shape (1, 2, 3)"),
        ({"noise": NOISE, "estimator": "exact"}, ValueError, "noise must be None for the estimator Exact"),
    ],
)
def test_bad_arguments(arguments, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        gradient(never, ZEROS, **arguments)


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: ARS(-1), ValueError, "reference must be at least 0; got -1"),
        (lambda: ARS(1.0), TypeError, "reference must be an integer; got 1.0"),
        (lambda: ARSM("both"), ValueError, 'swap must be "joint" or "coordinate"; got \'both\''),
        (lambda: ARSM(references=0), ValueError, "references must be at least 1; got 0"),
        (lambda: ARSM(references="all"), TypeError, "references must be an integer; got 'all'"),
        (lambda: LeaveOneOut(1), ValueError, "n must be at least 2; got 1"),
        (lambda: LeaveOneOut(True), TypeError, "n must be an integer; got True"),
        (lambda: Reinforce(np.nan), ValueError, "baseline must be finite; got nan"),
        (lambda: Reinforce("x"), TypeError, "baseline must be a Baseline, a number or an array of them; got 'x'"),
        (lambda: Reinforce([[1.0], [1.0, 2.0]]), TypeError, "baseline must be a Baseline, a number or an array"),
        (lambda: ARSM(np.array(["joint", "joint"])), ValueError, 'swap must be "joint" or "coordinate"'),
        (lambda: ARSM(plus="no"), TypeError, "plus must be True or False; got 'no'"),
        (lambda: LocalExpectation(0), ValueError, "variables must be at least 1; got 0"),
        (lambda: LocalExpectation(0.5), TypeError, "variables must be an integer; got 0.5"),
        (lambda: RaoBlackwellTop(0), ValueError, "m must be at least 1; got 0"),
        (lambda: RaoBlackwellTop(None), TypeError, "m must be an integer; got None"),
        (lambda: LocalPair("no"), TypeError, "replacement must be True or False; got 'no'"),
        (lambda: UnorderedSet(1), ValueError, "n must be at least 2; got 1"),
        (lambda: CARMS(1), ValueError, "n must be at least 2; got 1"),
        (lambda: CARMS(limit=0), ValueError, "limit must be at least 1; got 0"),
        (lambda: Exact(0), ValueError, "limit must be at least 1; got 0"),
    ],
)
def test_bad_settings(make, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        make()


def test_bad_noise_of_a_list():
    logits = [np.zeros(2), np.zeros(3)]
    with pytest.raises(ValueError, match=re.escape("noise must be a list of 2 arrays, one for each variable")):
        gradient(never, logits, noise=NOISE)
    with pytest.raises(ValueError, match=re.escape("noise[1] must have shape (1, 3); got shape (1, 2)")):
        gradient(never, logits, noise=[np.full((1, 2), 0.5), np.full((1, 2), 0.5)])


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        (
            lambda n: np.zeros(n + 1),
            ValueError,
            "values must have shape ({n},), one number for each row of",
        ),
        (
            lambda n: np.zeros((n, 1)),
            ValueError,
            "values must have shape ({n},), one number for each row of",
        ),
        (lambda n: 0.0, ValueError, "got shape ()"),
        (lambda n: np.zeros(n, complex), TypeError, "values must be {n} real numbers, one for each row of"),
        (lambda n: None, TypeError, "got dtype object"),
        (lambda n: ["a"] * n, TypeError, "got dtype <U1"),
        (lambda n: [[0.0]] * (n - 1) + [[0.0, 1.0]], ValueError, "got a ragged sequence"),
        (
            lambda n: np.where(np.arange(n) == 1, np.nan, 0.0),
            ValueError,
            "values must be finite; 1 of {n} are not: values[1] = nan at [",
        ),
        (
            lambda n: np.full(n, -np.inf),
            ValueError,
            "values must be finite; {n} of {n} are not: values[0] = -inf at [",
        ),
    ],
)
def test_bad_values(values, kind, message):
    n = len(propose(ZEROS, rng=0).actions)
    expected = re.escape(message.format(n=n))
    with pytest.raises(kind, match=expected):
        gradient(lambda actions: values(len(actions)), ZEROS, rng=0)
    with pytest.raises(kind, match=expected):
        propose(ZEROS, rng=0).estimate(values(n))


def test_bad_table():
    with pytest.raises(
        ValueError, match=re.escape("objective, as an array of values, must have the shape of logits")
    ):
        gradient(np.zeros(3), ZEROS)
    with pytest.raises(ValueError, match=r"must be finite; 6 of 6 are not, the first at objective\[0, 0\]"):
        gradient(ZEROS * np.nan, ZEROS)
    with pytest.raises(TypeError, match="objective must be real numbers; got dtype complex128"):
        gradient(ZEROS * 1j, ZEROS)
    with pytest.raises(
        ValueError, match=re.escape("must have the lengths of logits, [2, 3]; got arrays of shape")
    ):
        gradient([np.zeros(2), np.zeros(2)], [np.zeros(2), np.zeros(3)])


# Kernels look at the values as they come, each in its own way.
TABLES = [(20, 2), (9, 5), (9, 1), (11, 36), (11, 100), (3, 256), (3, 257), (2, 2000), (5,)]


@pytest.mark.parametrize("n_samples", [1, 3, 20])
@pytest.mark.parametrize("shape", TABLES, ids=str)
def test_bad_values_in_a_table(shape, n_samples):
    for bad in (np.nan, np.inf, -np.inf):
        for place in (0, -1, int(np.prod(shape)) // 2):
            table = np.zeros(shape)
            table.flat[place] = bad
            first = ", ".join(str(i) for i in np.unravel_index(np.arange(table.size)[place], shape))
            expected = re.escape(f"{table.size} are not, the first at objective[{first}]")
            with pytest.raises(ValueError, match=expected):
                gradient(table, np.zeros(shape), n_samples=n_samples, rng=0)


@pytest.mark.parametrize("shape", TABLES, ids=str)
def test_large_values_in_a_table(shape):
    rng = np.random.default_rng(2)
    table, logits = rng.normal(size=shape), rng.normal(size=shape)
    large = gradient(table * 2.0**800, logits, rng=0)
    np.testing.assert_allclose(large.gradient, 2.0**800 * gradient(table, logits, rng=0).gradient, rtol=1e-12)
    table.flat[::2], table.flat[1::2] = 1.5e308, -1.5e308
    if shape[-1] > 1:
        with pytest.raises(ValueError, match="values must be smaller"):
            gradient(table, np.zeros(shape), rng=0)


def test_bad_table_of_a_list():
    logits = [np.zeros(2), np.zeros(3)]
    with pytest.raises(TypeError, match="objective must be a function or, as logits are, a list of arrays"):
        gradient(3.0, logits)
    with pytest.raises(ValueError, match=re.escape("objective[0] must be an array; got nested sequences")):
        gradient([[0, [1]], [1, 2, 3]], logits)


def test_values_beyond_floating_point():
    with pytest.raises(ValueError, match="values must be smaller"):
        gradient(np.array([1e308, -1e308, 0.0]), np.zeros(3), n_samples=20, rng=0)


@pytest.mark.parametrize("n", [2, 3, 12, 13, 100, 128, 300, 2000])
@pytest.mark.parametrize("n_rows", [1, 9])
def test_a_value_that_is_not_needed_does_not_matter(n, n_rows):
    rng = np.random.default_rng(0)
    table, logits = np.full((n_rows, n), -1e308), rng.normal(size=(n_rows, n))
    table[:, 0], logits[:, 0] = 1.7e308, -np.inf
    for seed in range(10):
        estimate = gradient(table, logits, rng=seed)
        assert (estimate.value == -1e308).all()
        assert not estimate.gradient.any()


def test_shares_with_a_value_beyond_floating_point():
    shares = [propose(np.zeros((2, 3)), n_samples=20, rng=0, sample_range=part) for part in ((0, 1), (1, 20))]
    estimates = [share.estimate(np.full(len(share.actions), 9e306)) for share in shares]
    with pytest.raises(ValueError, match="values must be smaller"):
        combine(estimates)


@pytest.mark.parametrize("swap", ["joint", "coordinate"])
def test_a_value_beyond_floating_point_where_the_gradient_is_not(swap):
    # Of 10,000 swaps the differences add up to more than their means do.
    logits = np.random.default_rng(0).normal(size=(2, 100))
    with pytest.raises(ValueError, match="values must be smaller"):
        gradient(lambda x: 1e306 * np.cos(x @ [3.0, 6.0]), logits, estimator=ARSM(swap), rng=0)


def test_bad_pseudo_action_matrix():
    with pytest.raises(ValueError, match=re.escape("noise must have shape (..., C) with at least one row; got")):
        pseudo_action_matrix(1.0, [0.0])
    with pytest.raises(ValueError, match=re.escape("got shape (0, 3)")):
        pseudo_action_matrix(np.zeros((0, 3)), np.zeros(3))
    with pytest.raises(ValueError, match="noise must be an array; got nested sequences"):
        pseudo_action_matrix([[0.5], [0.5, 0.5]], np.zeros(3))
    with pytest.raises(ValueError, match=re.escape("logits must have the shape of noise, (2,), or that of one")):
        pseudo_action_matrix([0.5, 0.5], [0.0, 0.0, 0.0])
    with pytest.raises(ValueError, match="noise must sum to 1"):
        pseudo_action_matrix([0.5, 0.6], [0.0, 0.0])


@pytest.mark.parametrize("n_samples", [None, 1, 2, 9])
@pytest.mark.parametrize("shape", [(3,), (20, 3), (2, 300), (2, 1, 700)])
def test_logits_that_sample_refuses(shape, n_samples):
    where = ", ".join(str(n - 1) for n in shape)
    for bad, message in ((np.nan, "nan"), (np.inf, r"\+inf")):
        logits = np.zeros(shape)
        logits[(-1,) * len(shape)] = bad
        with pytest.raises(
            ValueError, match=rf"logits must not be {message}; got 1 such, the first at .*\[{where}\]"
        ):
            sample(logits, n_samples, rng=0)
    logits[(-1,) * (len(shape) - 1)] = -np.inf
    with pytest.raises(ValueError, match="1 have only -inf"):
        sample(logits, n_samples, rng=0)
    with pytest.raises(ValueError, match=r"got 1 such, the first at logits\[1\]\[2\]"):
        sample([np.zeros(4), np.array([0, 0, np.nan])], n_samples, rng=0)


def test_bad_rng_of_sample():
    with pytest.raises(TypeError, match="rng must be None"):
        sample(ZEROS, rng=[0.5])
    with pytest.raises(ValueError, match="n_samples must be at least 1; got 0"):
        sample(ZEROS, 0)
