"""Optimise a black box over categories, in several ways: python examples/optimize_black_box.py --problem NK.

The problems are those of compare_optimizers.py. Each method gets the same number of evaluations, and the best
value over the evaluations is printed and, with --plot, drawn. The run of --method can be killed and resumed:
with --state its state is written to a file about once a second, and read from there if the file exists. The
method L-BFGS-B is SciPy's: it descends E[f] under common random numbers, again and again, each time with others.
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np
import other_optimizers
import problems
from drawing import new_figure
from scipy.optimize import minimize

import arsm_fast

PROBLEMS = problems.BLACK_BOXES
METHODS = ("annealing", "natural", "adam", "momentum", "gradient")
SCIPY = "L-BFGS-B"
OTHERS = ("random search", "hill climbing")
SECONDS_BETWEEN_SAVES = 1.0
MARKS = (0.01, 0.03, 0.1, 0.3, 1.0)


def optimise(problem, method, budget, seed, *, noisy=False, state=None, disp=False):
    """Run arsm_fast.minimize; with the name of a file its state is kept there."""
    optimizer = arsm_fast.Optimizer(
        problem.n_categories,
        optimizer=method,
        maxfev=budget,
        noisy=noisy,
        maximize=problem.maximize,
        rng=seed,
    )

    saved = time.monotonic()

    def save(intermediate_result):
        nonlocal saved
        if not optimizer.stop() and time.monotonic() - saved < SECONDS_BETWEEN_SAVES:
            return
        saved = time.monotonic()
        # A new file is put in the place of the old one, so that there is a whole one at any time.
        new = f"{state}.new.npz"
        np.savez(new, **optimizer.state_dict())
        os.replace(new, state)

    if state and Path(state).exists():
        with np.load(state, allow_pickle=False) as arrays:
            optimizer.load_state_dict(arrays)
        print(f"{method} goes on after {optimizer.nfev} evaluations")
    run = arsm_fast.maximize if problem.maximize else arsm_fast.minimize
    result = run(problem, optimizer, callback=save if state else None, disp=disp)
    return result.x, result.history["nfev"], result.history["best"]


class BudgetSpentError(Exception):
    """No evaluations are left."""


def l_bfgs_b(f, n_categories, budget, rng):
    """SciPy's L-BFGS-B on E[f], from random logits and with new noise until the budget is spent."""
    best = other_optimizers.Best(f, budget)

    def within_budget(actions):
        values = best(actions)
        if len(values) < len(actions):
            raise BudgetSpentError
        return values

    size = n_categories.sum()
    try:
        while True:
            expected = arsm_fast.ExpectedObjective(within_budget, n_categories.tolist(), 1, rng=rng)
            start, bounds = rng.normal(size=size), [(-6, 6)] * size
            minimize(expected.value_and_grad, start, jac=True, method=SCIPY, bounds=bounds)
    except BudgetSpentError:
        return best.x


def compare(problem, name, budget, seed):
    """SciPy's or one of the other optimisers; and its best value after each evaluation."""
    sign = -1.0 if problem.maximize else 1.0
    values = []

    def f(actions):
        found = sign * problem(actions)
        values.extend(found.tolist())
        return found

    search = l_bfgs_b if name == SCIPY else getattr(other_optimizers, name.replace(" ", "_"))
    x = search(f, problem.n_categories, budget, np.random.default_rng(seed))
    return x, np.arange(1, len(values) + 1), sign * np.minimum.accumulate(values)


def plot(curves, path, title):
    """Draw the best value over the evaluations."""
    figure, ax = new_figure((7, 4.5))
    for name, (nfev, best) in curves.items():
        ax.step(nfev, best, where="post", label=name)
    ax.set(xlabel="evaluations", ylabel="best value so far", xscale="log", title=title)
    ax.legend()
    figure.savefig(path, dpi=120)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problem", choices=list(PROBLEMS), default="NK")
    parser.add_argument("--method", choices=[*METHODS, SCIPY], default="annealing", help="default: annealing")
    parser.add_argument("--budget", type=int, default=20_000, help="evaluations of each method (20,000)")
    parser.add_argument("--seed", type=int, default=0, help="of the instance and of the methods (0)")
    parser.add_argument("--alone", action="store_true", help="leave out random search and hill climbing")
    parser.add_argument("--state", metavar="FILE.npz", help="where to keep the state of the method")
    parser.add_argument("--progress", action="store_true", help="show how far it is")
    parser.add_argument("--plot", metavar="FILE.png", help="draw the best value over the evaluations")
    parser.add_argument("--quick", action="store_true", help="500 evaluations")
    options = parser.parse_args(argv)
    budget = 500 if options.quick else options.budget
    if budget < 1 or options.seed < 0:
        parser.error("--budget must be at least 1, --seed not negative")
    if options.method == SCIPY and (options.state or options.progress):
        parser.error("--state and --progress are for the methods of arsm_fast.minimize")

    problem = PROBLEMS[options.problem](options.seed)
    noisy = options.problem == "pest"
    aim = "highest" if problem.maximize else "lowest"
    print(f"{options.problem}: {problem.n_categories.size} variables, the {aim} value is looked for")
    print(
        f"{'best after evaluations':24}"
        + "".join(f"{round(mark * budget):>10,}" for mark in MARKS)
        + "   seconds"
    )
    curves, found = {}, {}
    for name in (options.method, *(() if options.alone else OTHERS)):
        start = time.perf_counter()
        if name in METHODS:
            found[name], *curve = optimise(
                problem, name, budget, options.seed, noisy=noisy, state=options.state, disp=options.progress
            )
        else:
            found[name], *curve = compare(problem, name, budget, options.seed)
        seconds = time.perf_counter() - start
        curves[name] = nfev, best = curve
        places = np.searchsorted(nfev, np.round(np.multiply(MARKS, budget)), side="right") - 1
        cells = "".join(f"{best[i]:>10.5g}" if i >= 0 else f"{'':>10}" for i in places)
        print(f"{name:24}{cells}   {seconds:7.2f}")
    if noisy:
        exact = problems.PestControl(0, n_farms=20_000)
        for name, x in found.items():
            print(f"without the noise, the vector of {name} is worth {exact(x[None])[0]:.4f}")
    if options.plot:
        plot(curves, options.plot, options.problem)
        print(f"drawn: {options.plot}")
    return curves


if __name__ == "__main__":
    main()
