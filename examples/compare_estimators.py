"""Compare estimators at equal numbers of evaluations: python examples/compare_estimators.py.

For each problem and estimator: the total variance of the gradient from one sample, the distinct evaluations that
a sample takes, and their product relative to that of LeaveOneOut(10), with standard errors. Points are logits
drawn from N(0, scale**2); those of the paper's toy lie on the way of exact gradient ascent. Control variates and
baselines have learnt from 1,000 evaluations at logits nearby; Auto is what it settles on after a trial there, and
--trials 30 says how good the choices of 30 trials are. Estimators that are told more than f (its terms, its
values for changes of one variable, a relaxation) are marked +; what these cost is not counted. Last for each
problem: what surrogates take themselves, beside the evaluations that they learn from. About a quarter of an
hour, more than one with 30 trials; --quick takes few samples. --instances 6 measures as many instances of each
problem in place of one, and says how much the products differ from one to another.
"""

import argparse
import copy
import functools
import time
from collections import Counter

import numpy as np
import problems

import arsm_fast
from arsm_fast import ARSM, ControlVariate, LeaveOneOut

N_PAST = 1000  # evaluations that what learns has seen


def toy(size, place):
    """The paper's toy, one variable, from uniform logits, half way to the optimum or where it has converged."""
    table = 0.5 + np.arange(1, size + 1) / (30 * size)
    logits = np.zeros(size)
    probability = {"start": 0.0, "half way": 0.5, "converged": 0.95}[place]
    rate = 30.0 * size  # the table's differences are this small
    while np.exp(logits[-1]) < probability * np.exp(logits).sum():
        logits += rate / 30 * arsm_fast.gradient(table, logits, estimator="exact").gradient
    return (lambda actions: table[actions[:, 0]]), logits[None]


def at_random(problem, scale, seed):
    """A problem at logits from N(0, scale**2), which are not from the stream that the problem was made from."""
    rng = np.random.default_rng([1, seed])
    return problem, scale * rng.normal(size=(problem.n_categories.size, problem.n_categories[0]))


PROBLEMS = {
    "NK": lambda scale, seed: at_random(problems.NKLandscape(seed, 20, 10), scale, seed),
    "network": lambda scale, seed: at_random(problems.SmallNetwork(seed), scale, seed),
    "dense": lambda scale, seed: at_random(problems.Quadratic(seed), scale, seed),
    "sparse": lambda scale, seed: at_random(problems.Quadratic(seed, 200, 5, 600), scale, seed),
    "pest": lambda scale, seed: at_random(problems.PestControl(seed), scale, seed),
    "sensors": lambda scale, seed: at_random(problems.SensorPlacement(seed or None), scale, seed),
    **{
        f"toy {size:,} {place}": lambda scale, seed, size=size, place=place: toy(size, place)
        for size in (30, 1000)
        for place in ("start", "half way", "converged")
    },
}
"""By name: from the scale of the logits and the number of an instance to f and logits. The toy is one."""


def estimators(f, logits):
    """Those that suit a problem, by name."""
    one_variable = len(logits) == 1
    found = {
        "REINFORCE": arsm_fast.Reinforce(),
        "AR": arsm_fast.AR(),
        "ARS": arsm_fast.ARS(),
        "ARSM": ARSM(),
        "LeaveOneOut(10)": LeaveOneOut(10),
    }
    if one_variable:
        found |= {
            "LeaveOneOut(30)": LeaveOneOut(30),
            "LeaveOneOut(300)": LeaveOneOut(300),
            "UnorderedSet(20)": arsm_fast.UnorderedSet(20),
            "UnorderedSet(30)": arsm_fast.UnorderedSet(30),
        }
    else:
        found |= {
            "ARSM(plus=True)": ARSM(plus=True),
            'ARSM("coordinate")': ARSM("coordinate"),
            "LocalExpectation": arsm_fast.LocalExpectation(),
            "RaoBlackwellTop(3)": arsm_fast.RaoBlackwellTop(3),
            "LocalPair": arsm_fast.LocalPair(),
            "LeaveOneOut(10), Additive": ControlVariate(LeaveOneOut(10), arsm_fast.Additive()),
            "LeaveOneOut(10), Hamming": ControlVariate(LeaveOneOut(10), arsm_fast.Hamming()),
        }
        for refit in (0.2, 0.02):
            hamming = arsm_fast.Hamming(memory=1000, refit=refit)
            found[f"LeaveOneOut(10), Hamming, refit {refit:g}"] = ControlVariate(LeaveOneOut(10), hamming)
    found |= {
        "REINFORCE, RunningMean": arsm_fast.Reinforce(arsm_fast.RunningMean()),
        "DisARM": arsm_fast.DisARM(),
        "UnorderedSet(10)": arsm_fast.UnorderedSet(10),
        "Auto": arsm_fast.Auto(),
    }
    if logits.shape[1] <= 100:
        found["CARMS(10)"] = arsm_fast.CARMS(10)
    if hasattr(f, "terms"):
        found["ScopedLeaveOneOut(10) +"] = arsm_fast.ScopedLeaveOneOut(10)
    if hasattr(f, "delta"):
        found["LocalExpectation +"] = arsm_fast.LocalExpectation()
        found["LocalPair +"] = arsm_fast.LocalPair()
    if hasattr(f, "relaxed"):
        found |= {
            "REBAR +": arsm_fast.REBAR(),
            "MuProp +": arsm_fast.MuProp(),
            "RELAX": arsm_fast.RELAX(arsm_fast.ControlNetwork()),
        }
    if hasattr(f, "terms") or hasattr(f, "delta"):
        found["Auto +"] = arsm_fast.Auto()
    return found


def choose(f, logits, seed):
    """What Auto settles on, and the evaluations of its trial."""
    rng = np.random.default_rng(seed)
    auto, n = arsm_fast.Auto(), 0
    while auto.choice is None or not (auto.report or isinstance(auto.choice, arsm_fast.Exact)):
        past = logits + 0.3 * rng.normal(size=logits.shape)
        n += arsm_fast.gradient(f, past, estimator=auto, rng=rng).n_evaluations
    return auto.choice, n


def surrogate_costs(f, logits, surrogate, rng):
    """Microseconds an evaluation of f, of learning with its fits, and of all that a surrogate does; by tens.

    Of this thread alone: BLAS has others wait for work, which takes their time.
    """
    seconds = {"f": 0.0, "learn": 0.0, "own": 0.0}

    def timed(name, function, *arguments):
        start = time.thread_time()
        result = function(*arguments)
        seconds[name] += time.thread_time() - start
        return result

    learn = surrogate.learn
    surrogate.learn = lambda *arguments: timed("learn", learn, *arguments)
    for _ in range(N_PAST // 10):
        past = logits + 0.3 * rng.normal(size=logits.shape)
        probabilities = np.exp(past) / np.exp(past).sum(axis=1, keepdims=True)
        actions = arsm_fast.sample(past, 10, rng=rng)
        predictions = timed("own", surrogate.predict, actions)
        timed("own", surrogate.expectation, list(probabilities))
        values = timed("f", f, actions)
        timed("own", surrogate.observe, actions, values, predictions, [logits.shape[1]] * len(logits))
    surrogate.learn = learn
    return 1e6 * np.array(list(seconds.values())) / N_PAST


def print_surrogate_costs(f, logits):
    """What surrogates take for their first evaluations, and for as many more."""
    print(
        "\n| surrogate | f, us an evaluation | "
        f"learning, the first {N_PAST:,} | the next | all of its own, the first {N_PAST:,} | the next |\n"
        "|---|---|---|---|---|---|",
        flush=True,
    )
    thorough = functools.partial(arsm_fast.Hamming, memory=1000, refit=0.2)
    makers = {"Additive": arsm_fast.Additive, "Hamming": arsm_fast.Hamming, "Hamming, refit 0.2": thorough}
    for name, make in makers.items():
        surrogate_costs(f, logits, make(), np.random.default_rng(0))  # compiles
        surrogate, rng = make(), np.random.default_rng(0)
        costs = np.array([surrogate_costs(f, logits, surrogate, rng) for _ in range(2)])
        cells = [f"{cost:.3g}" for cost in (costs[:, 0].min(), *costs[:, 1], *costs[:, 2])]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def learn(f, logits, estimator):
    """Let a control variate or a baseline see past evaluations."""
    rng = np.random.default_rng(0)
    n = 0
    while n < N_PAST:
        past = logits + 0.3 * rng.normal(size=logits.shape)
        n += arsm_fast.gradient(f, past, estimator=estimator, rng=rng).n_evaluations


def measure(f, logits, estimator, n_parts, n_samples, n_singles):
    """Variance of a sample and its evaluations: two means with their standard errors."""

    def run(n, seed):
        fresh = copy.deepcopy(estimator)  # a control variate learns from each call
        return arsm_fast.gradient(f, logits, estimator=fresh, n_samples=n, rng=[n, seed])

    parts = [run(n_samples, seed) for seed in range(n_parts)]
    variances = np.array([n_samples * (part.standard_error**2).sum() for part in parts])
    counts = np.array([run(1, seed).n_evaluations for seed in range(n_singles)])
    return tuple((x.mean(), x.std(ddof=1) / np.sqrt(x.size)) for x in (variances, counts))


def judge(label, f, logits, n_trials, best, *numbers):
    """Print how far the choices of many trials are from the best of the table."""
    products, counts, kinds = [], [], Counter()
    known = []
    for seed in range(n_trials):
        choice, count = choose(f, logits, seed)
        same = [product for other, product in known if other == choice]  # a control variate is its own
        if not same:
            (variance, _), (evaluations, _) = measure(f, logits, choice, *numbers)
            same = [variance * evaluations]
            known.append((choice, same[0]))
        products.append(same[0])
        counts.append(count)
        kinds[type(choice).__name__] += 1
    best = min(best, *products)
    ratios = np.array([product / best if product > best else 1.0 for product in products])
    names = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
    print(
        f"{label}: {names}; times the best product {ratios.mean():.3f}, at worst {ratios.max():.3f}, above 1.2 "
        f"{(ratios > 1.2).sum()} times; evaluations of a trial {np.mean(counts):,.0f}, at most {max(counts):,}",
        flush=True,
    )


def measure_all(name, scale, seed, numbers):
    """All estimators on an instance: f, logits, what was measured by label, and how Auto was asked."""
    f, logits = PROBLEMS[name](scale, seed)
    rows, autos = {}, {}
    for label, estimator in estimators(f, logits).items():
        asked = f if label.endswith("+") or not hasattr(f, "n_categories") else f.__call__
        if isinstance(estimator, arsm_fast.Auto):
            autos[label] = asked
            estimator, _ = choose(asked, logits, 0)
            label = f"{label}: {type(estimator).__name__}"
        elif isinstance(estimator, ControlVariate | arsm_fast.RELAX) or "RunningMean" in label:
            learn(asked, logits, estimator)
        rows[label] = measure(asked, logits, estimator, *numbers)
    return f, logits, rows, autos


def relative(rows):
    """By label, variance times evaluations as a multiple of LeaveOneOut(10)'s, with its standard error."""
    (loo, loo_error), (loo_count, _) = rows["LeaveOneOut(10)"]
    ratios = {}
    for label, ((variance, error), (count, count_error)) in rows.items():
        ratio = variance * count / (loo * loo_count)
        shares = error / max(variance, 1e-300), loo_error / loo, count_error / count
        ratios[label] = ratio, ratio * np.linalg.norm(shares)
    return ratios


def print_heading(name, scale, logits, *columns):
    if not name.startswith("toy"):
        name = f"{name}, K = {len(logits)}, C = {logits.shape[1]}, logits N(0, {scale * scale:g})"
    print(f"\n{name}\n| estimator | {' | '.join(columns)} |\n|{'---|' * (1 + len(columns))}")


def compare(name, scale, n_trials, numbers):
    """Print the table of one problem."""
    f, logits, rows, autos = measure_all(name, scale, 0, numbers)
    print_heading(name, scale, logits, "variance", "evaluations", "their product, LeaveOneOut(10): 1")
    for label, (ratio, ratio_error) in relative(rows).items():
        (variance, error), (count, _) = rows[label]
        cells = f"{variance:.3g} ± {error:.1g} | {count:.1f} | {ratio:.3g} ± {ratio_error:.1g}"
        print(f"| {label} | {cells} |", flush=True)
    if len(logits) > 1:
        print_surrogate_costs(f, logits)
    if n_trials:
        for label, asked in autos.items():
            fair = [row for other, row in rows.items() if label.endswith("+") or "+" not in other.split(":")[0]]
            best = min(variance * count for (variance, _), (count, _) in fair)
            n_parts, *rest = numbers
            judge(label, asked, logits, n_trials, best, max(3, n_parts // 4), *rest)


def compare_instances(name, scale, n_instances, numbers):
    """Print how the products of one problem differ between its instances."""
    products = {}
    for seed in range(n_instances):
        _, logits, rows, _ = measure_all(name, scale, seed, numbers)
        for label, (ratio, _) in relative(rows).items():
            products.setdefault(label.split(":")[0], []).append(ratio)
    print_heading(name, scale, logits, f"product, mean of {n_instances} instances", "least", "greatest")
    for label, ratios in products.items():
        error = np.std(ratios, ddof=1) / np.sqrt(n_instances)
        cells = f"{np.mean(ratios):.3g} ± {error:.1g} | {min(ratios):.3g} | {max(ratios):.3g}"
        print(f"| {label} | {cells} |", flush=True)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--problems", nargs="+", choices=list(PROBLEMS), metavar="NAME")
    parser.add_argument("--scale", type=float, default=1.0, help="standard deviation of the logits (1)")
    parser.add_argument("--trials", type=int, default=0, help="judge the choices of so many trials of Auto (0)")
    parser.add_argument("--instances", type=int, default=1, help="compare so many instances of each problem (1)")
    parser.add_argument("--quick", action="store_true", help="few samples")
    options = parser.parse_args(arguments)
    if options.instances < 1:
        parser.error(f"--instances must be at least 1; got {options.instances}")
    asked = options.problems or [
        name for name in PROBLEMS if options.instances == 1 or not name.startswith("toy")
    ]
    if options.instances > 1 and (options.trials or any(name.startswith("toy") for name in asked)):
        parser.error(
            "--instances is for problems other than the toy, of which there is one, and without --trials"
        )
    numbers = (20, 200, 60)
    if options.quick:
        numbers = (3, 10, 3)
    elif options.instances > 1:  # which differ by more than their errors
        numbers = (5, 200, 20)
    for name in asked:
        if options.instances > 1:
            compare_instances(name, options.scale, options.instances, numbers)
        else:
            compare(name, options.scale, options.trials, numbers)


if __name__ == "__main__":
    main()
