"""What does each kind of objective cost around its evaluations?"""

import numba
import numpy as np

import arsm_fast

from .common import on_threads, regime_logits

EDGES = np.random.default_rng(0).integers(1_000, size=(3_000, 2))


@numba.njit
def potts(actions):
    """The number of edges whose ends agree."""
    energy = 0.0
    for i in range(EDGES.shape[0]):
        energy += actions[EDGES[i, 0]] == actions[EDGES[i, 1]]
    return energy


def potts_batch(actions):
    """The same for a batch, in NumPy."""
    return (actions[:, EDGES[:, 0]] == actions[:, EDGES[:, 1]]).sum(axis=1)


class Potts:
    """Leave-one-out on a Potts model of 1,000 variables of 5 categories."""

    params = ("compiled", "python")
    param_names = ("objective",)

    def setup(self, kind):
        self.logits = regime_logits("normal", (1_000, 5))
        self.objective = potts if kind == "compiled" else potts_batch
        self.time_gradient(kind)

    def time_gradient(self, kind):
        arsm_fast.gradient(self.objective, self.logits, estimator="loo", rng=1)


@numba.njit
def call_in_a_loop(vectors, values):
    """What one writes by hand."""
    for i in range(vectors.shape[0]):
        values[i] = potts(vectors[i])


class PottsOverhead:
    """Coordinate ARSM on the same model, compiled, with everything that is not the objective."""

    def setup(self):
        self.logits = regime_logits("normal", (1_000, 5))
        self.estimator = arsm_fast.ARSM(swap="coordinate")
        self.vectors = arsm_fast.propose(self.logits, estimator=self.estimator, rng=1).actions.copy()
        self.values = np.empty(len(self.vectors))
        self.gradient()

    def gradient(self):
        arsm_fast.gradient(potts, self.logits, estimator=self.estimator, rng=1)

    def track_ratio_to_loop(self):
        by_hand = on_threads(1, lambda: call_in_a_loop(self.vectors, self.values))
        return on_threads(1, self.gradient) / by_hand

    track_ratio_to_loop.unit = "ratio"

    def track_speedup_two_threads(self):
        return on_threads(1, self.gradient) / on_threads(2, self.gradient)

    track_speedup_two_threads.unit = "ratio"


class OneVariable:
    """ARSM of 1,000 rows of 1,000 categories: fused, and in the two steps a black box needs."""

    def setup(self):
        self.logits = regime_logits("normal", (1_000, 1, 1_000))
        self.table = np.cos(self.logits)
        self.time_black_box()
        self.time_table()

    def time_table(self):
        arsm_fast.gradient(self.table, self.logits, rng=1)

    def time_black_box(self):
        proposal = arsm_fast.propose(self.logits, rng=1)
        proposal.estimate(self.table[proposal.problem, 0, proposal.actions[:, 0]])
