"""Train one model by several gradient estimators, at equal evaluations and at equal time; a table and curves."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from networks import Adam, FloatArray
from numpy.typing import NDArray

N_CURVE = 12


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
    """How long each method goes on: until it has had all the evaluations and all the seconds."""

    evaluations: int
    seconds: float
    batch: int
    rate: float
    samples: int
    curve_samples: int
    seed: int


@dataclass(frozen=True)
class Point:
    """Where a method is after some steps."""

    steps: int
    evaluations: int
    seconds: float
    scores: tuple[float, ...]


@dataclass(frozen=True)
class Trace:
    """What one method did.

    The variance is that of the gradient of one batch, summed over the parameters that the estimator is for, at
    each point of the curve.
    """

    name: str
    curve: list[Point]
    variances: list[float]
    at_evaluations: Point
    at_seconds: Point


def train(name: str, model: Model, settings: Settings) -> Trace:
    """Train a model; its seconds are those of the steps alone."""
    # Looking must not change the path; and every method gets the same batches.
    batches, draws, looks = (np.random.default_rng(s) for s in np.random.SeedSequence(settings.seed).spawn(3))
    adam = Adam(model.parameters, settings.rate)
    steps, evaluations, seconds = 0, 0, 0.0
    curve: list[Point] = []
    variances: list[float] = []
    at_evaluations = at_seconds = None

    def point(n_samples: int) -> Point:
        return Point(steps, evaluations, seconds, model.scores(n_samples, looks))

    while at_evaluations is None or at_seconds is None:
        if at_seconds is None and seconds >= len(curve) * settings.seconds / N_CURVE:
            curve.append(point(settings.curve_samples))
            variances.append(variance(model, settings.batch, looks))
            progress(f"{name}: {seconds:.0f} of {settings.seconds:g} s, score {curve[-1].scores[-1]:.3f}")
        start = time.perf_counter()
        rows = batches.choice(model.n_train, settings.batch, replace=False)
        gradients, count = model.gradients(rows, draws)
        adam.descend(gradients)
        seconds += time.perf_counter() - start
        steps += 1
        evaluations += count
        if at_evaluations is None and evaluations >= settings.evaluations:
            at_evaluations = point(settings.samples)
        if at_seconds is None and seconds >= settings.seconds:
            at_seconds = point(settings.samples)
            curve.append(at_seconds)
            variances.append(variance(model, settings.batch, looks))
    progress("")
    return Trace(name, curve, variances, at_evaluations, at_seconds)


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
    budgets = [f"at {settings.evaluations:,} evaluations", f"at {settings.seconds:g} seconds"]
    group = ["steps", *titles]
    rows = [
        ["", "evaluations", *(cell for budget in budgets for cell in (budget, *[""] * len(titles))), "gradient"],
        ["method", "a step", *group, *group, "variance"],
    ]
    for trace in traces:
        cells = [trace.name, f"{trace.at_seconds.evaluations / trace.at_seconds.steps:,.0f}"]
        for point in (trace.at_evaluations, trace.at_seconds):
            cells += [f"{point.steps:,}", *(f"{score:.3f}" for score in point.scores)]
        rows.append([*cells, f"{np.exp(np.mean(np.log(np.maximum(trace.variances, 1e-300)))):.1e}"])
    widths = [max(len(row[i]) for row in rows[1:]) for i in range(len(rows[0]))]
    widths[1] = max(widths[1], len(rows[0][1]))
    # The titles of the budgets stand over all of their columns.
    span = len(group)
    over = [sum(widths[2 + i * span : 2 + (i + 1) * span]) + 2 * (span - 1) for i in range(2)]
    first = [rows[0][0].ljust(widths[0]), rows[0][1].rjust(widths[1])]
    first += [budgets[i].rjust(over[i]) for i in range(2)]
    print("  ".join([*first, rows[0][-1].rjust(widths[-1])]))
    for row in rows[1:]:
        cells = [row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)]
        print("  ".join(cells).rstrip())


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
        ax.set_xscale("symlog", linthresh=1000)
    axes[0, 0].legend(fontsize="small")
    figure.savefig(path, dpi=120)
