"""Train one model by several gradient estimators to equal evaluations, seconds and steps; a table and curves."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from networks import Adam, FloatArray
from numpy.typing import NDArray

N_CURVE = 8


class Model(Protocol):
    """What is trained: its scores are better the lower they are."""

    parameters: list[FloatArray]
    n_train: int

    def gradients(self, rows: NDArray[np.int64], rng: np.random.Generator) -> tuple[list[FloatArray], int]:
        """What to descend along for some of the training images, and the evaluations that took."""

    def noisy(self, gradients: list[FloatArray]) -> list[FloatArray]:
        """Those of them that the estimator is for."""

    def scores(self, n_samples: int, rng: np.random.Generator) -> tuple[float, ...]:
        """How good the model is."""


@dataclass(frozen=True)
class Settings:
    """Each method goes on until it has had all the evaluations, all the seconds and all the steps."""

    evaluations: int
    seconds: float
    steps: int
    batch: int
    rate: float
    samples: int
    curve_samples: int
    seed: int


BUDGETS = ("evaluations", "seconds", "steps")


@dataclass(frozen=True)
class Point:
    """Where a method is after some steps."""

    evaluations: int
    seconds: float
    steps: int
    scores: tuple[float, ...]


@dataclass(frozen=True)
class Trace:
    """What one method did, on the way and at the end of each budget.

    The variance is that of the gradient of one batch, summed over the parameters that the estimator is for, at
    each point of the curve.
    """

    name: str
    curve: list[Point]
    variances: list[float]
    at: dict[str, Point]


def train(name: str, model: Model, settings: Settings) -> Trace:
    """Train a model; its seconds are those that the processor took for the steps."""
    # Looking must not change the path; and every method gets the same batches.
    batches, draws, looks = (np.random.default_rng(s) for s in np.random.SeedSequence(settings.seed).spawn(3))
    adam = Adam(model.parameters, settings.rate)
    spent = {"evaluations": 0, "seconds": 0.0, "steps": 0}
    curve: list[Point] = []
    variances: list[float] = []
    at: dict[str, Point] = {}

    def point(n_samples: int) -> Point:
        return Point(**spent, scores=model.scores(n_samples, looks))

    while len(at) < len(BUDGETS):
        if spent["seconds"] >= len(curve) * settings.seconds / N_CURVE:
            curve.append(point(settings.curve_samples))
            variances.append(variance(model, settings.batch, looks))
            done = ", ".join(
                f"{spent[budget]:,.0f} of {getattr(settings, budget):,g} {budget}" for budget in BUDGETS
            )
            progress(f"{name}: {done}; score {curve[-1].scores[-1]:.3f}")
        start = time.process_time()
        rows = batches.choice(model.n_train, settings.batch, replace=False)
        gradients, count = model.gradients(rows, draws)
        adam.descend(gradients)
        spent["seconds"] += time.process_time() - start
        spent["steps"] += 1
        spent["evaluations"] += count
        reached = [b for b in BUDGETS if b not in at and spent[b] >= getattr(settings, b)]
        if reached:
            at |= dict.fromkeys(reached, point(settings.samples))
    progress("")
    return Trace(name, curve, variances, at)


def variance(model: Model, batch: int, rng: np.random.Generator, repeats: int = 5) -> float:
    """Of the gradient over repeated draws for the same images."""
    rows = rng.choice(model.n_train, batch, replace=False)
    draws = [model.noisy(model.gradients(rows, rng)[0]) for _ in range(repeats)]
    return float(sum(np.var(parts, axis=0, ddof=1).sum() for parts in zip(*draws, strict=True)))


def progress(line: str) -> None:
    """One line on standard error that is rewritten; nothing where that is not a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{line}")
        sys.stderr.flush()


def print_table(traces: Sequence[Trace], settings: Settings, titles: Sequence[str]) -> None:
    """One line for each method; titles are those of the scores."""
    longest = max(len(trace.name) for trace in traces)
    groups = [
        ("", [[name.ljust(longest)] for name in ("method", *(trace.name for trace in traces))]),
        ("evaluations", [["a step"], *([f"{evaluations_a_step(trace):,.0f}"] for trace in traces)]),
        ("", [["variance"], *([f"{np.median(trace.variances):.1e}"] for trace in traces)]),
    ]
    for budget in BUDGETS:
        rows = [["steps", *titles]]
        for trace in traces:
            point = trace.at[budget]
            rows.append([f"{point.steps:,}", *(f"{score:.3f}" for score in point.scores)])
        groups.append((f"at {getattr(settings, budget):,g} {budget}", rows))
    blocks = []
    for title, rows in groups:
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.rjust, row, widths)) for row in rows]
        width = max(map(len, [title, *lines]))
        blocks.append([line.rjust(width) for line in [title, *lines]])
    for line in zip(*blocks, strict=True):
        print("   ".join(line).rstrip())


def evaluations_a_step(trace: Trace) -> float:
    """The mean over all steps."""
    last = max(trace.at.values(), key=lambda point: point.steps)
    return last.evaluations / last.steps


def plot(traces: Sequence[Trace], titles: Sequence[str], path: str) -> None:
    """The last score and the variance of the gradient, against seconds and against evaluations."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise SystemExit('--plot needs matplotlib: pip install "arsm-fast[examples]"') from None
    figure = Figure(figsize=(11, 7), layout="constrained")
    FigureCanvasAgg(figure)
    axes: Any = figure.subplots(2, 2)
    for i, axis in enumerate(("seconds", "evaluations")):
        for trace in traces:
            x = [getattr(point, axis) for point in trace.curve]
            axes[0, i].plot(x, [point.scores[-1] for point in trace.curve], label=trace.name)
            axes[1, i].plot(x, trace.variances, label=trace.name)
        axes[0, i].set(title=titles[-1], xlabel=axis)
        axes[1, i].set(title="variance of the gradient", xlabel=axis, yscale="log")
    for ax in axes[:, 1]:
        ax.set_xscale("log")
    axes[0, 0].legend(fontsize="small")
    figure.savefig(path, dpi=120)
