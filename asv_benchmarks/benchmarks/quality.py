"""What variance does an estimator leave, for how many evaluations?"""

import copy

import numba
import numpy as np

import arsm_fast

ESTIMATORS = {
    "reinforce": arsm_fast.Reinforce(),
    "ar": arsm_fast.AR(),
    "ars": arsm_fast.ARS(),
    "arsm": arsm_fast.ARSM(),
    "arsm plus": arsm_fast.ARSM(plus=True),
    "arsm coordinate": arsm_fast.ARSM(swap="coordinate"),
    "loo": arsm_fast.LeaveOneOut(10),
    "scoped": arsm_fast.ScopedLeaveOneOut(10),
    "local": arsm_fast.LocalExpectation(),
    "top": arsm_fast.RaoBlackwellTop(3),
    "pair": arsm_fast.LocalPair(),
    "disarm": arsm_fast.DisARM(),
    "carms": arsm_fast.CARMS(10),
    "unordered": arsm_fast.UnorderedSet(10),
    "control variate": arsm_fast.ControlVariate(arsm_fast.LeaveOneOut(10), arsm_fast.Additive()),
    "relax": arsm_fast.RELAX(arsm_fast.ControlNetwork()),
    "auto": arsm_fast.Auto(),
}
# Those that need two categories or a relaxation, and what they are judged beside.
OF_NETWORK = {
    "loo": ESTIMATORS["loo"],
    "arm": arsm_fast.ARM(),
    "disarm": ESTIMATORS["disarm"],
    "gumbel-softmax": arsm_fast.GumbelSoftmax(),
    "straight-through": arsm_fast.GumbelSoftmax(straight_through=True),
    "rebar": arsm_fast.REBAR(),
    "relax": ESTIMATORS["relax"],
    "muprop": arsm_fast.MuProp(),
}


class SumOfTerms:
    """A function of a batch that offers its terms, and the variables that each of them touches."""

    def __init__(self, scopes, terms):
        self.scopes = scopes
        self.terms = terms

    def __call__(self, actions):
        return self.terms(actions).sum(axis=1)


def toy():
    """The paper's toy, C = R = 30, from uniform logits."""
    table = 0.5 + np.arange(1, 31) / 900
    return SumOfTerms([(0,)], lambda actions: table[actions]), np.zeros((1, 30))


def nk_landscape():
    """Means of 20 random tables, of a variable and two others each."""
    rng = np.random.default_rng(0)
    k, c = 20, 10
    neighbours = np.array([[i, *rng.choice(np.delete(np.arange(k), i), 2, replace=False)] for i in range(k)])
    tables = rng.random((k, c, c, c))

    def terms(actions):
        chosen = actions[:, neighbours]
        return tables[np.arange(k), chosen[..., 0], chosen[..., 1], chosen[..., 2]] / k

    return SumOfTerms(neighbours, terms), rng.normal(size=(k, c))


def sparse_potts():
    """300 random pairs among 100 variables, each with a table of normal values."""
    rng = np.random.default_rng(0)
    k, c = 100, 5
    pairs = np.array([rng.choice(k, 2, replace=False) for _ in range(300)])
    tables, linear = rng.normal(size=(len(pairs), c, c)), rng.normal(size=(k, c))

    def terms(actions):
        joint = tables[np.arange(len(pairs)), actions[:, pairs[:, 0]], actions[:, pairs[:, 1]]]
        return np.concatenate([linear[np.arange(k), actions], joint], axis=1)

    return SumOfTerms([*np.arange(k)[:, None], *pairs], terms), rng.normal(size=(k, c))


class BinaryNetwork:
    """A hidden layer of 16 tanh units on 20 variables of two categories, also between these."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.weights = rng.normal(size=(20, 16)) / np.sqrt(20)
        self.out = rng.normal(size=16)

    def __call__(self, actions):
        return np.tanh(actions @ self.weights) @ self.out

    def relaxed(self, points):
        hidden = np.tanh(points[..., 1] @ self.weights)
        gradients = np.zeros_like(points)
        gradients[..., 1] = (self.out * (1 - hidden**2)) @ self.weights.T
        return hidden @ self.out, gradients


def binary_network():
    """A network, from logits that are drawn."""
    return BinaryNetwork(), np.random.default_rng(1).normal(size=(20, 2))


PROBLEMS = {"toy": toy, "nk": nk_landscape, "potts": sparse_potts, "network": binary_network}
SUITED = dict.fromkeys(("toy", "nk", "potts"), ESTIMATORS) | {"network": OF_NETWORK}


class Quality:
    """From 100 samples; the evaluations are those of single samples. What learns has seen 1,000 evaluations."""

    params = (["toy", "nk", "potts"], list(ESTIMATORS))
    param_names = ("problem", "estimator")
    timeout = 600

    def setup_cache(self):
        numba.set_num_threads(1)
        return {
            (problem, name): self.measure(*PROBLEMS[problem](), copy.deepcopy(estimator))
            for problem, suited in SUITED.items()
            for name, estimator in suited.items()
        }

    def measure(self, f, logits, estimator, n_samples=100):
        """Total variance of the gradient of one sample, and its evaluations."""
        past = np.random.default_rng(1)
        if isinstance(estimator, arsm_fast.Auto):
            while estimator.choice is None:
                arsm_fast.gradient(f, logits, estimator=estimator, rng=past)
            estimator = estimator.choice
        elif isinstance(estimator, arsm_fast.ControlVariate | arsm_fast.RELAX):
            n = 0
            while n < 1_000:
                n += arsm_fast.gradient(f, logits, estimator=estimator, n_samples=5, rng=past).n_evaluations
        errors = arsm_fast.gradient(f, logits, estimator=estimator, n_samples=n_samples, rng=0).standard_error
        singles = [arsm_fast.gradient(f, logits, estimator=estimator, rng=seed) for seed in range(1, 21)]
        return n_samples * (errors**2).sum(), np.mean([single.n_evaluations for single in singles])

    def track_variance(self, measured, problem, name):
        return measured[problem, name][0]

    def track_evaluations(self, measured, problem, name):
        return measured[problem, name][1]

    def track_variance_times_evaluations(self, measured, problem, name):
        return measured[problem, name][0] * measured[problem, name][1]


class QualityOfNetwork(Quality):
    """As Quality; Gumbel-Softmax, which is biased, does not evaluate f."""

    params = (["network"], list(OF_NETWORK))
