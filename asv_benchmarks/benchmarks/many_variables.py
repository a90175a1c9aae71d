"""How do proposals and gradients of many variables scale with K and C, f excluded?"""

import numba
import numpy as np

import arsm_fast

from .common import REGIMES, all_on_threads, regime_logits, speedup_two_threads

ARSMS = {"joint": arsm_fast.ARSM(), "coordinate": arsm_fast.ARSM(swap="coordinate")}
OTHERS = {
    "reinforce": arsm_fast.Reinforce,
    "running mean": lambda: arsm_fast.Reinforce(arsm_fast.RunningMean()),
    "nvil": lambda: arsm_fast.Reinforce(arsm_fast.NVIL()),
    "ar": arsm_fast.AR,
    "ars": arsm_fast.ARS,
    "arsm plus": lambda: arsm_fast.ARSM(plus=True),
    "arm": arsm_fast.ARM,
    "loo": lambda: arsm_fast.LeaveOneOut(10),
    "scoped": lambda: arsm_fast.ScopedLeaveOneOut(10),
    "local": arsm_fast.LocalExpectation,
    "top": lambda: arsm_fast.RaoBlackwellTop(3),
    "pair": arsm_fast.LocalPair,
    "pair with replacement": lambda: arsm_fast.LocalPair(replacement=True),
    "disarm": arsm_fast.DisARM,
    "carms": lambda: arsm_fast.CARMS(10),
    "unordered": lambda: arsm_fast.UnorderedSet(10),
    "control variate": lambda: arsm_fast.ControlVariate(arsm_fast.LeaveOneOut(10), arsm_fast.Additive()),
    "auto": arsm_fast.Auto,
    "gumbel-softmax": arsm_fast.GumbelSoftmax,
    "rebar": arsm_fast.REBAR,
    "relax": lambda: arsm_fast.RELAX(arsm_fast.ControlNetwork()),
    "muprop": arsm_fast.MuProp,
}

# Where it is not 1,000 variables of 10 categories.
SIZES = {"arm": (1_000, 2), "control variate": (100, 10)}
# So often each is called, where it is not 50 times.
REPEATS = {**dict.fromkeys(("coordinate", "local", "top", "carms"), 10), "unordered": 5}
# So many true actions does each draw of every variable, or so much noise.
DRAWS = {
    **dict.fromkeys(
        ("reinforce", "running mean", "nvil", "ar", "ars", *ARSMS, "arsm plus", "arm", "local", "top"), 1
    ),
    **dict.fromkeys(("pair", "pair with replacement", "disarm"), 2),
    **dict.fromkeys(("loo", "scoped", "carms", "unordered"), 10),
}


def make(name):
    """The estimator of that name, new if it learns."""
    return ARSMS[name] if name in ARSMS else OTHERS[name]()


class Grid:
    """One sample of ARSM, of K variables of C categories."""

    params = ([(4, 10_000), (20, 10), (1_000, 10)], list(ARSMS))
    param_names = ("K, C", "swap")

    def setup(self, shape, name):
        numba.set_num_threads(1)
        self.logits = regime_logits("normal", shape)
        self.estimator = ARSMS[name]
        self.proposal = arsm_fast.propose(self.logits, estimator=self.estimator, rng=1)
        self.values = np.random.default_rng(0).normal(size=len(self.proposal.actions))
        self.proposal.estimate(self.values)

    def form_actions(self):
        return arsm_fast.propose(self.logits, estimator=self.estimator, rng=1).actions

    def time_propose(self, shape, name):
        self.form_actions()

    def time_estimate(self, shape, name):
        self.proposal.estimate(self.values)

    def peakmem_propose(self, shape, name):
        self.form_actions()


class Free:
    """An objective that says all it can, and takes next to no time: its values are drawn, not computed."""

    def __init__(self, n_variables):
        self.scopes = [(k,) for k in range(n_variables)]
        self.rng = np.random.default_rng(0)

    def __call__(self, actions):
        return self.rng.normal(size=len(actions))

    def terms(self, actions):
        return self.rng.normal(size=actions.shape)

    def relaxed(self, points):
        return self.rng.normal(size=len(points)), points


class Estimators:
    """A sample by each of the other estimators, f excluded; what learns has seen 1,000 evaluations."""

    params = list(OTHERS)
    param_names = ("estimator",)

    def setup(self, name):
        numba.set_num_threads(1)
        size = SIZES.get(name, (1_000, 10))
        self.logits = regime_logits("normal", size)
        self.objective, self.estimator = Free(size[0]), OTHERS[name]()
        self.rng = np.random.default_rng(1)
        self.gradient(n_samples=100 if name == "control variate" else 1)
        while name == "auto" and self.estimator.choice is None:
            self.gradient()

    def gradient(self, n_samples=1):
        arsm_fast.gradient(
            self.objective, self.logits, estimator=self.estimator, n_samples=n_samples, rng=self.rng
        )

    def time_gradient(self, name):
        self.gradient()


class Drawing:
    """The time of one sample of an estimator, f excluded, over that of drawing its true actions alone."""

    params = list(DRAWS)
    param_names = ("estimator",)

    def setup_cache(self):
        return {name: self.measure(name, n_draws) for name, n_draws in DRAWS.items()}

    def measure(self, name, n_draws):
        size = SIZES.get(name, (1_000, 10))
        logits, objective = regime_logits("normal", size), Free(size[0])
        estimator = make(name)
        calls = {
            "all": lambda: arsm_fast.gradient(objective, logits, estimator=estimator, rng=1),
            "drawing": lambda: arsm_fast.sample(logits, n_draws, rng=1),
        }
        seconds = all_on_threads(1, calls, REPEATS.get(name, 50))
        return seconds["all"] / seconds["drawing"]

    def track_ratio_to_drawing(self, measured, name):
        return measured[name]

    track_ratio_to_drawing.unit = "ratio"


class Joint:
    """One sample of the joint swap in every regime, for K < C and for K > C."""

    params = ([(3, 1_000), (10, 200), (4, 10_000), (1_000, 50)], REGIMES)
    param_names = ("K, C", "logits")

    def setup(self, shape, regime):
        numba.set_num_threads(1)
        self.logits = regime_logits(regime, shape)
        self.time_propose_and_estimate(shape, regime)

    def time_propose_and_estimate(self, shape, regime):
        proposal = arsm_fast.propose(self.logits, rng=1)
        proposal.estimate(np.zeros(len(proposal.actions)))


class Threads:
    """What a second thread brings to finding the vectors of many samples."""

    params = ["joint", "coordinate", "loo"]
    param_names = ("estimator",)

    def track_speedup_two_threads(self, name):
        logits = regime_logits("normal", (20, 10))
        estimator = make(name)
        return speedup_two_threads(lambda: arsm_fast.propose(logits, estimator=estimator, n_samples=1_000, rng=1))

    track_speedup_two_threads.unit = "ratio"
