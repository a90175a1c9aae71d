"""Train one model by several gradient estimators to equal evaluations, seconds and steps; a table and curves."""

from __future__ import annotations

import argparse
import copy
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from drawing import new_figure
from images import Images, load_images
from networks import ActionArray, Adam, FloatArray
from numpy.typing import NDArray

import arsm_fast

N_CURVE = 8
# Stands for the straight-through Gumbel-Softmax, which is no estimator of arsm_fast.
GUMBEL = "gumbel"
TEMPERATURE = 0.67
# Stands for RELAX, which needs a new network for each layer of each model.
RELAX = "relax"
BASELINE_DECAY = 0.9


def methods(draws: int) -> dict[str, tuple[str, Any]]:
    """Title and estimator of each method, by its name on the command line."""
    return {
        "arsm": ("ARSM, joint swap", arsm_fast.ARSM()),
        "coordinate": ("ARSM, coordinate swap", arsm_fast.ARSM("coordinate")),
        "loo": (f"leave-one-out({draws})", arsm_fast.LeaveOneOut(draws)),
        "reinforce": ("REINFORCE", arsm_fast.Reinforce()),
        RELAX: ("RELAX", RELAX),
        GUMBEL: ("straight-through Gumbel-Softmax", GUMBEL),
    }


class Learner:
    """An estimator, and what it learns on the way: its networks, and a moving average for each image.

    The average is subtracted from the objective, as a baseline, which comes from the past and leaves the gradient
    unbiased; where swaps are compared, it makes no difference. The networks of RELAX are by place in the batch,
    whatever the image there is.
    """

    def __init__(self, estimator: Any, n_layers: int, baseline: FloatArray) -> None:
        self.estimator = estimator
        if estimator == RELAX:
            self.estimator = [arsm_fast.RELAX(arsm_fast.ControlNetwork()) for _ in range(n_layers)]
        self._baseline = baseline

    def estimate(
        self,
        objective: Callable[..., FloatArray],
        layers: Sequence[Callable[..., FloatArray]],
        rows: NDArray[np.int64],
        rng: np.random.Generator,
    ) -> arsm_fast.HierarchicalEstimate:
        """The gradient of the objective, whose problems are some of the images."""
        baseline = self._baseline[rows]

        def excess(actions: list[ActionArray], problem: ActionArray) -> FloatArray:
            return objective(actions, problem) - baseline[problem]

        estimate = arsm_fast.hierarchical_gradient(
            excess, layers, batch=len(rows), estimator=self.estimator, rng=rng
        )
        self._baseline[rows] += (1 - BASELINE_DECAY) * estimate.value
        return estimate


class Model(Protocol):
    """What is trained: its scores are better the lower they are."""

    parameters: list[FloatArray]
    learner: Learner

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


def look_at(number: int, seconds: float) -> float:
    """When a curve gets its next point: evenly up to so many seconds, then each a quarter later than the last."""
    return seconds * (number / N_CURVE if number <= N_CURVE else 1.25 ** (number - N_CURVE))


def train(name: str, model: Model, n_images: int, settings: Settings) -> Trace:
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
        if spent["seconds"] >= look_at(len(curve), settings.seconds):
            curve.append(point(settings.curve_samples))
            variances.append(variance(model, n_images, settings.batch, looks))
            done = ", ".join(
                f"{spent[budget]:,.0f} of {getattr(settings, budget):,g} {budget}" for budget in BUDGETS
            )
            progress(f"{name}: {done}; score {curve[-1].scores[-1]:.3f}")
        start = time.process_time()
        rows = batches.choice(n_images, settings.batch, replace=False)
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


def variance(model: Model, n_images: int, batch: int, rng: np.random.Generator, repeats: int = 5) -> float:
    """Of the gradient over repeated draws for the same images."""
    rows = rng.choice(n_images, batch, replace=False)
    learner = model.learner
    draws = []
    for _ in range(repeats):
        model.learner = copy.deepcopy(learner)
        draws.append(model.noisy(model.gradients(rows, rng)[0]))
    model.learner = learner
    return float(sum(np.var(parts, axis=0, ddof=1).sum() for parts in zip(*draws, strict=True)))


def options(description: str | None, samples: int) -> argparse.ArgumentParser:
    """What may be said on the command line of a comparison."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = list(methods(2))
    parser.add_argument("--mnist", type=Path, metavar="FOLDER", help="where MNIST's files of images are")
    parser.add_argument("--evaluations", type=int, default=300_000, help="of log p (default: 300,000)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of a processor (default: 10)")
    parser.add_argument("--steps", type=int, default=200, help="of training (default: 200)")
    parser.add_argument("--batch", type=int, default=100, help="images a step (default: 100)")
    parser.add_argument("--rate", type=float, default=3e-3, help="of Adam (default: 0.003)")
    parser.add_argument("--draws", type=int, default=10, help="of leave-one-out, a layer (default: 10)")
    parser.add_argument("--samples", type=int, default=samples, help=f"behind a score (default: {samples})")
    parser.add_argument(
        "--methods", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names)
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a few steps of each, to see that it works")
    parser.add_argument("--plot", metavar="FILE.png", help="draw what happened on the way")
    return parser


def compare(
    parser: argparse.ArgumentParser,
    args: argparse.Namespace,
    make_model: Callable[[Images, Any, int], Model],
    titles: Sequence[str],
) -> list[Trace]:
    """Train a model by each method, and print how that went; titles are those of the scores."""
    if min(args.evaluations, args.steps, args.batch, args.samples) < 1 or args.draws < 2:
        parser.error("--evaluations, --steps, --batch and --samples must be at least 1, --draws at least 2")
    if not min(args.seconds, args.rate) > 0:
        parser.error("--seconds and --rate must be positive")
    curve_samples = -(-args.samples // 10)
    settings = Settings(
        args.evaluations, args.seconds, args.steps, args.batch, args.rate, args.samples, curve_samples, args.seed
    )
    if args.quick:
        settings = Settings(1_000, 0.05, 5, 20, args.rate, 2, 1, args.seed)
    images = load_images(args.mnist)
    n_train, n_pixels = images.train.shape
    if settings.batch > n_train:
        parser.error(f"--batch must be at most {n_train}, the number of images")

    print(f"{n_train:,} images of {n_pixels} pixels to train with, {len(images.test):,} to test")
    start = time.perf_counter()
    traces = []
    for name in args.methods:
        title, estimator = methods(args.draws)[name]
        # Compile first, so that the seconds are those of the steps.
        make_model(images, estimator, 0).gradients(np.arange(2), np.random.default_rng(0))
        traces.append(train(title, make_model(images, estimator, args.seed), n_train, settings))
    print_table(traces, settings, titles)
    print(f"\n{time.perf_counter() - start:.0f} s in all")
    if args.plot:
        plot(traces, titles, args.plot)
        print(f"drawn: {args.plot}")
    return traces


def progress(line: str) -> None:
    """One line on standard error that is rewritten; nothing where that is not a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{line}")
        sys.stderr.flush()


def print_table(traces: Sequence[Trace], settings: Settings, titles: Sequence[str]) -> None:
    """One line for each method; titles are those of the scores."""
    longest = max(len("method"), *(len(trace.name) for trace in traces))
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
    figure, axes = new_figure((11, 7), 2, 2)
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
