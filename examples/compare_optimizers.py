"""Compare optimisers at equal numbers of evaluations: python examples/compare_optimizers.py.

Five problems, ten instances each, budgets of 1,000, 3,000 and 20,000 evaluations, one setting of each optimiser
for all; and arsm_fast once more where it can be told the terms of a sum, or the values of all categories of a
variable, out of the ranking. The numbers are what the found vector is worth (of noisy problems: without the
noise), and the ranks of the optimisers, averaged.
Instances 0 to 9 were used to choose the default of `arsm_fast.minimize`; the table is for 10 to 19, unless
--first says another. Needs the extra "compare": pip install "arsm-fast[compare]". The whole takes 1.5 hours
on one core, most of it in the packages compared with; --results keeps what is done, to go on from. --quick takes
a few seconds, and needs no other package.
"""

import argparse
import json
import multiprocessing
import time
import warnings
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import other_optimizers
import problems
from scipy.stats import rankdata

import arsm_fast

PROBLEMS = problems.BLACK_BOXES
BUDGETS = (1000, 3000, 20_000)


# arsm_fast, told the terms of the problems that are sums, and what delta says of others that have it: no rank.
TOLD = "arsm_fast, told more"


class Objective:
    """A problem as f, to minimise, which counts its evaluations."""

    def __init__(self, problem):
        self.problem = problem
        self.sign = -1.0 if problem.maximize else 1.0
        self.evaluations = 0

    def __call__(self, actions):
        self.evaluations += len(actions)
        return self.sign * self.problem(actions)


class WithTerms(Objective):
    """The same, which also says what each of its terms is."""

    @property
    def scopes(self):
        return self.problem.scopes

    def terms(self, actions):
        self.evaluations += len(actions)
        return self.sign * self.problem.terms(actions)


class WithDelta(Objective):
    """The same, which also says what all categories of a variable are worth: counted as one evaluation."""

    def delta(self, actions, variable):
        self.evaluations += len(actions)
        return self.sign * self.problem.delta(actions, variable)


def told_more(problem):
    """The problem with the most that it can say; None where that is its value."""
    if hasattr(problem, "terms"):
        return WithTerms
    return WithDelta if hasattr(problem, "delta") else None


def ours(f, n_categories, budget, rng, noisy=False):
    """arsm_fast.minimize as it is."""
    return arsm_fast.minimize(f, n_categories, maxfev=budget, noisy=noisy, rng=rng).x


OPTIMIZERS = {"arsm_fast": ours, TOLD: ours, **other_optimizers.OPTIMIZERS}


def run(task):
    """What one optimiser finds on one instance, and the seconds of a processor it takes."""
    name, problem_name, budget, seed = task
    problem = PROBLEMS[problem_name](seed)
    f = (told_more(problem) if name == TOLD else Objective)(problem)
    rng = np.random.default_rng([seed, budget])
    options = {"noisy": True} if name == "arsm_fast" and problem_name == "pest" else {}
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the packages compared with
        x = OPTIMIZERS[name](f, problem.n_categories, budget, rng, **options)
    seconds = time.process_time() - start
    assert f.evaluations <= budget, f"{name} made {f.evaluations} evaluations of {budget}"
    if problem_name == "pest":
        problem = problems.PestControl(0, n_farms=20_000)
    return float(problem(x[None])[0]), seconds


def collect(tasks, path, n_jobs):
    """The results of all tasks, by task; those in the file are not run again."""
    results = json.loads(path.read_text()) if path and path.exists() else {}
    missing = [task for task in tasks if "/".join(map(str, task)) not in results]
    other_optimizers.check_packages({task[0] for task in missing})
    with multiprocessing.get_context("spawn").Pool(n_jobs) if n_jobs > 1 else nullcontext() as pool:
        found = pool.imap(run, missing) if pool else map(run, missing)
        for number, (task, result) in enumerate(zip(missing, found, strict=True), 1):
            results["/".join(map(str, task))] = result
            print(f"\r{number} of {len(missing)}: {task[0]}, {task[1]}, {task[2]}   ", end="", flush=True)
            if path:
                path.write_text(json.dumps(results))
    print()
    return {task: results["/".join(map(str, task))] for task in tasks}


def print_tables(results, names, problem_names, budgets, seeds):
    """Means with standard errors, mean ranks, and seconds of a processor."""
    ranked = [name for name in names if name != TOLD]
    ranks = {name: [] for name in ranked}
    for budget in budgets:
        # (seeds, 2) each: what was found, and the seconds.
        runs = {
            (n, p): np.array([results[n, p, budget, s] for s in seeds])
            for n in names
            for p in problem_names
            if (n, p, budget, seeds[0]) in results
        }
        for p in problem_names:
            sign = -1.0 if PROBLEMS[p].maximize else 1.0
            found = np.array([sign * runs[name, p][:, 0] for name in ranked]).reshape(-1, len(seeds))
            for name, rank in zip(ranked, rankdata(np.round(found, 9), axis=0), strict=True):
                ranks[name].append(rank.mean())
        print(f"\n{budget:,} evaluations")
        print(f"| {'':20} |" + "".join(f" {p:>16} |" for p in problem_names) + " mean rank | seconds |")
        print("|---" * (3 + len(problem_names)) + "|")
        for name in names:
            cells = "".join(f" {shown(runs.get((name, p))):>16} |" for p in problem_names)
            rank = f"{np.mean(ranks[name][-len(problem_names) :]):.2f}" if name in ranks else "-"
            seconds = [runs[name, p][:, 1].mean() for p in problem_names if (name, p) in runs]
            print(f"| {name:20} |{cells} {rank:>9} | {np.mean(seconds) if seconds else 0.0:7.2f} |")
    print("\nmean rank over all budgets")
    for name in sorted(ranked, key=lambda name: np.mean(ranks[name])):
        print(f"  {name:20} {np.mean(ranks[name]):.2f}")


def shown(run):
    """The mean of what was found and its standard error, if it was run."""
    if run is None:
        return "-"
    found = run[:, 0]
    error = found.std(ddof=1) / np.sqrt(found.size) if found.size > 1 else 0.0
    return f"{found.mean():>8.4g} ± {error:<5.2g}"


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--optimizers", nargs="+", default=list(OPTIMIZERS), choices=list(OPTIMIZERS), metavar="NAME"
    )
    parser.add_argument("--problems", nargs="+", default=list(PROBLEMS), choices=list(PROBLEMS), metavar="NAME")
    parser.add_argument("--budgets", nargs="+", type=int, default=list(BUDGETS))
    parser.add_argument("--first", type=int, default=10, help="seed of the first instance (10)")
    parser.add_argument("--instances", type=int, default=10, help="how many (10)")
    parser.add_argument("--results", type=Path, help="a JSON file to keep results in, and to go on from")
    parser.add_argument("--jobs", type=int, default=1, help="processes (1)")
    parser.add_argument("--quick", action="store_true", help="a small form, which needs no other package")
    options = parser.parse_args(arguments)
    if options.quick:
        options.optimizers = [name for name in OPTIMIZERS if name not in other_optimizers.PACKAGES]
        options.problems, options.budgets, options.instances = ["NK", "sensors"], [200], 2
    if min(*options.budgets, options.instances, options.jobs) < 1 or options.first < 0:
        parser.error("--budgets, --instances and --jobs must be at least 1, --first not negative")
    seeds = range(options.first, options.first + options.instances)
    tasks = [
        (name, problem, budget, seed)
        for name in options.optimizers
        for problem in options.problems
        for budget in options.budgets
        for seed in seeds
        if name != TOLD or told_more(PROBLEMS[problem])
    ]
    results = collect(tasks, options.results, options.jobs)
    print_tables(results, options.optimizers, options.problems, options.budgets, seeds)


if __name__ == "__main__":
    main()
