"""How do proposals and gradients of many variables scale with K and C, f excluded?"""

import numpy as np

import arsm_fast

from .common import REGIMES, regime_logits, speedup_two_threads

ESTIMATORS = {
    "joint": arsm_fast.ARSM(),
    "plus": arsm_fast.ARSM(plus=True),
    "coordinate": arsm_fast.ARSM(swap="coordinate"),
    "loo": arsm_fast.LeaveOneOut(10),
}


class _Shapes:
    """One sample of K variables of C categories."""

    param_names = ("K, C", "estimator", "logits")

    def setup(self, shape, name, regime):
        self.logits = regime_logits(regime, shape)
        self.estimator = ESTIMATORS[name]
        self.proposal = arsm_fast.propose(self.logits, estimator=self.estimator, rng=1)
        self.values = np.random.default_rng(0).normal(size=len(self.proposal.actions))
        self.proposal.estimate(self.values)

    def time_propose(self, shape, name, regime):
        arsm_fast.propose(self.logits, estimator=self.estimator, rng=1)

    def time_estimate(self, shape, name, regime):
        self.proposal.estimate(self.values)


class Grid(_Shapes):
    """Every estimator."""

    params = ([(3, 1_000), (4, 10_000), (20, 10), (1_000, 10)], list(ESTIMATORS), ["normal"])

    def peakmem_propose(self, shape, name, regime):
        arsm_fast.propose(self.logits, estimator=self.estimator, rng=1)

    def track_evaluations(self, shape, name, regime):
        return len(self.values)

    track_evaluations.unit = "distinct vectors"


class Joint(_Shapes):
    """The joint swap in every regime, for K < C and for K > C."""

    params = ([(3, 1_000), (10, 200), (4, 10_000), (1_000, 50)], ["joint"], REGIMES)


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
