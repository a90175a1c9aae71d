"""The scripts that compare estimators and optimisers run in their quick form, and print what they promise."""

import importlib.util
import json

import compare_estimators
import compare_optimizers
import numpy as np
import other_optimizers
import pytest

from arsm_fast import LeaveOneOut, Reinforce


def test_compare_estimators(capsys):
    compare_estimators.main(["--quick", "--problems", "toy 30 start"])
    lines = capsys.readouterr().out.splitlines()
    for name in ("REINFORCE", "AR", "ARS", "ARSM", "LeaveOneOut(10)", "UnorderedSet(10)", "CARMS(10)"):
        (row,) = [line for line in lines if line.startswith(f"| {name} | ")]
        assert row.count(" | ") == 3
    assert any(line.startswith("| Auto: ") for line in lines)


def test_compare_estimators_says_what_surrogates_take(capsys, monkeypatch):
    monkeypatch.setattr(compare_estimators, "N_PAST", 50)
    compare_estimators.print_surrogate_costs(*compare_estimators.PROBLEMS["NK"](1.0, 0))
    *_, header, _, additive, hamming, thorough = capsys.readouterr().out.splitlines()
    times = "learning, the first 50 | the next | all of its own, the first 50 | the next"
    assert header == f"| surrogate | f, us an evaluation | {times} |"
    for row, name in (
        (additive, "Additive"),
        (hamming, "Hamming"),
        (thorough, "Hamming, refit 0.2"),
    ):
        cells = row.strip("| ").split(" | ")
        assert cells[0] == name
        of_f, *learning, first, following = map(float, cells[1:])
        assert of_f > 0
        assert 0 < learning[0] < first
        assert 0 < learning[1] < following


def test_compare_estimators_on_several_instances(capsys, monkeypatch):
    two = {"LeaveOneOut(10)": LeaveOneOut(10), "REINFORCE": Reinforce()}
    monkeypatch.setattr(compare_estimators, "estimators", lambda f, logits: two)
    compare_estimators.main(["--quick", "--instances", "3", "--problems", "network"])
    *_, one, reinforce = capsys.readouterr().out.splitlines()
    assert one == "| LeaveOneOut(10) | 1 ± 0 | 1 | 1 |"
    mean, least, greatest = (float(cell.split()[0]) for cell in reinforce.strip("| ").split(" | ")[1:])
    assert least < mean < greatest


@pytest.mark.parametrize(
    "arguments",
    [
        ["--instances", "0"],
        ["--instances", "2", "--trials", "1"],
        ["--instances", "2", "--problems", "toy 30 start"],
    ],
)
def test_bad_instances(arguments, capsys, monkeypatch):
    monkeypatch.setattr(compare_estimators, "measure_all", None)
    with pytest.raises(SystemExit):
        compare_estimators.main(arguments)
    assert "--instances" in capsys.readouterr().err


def test_compare_optimizers(capsys, tmp_path, monkeypatch):
    # It needs none of the packages compared with.
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    path = tmp_path / "results.json"
    compare_optimizers.main(["--quick", "--results", str(path)])
    out = capsys.readouterr().out
    names = ["arsm_fast", compare_optimizers.TOLD, "random search", "hill climbing", "cross-entropy", "PBIL"]
    cells = {}
    for name in names:
        (row,) = [line for line in out.splitlines() if line.startswith(f"| {name} ")]
        cells[name] = [cell.strip() for cell in row.split("|")[2:6]]
    assert cells[compare_optimizers.TOLD][2] == "-"
    ranks = [float(cells[name][2]) for name in names if name != compare_optimizers.TOLD]
    assert np.sum(ranks) == pytest.approx(1 + 2 + 3 + 4 + 5, abs=0.03)
    for told, best in zip(cells[compare_optimizers.TOLD][:2], cells["random search"][:2], strict=True):
        assert float(told.split()[0]) > float(best.split()[0])
    results = json.loads(path.read_text())
    assert len(results) == 2 * 2 * 6
    # From its results it prints the same again, and runs nothing.
    monkeypatch.setattr(compare_optimizers, "run", None)
    compare_optimizers.main(["--quick", "--results", str(path)])
    assert capsys.readouterr().out.split("\n", 1)[1] == out.split("\n", 1)[1]


@pytest.mark.parametrize("name", ["CatCMAwM", "NGOpt"])
def test_a_missing_package_is_named_before_any_work(name, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(compare_optimizers, "run", None)
    message = rf'{name} needs the package {other_optimizers.PACKAGES[name]}: pip install "arsm-fast\[compare\]"'
    with pytest.raises(SystemExit, match=message):
        compare_optimizers.main(["--optimizers", "arsm_fast", name, "--instances", "1"])


@pytest.mark.parametrize(
    "arguments", [["--budgets", "0"], ["--instances", "0"], ["--jobs", "0"], ["--first", "-1"]]
)
def test_bad_arguments(arguments, capsys):
    with pytest.raises(SystemExit):
        compare_optimizers.main(arguments)
    assert arguments[0] in capsys.readouterr().err
