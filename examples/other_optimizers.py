"""Optimisers to compare with: each minimises f over categorical variables with a given number of evaluations.

`minimise(f, n_categories, budget, rng)` returns the best vector it knows; f takes vectors, (M, K), and returns
their values, (M,). One setting each for all problems: of several tried that which did best over all.
"""

import importlib.util
import warnings

import numpy as np


class Best:
    """f, with the best vector it was asked and how many evaluations are left."""

    def __init__(self, f, budget):
        self.f, self.left = f, budget
        self.x, self.value = None, np.inf

    def __call__(self, actions):
        """The values of as many of the vectors as there are evaluations left."""
        actions = np.asarray(actions)[: self.left]
        self.left -= len(actions)
        values = self.f(actions)
        if len(values) and values.min() < self.value:
            self.x, self.value = actions[values.argmin()].copy(), values.min()
        return values


def random_search(f, n_categories, budget, rng):
    best = Best(f, budget)
    while best.left:
        best(rng.integers(0, n_categories, size=(min(best.left, 500), n_categories.size)))
    return best.x


def hill_climbing(f, n_categories, budget, rng):
    """Change one variable where that is better, until no change is; then start again elsewhere."""
    best = Best(f, budget)
    changes = np.array([(k, step) for k, size in enumerate(n_categories) for step in range(1, size)])
    while best.left:
        x = rng.integers(0, n_categories)
        value = best(x[None])[0]
        since = 0
        order = rng.permutation(len(changes))
        while since < len(changes) and best.left:
            k, step = changes[order[since]]
            candidate = x.copy()
            candidate[k] = (x[k] + step) % n_categories[k]
            candidate_value = best(candidate[None])[0]
            since += 1
            if candidate_value < value:
                x, value, since = candidate, candidate_value, 0
                order = rng.permutation(len(changes))
    return best.x


def _draw(probabilities, n, rng):
    uniform = rng.random((n, len(probabilities), 1)) * probabilities.sum(axis=1, keepdims=True)
    return np.minimum((probabilities.cumsum(axis=1) <= uniform).sum(axis=2), probabilities.shape[1] - 1)


def _frequencies(actions, n_categories):
    return (actions[:, :, None] == np.arange(n_categories.max())).mean(axis=0)


def _uniform(n_categories):
    there = np.arange(n_categories.max()) < n_categories[:, None]
    return there / n_categories[:, None], there


def cross_entropy(f, n_categories, budget, rng, n=50, elite=10, rate=0.7):
    """Move the distribution to that of the best fifth (Rubinstein); with a margin so that no category is lost."""
    best = Best(f, budget)
    probabilities, there = _uniform(n_categories)
    while best.left:
        actions = _draw(probabilities, n, rng)
        values = best(actions)
        chosen = actions[np.argsort(values)[:elite]]
        probabilities += rate * (_frequencies(chosen, n_categories) - probabilities)
        probabilities = np.maximum(probabilities, 0.2 / (n * n_categories[:, None])) * there
        probabilities /= probabilities.sum(axis=1, keepdims=True)
    return best.x


def pbil(f, n_categories, budget, rng, n=20, rate=0.3):
    """Population-based incremental learning with weights by rank (Baluja; as in evolution strategies)."""
    best = Best(f, budget)
    probabilities, there = _uniform(n_categories)
    utilities = np.maximum(0.0, np.log(n / 2 + 1) - np.log(np.arange(1, n + 1)))
    utilities /= utilities.sum()
    while best.left:
        actions = _draw(probabilities, n, rng)
        values = best(actions)
        chosen = (actions[np.argsort(values)][:, :, None] == np.arange(n_categories.max())) * 1.0
        target = np.tensordot(utilities[: len(chosen)], chosen, axes=1) / utilities[: len(chosen)].sum()
        probabilities += rate * (target - probabilities)
        probabilities = np.maximum(probabilities, 0.2 / (n * n_categories[:, None])) * there
        probabilities /= probabilities.sum(axis=1, keepdims=True)
    return best.x


def cat_cma(f, n_categories, budget, rng):
    """CatCMA with margin (Hamano et al., 2025), of the package cmaes."""
    from cmaes import CatCMAwM

    best = Best(f, budget)
    optimizer = CatCMAwM(c_space=n_categories.tolist(), seed=int(rng.integers(2**31)))
    while best.left:
        asked = [optimizer.ask() for _ in range(optimizer.population_size)]
        values = best(np.array([solution.c.argmax(axis=1) for solution in asked]))
        if len(values) < len(asked):
            break
        optimizer.tell(list(zip(asked, values.tolist(), strict=True)))
    return best.x


def _nevergrad(name):
    def minimise(f, n_categories, budget, rng):
        import nevergrad as ng

        best = Best(f, budget)
        # Integers: of the forms it offers the best here, before (transition) choices, and the fastest.
        space = ng.p.Array(init=(n_categories - 1) / 2).set_bounds(0.0, n_categories - 1.0)
        space.set_mutation(sigma=n_categories.max() / 4).set_integer_casting()
        space.random_state.seed(int(rng.integers(2**31)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            optimizer = ng.optimizers.registry[name](space, budget=budget)
            while best.left:
                try:
                    asked = optimizer.ask()
                except TypeError:  # its metamodel fails with NumPy 2.4: what was found until then counts
                    break
                optimizer.tell(asked, float(best(asked.value[None])[0]))
        return best.x

    return minimise


OPTIMIZERS = {
    "random search": random_search,
    "hill climbing": hill_climbing,
    "cross-entropy": cross_entropy,
    "PBIL": pbil,
    "CatCMAwM": cat_cma,
    "DiscreteOnePlusOne": _nevergrad("DiscreteOnePlusOne"),
    "NGOpt": _nevergrad("NGOpt"),
}

PACKAGES = {"CatCMAwM": "cmaes", "DiscreteOnePlusOne": "nevergrad", "NGOpt": "nevergrad"}


def check_packages(names):
    """End the program, before any work is done, if the package of one of these optimisers is not installed."""
    for name in sorted(names):
        package = PACKAGES.get(name)
        if package and importlib.util.find_spec(package) is None:
            raise SystemExit(f'{name} needs the package {package}: pip install "arsm-fast[compare]"')
