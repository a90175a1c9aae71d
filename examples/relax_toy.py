"""RELAX's own toy problem: a coin whose two sides differ by almost nothing.

Minimise E[(b - t)^2] over theta, the logit of b = 1, with t = 0.499. As f(0) = 0.249001 and f(1) = 0.251001 the
answer is b = 0, but the difference drowns in the level of f. From theta = 0 every method takes steps of Adam
along its own estimate from one sample. The script prints

* the probability of b = 1 at the end, the mean over runs, and the number of runs in which it is below 1/4;
* the mean of 1,000 samples of each run at theta = 0, with its standard error, beside the true gradient;
* the variance of one sample there.

RELAX is measured with what it has learnt by the end, REINFORCE with the mean baseline that it has by then.

    python relax_toy.py
    python relax_toy.py --plot relax_toy.png     # the probability from step to step
    python relax_toy.py --quick                  # fewer steps and runs

In the paper REINFORCE and REBAR fail, and RELAX succeeds; so they do here. ARM and leave-one-out succeed
sooner, as they take differences of f. REINFORCE with the mean of earlier values as its baseline does as well
as RELAX, whose network begins as just that: to know the level is all that this problem asks for. MuProp
fails, as the level at the mean of b is not that of f at 0 and 1, and the biased estimators look for t rather
than for 0.

RELAX and the mean baseline have no level yet at the first step, whose long gradient then shortens Adam's steps
for the next thousand.

The problem is from Grathwohl, Choi, Wu, Roeder and Duvenaud, "Backpropagation through the Void: Optimizing
control variates for black-box gradient estimation", ICLR 2018; with t = 0.45 from Tucker et al., NeurIPS 2017.
"""

from __future__ import annotations

import argparse
import copy
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from drawing import new_figure
from numpy.typing import NDArray

import arsm_fast

STEP_SIZE = 0.01
CHECKPOINT = 50
MEASURED = 1000

FloatArray = NDArray[np.float64]


class Coin:
    """(b - t)^2, also between 0 and 1. Each run is a problem of its own; all are alike."""

    def __init__(self, target: float) -> None:
        self.target = target

    def __call__(self, actions: NDArray[np.int32], problem: NDArray[np.int32]) -> FloatArray:
        """Values of actions."""
        return (actions[:, 0] - self.target) ** 2

    def relaxed(self, points: FloatArray, problem: NDArray[np.int32]) -> tuple[FloatArray, FloatArray]:
        """Values, and gradients with respect to the shares of 0 and 1."""
        distance = points[:, 0, 1] - self.target
        gradients = np.zeros_like(points)
        gradients[:, 0, 1] = 2 * distance
        return distance**2, gradients


class MeanBaseline:
    """REINFORCE with the mean of the values before as its baseline, for each run."""

    def __init__(self) -> None:
        self._sum: FloatArray | float = 0.0
        self._n = 0

    def estimator(self) -> arsm_fast.Reinforce:
        """For the next step."""
        return arsm_fast.Reinforce(self._sum / max(1, self._n))

    def learn(self, values: FloatArray) -> None:
        """Take values into account."""
        self._sum = self._sum + values
        self._n += 1


@dataclass(frozen=True)
class Trace:
    """What one method did; the probabilities are (checkpoints, runs)."""

    name: str
    steps: NDArray[np.int64]
    probabilities: FloatArray
    gradient: float
    error: float
    variance: float
    evaluations: float
    seconds: float

    @property
    def found(self) -> int:
        """Runs that found the better side."""
        return int((self.probabilities[-1] < 0.25).sum())


def methods() -> dict[str, Any]:
    """New estimators by their titles; those that need a relaxed objective take that of the objective."""
    return {
        "true gradient": arsm_fast.Exact(),
        "REINFORCE": arsm_fast.Reinforce(),
        "REINFORCE, mean baseline": MeanBaseline(),
        "REBAR": arsm_fast.REBAR(),
        "RELAX": arsm_fast.RELAX(arsm_fast.ControlNetwork()),
        "MuProp": arsm_fast.MuProp(),
        "ARM": arsm_fast.ARM(),
        "leave-one-out(2)": arsm_fast.LeaveOneOut(2),
        "Gumbel-Softmax": arsm_fast.GumbelSoftmax(),
        "straight-through": arsm_fast.GumbelSoftmax(straight_through=True),
    }


def logits_of(theta: FloatArray) -> FloatArray:
    """Of 0 and 1, for each run: (runs, 1, 2)."""
    return np.stack([np.zeros_like(theta), theta], axis=1)[:, None]


def descend(name: str, method: Any, coin: Coin, n_steps: int, n_runs: int, seed: int) -> Trace:
    rng = np.random.default_rng(seed)
    theta, first, second = np.zeros((3, n_runs))
    steps, probabilities = [0], [np.full(n_runs, 0.5)]
    evaluations = 0
    start = time.perf_counter()
    for step in range(1, n_steps + 1):
        estimator = method.estimator() if isinstance(method, MeanBaseline) else method
        estimate = arsm_fast.gradient(coin, logits_of(theta), estimator=estimator, rng=rng)
        if isinstance(method, MeanBaseline):
            method.learn(estimate.value)
        evaluations += estimate.n_evaluations
        slope = estimate.gradient[:, 0, 1]
        first = 0.9 * first + 0.1 * slope
        second = 0.999 * second + 0.001 * slope**2
        theta -= STEP_SIZE * first / (1 - 0.9**step) / (np.sqrt(second / (1 - 0.999**step)) + 1e-12)
        if step % CHECKPOINT == 0 or step == n_steps:
            steps.append(step)
            probabilities.append(1 / (1 + np.exp(-theta)))
    seconds = time.perf_counter() - start
    estimator = method.estimator() if isinstance(method, MeanBaseline) else copy.deepcopy(method)
    at_start = logits_of(np.zeros(n_runs))
    measured = arsm_fast.gradient(coin, at_start, estimator=estimator, n_samples=MEASURED, rng=rng)
    errors = measured.standard_error[:, 0, 1]
    return Trace(
        name,
        np.array(steps),
        np.array(probabilities),
        gradient=float(measured.gradient[:, 0, 1].mean()),
        error=float(np.sqrt((errors**2).sum()) / n_runs),
        variance=float((errors**2).mean() * MEASURED),
        evaluations=evaluations / (n_steps * n_runs),
        seconds=seconds,
    )


def print_table(traces: list[Trace]) -> None:
    rows = [
        ["", "probability", "runs", "gradient at 0", "", "variance", "evals", ""],
        ["method", "of b = 1", "below 1/4", "mean", "+-", "at 0", "a step", "seconds"],
    ]
    for t in traces:
        rows.append(
            [
                t.name,
                f"{t.probabilities[-1].mean():.3f}",
                f"{t.found} of {t.probabilities.shape[1]}",
                f"{t.gradient:.6f}",
                f"{t.error:.6f}",
                f"{t.variance:.1e}",
                f"{t.evaluations:.1f}",
                f"{t.seconds:.1f}",
            ]
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)]
        print("  ".join(cells).rstrip())


def plot(traces: list[Trace], path: str) -> None:
    figure, ax = new_figure((9, 5))
    for i, t in enumerate(traces):
        style = {"color": "black", "ls": "--"} if t.name == "true gradient" else {"color": f"C{i}"}
        ax.plot(t.steps, t.probabilities.mean(axis=1), label=t.name, **style)
        ax.fill_between(t.steps, *np.quantile(t.probabilities, [0.1, 0.9], axis=1), alpha=0.1, **style)
    ax.set(title="probability of the worse side: mean and 80 % of the runs", xlabel="step", ylim=(0, 1))
    ax.legend(fontsize="small")
    figure.savefig(path, dpi=120)


def main(argv: list[str] | None = None) -> list[Trace]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", type=float, default=0.499, help="t, between 0 and 1/2 (default: 0.499)")
    parser.add_argument("--steps", type=int, default=3000, help="steps of each method (default: 3000)")
    parser.add_argument("--runs", type=int, default=20, help="runs of each method (default: 20)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="1500 steps and 5 runs")
    parser.add_argument("--plot", metavar="FILE.png", help="draw the probabilities")
    args = parser.parse_args(argv)
    if args.quick:
        args.steps, args.runs = 1500, 5
    if min(args.steps, args.runs) < 1:
        parser.error("--steps and --runs must be at least 1")
    if not 0 <= args.target < 0.5:
        parser.error("--target must be from 0 on and below 1/2")

    coin = Coin(args.target)
    for method in methods().values():  # compile first, so that the seconds are those of the steps
        descend("", method, coin, 1, args.runs, args.seed)
    print(f"minimise E[(b - {args.target:g})^2]: {args.runs} runs of {args.steps} steps of Adam of {STEP_SIZE:g}")
    print(f"true gradient at 0: {(1 - 2 * args.target) / 4:.6f}\n")
    traces = [descend(name, method, coin, args.steps, args.runs, args.seed) for name, method in methods().items()]
    print_table(traces)
    if args.plot:
        plot(traces, args.plot)
        print(f"drawn: {args.plot}")
    return traces


if __name__ == "__main__":
    main()
