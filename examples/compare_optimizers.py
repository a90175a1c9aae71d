"""Compare optimisers at equal numbers of evaluations: python examples/compare_optimizers.py.

Five problems, ten instances each, budgets of 1,000, 3,000 and 20,000 evaluations, one setting of each optimiser
for all. The numbers are what the found vector is worth (of noisy problems: without the noise), and the ranks of
the optimisers, averaged. Instances 0 to 9 were used to choose the default of `arsm_fast.minimize`; the table is
for 10 to 19, unless --first says another. Needs the extra "compare": pip install ".[compare]". The whole takes
about an hour on one core, most of it in the packages compared with; --results keeps what is done, to go on from.
"""

import argparse
import json
import multiprocessing
import time
import warnings
from pathlib import Path

import numpy as np
import other_optimizers
import problems
from scipy.stats import rankdata

import arsm_fast

PROBLEMS = {
    "NK": problems.NKLandscape,
    "Potts": problems.Potts,
    "torus": problems.TorusMaxCut,
    "pest": problems.PestControl,
    "sensors": problems.SensorPlacement,
}
BUDGETS = (1000, 3000, 20_000)


def ours(f, n_categories, budget, rng, noisy=False):
    """arsm_fast.minimize as it is."""
    return arsm_fast.minimize(f, n_categories, maxfev=budget, noisy=noisy, rng=rng).x


def ours_with_structure(problem, budget, rng):
    """arsm_fast, told of terms and of single changes where the problem can say them."""
    best = arsm_fast.maximize if problem.maximize else arsm_fast.minimize
    return best(problem, problem.n_categories, maxfev=budget, rng=rng).x


OPTIMIZERS = {"arsm_fast": ours, **other_optimizers.OPTIMIZERS}


def run(task):
    """What one optimiser finds on one instance, and the seconds it takes."""
    name, problem_name, budget, seed = task
    warnings.simplefilter("ignore")  # of the packages compared with
    problem = PROBLEMS[problem_name](seed)
    sign = -1.0 if problem.maximize else 1.0
    rng = np.random.default_rng([seed, budget])
    options = {"noisy": True} if name == "arsm_fast" and problem_name == "pest" else {}
    evaluations = 0

    def f(actions):
        nonlocal evaluations
        evaluations += len(actions)
        return sign * problem(actions)

    start = time.perf_counter()
    x = OPTIMIZERS[name](f, problem.n_categories, budget, rng, **options)
    seconds = time.perf_counter() - start
    assert evaluations <= budget, f"{name} made {evaluations} evaluations of {budget}"
    if problem_name == "pest":
        problem = problems.PestControl(0, n_farms=20_000)
    return float(problem(x[None])[0]), seconds


def collect(tasks, path, n_jobs):
    """The results of all tasks, by task; those in the file are not run again."""
    results = json.loads(path.read_text()) if path and path.exists() else {}
    missing = [task for task in tasks if "/".join(map(str, task)) not in results]
    with multiprocessing.get_context("spawn").Pool(n_jobs) as pool:
        for number, (task, result) in enumerate(zip(missing, pool.imap(run, missing), strict=True), 1):
            results["/".join(map(str, task))] = result
            print(f"\r{number} of {len(missing)}: {task[0]}, {task[1]}, {task[2]}   ", end="", flush=True)
            if path:
                path.write_text(json.dumps(results))
    print()
    return {task: results["/".join(map(str, task))] for task in tasks}


def print_tables(results, names, problem_names, budgets, seeds):
    """Means with standard errors, mean ranks, and seconds."""
    ranks = {name: [] for name in names}
    for budget in budgets:
        print(f"\n{budget:,} evaluations")
        print(
            f"| {'':18} |" + "".join(f" {problem:>16} |" for problem in problem_names) + " mean rank | seconds |"
        )
        print("|---" * (3 + len(problem_names)) + "|")
        values = np.array(
            [[[results[n, p, budget, s] for s in seeds] for p in problem_names] for n in names]
        )  # (optimisers, problems, seeds, 2)
        found, seconds = values[..., 0], values[..., 1].mean(axis=(1, 2))
        signs = np.array([-1.0 if PROBLEMS[p].maximize else 1.0 for p in problem_names])
        rank = rankdata(np.round(signs[:, None] * found, 9), axis=0)
        errors = found.std(axis=2, ddof=1) / np.sqrt(len(seeds)) if len(seeds) > 1 else np.zeros(found.shape[:2])
        for i, name in enumerate(names):
            cells = "".join(
                f" {m:>8.4g} ± {e:<5.2g} |" for m, e in zip(found[i].mean(axis=1), errors[i], strict=True)
            )
            print(f"| {name:18} |{cells} {rank[i].mean():9.2f} | {seconds[i]:7.2f} |")
            ranks[name].append(rank[i].mean())
    print("\nmean rank over all budgets")
    for name in sorted(names, key=lambda name: np.mean(ranks[name])):
        print(f"  {name:20} {np.mean(ranks[name]):.2f}")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--optimizers", nargs="+", default=list(OPTIMIZERS), choices=list(OPTIMIZERS), metavar="NAME"
    )
    parser.add_argument("--problems", nargs="+", default=list(PROBLEMS), choices=list(PROBLEMS))
    parser.add_argument("--budgets", nargs="+", type=int, default=list(BUDGETS))
    parser.add_argument("--first", type=int, default=10, help="seed of the first instance (10)")
    parser.add_argument("--instances", type=int, default=10, help="how many (10)")
    parser.add_argument("--results", type=Path, help="a JSON file to keep results in, and to go on from")
    parser.add_argument("--jobs", type=int, default=1, help="processes (1)")
    options = parser.parse_args(arguments)
    seeds = range(options.first, options.first + options.instances)
    tasks = [
        (name, problem, budget, seed)
        for name in options.optimizers
        for problem in options.problems
        for budget in options.budgets
        for seed in seeds
    ]
    results = collect(tasks, options.results, options.jobs)
    print_tables(results, options.optimizers, options.problems, options.budgets, seeds)


if __name__ == "__main__":
    main()
