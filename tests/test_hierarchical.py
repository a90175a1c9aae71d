"""Several stochastic layers: against the definition, against enumeration, and with bad input."""

import itertools
import re

import naive
import numba
import numpy as np
import pytest

from arsm_fast import (
    AR,
    ARM,
    ARS,
    ARSM,
    RELAX,
    Additive,
    ControlNetwork,
    ControlVariate,
    DisARM,
    Exact,
    GumbelSoftmax,
    LeaveOneOut,
    LocalExpectation,
    LocalPair,
    RaoBlackwellTop,
    Reinforce,
    RunningMean,
    UnorderedSet,
    dirichlet_noise,
    gradient,
    hierarchical,
    hierarchical_gradient,
)
from arsm_fast._random import generator_key

TWO_LAYERS = [(2, 3), (2, 3)]
THREE_LAYERS = [(1, 4), (3, 2), (2, 3)]


class TabularNetwork:
    """Two problems whose logits and values are tables over all vectors of the parents, and of the path."""

    n_problems = 2

    def __init__(self, shapes, seed=0, unavailable=False):
        rng = np.random.default_rng(seed)
        self.shapes = shapes
        self.tables, parents = [], ()
        for k, c in shapes:
            self.tables.append(rng.normal(size=(self.n_problems, *parents, k, c)))
            parents = (c,) * k
        if unavailable:
            self.tables[-1][..., 0, 1] = -np.inf
        n_variables = [c for k, c in shapes for _ in range(k)]
        self.values = rng.normal(size=(self.n_problems, *n_variables))
        self.layers = [self._layer(t) for t in range(len(shapes))]

    def _layer(self, t):
        def layer(actions, problem):
            kind = problem % self.n_problems
            if t == 0:
                assert actions is None
                return self.tables[0][kind]
            assert actions.dtype == problem.dtype == np.int32
            return self.tables[t][(kind, *actions.T)]

        return layer

    def objective(self, actions, problem):
        return self.values[(problem % self.n_problems, *np.concatenate(actions, axis=1).T)]

    def exact(self):
        """The gradient for every entry of the tables, and E[f] by problem."""
        gradients, expectation = [np.zeros_like(table) for table in self.tables], np.zeros(self.n_problems)
        spaces = [list(itertools.product(range(c), repeat=k)) for k, c in self.shapes]
        for kind, *path in itertools.product(range(self.n_problems), *spaces):
            probability, scores, parents = 1.0, [], ()
            for table, vector in zip(self.tables, path, strict=True):
                p = np.array([naive.softmax(row) for row in table[(kind, *parents)]])
                probability *= np.prod(p[np.arange(len(vector)), vector])
                scores.append(((kind, *parents), np.eye(p.shape[1])[list(vector)] - p))
                parents = vector
            value = self.values[(kind, *sum(path, ()))]
            expectation[kind] += probability * value
            for total, (where, score) in zip(gradients, scores, strict=True):
                total[where] += probability * value * score
        return gradients, expectation


def z_scores(network, estimator, batch, *, rng, n_calls=1, **settings):
    """Of the gradients for all entries of the tables, and of the values."""
    truth, expectation = network.exact()
    kind, n = np.arange(batch) % network.n_problems, n_calls * batch / network.n_problems
    sums, squares = ([np.zeros_like(exact) for exact in truth] for _ in range(2))
    values = []
    for call in range(n_calls):
        estimate = hierarchical_gradient(
            network.objective, network.layers, batch=batch, estimator=estimator, rng=[rng, call], **settings
        )
        values.append(estimate.value)
        parents = ()
        for t, own in enumerate(estimate.gradients):
            np.add.at(sums[t], (kind, *parents), own)
            np.add.at(squares[t], (kind, *parents), own**2)
            parents = estimate.actions[t].T
    scores = []
    for total, square, exact in zip(sums, squares, truth, strict=True):
        error = np.sqrt(np.maximum(0, square / n - (total / n) ** 2) / n)
        spread = error > 1e-12
        np.testing.assert_allclose((total / n)[~spread], exact[~spread], atol=1e-12)
        scores.append(((total / n - exact)[spread] / error[spread]).ravel())
    values = [np.concatenate([v[kind == i] for v in values]) for i in range(network.n_problems)]
    value_scores = [
        (v.mean() - e) / (v.std() / np.sqrt(v.size)) for v, e in zip(values, expectation, strict=True)
    ]
    return np.concatenate(scores), np.array(value_scores)


ESTIMATORS = [
    *(ARSM(), ARSM(plus=True), ARSM(swap="coordinate"), ARSM(references=2), ARS(), AR()),
    *(Reinforce(), Reinforce(0.3), LeaveOneOut(2), LeaveOneOut(4), LocalExpectation(), RaoBlackwellTop(1)),
    *(LocalPair(), LocalPair(replacement=True), DisARM(), Exact()),
]
CASES = [
    *((estimator, TWO_LAYERS, False) for estimator in ESTIMATORS),
    *((estimator, THREE_LAYERS, True) for estimator in ESTIMATORS),
    *((estimator, TWO_LAYERS, True) for estimator in ESTIMATORS[:5]),
    *((estimator, THREE_LAYERS, False) for estimator in ESTIMATORS[:5]),
    (ARM(), [(2, 2), (1, 2), (3, 2)], True),
    (ARM(), [(2, 2), (1, 2), (3, 2)], False),
    (UnorderedSet(2), [(1, 4), (1, 3)], True),
    (UnorderedSet(2), [(1, 4), (1, 3)], False),
]


@pytest.mark.parametrize(
    ("number", "estimator", "shapes", "share_noise"),
    [(number, *case) for number, case in enumerate(CASES)],
    ids=lambda value: str(value).replace(" ", ""),
)
def test_unbiased(number, estimator, shapes, share_noise):
    batch = 8_000 if estimator == Exact() else 40_000
    network = TabularNetwork(shapes)
    scores, value_scores = z_scores(network, estimator, batch, share_noise=share_noise, rng=number)
    assert abs(scores).max() < 5
    # Wide, as the scores of the entries that one draw of the parents contributes to are correlated.
    assert 0.6 < np.sqrt(np.mean(scores**2)) < 1.5
    assert abs(value_scores).max() < 5


@pytest.mark.parametrize(
    "estimators",
    [
        lambda: ["arsm", "local", LeaveOneOut(3)],
        lambda: [RELAX(ControlNetwork(3)) for _ in range(3)],
        lambda: [ARSM("coordinate"), RELAX(ControlNetwork(3)), "reinforce"],
        lambda: Reinforce(RunningMean()),  # asked in every layer before it is told in any
    ],
)
def test_unbiased_with_an_estimator_for_each_layer(estimators):
    network = TabularNetwork(THREE_LAYERS)
    scores, value_scores = z_scores(network, estimators(), 1_000, rng=60, n_calls=30)
    assert abs(scores).max() < 5
    assert 0.6 < np.sqrt(np.mean(scores**2)) < 1.5
    assert abs(value_scores).max() < 5


@pytest.mark.parametrize("estimator", ["arsm", "loo", "local"])
def test_unbiased_where_categories_are_unavailable(estimator):
    scores, value_scores = z_scores(TabularNetwork(TWO_LAYERS, 1, unavailable=True), estimator, 40_000, rng=50)
    assert abs(scores).max() < 5
    assert abs(value_scores).max() < 5


def test_a_biased_completion_would_be_found(monkeypatch):
    # Layers below that do not follow from the vectors above them.
    def complete(network, path, problem, noise):
        return [*path, *(np.zeros((problem.size, 2), np.int32) for _ in noise)]

    monkeypatch.setattr(hierarchical._Network, "complete", complete)
    scores, _ = z_scores(TabularNetwork(TWO_LAYERS), "arsm", 40_000, rng=0)
    assert abs(scores).max() > 10


@pytest.mark.parametrize(
    ("estimator", "definition"),
    [
        (ARSM(), naive.arsm_joint),
        (ARSM(plus=True), lambda *a: naive.arsm_joint(*a, plus=True)),
        (ARSM("coordinate"), naive.coordinate),
        (LocalExpectation(), naive.local_expectation),
        (LocalPair(), naive.local_pair),
        (Reinforce(), naive.reinforce),
        (AR(), naive.ar),
    ],
    ids=lambda value: getattr(value, "__name__", repr(value).replace(" ", "")),
)
@pytest.mark.parametrize("shapes", [TWO_LAYERS, THREE_LAYERS], ids=["two", "three"])
def test_definition(estimator, definition, shapes):
    network, batch = TabularNetwork(shapes), 5
    paths = set()

    def objective(actions, problem):
        new = {(int(b), *map(int, path)) for b, path in zip(problem, np.hstack(actions), strict=True)}
        assert len(new) == problem.size
        assert not new & paths
        paths.update(new)
        return network.objective(actions, problem)

    estimate = hierarchical_gradient(objective, network.layers, batch=batch, estimator=estimator, rng=3)
    key = int(generator_key(3))
    noise = [
        dirichlet_noise(np.zeros((batch, k, c)), rng=np.random.SeedSequence(key, spawn_key=(t,)))[0]
        for t, (k, c) in enumerate(shapes)
    ]
    values, asked = np.zeros(batch), set()
    for b in range(batch):
        kind = b % network.n_problems

        def complete(path, b=b, kind=kind):
            while len(path) < len(shapes):
                logits = network.tables[len(path)][(kind, *(path[-1] if path else ()))]
                path = [*path, naive.true_action(noise[len(path)][b], logits)]
            asked.add((b, *sum(path, ())))
            return path

        true_path = complete([])
        for t in range(len(shapes)):
            assert tuple(estimate.actions[t][b]) == true_path[t]

            def f(vector, above=true_path[:t], kind=kind, complete=complete):
                return network.values[(kind, *sum(complete([*above, tuple(vector)]), ()))]

            logits = network.tables[t][(kind, *(true_path[t - 1] if t else ()))]
            expected, value = definition(f, list(noise[t][b]), list(logits))
            np.testing.assert_allclose(estimate.gradients[t][b], expected, atol=1e-12)
            values[b] += value / len(shapes)
    np.testing.assert_allclose(estimate.value, values, atol=1e-12)
    assert paths == asked
    assert estimate.n_evaluations == len(asked)


def test_one_layer_is_a_batch_of_problems():
    logits = np.random.default_rng(0).normal(size=(6, 3, 4))

    def f(actions, problem):
        return np.cos(actions @ [1, 5, 2] + problem)

    seed = np.random.SeedSequence(int(generator_key(8)), spawn_key=(0,))
    for estimator in (ARSM(), ARSM("coordinate"), LeaveOneOut(5), LocalPair(), Exact()):
        expected = gradient(f, logits, estimator=estimator, rng=seed)
        estimate = hierarchical_gradient(
            lambda actions, problem: f(actions[0], problem),
            [lambda actions, problem: logits[problem]],
            batch=6,
            estimator=estimator,
            rng=8,
        )
        assert (estimate.gradients[0] == expected.gradient).all()
        assert (estimate.value == expected.value).all()
        assert estimate.n_evaluations == expected.n_evaluations


@pytest.mark.parametrize("estimator", ["arsm", "loo", "exact"])
@pytest.mark.parametrize("share_noise", [True, False])
def test_parts_and_seeds_make_no_difference(monkeypatch, estimator, share_noise):
    network = TabularNetwork(THREE_LAYERS)
    estimates = []
    for part_logits, rng in ((2**21, 4), (1, 4), (50, np.random.default_rng(4))):
        monkeypatch.setattr(hierarchical, "PART_LOGITS", part_logits)
        estimates.append(
            hierarchical_gradient(
                network.objective,
                network.layers,
                batch=7,
                estimator=estimator,
                share_noise=share_noise,
                rng=rng,
            )
        )
    for other in estimates[1:]:
        for one, same in zip(estimates[0].gradients, other.gradients, strict=True):
            assert (one == same).all()
        assert (estimates[0].value == other.value).all()


@pytest.mark.parametrize("share_noise", [True, False])
def test_any_number_of_threads(share_noise):
    network, before, digests = TabularNetwork(THREE_LAYERS), numba.get_num_threads(), set()
    try:
        for n_threads in (1, 4):
            numba.set_num_threads(n_threads)
            estimate = hierarchical_gradient(
                network.objective, network.layers, batch=300, share_noise=share_noise, rng=5
            )
            digests.add(b"".join(part.tobytes() for part in (*estimate.gradients, estimate.value)))
    finally:
        numba.set_num_threads(before)
    assert len(digests) == 1


@pytest.mark.parametrize("share_noise", [True, False])
def test_shared_noise_changes_only_what_depends_on_the_vector(share_noise):
    seen = []

    def objective(actions, problem):
        seen.append((actions[1].copy(), problem.copy()))
        return np.zeros(problem.size)

    below = np.random.default_rng(1).normal(size=(5, 8, 6))
    hierarchical_gradient(
        objective,
        [lambda _, problem: np.zeros((problem.size, 2, 4)), lambda _, problem: below[problem]],
        batch=5,
        share_noise=share_noise,
        rng=2,
    )
    (true, _), (completed, problem), _ = seen
    assert completed.shape[0] > 10
    assert (completed == true[problem]).all() == share_noise
    if not share_noise:
        assert len({*map(tuple, completed)}) > len(completed) / 2


def test_what_functions_get_is_read_only():
    network = TabularNetwork(TWO_LAYERS)

    def objective(actions, problem):
        for array in (*actions, problem):
            assert not array.flags.writeable
        actions.clear()  # a list of its own
        return np.zeros(problem.size)

    def layer(actions, problem):
        assert not problem.flags.writeable
        assert not actions.flags.writeable
        return network.layers[1](actions, problem)

    hierarchical_gradient(objective, [network.layers[0], layer], batch=3, rng=0)


def zeros(*shape):
    return lambda actions, problem: np.zeros((problem.size, *shape))


def never(*arguments):
    pytest.fail("a function was called")


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (([1.0], [never]), TypeError, "objective must be a function of actions and problems; got [1.0]"),
        ((never, never), TypeError, "layers must be a sequence of functions, from the first layer on; got <func"),
        ((never, None), TypeError, "layers must be a sequence of functions, from the first layer on; got None"),
        (
            (numba.njit(never), [never]),
            TypeError,
            "objective must be a Python function, which is given a list of",
        ),
        ((never, []), ValueError, "layers must have at least one function; got none"),
        ((never, [never, 3]), TypeError, "layers[1] must be a function of actions and problems; got 3"),
    ],
)
def test_bad_functions(arguments, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        hierarchical_gradient(*arguments)


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({"batch": 0}, ValueError, "batch must be at least 1; got 0"),
        ({"batch": 2.0}, TypeError, "batch must be an integer; got 2.0"),
        ({"estimator": "arms"}, ValueError, "estimator must be one of 'ar'"),
        (
            {"estimator": ControlVariate(LeaveOneOut(), Additive())},
            ValueError,
            "estimator ControlVariate is for one problem and one layer; give the one inside it",
        ),
        (
            {"estimator": ["arsm"]},
            ValueError,
            "estimator must be one for all layers, or one for each of 2; got 1",
        ),
        (
            {"estimator": RELAX(ControlNetwork())},
            ValueError,
            "estimator RELAX needs a control of its own for each layer; give one RELAX for each",
        ),
        (
            {"estimator": "auto"},
            ValueError,
            "estimator Auto is not for layers; give one that asks for f",
        ),
        (
            {"estimator": ["arsm", GumbelSoftmax(never)]},
            ValueError,
            "estimator GumbelSoftmax needs a relaxed objective, which several layers have not",
        ),
        ({"share_noise": 1}, TypeError, "share_noise must be True or False; got 1"),
        ({"rng": "seed"}, TypeError, "rng must be None, a non-negative int"),
    ],
)
def test_bad_settings(settings, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        hierarchical_gradient(never, [never, never], **settings)


@pytest.mark.parametrize(
    ("layer", "kind", "message"),
    [
        (
            lambda a, p: np.zeros((2, 3)),
            ValueError,
            "layers[1] must return logits of shape (M, K, C), here with M",
        ),
        (lambda a, p: np.zeros((1, 2, 3)), ValueError, "here with M = 4; got shape (1, 2, 3)"),
        (zeros(0, 3), ValueError, "here with M = 4; got shape (4, 0, 3)"),
        (lambda a, p: None, TypeError, "logits from layers[1] must be real numbers; got dtype object"),
        (lambda a, p: "logits", TypeError, "logits from layers[1] must be real numbers; got dtype <U6"),
        (lambda a, p: [[0.0], [0.0, 1.0]], ValueError, "logits from layers[1] must be an array; got nested"),
        (
            lambda a, p: np.full((4, 2, 3), np.nan),
            ValueError,
            "layers[1] returned logits that cannot be used: logits must not be nan; got 24 such, the first at",
        ),
        (
            lambda a, p: np.full((4, 2, 3), -np.inf),
            ValueError,
            "layers[1] returned logits that cannot be used: each",
        ),
        (
            lambda a, p: np.zeros((4, 2, 3), bool),
            TypeError,
            "layers[1] returned logits that cannot be used: logits",
        ),
        (zeros(2, 2), ValueError, "reference must be a category of every variable, below 2; got 2"),
    ],
)
def test_bad_layers_before_the_objective_is_called(layer, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        hierarchical_gradient(never, [zeros(2, 3), layer], batch=4, estimator=ARS(2), rng=0)


def test_layers_that_change_their_shape():
    def layer(actions, problem):
        return np.zeros((problem.size, 2, 3 if problem.size == 4 else 5))

    message = (
        r"layers\[1\] must return logits of shape \((\d+), 2, 3\), of as many variables .* shape \(\1, 2, 5\)"
    )
    with pytest.raises(ValueError, match=message):
        hierarchical_gradient(lambda a, p: np.zeros(p.size), [zeros(2, 3), layer], batch=4, rng=0)


@pytest.mark.parametrize(
    ("objective", "kind", "message"),
    [
        (
            lambda a, p: 0.0,
            ValueError,
            "values must have shape (4,), one number for each row of actions; got shape ()",
        ),
        (lambda a, p: None, TypeError, "got dtype object"),
        (
            lambda a, p: np.full(p.size, np.nan),
            ValueError,
            "values must be finite; 4 of 4 are not: values[0] = nan at [",
        ),
    ],
)
def test_bad_values(objective, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        hierarchical_gradient(objective, [zeros(2, 3), zeros(1, 3)], batch=4, rng=0)


def test_exceptions_come_through():
    def broken(*arguments):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        hierarchical_gradient(broken, [zeros(2, 3)])
    with pytest.raises(KeyError, match="mine"):
        hierarchical_gradient(never, [zeros(2, 3), broken])
