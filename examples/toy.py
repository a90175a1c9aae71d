"""The toy problem of the ARSM paper: which gradient estimators climb to the best category.

One categorical variable z with C categories and the reward f(z) = 0.5 + z / (C R), z = 1..C: the
last category is the best by very little, and the level 0.5 drowns the differences. From logits of
zero, every method takes 5000 steps of size 1 along its own one-sample estimate of the gradient of
E[f(z)]. At checkpoints the script notes the expected reward, the probability of the worst and of the
best category, and the total variance of the gradient at the logits the method has reached.

    python toy.py                                      # C = R = 30, as in the paper's Figure 1
    python toy.py --plot toy.png                       # the four panels of that figure
    python toy.py --categories 1000 --r 1              # more categories
    python toy.py --categories 10000 --r 0.1 --runs 4

One run says little about REINFORCE, which soon settles on one category, whichever that is; there its
variance is zero and it never moves again. The script therefore makes 20 runs at once, as the rows of
one array of logits, and prints means over them and the number of runs that found the best category.

RELAX's control variate is a small network that learns from the steps, and Gumbel-Softmax, the only one of these
that is biased, climbs the gradient of the relaxed reward sum_c s_c f(c) at s = softmax((logits + noise) / 0.5).
That takes no evaluations of f but all of its slopes. With many categories RELAX takes minutes, and is left out
unless it is asked for.

R = C is the default, but the true gradient at logits of zero falls as 1 / (C R): with 1000
categories or more, R must be smaller for anything to happen within 5000 steps.

The problem is equation 13 of Yin, Yue and Zhou, "ARSM: Augment-REINFORCE-Swap-Merge Estimator for
Gradient Backpropagation Through Categorical Variables", ICML 2019 (version 2).
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from drawing import new_figure
from numpy.typing import NDArray

import arsm_fast

STEP_SIZE = 1.0
N_CHECKPOINTS = 20
MOST_FOR_RELAX = 100

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Trace:
    """What one method did: means over the runs, one entry for each checkpoint."""

    name: str
    iterations: NDArray[np.int64]
    reward: FloatArray
    p_first: FloatArray
    p_last: FloatArray
    variance: FloatArray
    found: int
    runs: int
    evaluations: float
    seconds: float


class Progress:
    """One line on standard error that is rewritten; nothing where that is not a terminal."""

    def __init__(self, name: str, total: int) -> None:
        self._name = name
        self._total = total
        self._shown = time.monotonic()
        self._on = sys.stderr.isatty()

    def show(self, done: int) -> None:
        """Say how far it is, a few times a second."""
        if self._on and time.monotonic() - self._shown > 0.2:
            self._shown = time.monotonic()
            sys.stderr.write(f"\r\033[K{self._name}: step {done} of {self._total}")
            sys.stderr.flush()

    def clear(self) -> None:
        """Leave an empty line behind."""
        if self._on:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()


def methods(draws: int) -> dict[str, tuple[str, Any]]:
    """Title and a new estimator of each method, by its name on the command line."""
    return {
        "exact": ("true gradient", arsm_fast.Exact()),
        "reinforce": ("REINFORCE", arsm_fast.Reinforce()),
        "ar": ("AR", arsm_fast.AR()),
        "ars": ("ARS", arsm_fast.ARS()),
        "arsm": ("ARSM", arsm_fast.ARSM()),
        "loo": (f"leave-one-out({draws})", arsm_fast.LeaveOneOut(draws)),
        "relax": ("RELAX", arsm_fast.RELAX(arsm_fast.ControlNetwork())),
        "gumbel": ("Gumbel-Softmax", arsm_fast.GumbelSoftmax()),
    }


def rewards(n_categories: int, r: float) -> FloatArray:
    """Tabulate f(z) for z = 1..C."""
    return 0.5 + np.arange(1, n_categories + 1) / (n_categories * r)


def softmax(logits: FloatArray) -> FloatArray:
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def total_variance(
    tables: FloatArray, logits: FloatArray, estimator: Any, n_samples: int, rng: np.random.Generator
) -> float:
    """Estimate the variance of one sample, summed over the categories; the mean over the runs."""
    estimator = copy.deepcopy(estimator)  # which learns nothing from being looked at
    estimate = arsm_fast.gradient(tables, logits, estimator=estimator, n_samples=n_samples, rng=rng)
    # The standard error is that of a mean of n_samples.
    return float((estimate.standard_error**2).sum(axis=-1).mean() * n_samples)


def climb(
    name: str,
    estimator: Any,
    table: FloatArray,
    *,
    n_iterations: int,
    n_runs: int,
    variance_samples: int,
    seed: int,
) -> Trace:
    """Climb from logits of zero; every row of the logits is a run of its own."""
    # The checkpoints draw from a stream of their own, so that looking does not change the path.
    steps, looks = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(2))
    tables = np.tile(table, (n_runs, 1))
    logits = np.zeros_like(tables)
    checkpoints = np.geomspace(1, n_iterations, N_CHECKPOINTS - 1).round().astype(np.int64)
    checkpoints = np.concatenate(([0], np.unique(checkpoints)))
    rows = []
    evaluations = 0
    seconds = 0.0
    step = 0
    progress = Progress(name, n_iterations)
    for checkpoint in checkpoints:
        start = time.perf_counter()
        while step < checkpoint:
            estimate = arsm_fast.gradient(tables, logits, estimator=estimator, rng=steps)
            logits += STEP_SIZE * estimate.gradient
            evaluations += estimate.n_evaluations
            step += 1
            progress.show(step)
        seconds += time.perf_counter() - start
        p = softmax(logits)
        variance = total_variance(tables, logits, estimator, variance_samples, looks)
        rows.append(((p @ table).mean(), p[:, 0].mean(), p[:, -1].mean(), variance))
    progress.clear()
    reward, p_first, p_last, variances = np.array(rows).T
    return Trace(
        name,
        checkpoints,
        reward,
        p_first,
        p_last,
        variances,
        found=int((p[:, -1] > 0.5).sum()),
        runs=n_runs,
        evaluations=evaluations / (n_iterations * n_runs),
        seconds=seconds,
    )


def print_table(traces: list[Trace], best: float) -> None:
    shown = (0, len(traces[0].iterations) // 2, len(traces[0].iterations) - 1)
    steps = [f"at {traces[0].iterations[i]}" for i in shown]
    rows = [
        ["", "expected", "", "", "runs with", "variance", "", "", "evals", ""],
        ["method", "reward", "p_1", "p_C", "p_C > 1/2", *steps, "a step", "seconds"],
    ]
    for t in traces:
        ends = [f"{t.reward[-1]:.5f}", f"{t.p_first[-1]:.4f}", f"{t.p_last[-1]:.4f}"]
        variances = [f"{t.variance[i]:.2e}" for i in shown]
        rows.append(
            [
                t.name,
                *ends,
                f"{t.found} of {t.runs}",
                *variances,
                f"{t.evaluations:.1f}",
                f"{t.seconds:.2f}",
            ]
        )
    rows.append(["(maximum)", f"{best:.5f}", f"{0:.4f}", f"{1:.4f}", *[""] * 6])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)]
        print("  ".join(cells).rstrip())


def plot(traces: list[Trace], best: float, path: str) -> None:
    """Draw the four panels of the paper's Figure 1."""
    figure, axes = new_figure((11, 7), 2, 2)
    panels = [
        ("expected reward", "reward"),
        ("probability of the worst category", "p_first"),
        ("probability of the best category", "p_last"),
        ("variance of the gradient", "variance"),
    ]
    for ax, (title, field) in zip(axes.flat, panels, strict=True):
        for i, t in enumerate(traces):
            values = getattr(t, field)
            # The true gradient lies under the good estimates: dashed, in front. Its variance is zero, which
            # a logarithmic axis cannot show.
            style = (
                {"color": "black", "ls": "--", "zorder": 3} if t.name == "true gradient" else {"color": f"C{i}"}
            )
            if field == "variance":
                values = np.where(values > 0, values, np.nan)
            ax.plot(t.iterations, values, label=t.name, **style)
        ax.set(title=title, xlabel="iteration", xscale="symlog")
    axes[0, 0].axhline(best, color="grey", linewidth=0.8, linestyle=":")
    axes[1, 1].set_yscale("log")
    axes[0, 0].legend(fontsize="small")
    figure.savefig(path, dpi=120)


def main(argv: list[str] | None = None) -> list[Trace]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = list(methods(2))
    parser.add_argument("--categories", type=int, default=30, help="C (default: 30)")
    parser.add_argument("--r", type=float, help="R (default: C)")
    parser.add_argument("--iterations", type=int, default=5000, help="steps of each method (default: 5000)")
    parser.add_argument(
        "--estimators",
        nargs="+",
        choices=names,
        metavar="NAME",
        help=f"some of: {', '.join(names)} (default: all, above {MOST_FOR_RELAX} categories without relax)",
    )
    parser.add_argument(
        "--draws",
        type=int,
        default=30,
        help="draws a step of leave-one-out (default: 30, for 30 categories about the evaluations of ARSM)",
    )
    parser.add_argument("--runs", type=int, default=20, help="runs of each method (default: 20)")
    parser.add_argument(
        "--variance-samples",
        type=int,
        help="samples of each run behind each variance (default: 100, or 10 above 1000 categories)",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", metavar="FILE.png", help="draw the checkpoints")
    args = parser.parse_args(argv)
    variance_samples = args.variance_samples
    if variance_samples is None:
        variance_samples = 100 if args.categories <= 1000 else 10
    if min(args.categories, args.draws, variance_samples) < 2:
        parser.error("--categories, --draws and --variance-samples must be at least 2")
    if min(args.iterations, args.runs) < 1:
        parser.error("--iterations and --runs must be at least 1")
    r = args.categories if args.r is None else args.r
    if not r > 0:
        parser.error("--r must be positive")

    if args.estimators is None:
        args.estimators = [name for name in names if name != "relax" or args.categories <= MOST_FOR_RELAX]

    table = rewards(args.categories, r)
    print(
        f"f(z) = 0.5 + z / ({args.categories} x {r:g}), {args.iterations} steps of size {STEP_SIZE:g}, "
        f"{args.runs} runs"
    )
    start = time.perf_counter()
    chosen = {name: value for name, value in methods(args.draws).items() if name in args.estimators}
    for _, estimator in chosen.values():  # compile first, so that the seconds are those of the steps
        arsm_fast.gradient(table, np.zeros(table.size), estimator=copy.deepcopy(estimator), n_samples=2, rng=0)
    print(f"compiled or loaded in {time.perf_counter() - start:.1f} s\n")

    start = time.perf_counter()
    traces = [
        climb(
            title,
            estimator,
            table,
            n_iterations=args.iterations,
            n_runs=1 if name == "exact" else args.runs,  # nothing differs between runs without noise
            variance_samples=variance_samples,
            seed=args.seed,
        )
        for name, (title, estimator) in chosen.items()
    ]
    print_table(traces, table[-1])
    print(f"\n{time.perf_counter() - start:.1f} s without compilation")
    if args.plot:
        plot(traces, table[-1], args.plot)
        print(f"drawn: {args.plot}")
    return traces


if __name__ == "__main__":
    main()
