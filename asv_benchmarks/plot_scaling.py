"""Measure how time grows with C and K, draw it, and print the README's speed table.

    python plot_scaling.py                                   # measure, print, draw scaling.png beside this
    python plot_scaling.py --threads 2 --save results.json   # also for two threads; keep the measurements
    python plot_scaling.py --load results.json               # print and draw what was kept

The floor is the time of the package's own Dirichlet noise alone; NumPy's noise is Generator.dirichlet. All is
measured in one process, each figure the best of several calls; those of a row of a table are made in turn.
"""

import argparse
import json
from functools import partial
from pathlib import Path

import numba
import numpy as np
from benchmarks.common import (
    REGIMES,
    ROWS,
    all_on_threads,
    numpy_noise,
    on_threads,
    regime_logits,
    warm_allocator,
)
from benchmarks.peers import naive_gradient

from arsm_fast import ARSM, dirichlet_noise, gradient, propose

TITLES = {
    "zero": "logits 0",
    "normal": "N(0, 1)",
    "concentrated": "N(0, 16)",
    "ramp": "ramp 0 to 8",
    "floor": "own noise alone",
    "numpy": "NumPy's noise alone",
}
SAMPLES = ((100_000, 10), (10_000, 100), (1_000, 1_000), (100, 10_000), (16, 100_000))
NAIVE_SIZES = (2, 10, 100, 1_000)
VARIABLES = (1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000)
# The coordinate swap asks for about C K vectors of K actions.
MOST_COORDINATE_VARIABLES = 1_000
JOINT_SHAPES = ((3, 1_000), (10, 200), (4, 10_000), (1_000, 50))


def noises(shape):
    """What draws noise alone."""
    return {
        "floor": partial(dirichlet_noise, np.zeros(shape), rng=np.random.default_rng(1)),
        "numpy": numpy_noise(shape),
    }


def measure_rows(shape, n_threads, repeats):
    """Seconds of the gradient of many rows in each regime, and of noise alone."""
    table = np.cos(np.arange(shape[0] * shape[1])).reshape(shape)
    rng = np.random.default_rng(1)
    calls = {regime: partial(gradient, table, regime_logits(regime, shape), rng=rng) for regime in REGIMES}
    return all_on_threads(n_threads, calls | noises(shape), repeats)


def measure_samples(shape, n_threads, repeats):
    """Seconds of the gradient of many samples of one row in each regime."""
    n_samples, size = shape
    table, rng = np.cos(np.arange(size)), np.random.default_rng(1)
    calls = {
        regime: partial(gradient, table, regime_logits(regime, (size,)), n_samples=n_samples, rng=rng)
        for regime in REGIMES
    }
    return all_on_threads(n_threads, calls, min(10, repeats))


def measure_naive(size, repeats):
    """Seconds of one sample by the naive route."""
    logits = regime_logits("normal", (size,))
    noise = dirichlet_noise(logits, rng=1)[0]
    return on_threads(1, partial(naive_gradient, np.cos(logits), logits, noise), min(3, repeats))


def measure_variables(shape, estimator, repeats):
    """Seconds of one sample of K variables, f excluded: of finding vectors, and of the gradient."""
    logits, rng = regime_logits("normal", shape), np.random.default_rng(1)

    def asking():
        proposal = propose(logits, estimator=estimator, rng=rng)
        proposal.actions  # noqa: B018 (forms them)
        return proposal

    proposal = asking()
    telling = partial(proposal.estimate, np.cos(np.arange(len(proposal.actions))))
    return {"propose": on_threads(1, asking, repeats), "estimate": on_threads(1, telling, repeats)}


def measure(n_threads, *, quick):
    """Everything that is drawn and printed, as JSON holds it."""
    warm_allocator()
    repeats, first = (1, 3) if quick else (30, None)
    points = [
        {"of": "rows", "shape": shape, "threads": threads, "s": measure_rows(shape, threads, repeats)}
        for threads in range(1, n_threads + 1)
        for shape in ROWS[:first]
    ]
    points += [
        {"of": "samples", "shape": shape, "threads": threads, "s": measure_samples(shape, threads, repeats)}
        for threads in range(1, n_threads + 1)
        for shape in SAMPLES[:first]
    ]
    points += [{"of": "naive", "shape": (1, c), "s": measure_naive(c, repeats)} for c in NAIVE_SIZES[:first]]
    shapes = [(k, 10) for k in VARIABLES[:first]]
    points += [
        {"of": "noise", "shape": shape, "s": all_on_threads(1, noises(shape), repeats)} for shape in shapes
    ]
    for name, estimator in {"joint": ARSM(), "coordinate": ARSM("coordinate")}.items():
        points += [
            {"of": name, "shape": shape, "s": measure_variables(shape, estimator, repeats)}
            for shape in shapes
            if name == "joint" or shape[0] <= MOST_COORDINATE_VARIABLES
        ]
    points += [
        {"of": "wide joint", "shape": shape, "s": measure_variables(shape, ARSM(), repeats)}
        for shape in JOINT_SHAPES[:first]
    ]
    return points


def select(points, of, threads=1):
    """The points of one series, measured on so many threads."""
    return [point for point in points if point["of"] == of and point.get("threads", 1) == threads]


def print_tables(points):
    """The README's table, for each number of threads, and what its text quotes."""
    for threads in sorted({point.get("threads", 1) for point in points}):
        print(f"ns a category and sample, on {threads} thread(s):\n")
        print(f"| C (rows) | {' | '.join(TITLES.values())} |")
        print("|---" * (1 + len(TITLES)) + "|")
        for point in select(points, "rows", threads):
            rows, size = point["shape"]
            cells = [f"{point['s'][name] * 1e9 / (rows * size):.1f}" for name in TITLES]
            print(f"| {size:,} ({rows:,}) | {' | '.join(cells)} |")
        print()
        print("many samples of one row:\n")
        print(f"| C (samples) | {' | '.join(TITLES[regime] for regime in REGIMES)} |")
        print("|---" * (1 + len(REGIMES)) + "|")
        for point in select(points, "samples", threads):
            samples, size = point["shape"]
            cells = [f"{point['s'][name] * 1e9 / (samples * size):.1f}" for name in REGIMES]
            print(f"| {size:,} ({samples:,}) | {' | '.join(cells)} |")
        print()
    ours = {point["shape"][1]: point["s"]["normal"] / point["shape"][0] for point in select(points, "rows")}
    for point in select(points, "naive"):
        size, seconds = point["shape"][1], point["s"]
        if size in ours:
            print(f"naive route, C = {size:,}: {seconds:.2g} s a sample, {seconds / ours[size]:,.0f} times ours")
    for point in select(points, "wide joint"):
        microseconds = [f"{name} {1e6 * s:,.0f} us" for name, s in point["s"].items()]
        print(f"joint swap, (K, C) = {tuple(point['shape'])}: {', '.join(microseconds)}")


def draw(points, path):
    """Time a sample against C and against K."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise SystemExit('drawing needs matplotlib: pip install "arsm-fast[bench]"') from None
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharey=True)

    def line(ax, xy, label, color, style="o-"):
        ax.plot(*zip(*xy, strict=True), style, color=color, markersize=4, label=label)

    rows, noise = select(points, "rows"), select(points, "noise")
    line(left, [(p["shape"][1], p["s"]) for p in select(points, "naive")], "naive C x C route", "C3")
    for name, label, color, style in (
        ("normal", "ARSM gradient from a table", "C0", "o-"),
        ("numpy", "NumPy's noise alone", "C1", "--"),
        ("floor", "own noise alone: the floor", "grey", ":"),
    ):
        line(left, [(p["shape"][1], p["s"][name] / p["shape"][0]) for p in rows], label, color, style)
        if name in noise[0]["s"]:
            line(right, [(p["shape"][0], p["s"][name]) for p in noise], label, color, style)
    for name, color in (("coordinate", "C2"), ("joint", "C0")):
        xy = [(p["shape"][0], sum(p["s"].values())) for p in select(points, name)]
        line(right, xy, f"{name} swap: propose + estimate", color)
    left.set(title="one variable, logits N(0, 1)", xlabel="categories C", ylabel="seconds a sample")
    right.set(title="K variables of 10 categories, f excluded", xlabel="variables K")
    for ax in (left, right):
        ax.set(xscale="log", yscale="log")
        ax.grid(alpha=0.3)
        ax.legend(fontsize="small")
    figure.savefig(path, dpi=90)


def main() -> None:
    """Measure or load; print; draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--threads", type=int, default=1, metavar="N", help="tables for 1 to N of Numba's threads"
    )
    parser.add_argument("--quick", action="store_true", help="a few sizes, once each: to see that it runs")
    parser.add_argument("--save", metavar="FILE.json", type=Path, help="keep the measurements")
    parser.add_argument("--load", metavar="FILE.json", type=Path, help="use those that were kept")
    parser.add_argument("--output", metavar="FILE.png", type=Path, default=Path(__file__).parent / "scaling.png")
    arguments = parser.parse_args()
    if not 1 <= arguments.threads <= numba.config.NUMBA_NUM_THREADS:
        parser.error(f"--threads must be 1 to {numba.config.NUMBA_NUM_THREADS}, the threads Numba has here")
    if arguments.load:
        points = json.loads(arguments.load.read_text())
    else:
        points = measure(arguments.threads, quick=arguments.quick)
    if arguments.save:
        arguments.save.write_text(json.dumps(points, indent=1) + "\n")
    print_tables(points)
    draw(points, arguments.output)


if __name__ == "__main__":
    main()
