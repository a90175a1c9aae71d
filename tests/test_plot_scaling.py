"""The script behind the README's speed table and picture measures, keeps, prints and draws."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "asv_benchmarks" / "plot_scaling.py"


def run(*arguments):
    return subprocess.run(
        [sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, text=True, check=True, timeout=600
    ).stdout


def test_a_loaded_run_prints_and_draws_what_was_measured(tmp_path):
    pytest.importorskip("matplotlib")
    results, first, second = (tmp_path / name for name in ("results.json", "first.png", "second.png"))
    printed = run("--quick", "--threads", 2, "--save", results, "--output", first)
    assert printed.count("| 10 (10,000) |") == 2
    assert run("--load", results, "--output", second) == printed
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes().startswith(b"\x89PNG")
