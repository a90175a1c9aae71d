"""The example of optimisation runs, goes on from its state, and prints what it promises."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture
def example(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    spec = importlib.util.spec_from_file_location("example_black_box", EXAMPLES / "optimize_black_box.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("problem", "method"), [("Potts", "annealing"), ("sensors", "natural")])
def test_runs_and_draws(example, problem, method, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    path = tmp_path / "curve.png"
    curves = example.main(["--quick", "--problem", problem, "--method", method, "--plot", str(path)])
    assert list(curves) == [method, "random search", "hill climbing"]
    for nfev, best in curves.values():
        assert nfev[-1] == 500
        assert (np.diff(best) >= 0).all()
    assert path.read_bytes().startswith(b"\x89PNG")
    assert method in capsys.readouterr().out


def test_says_what_a_noisy_find_is_worth(example, capsys):
    example.main(["--budget", "200", "--problem", "pest", "--alone"])
    assert "without the noise, the vector of annealing is worth 1" in capsys.readouterr().out


def test_goes_on_from_its_state(example, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(example, "SECONDS_BETWEEN_SAVES", 0.0)
    problem, path = example.PROBLEMS["sensors"](3), str(tmp_path / "state.npz")
    x, _, best = example.optimise(problem, "annealing", 60, 3, state=path)
    assert example.optimise(problem, "annealing", 60, 3, state=path)[0].tolist() == x.tolist()
    assert "annealing goes on after 60 evaluations" in capsys.readouterr().out
    straight = example.optimise(problem, "annealing", 60, 3)
    np.testing.assert_array_equal(straight[2], best)


def test_refuses_bad_arguments(example, capsys):
    with pytest.raises(SystemExit):
        example.main(["--budget", "0"])
    assert "--budget must be at least 1" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        example.main(["--method", "L-BFGS-B", "--state", "state.npz"])
    assert "--state and --progress are for the methods of arsm_fast.minimize" in capsys.readouterr().err


def test_scipy_descends_the_expectation(example, capsys):
    curves = example.main(["--budget", "3000", "--method", "L-BFGS-B", "--problem", "Potts"])
    nfev, best = curves["L-BFGS-B"]
    assert nfev[-1] == 3000
    assert best[-1] > curves["random search"][1][-1]
    assert "L-BFGS-B" in capsys.readouterr().out
