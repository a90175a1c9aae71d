"""Kernels and estimators against their definitions, with the same noise."""

import functools
import itertools

import naive
import numpy as np
import pytest
from arsm_fast.kernels import exponential as exponentials
from arsm_fast.kernels import noise as noise_kernels
from helpers import RandomFunction, assert_close, from_python, random_logits, random_noise

from arsm_fast import (
    AR,
    ARS,
    ARSM,
    CARMS,
    LeaveOneOut,
    LocalExpectation,
    LocalPair,
    RaoBlackwellTop,
    Reinforce,
    UnorderedSet,
    _carms,
    _moments,
    gradient,
    propose,
    pseudo_action_matrix,
)
from arsm_fast._random import generator_key


def test_pseudo_action_matrix_equals_definition_on_2000_cases():
    rng = np.random.default_rng(0)
    for _ in range(2000):
        size = int(rng.integers(1, 41))
        noise, logits = random_noise(rng, size), random_logits(rng, size)
        matrix = pseudo_action_matrix(noise, logits)
        np.testing.assert_array_equal(matrix, naive.pseudo_action_matrix(noise, logits))
        assert matrix.dtype == np.int32


def test_pseudo_action_matrix_of_a_batch():
    rng = np.random.default_rng(1)
    noise, logits = rng.dirichlet(np.ones(5), size=(2, 3)), rng.normal(size=(2, 3, 5))
    matrix = pseudo_action_matrix(noise, logits)
    assert matrix.shape == (2, 3, 5, 5)
    shared = pseudo_action_matrix(noise, logits[0, 0])
    for i, j in np.ndindex(2, 3):
        np.testing.assert_array_equal(matrix[i, j], naive.pseudo_action_matrix(noise[i, j], logits[i, j]))
        np.testing.assert_array_equal(shared[i, j], naive.pseudo_action_matrix(noise[i, j], logits[0, 0]))


def one_variable_cases(seed, n):
    rng = np.random.default_rng(seed)
    for _ in range(n):
        size = int(rng.choice([1, 2, 3, 5, 8, 16, 17, 33, 40]))
        yield rng, random_noise(rng, size), random_logits(rng, size), rng.normal(size=size)


def test_one_variable_from_a_table():
    for _, noise, logits, table in one_variable_cases(2, 400):
        expected, value = naive.arsm_joint(lambda z, t=table: t[z[0]], [noise], [logits])
        estimate = gradient(table, logits, noise=noise[None])
        assert_close(estimate.gradient, expected)
        assert estimate.value == pytest.approx(value, abs=1e-12)
        plus = gradient(table, logits, noise=noise[None], estimator=ARSM(plus=True))
        assert_close(plus.gradient, expected)


def test_one_variable_from_a_long_row():
    # Long enough for blocks, lists and sorting on both sides of the merge.
    rng = np.random.default_rng(3)
    for size in (64, 100, 257):
        for scale in (0.0, 1.0, 2.0, 4.0):
            noise, logits = rng.dirichlet(np.ones(size)), scale * rng.normal(size=size)
            table = rng.normal(size=size)
            matrix = table[pseudo_action_matrix(noise, logits)]
            expected = (matrix - matrix.mean(axis=0)) @ (1 / size - noise)
            estimate = gradient(table, logits, noise=noise[None])
            assert_close(estimate.gradient, expected)
            assert estimate.value == pytest.approx(matrix.mean(), abs=1e-12)
            assert estimate.n_evaluations == np.unique(pseudo_action_matrix(noise, logits)).size


def test_one_variable_ars_with_each_reference():
    for rng, noise, logits, table in one_variable_cases(4, 150):
        j = int(rng.integers(logits.size))
        expected, value = naive.ars_joint(lambda z, t=table: t[z[0]], [noise], [logits], [[j]])
        estimate = gradient(table, logits, noise=noise[None], estimator=ARS(j))
        assert_close(estimate.gradient, expected)
        assert estimate.value == pytest.approx(value, abs=1e-12)


def test_one_variable_without_swaps():
    for rng, noise, logits, table in one_variable_cases(5, 150):
        z = naive.winner(noise, logits)
        estimate = gradient(table, logits, noise=noise[None], estimator="ar")
        assert_close(estimate.gradient, naive.ar(lambda v, t=table: t[v[0]], [noise], [logits])[0])
        baseline = float(rng.normal())
        expected, _ = naive.reinforce(lambda v, t=table: t[v[0]], [noise], [logits], baseline)
        estimate = gradient(table, logits, noise=noise[None], estimator=Reinforce(baseline))
        assert_close(estimate.gradient, expected)
        assert estimate.value == table[z]


def several_variables_cases(seed, n, ragged):
    rng = np.random.default_rng(seed)
    for _ in range(n):
        n_variables = int(rng.integers(1, 5))
        size = int(rng.integers(1, 7))
        sizes = rng.integers(1, 7, size=n_variables) if ragged else [size] * n_variables
        noise = [random_noise(rng, s) for s in sizes]
        logits = [random_logits(rng, s) for s in sizes]
        yield rng, noise, logits, RandomFunction(int(rng.integers(2**32)))


def stack(arrays, ragged, leading=True):
    """The arrays as the API wants them, with the axis of samples in front."""
    if ragged:
        return [a[None] for a in arrays] if leading else arrays
    return np.stack(arrays)[None] if leading else np.stack(arrays)


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize(
    ("estimator", "definition"),
    [
        (ARSM(), naive.arsm_joint),
        (ARSM(plus=True), lambda f, e, phi: naive.arsm_joint(f, e, phi, plus=True)),
        (ARSM(swap="coordinate"), naive.coordinate),
        (AR(), naive.ar),
        (Reinforce(0.5), lambda f, e, phi: naive.reinforce(f, e, phi, 0.5)),
        (LocalExpectation(), naive.local_expectation),
        (RaoBlackwellTop(1), lambda f, e, phi: naive.rao_blackwell(f, e, phi, naive.top(1, phi))),
        (RaoBlackwellTop(3), lambda f, e, phi: naive.rao_blackwell(f, e, phi, naive.top(3, phi))),
        (LocalPair(), naive.local_pair),
    ],
)
def test_several_variables(estimator, definition, ragged):
    for _, noise, logits, f in several_variables_cases(6, 120, ragged):
        expected, value = definition(f, noise, logits)
        f_seen = RandomFunction(0)
        f_seen.table = dict(f.table)
        asked = []

        def batch(actions, f=f, asked=asked):
            asked.extend(map(tuple, actions.tolist()))
            return f.batch(actions)

        estimate = gradient(batch, stack(logits, ragged, False), estimator=estimator, noise=stack(noise, ragged))
        assert_close(estimate.gradient, expected)
        assert estimate.value == pytest.approx(value, abs=1e-12)
        assert len(set(asked)) == len(asked) == estimate.n_evaluations
        # f is asked what the definition asks, no more and no less.
        assert set(asked) == set(f.table)


@pytest.mark.parametrize("ragged", [False, True])
def test_several_variables_ars(ragged):
    for rng, noise, logits, f in several_variables_cases(7, 120, ragged):
        j = int(rng.integers(min(len(phi) for phi in logits)))
        expected, value = naive.ars_joint(f, noise, logits, [[j] * len(logits)])
        estimate = gradient(f.batch, stack(logits, ragged, False), estimator=ARS(j), noise=stack(noise, ragged))
        assert_close(estimate.gradient, expected)
        assert estimate.value == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("plus", [False, True])
@pytest.mark.parametrize("swap", ["joint", "coordinate"])
def test_several_variables_with_drawn_references(swap, plus, ragged):
    fill = from_python(noise_kernels.fill_references)
    for seed, (rng, noise, logits, f) in enumerate(several_variables_cases(8, 120, ragged)):
        widest = max(len(phi) for phi in logits)
        n_references = int(rng.integers(1, widest + 1))
        if n_references == widest:
            continue
        references = np.empty((len(logits), n_references), np.int64)
        for k, phi in enumerate(logits):
            fill(-1, (generator_key(seed), np.uint64(0)), 0, 0, len(phi), references[k])
        if swap == "joint":
            expected, value = naive.ars_joint(f, noise, logits, references.T, plus)
        else:
            expected, value = naive.coordinate(f, noise, logits, references.T)
        estimate = gradient(
            f.batch,
            stack(logits, ragged, False),
            estimator=ARSM(swap, references=n_references, plus=plus),
            noise=stack(noise, ragged),
            rng=seed,
        )
        assert_close(estimate.gradient, expected)
        assert estimate.value == pytest.approx(value, abs=1e-12)


def test_leave_one_out():
    for _, _, logits, f in several_variables_cases(9, 60, ragged=True):
        rng = np.random.default_rng(len(logits))
        draws = [[random_noise(rng, len(phi)) for phi in logits] for _ in range(4)]
        expected, value = naive.leave_one_out(f, draws, logits)
        noise = [np.stack([draw[k] for draw in draws])[None] for k in range(len(logits))]
        estimate = gradient(f.batch, logits, estimator=LeaveOneOut(4), noise=noise)
        assert_close(estimate.gradient, expected)
        assert estimate.value == pytest.approx(value, abs=1e-12)


def test_local_pair_with_replacement():
    for _, _, logits, f in several_variables_cases(11, 60, ragged=True):
        rng = np.random.default_rng(len(logits))
        draws = [[random_noise(rng, len(phi)) for phi in logits] for _ in range(2)]
        expected, value = naive.local_pair(f, draws[0], logits, draws[1])
        noise = [np.stack([draw[k] for draw in draws])[None] for k in range(len(logits))]
        estimate = gradient(f.batch, logits, estimator=LocalPair(replacement=True), noise=noise)
        assert_close(estimate.gradient, expected)
        assert estimate.value == pytest.approx(value, abs=1e-12)


def test_unordered_set():
    rng = np.random.default_rng(13)
    for _ in range(150):
        size = int(rng.integers(3, 9))
        n = int(rng.integers(2, min(size, 6)))
        logits, table = rng.choice([0.0, 1.0, 3.0, 8.0]) * rng.normal(size=size), rng.normal(size=size)
        noise = rng.dirichlet(np.ones(size))
        expected, value = naive.unordered_set(table, noise, logits, n)
        estimate = gradient(table, logits, estimator=UnorderedSet(n), noise=noise[None])
        np.testing.assert_allclose(estimate.gradient, expected, atol=1e-13)
        assert estimate.value == pytest.approx(value, abs=1e-13)
        assert estimate.n_evaluations == n


def test_unordered_set_of_vectors():
    rng = np.random.default_rng(16)
    for seed in range(100):
        sizes = [int(c) for c in rng.integers(1, 4, size=3)]
        logits = [rng.choice([0.0, 1.0, 4.0]) * rng.normal(size=c) for c in sizes]
        n = int(rng.integers(2, 6))
        if n >= np.prod(sizes):
            continue
        table = rng.normal(size=sizes)
        proposal = propose(logits, estimator=UnorderedSet(n), rng=seed)
        estimate = proposal.estimate(table[tuple(proposal.actions.T)])
        # Every vector as a category of one variable, with noise that has these first.
        p = functools.reduce(np.multiply.outer, [naive.softmax(phi) for phi in logits])
        noise = p.copy()
        noise[tuple(proposal.actions.T)] *= 0.1
        joint, value = naive.unordered_set(table.ravel(), noise.ravel(), np.log(p.ravel()), n)
        joint = joint.reshape(sizes)
        for k, g in enumerate(estimate.gradient):
            np.testing.assert_allclose(g, joint.sum(axis=tuple({0, 1, 2} - {k})), atol=1e-12)
        assert estimate.value == pytest.approx(value, abs=1e-12)


def test_sets_of_vectors_are_drawn_without_replacement():
    logits = [np.array([1.0, 0.0, -1.0]), np.array([0.5, -0.5])]
    p = np.multiply.outer(*(naive.softmax(phi) for phi in logits)).ravel()
    n_samples = 4000
    counts = {}
    proposal = propose(logits, estimator=UnorderedSet(2), n_samples=n_samples, rng=0)
    for sets in proposal._method._actions.reshape(n_samples, 2, 2) @ [2, 1]:
        key = frozenset(sets.tolist())
        counts[key] = counts.get(key, 0) + 1
    for a, b in itertools.combinations(range(6), 2):
        share = p[a] * p[b] * (1 / (1 - p[a]) + 1 / (1 - p[b]))
        error = np.sqrt(share * (1 - share) / n_samples)
        assert abs(counts[frozenset((a, b))] / n_samples - share) < 4 * error


def test_disarm():
    fill = from_python(exponentials.fill_exponentials)
    rng = np.random.default_rng(12)
    for seed in range(120):
        logits = [rng.choice([1.0, 3.0]) * rng.normal(size=c) for c in rng.integers(1, 7, size=3)]
        logits[0][1:2] = -np.inf
        noise = [np.empty(len(phi)) for phi in logits]
        for k, exponential in enumerate(noise):
            fill((generator_key(seed), np.uint64(0)), exponentials.NOISE_STREAM, 0, k, 0, exponential)
        f = RandomFunction(seed)
        expected, value = naive.disarm(f, [-np.expm1(-e) for e in noise], logits)
        estimate = gradient(f.batch, logits, estimator="disarm", rng=seed)
        assert_close(estimate.gradient, expected)
        assert estimate.value == pytest.approx(value, abs=1e-12)
        assert estimate.n_evaluations == len(f.table)


def test_carms():
    fill = from_python(exponentials.fill_exponentials)
    rng = np.random.default_rng(14)
    for seed in range(120):
        n = int(rng.integers(2, 7))
        logits = [rng.choice([0.0, 1.0, 3.0, 9.0]) * rng.normal(size=c) for c in rng.integers(1, 7, size=3)]
        logits[0][1:2] = -np.inf
        shared = [np.empty(n) for _ in logits]
        draws = [[np.empty(len(phi)) for phi in logits] for _ in range(n)]
        for k in range(3):
            fill((generator_key(seed), np.uint64(0)), exponentials.NOISE_STREAM, 0, k, 0, shared[k])
            shared[k] /= shared[k].sum()
            for i in range(n):
                fill((generator_key(seed), np.uint64(0)), exponentials.NOISE_STREAM, i, k, 0, draws[i][k])
        f = RandomFunction(seed)
        expected, value = naive.carms(f, shared, draws, logits)
        estimate = gradient(f.batch, logits, estimator=CARMS(n), rng=seed)
        assert_close(estimate.gradient, expected)
        assert estimate.value == pytest.approx(value, abs=1e-12)
        assert estimate.n_evaluations == len(f.table)


def test_joint_probabilities_of_antithetic_draws():
    rng = np.random.default_rng(15)
    for n in (2, 3, 4, 10, 50):
        for scale in (0.0, 1.0, 3.0, 8.0):
            p = np.sort(naive.softmax(scale * rng.normal(size=12)))[::-1]
            edges = _carms.thresholds(p[None], n)
            joint = _carms.joint_probabilities(edges, n)[0]
            np.testing.assert_allclose(joint.sum(axis=1), p, rtol=1e-13)
            expected = naive.carms_joint(edges[0], n)
            np.testing.assert_allclose(joint, expected, rtol=1e-9, atol=1e-15 * expected.max())
            np.testing.assert_array_equal(joint, joint.T)


@pytest.mark.parametrize(
    "estimator",
    [
        *(ARSM(), ARSM(plus=True), ARSM("coordinate"), ARS(0), AR(), Reinforce(1.0)),
        *(LocalExpectation(), RaoBlackwellTop(2), LocalPair()),
    ],
)
def test_samples_and_problems_are_averaged_and_separate(estimator, monkeypatch):
    monkeypatch.setattr(_moments, "LARGEST_BLOCK", 64)
    rng = np.random.default_rng(10)
    n_samples, n_problems, k, c = 150, 3, 2, 4  # more than two blocks
    logits = rng.normal(size=(n_problems, k, c))
    noise = rng.dirichlet(np.ones(c), size=(n_samples, n_problems, k))
    table = rng.normal(size=(n_problems, c, c))
    estimate = gradient(
        lambda actions, problem: table[problem, actions[:, 0], actions[:, 1]],
        logits,
        estimator=estimator,
        n_samples=n_samples,
        noise=noise,
    )
    for b in range(n_problems):
        singles = [
            gradient(
                lambda actions, b=b: table[b, actions[:, 0], actions[:, 1]],
                logits[b],
                estimator=estimator,
                noise=noise[i, b][None],
            )
            for i in range(n_samples)
        ]
        gradients = np.array([single.gradient for single in singles])
        assert_close(estimate.gradient[b], gradients.mean(axis=0))
        assert estimate.value[b] == pytest.approx(np.mean([single.value for single in singles]))
        expected_error = gradients.std(axis=0, ddof=1) / np.sqrt(n_samples)
        np.testing.assert_allclose(estimate.standard_error[b], expected_error, rtol=1e-9, atol=1e-15)


def test_blocks_do_not_matter(monkeypatch):
    rng = np.random.default_rng(14)
    logits, table = rng.normal(size=(3, 20)), rng.normal(size=(3, 20))
    whole = gradient(table, logits, n_samples=1000, rng=1)
    monkeypatch.setattr(_moments, "LARGEST_BLOCK", 64)
    monkeypatch.setattr(_moments, "WAVE_CATEGORIES", 200)  # a few blocks a wave
    parts = gradient(table, logits, n_samples=1000, rng=1)
    assert_close(whole.gradient, parts.gradient)
    np.testing.assert_allclose(whole.standard_error, parts.standard_error, rtol=1e-10)
    np.testing.assert_allclose(whole.value, parts.value, rtol=1e-12)
    assert whole.n_evaluations == parts.n_evaluations


@pytest.mark.parametrize(
    ("n_categories", "multiple"), [(2, 8), (30, 8), (1000, 8), (5000, 1), (10_000, 1), (20_000, 1), (100_000, 1)]
)
def test_two_threads_have_nearly_as_much_to_do(n_categories, multiple):
    for n_samples in (*range(1, 1500), 5000, 12_345):
        size = _moments.even_blocks(n_samples, n_categories, multiple)
        n_blocks = -(-n_samples // size)
        assert n_blocks == 1 or size % multiple == 0
        assert n_blocks == 1 or min(n_samples, -(-n_blocks // 2) * size) <= 0.61 * n_samples


def test_blocks_of_long_rows_are_merged_in_pieces():
    rng = np.random.default_rng(18)
    sizes, n_samples = (2500, 20, 20_001), 27  # four blocks each, the last of one sample less
    logits, table = [rng.normal(size=n) for n in sizes], [rng.normal(size=n) for n in sizes]
    noise = [rng.dirichlet(np.ones(n), size=n_samples) for n in sizes]
    estimate = gradient(table, logits, n_samples=n_samples, noise=noise)
    singles = [gradient(table, logits, noise=[row[i][None] for row in noise]) for i in range(n_samples)]
    for k in range(len(sizes)):
        gradients = np.array([single.gradient[k] for single in singles])
        assert_close(estimate.gradient[k], gradients.mean(axis=0))
        expected_error = gradients.std(axis=0, ddof=1) / np.sqrt(n_samples)
        np.testing.assert_allclose(estimate.standard_error[k], expected_error, rtol=1e-9, atol=1e-15)
        assert estimate.value[k] == pytest.approx(np.mean([single.value[k] for single in singles]))


def test_a_table_is_rows_of_their_own():
    rng = np.random.default_rng(11)
    logits, table = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 3, 4))
    noise = rng.dirichlet(np.ones(4), size=(5, 2, 3))
    for estimator in (ARSM(), ARS(1), AR(), Reinforce(0.2)):
        estimate = gradient(table, logits, estimator=estimator, n_samples=5, noise=noise)
        assert estimate.value.shape == (2, 3)
        for i, j in np.ndindex(2, 3):
            row = gradient(table[i, j], logits[i, j], estimator=estimator, n_samples=5, noise=noise[:, i, j])
            assert_close(estimate.gradient[i, j], row.gradient)
            assert estimate.value[i, j] == pytest.approx(row.value)


def test_table_and_function_agree():
    rng = np.random.default_rng(12)
    logits, table = 2 * rng.normal(size=50), rng.normal(size=50)
    for estimator in ("ar", "ars", "arsm", "reinforce", "loo", "exact"):
        fused = gradient(table, logits, estimator=estimator, n_samples=70, rng=1)
        called = gradient(lambda z: table[z], logits, estimator=estimator, n_samples=70, rng=1)
        assert_close(fused.gradient, called.gradient)
        assert fused.value == pytest.approx(called.value)
        assert fused.n_evaluations == called.n_evaluations


def test_proposal_by_hand():
    rng = np.random.default_rng(13)
    logits = rng.normal(size=(4, 3, 5))
    for estimator in ("ars", "arsm", ARSM("coordinate"), "loo"):
        proposal = propose(logits, estimator=estimator, n_samples=3, rng=2)
        assert proposal.actions.dtype == proposal.problem.dtype == np.int32
        rows = np.column_stack([proposal.problem, proposal.actions])
        assert len(np.unique(rows, axis=0)) == len(rows)
        assert (np.diff(proposal.problem) >= 0).all()
        values = rng.normal(size=len(rows))
        first = proposal.estimate(values)
        again = proposal.estimate(values)
        np.testing.assert_array_equal(first.gradient, again.gradient)
