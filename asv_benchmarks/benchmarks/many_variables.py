"""How do proposals and gradients of many variables scale with K and C, f excluded?"""

import numpy as np

import arsm_fast

from .common import regime_logits

ESTIMATORS = {
    "joint": arsm_fast.ARSM(),
    "plus": arsm_fast.ARSM(plus=True),
    "coordinate": arsm_fast.ARSM(swap="coordinate"),
    "loo": arsm_fast.LeaveOneOut(10),
}


class Grid:
    """One sample of K variables of C categories."""

    params = ([(3, 1_000), (4, 10_000), (10, 200), (20, 10), (1_000, 10), (1_000, 50)], list(ESTIMATORS))
    param_names = ("K, C", "estimator")

    def setup(self, shape, name):
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

    def track_evaluations(self, shape, name):
        return len(self.values)

    track_evaluations.unit = "distinct vectors"
