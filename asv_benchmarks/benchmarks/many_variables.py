"""How do proposals and gradients of many variables scale with K and C, f excluded?"""

import numba
import numpy as np

import arsm_fast

from .common import REGIMES, regime_logits, speedup_two_threads

ESTIMATORS = {
    "joint": arsm_fast.ARSM(),
    "coordinate": arsm_fast.ARSM(swap="coordinate"),
    "loo": arsm_fast.LeaveOneOut(10),
    "local": arsm_fast.LocalExpectation(),
    "top": arsm_fast.RaoBlackwellTop(3),
    "pair": arsm_fast.LocalPair(),
    "disarm": arsm_fast.DisARM(),
}
OTHERS = {
    "reinforce": arsm_fast.Reinforce(),
    "ar": arsm_fast.AR(),
    "ars": arsm_fast.ARS(),
    "pair with replacement": arsm_fast.LocalPair(replacement=True),
    "carms": arsm_fast.CARMS(10),
    "unordered": arsm_fast.UnorderedSet(10),
}


class Grid:
    """One sample of K variables of C categories."""

    params = ([(4, 10_000), (20, 10), (1_000, 10)], list(ESTIMATORS))
    param_names = ("K, C", "estimator")

    def setup(self, shape, name):
        numba.set_num_threads(1)
        self.logits = regime_logits("normal", shape)
        self.estimator = ESTIMATORS[name]
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


class Others:
    """A sample of each of the other black-box estimators."""

    params = list(OTHERS)
    param_names = ("estimator",)

    def setup(self, name):
        numba.set_num_threads(1)
        self.logits = regime_logits("normal", (1_000, 10))
        self.time_propose_and_estimate(name)

    def time_propose_and_estimate(self, name):
        proposal = arsm_fast.propose(self.logits, estimator=OTHERS[name], rng=1)
        proposal.estimate(np.zeros(len(proposal.problem)))


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

    def setup(self, name):
        self.logits = regime_logits("normal", (20, 10))

    def track_speedup_two_threads(self, name):
        return speedup_two_threads(
            lambda: arsm_fast.propose(self.logits, estimator=ESTIMATORS[name], n_samples=1_000, rng=1)
        )

    track_speedup_two_threads.unit = "ratio"
