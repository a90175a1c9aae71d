"""Compare estimators at equal numbers of evaluations: python examples/compare_estimators.py.

For each problem and estimator: the total variance of the gradient from one sample, the distinct evaluations that
a sample takes, and their product relative to that of LeaveOneOut(10), with standard errors. Points are logits
drawn from N(0, scale**2); those of the paper's toy lie on the way of exact gradient ascent. Control variates and
baselines have learnt from 1,000 evaluations at logits nearby; Auto is what it settles on after a trial there, and
--trials 30 says how good the choices of 30 trials are. Estimators that are told more than f (its terms, its
values for changes of one variable, a relaxation) are marked +; what these cost is not counted. Last for each
problem: what surrogates take themselves, beside the evaluations that they learn from. About a quarter of an
hour, more than one with 30 trials; --quick takes few samples.
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


def at_random(problem, scale):
    """A problem at logits from N(0, scale**2), which are not from the stream that the problem was made from."""
    rng = np.random.default_rng(1)
    return problem, scale * rng.normal(size=(problem.n_categories.size, problem.n_categories[0]))


PROBLEMS = {
    "NK": lambda scale: at_random(problems.NKLandscape(0, 20, 10), scale),
    "network": lambda scale: at_random(problems.SmallNetwork(0), scale),
    "dense": lambda scale: at_random(problems.Quadratic(0), scale),
    "sparse": lambda scale: at_random(problems.Quadratic(0, 200, 5, 600), scale),
    "pest": lambda scale: at_random(problems.PestControl(0), scale),
    "sensors": lambda scale: at_random(problems.SensorPlacement(), scale),
    **{
        f"toy {size:,} {place}": lambda scale, size=size, place=place: toy(size, place)
        for size in (30, 1000)
        for place in ("start", "half way", "converged")
    },
}


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
            "LeaveOneOut(10), Hamming, refit 0.2": ControlVariate(
                LeaveOneOut(10), arsm_fast.Hamming(memory=1000, refit=0.2)
            ),
        }
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


def compare(name, scale, n_trials, n_parts, n_samples, n_singles):
    """Print the table of one problem."""
    f, logits = PROBLEMS[name](scale)
    if not name.startswith("toy"):
        name = f"{name}, K = {len(logits)}, C = {logits.shape[1]}, logits N(0, {scale * scale:g})"
    print(
        f"\n{name}\n| estimator | variance | evaluations | their product, LeaveOneOut(10): 1 |\n|---|---|---|---|"
    )
    rows, autos = {}, {}
    for label, estimator in estimators(f, logits).items():
        asked = f if label.endswith("+") or not hasattr(f, "n_categories") else f.__call__
        if isinstance(estimator, arsm_fast.Auto):
            autos[label] = asked
            estimator, _ = choose(asked, logits, 0)
            label = f"{label}: {type(estimator).__name__}"
        elif isinstance(estimator, ControlVariate | arsm_fast.RELAX) or "RunningMean" in label:
            learn(asked, logits, estimator)
        rows[label] = measure(asked, logits, estimator, n_parts, n_samples, n_singles)
    (loo, loo_error), (loo_count, _) = rows["LeaveOneOut(10)"]
    for label, ((variance, error), (count, count_error)) in rows.items():
        ratio = variance * count / (loo * loo_count)
        ratio_error = ratio * np.sqrt(
            (error / max(variance, 1e-300)) ** 2 + (loo_error / loo) ** 2 + (count_error / count) ** 2
        )
        cells = f"{variance:.3g} ± {error:.1g} | {count:.1f} | {ratio:.3g} ± {ratio_error:.1g}"
        print(f"| {label} | {cells} |", flush=True)
    if len(logits) > 1:
        print_surrogate_costs(f, logits)
    if n_trials:
        for label, asked in autos.items():
            fair = [row for other, row in rows.items() if label.endswith("+") or "+" not in other.split(":")[0]]
            best = min(variance * count for (variance, _), (count, _) in fair)
            judge(label, asked, logits, n_trials, best, max(3, n_parts // 4), n_samples, n_singles)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--problems", nargs="+", default=list(PROBLEMS), choices=list(PROBLEMS), metavar="NAME")
    parser.add_argument("--scale", type=float, default=1.0, help="standard deviation of the logits (1)")
    parser.add_argument("--trials", type=int, default=0, help="judge the choices of so many trials of Auto (0)")
    parser.add_argument("--quick", action="store_true", help="few samples")
    options = parser.parse_args(arguments)
    numbers = (3, 10, 3) if options.quick else (20, 200, 60)
    for name in options.problems:
        compare(name, options.scale, options.trials, *numbers)


if __name__ == "__main__":
    main()
