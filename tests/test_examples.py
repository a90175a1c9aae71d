"""The example scripts run, print what they promise, and compute what they say."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

EXAMPLES = Path(__file__).parent.parent / "examples"
PNG = b"\x89PNG"


def load(name):
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def toy():
    return load("toy")


@pytest.fixture(scope="module")
def select():
    return load("select_features")


@pytest.fixture(scope="module")
def data(select):
    pytest.importorskip("sklearn")
    features, target, _, train, fold = select.load_data(split=0)
    return features[train], target[train], fold


def random_vectors(n, rate, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.integers(1, 3, (n, 30)) * (rng.random((n, 30)) < rate)).astype(np.int32)


def test_toy_prints_a_line_for_each_method(toy, capsys):
    traces = toy.main(["--categories", "5", "--iterations", "20", "--runs", "3"])
    lines = capsys.readouterr().out.splitlines()
    titles = ["true gradient", "REINFORCE", "AR", "ARS", "ARSM", "leave-one-out(30)", "RELAX", "Gumbel-Softmax"]
    assert [t.name for t in traces] == titles
    for title in titles:
        assert sum(line.startswith(title + "  ") for line in lines) == 1


def test_toy_true_gradient_climbs(toy):
    (exact,) = toy.main(["--categories", "5", "--iterations", "200", "--estimators", "exact"])
    assert (np.diff(exact.reward) > 0).all()
    assert exact.p_last[-1] > 0.9
    assert exact.reward[0] == pytest.approx(0.5 + 3 / 25)  # the mean of z = 1..5 is 3
    assert (exact.variance == 0).all()
    assert exact.evaluations == 5


def test_toy_arsm_has_less_variance_than_ar(toy):
    ar, arsm = toy.main(["--categories", "5", "--iterations", "20", "--estimators", "ar", "arsm"])
    assert (arsm.variance < 0.01 * ar.variance).all()
    assert 1 <= arsm.evaluations <= 5


def test_toy_repeats_with_its_seed(toy):
    arguments = ["--categories", "5", "--iterations", "20", "--runs", "2", "--estimators", "arsm", "loo"]
    for first, second in zip(toy.main(arguments), toy.main(arguments), strict=True):
        assert (first.reward == second.reward).all()
        assert (first.variance == second.variance).all()


def test_toy_plots(toy, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "toy.png"
    toy.main(["--categories", "5", "--iterations", "20", "--runs", "2", "--plot", str(path)])
    assert path.read_bytes().startswith(PNG)


@pytest.mark.parametrize("arguments", [["--categories", "1"], ["--r", "0"], ["--runs", "0"]])
def test_toy_refuses_bad_arguments(toy, arguments, capsys):
    with pytest.raises(SystemExit):
        toy.main(arguments)
    assert arguments[0] in capsys.readouterr().err


@pytest.fixture(scope="module")
def relax_toy():
    return load("relax_toy")


def test_relax_toy_prints_a_line_for_each_method_and_plots(relax_toy, capsys, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "relax.png"
    traces = relax_toy.main(["--steps", "20", "--runs", "3", "--plot", str(path)])
    lines = capsys.readouterr().out.splitlines()
    assert [t.name for t in traces] == list(relax_toy.methods())
    for t in traces:
        assert sum(line.startswith(t.name + "  ") for line in lines) == 1
        assert t.probabilities.shape == (2, 3)
    assert traces[0].gradient == pytest.approx(0.0005)
    assert path.read_bytes().startswith(PNG)


def test_relax_toy_is_solved_by_arm_and_not_by_reinforce(relax_toy):
    coin, methods = relax_toy.Coin(0.499), relax_toy.methods()
    found = [relax_toy.descend("", methods[name], coin, 400, 4, 0).found for name in ("ARM", "REINFORCE")]
    assert found == [4, 0]


def test_relax_toy_s_relaxation_has_the_values_of_the_coin(relax_toy):
    coin, problem = relax_toy.Coin(0.3), np.zeros(2, np.int32)
    values, gradients = coin.relaxed(np.eye(2)[:, None], problem)
    assert_allclose(values, coin(np.array([[0], [1]]), problem))
    assert_allclose(gradients, [[[0, -0.6]], [[0, 1.4]]])


@pytest.mark.parametrize("arguments", [["--steps", "0"], ["--target", "0.5"]])
def test_relax_toy_refuses_bad_arguments(relax_toy, arguments, capsys):
    with pytest.raises(SystemExit):
        relax_toy.main(arguments)
    assert arguments[0] in capsys.readouterr().err


def test_select_features_reports_and_plots(select, capsys, tmp_path):
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    path = tmp_path / "select.png"
    rows = select.main(["--budget", "40", "--plot", str(path)])
    out = capsys.readouterr().out
    assert path.read_bytes().startswith(PNG)
    for row in rows:
        assert sum(line.startswith(row.method + "  ") for line in out.splitlines()) == 1
        assert (np.diff(row.history) <= 0).all()
        assert row.history[-1] == row.objective
        assert 0.5 < row.held_out_accuracy <= 1
    assert [len(row.history) for row in rows] == [40, 40, 40, 1, 1]
    assert [row.n_terms for row in rows[-2:]] == [30, 60]


@pytest.mark.parametrize("estimator", ["loo", "arsm-joint"])
def test_select_features_with_other_estimators(select, estimator):
    pytest.importorskip("sklearn")
    row = select.main(["--budget", "20", "--estimator", estimator])[0]
    assert row.method == f"gradient, {estimator}"
    assert len(row.history) == 20


def test_ledger_pays_once_and_never_beyond_its_budget(select):
    asked = []

    def objective(vectors):
        asked.extend(map(tuple, vectors))
        return vectors.sum(axis=1).astype(float)

    ledger = select.Ledger(objective, 3, "test")
    vectors = np.array([[2, 2], [1, 2], [2, 2]], np.int32)
    assert_allclose(ledger.values(vectors), [4, 3, 4])
    assert_allclose(ledger.values(vectors[1:]), [3, 4])
    assert ledger.values(np.array([[1, 2], [1, 1], [0, 0]], np.int32)) is None
    assert asked == [(2, 2), (1, 2), (1, 1)]
    assert ledger.history == [4, 3, 2]
    assert ledger.best_vector.tolist() == [1, 1]


def test_batches_give_the_values_of_single_vectors(select, data):
    objective = select.CrossValidatedLoss(*data, price=0.001)
    vectors = np.concatenate([random_vectors(9, 0.3), random_vectors(4, 0.9), np.zeros((1, 30), np.int32)])
    alone = [objective(vectors[i : i + 1])[0] for i in range(len(vectors))]
    assert_allclose(objective(vectors), alone, rtol=1e-11)


def test_price_is_paid_for_each_term(select, data):
    vectors = random_vectors(5, 0.3)
    free = select.CrossValidatedLoss(*data)(vectors)
    priced = select.CrossValidatedLoss(*data, price=0.01)(vectors)
    assert_allclose(priced - free, 0.01 * vectors.sum(axis=1), rtol=1e-9)


def test_cross_validated_loss_agrees_with_scikit_learn(select, data):
    linear_model = pytest.importorskip("sklearn.linear_model")
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    metrics = pytest.importorskip("sklearn.metrics")
    features, target, fold = data
    vectors = np.concatenate([random_vectors(3, 0.3), random_vectors(1, 0.8)])
    ours = select.CrossValidatedLoss(features, target, fold, ridge=2.0)(vectors)
    for vector, value in zip(vectors, ours, strict=True):
        probability = np.empty(target.size)
        for i in range(fold.max() + 1):
            train, test = fold != i, fold == i
            scaler = preprocessing.StandardScaler().fit(features[train])
            linear = scaler.transform(features)
            squared = preprocessing.StandardScaler().fit(linear[train] ** 2).transform(linear**2)
            columns = np.column_stack([linear[:, vector >= 1], squared[:, vector == 2]])
            # C is the inverse of the penalty; the constant is not penalised here either.
            model = linear_model.LogisticRegression(C=1 / 2.0, tol=1e-8, max_iter=10_000)
            model.fit(columns[train], target[train])
            probability[test] = model.predict_proba(columns[test])[:, 1]
        assert value == pytest.approx(metrics.log_loss(target, probability), rel=1e-5)
