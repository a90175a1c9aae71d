"""What does each kind of objective cost around its evaluations?"""

import numba
import numpy as np

import arsm_fast

from .common import REGIMES, on_threads, regime_logits, speedup_two_threads

EDGES = np.random.default_rng(0).integers(1_000, size=(3_000, 2))


@numba.njit
def potts(actions):
    """The number of edges whose ends agree."""
    energy = 0.0
    for i in range(EDGES.shape[0]):
        energy += actions[EDGES[i, 0]] == actions[EDGES[i, 1]]
    return energy


@numba.njit
def potts_loop(actions, values):
    """The same for each row, written by hand."""
    for i in range(actions.shape[0]):
        values[i] = potts(actions[i])


def potts_batch(actions):
    """The same for a batch, in NumPy."""
    return (actions[:, EDGES[:, 0]] == actions[:, EDGES[:, 1]]).sum(axis=1)


class Potts:
    """A Potts model of 1,000 variables of 5 categories and 3,000 edges."""

    params = ("loo", "coordinate")
    param_names = ("estimator",)

    def setup(self, name):
        numba.set_num_threads(1)
        self.logits = regime_logits("normal", (1_000, 5))
        self.estimator = arsm_fast.ARSM("coordinate") if name == "coordinate" else "loo"
        self.compiled()

    def compiled(self):
        arsm_fast.gradient(potts, self.logits, estimator=self.estimator, rng=1)

    def time_compiled(self, name):
        self.compiled()

    def time_python(self, name):
        arsm_fast.gradient(potts_batch, self.logits, estimator=self.estimator, rng=1)

    def track_ratio_to_a_plain_loop(self, name):
        actions = arsm_fast.propose(self.logits, estimator=self.estimator, rng=1).actions.copy()
        values = np.empty(len(actions))
        return on_threads(1, self.compiled) / on_threads(1, lambda: potts_loop(actions, values))

    track_ratio_to_a_plain_loop.unit = "ratio"

    def track_speedup_two_threads(self, name):
        return speedup_two_threads(self.compiled)

    track_speedup_two_threads.unit = "ratio"


class BlackBox:
    """ARSM of many one-variable problems in the two steps a black box needs, over the same from a table."""

    params = ([(10_000, 1, 10), (1_000, 1, 1_000), (1, 1, 100_000)], REGIMES)
    param_names = ("problems, variables, categories", "logits")

    def setup(self, shape, regime):
        self.logits = regime_logits(regime, shape)
        self.table = np.cos(np.arange(self.logits.size)).reshape(shape)

    def from_table(self):
        arsm_fast.gradient(self.table, self.logits, rng=1)

    def in_two_steps(self):
        proposal = arsm_fast.propose(self.logits, rng=1)
        proposal.estimate(self.values)

    def track_ratio_to_table(self, shape, regime):
        proposal = arsm_fast.propose(self.logits, rng=1)
        self.values = self.table[proposal.problem, 0, proposal.actions[:, 0]]  # not timed: f's own work
        return on_threads(1, self.in_two_steps) / on_threads(1, self.from_table)

    track_ratio_to_table.unit = "ratio"
