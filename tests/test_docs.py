"""What the documentation shows runs, and says what the code takes."""

import doctest
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import arsm_fast

README = Path(__file__).parent.parent / "README.md"
MODULES = [
    importlib.import_module(f"arsm_fast.{module.name}")
    for module in pkgutil.iter_modules(arsm_fast.__path__)
    if not module.ispkg
]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_docstring_examples(module):
    assert doctest.testmod(module).failed == 0


def test_readme_code(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    quick_start, optimise = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    namespace = {}
    exec(compile(quick_start, "README.md", "exec"), namespace)
    value, *actions = capsys.readouterr().out.replace("[", "").replace("]", "").split()[:11]
    assert float(value) < 3
    # All twos but for the pair that must differ.
    assert sum(action != "2" for action in actions) <= 2
    exec(compile(optimise, "README.md", "exec"), namespace)
    assert namespace["result"].fun == namespace["optimizer"].result.fun == 1
    assert namespace["whole"].gradient.shape == (10, 5)


@pytest.mark.parametrize(
    "name", [name for name in arsm_fast.__all__ if inspect.isfunction(getattr(arsm_fast, name))]
)
def test_docstrings_name_every_parameter(name):
    function = getattr(arsm_fast, name)
    text = inspect.getdoc(function)
    for parameter, details in inspect.signature(function).parameters.items():
        assert re.search(rf"^{parameter} : ", text, re.MULTILINE), parameter
        assert details.annotation is not inspect.Parameter.empty
    if inspect.signature(function).return_annotation != "None":
        assert "Returns\n-------" in text
        assert "Raises\n------" in text


def test_readme_commands_are_what_ci_runs():
    commands = re.findall(r"^    (python3 -m venv .*)$", README.read_text(), re.MULTILINE)
    assert len(commands) == 2
    script = (README.parent / ".ci" / "run").read_text()
    for part in ("[test,examples", "ruff", "mypy", "pytest"):
        assert part in commands[1]
        assert part in script
