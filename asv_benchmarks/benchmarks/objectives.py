"""What does each kind of objective cost around its evaluations?"""

import itertools

import numba
import numpy as np

import arsm_fast

from .common import REGIMES, all_on_threads, on_threads, regime_logits

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


LOGITS = regime_logits("normal", (1_000, 5))
ESTIMATORS = {"loo": "loo", "coordinate": arsm_fast.ARSM("coordinate")}


class Potts:
    """A Potts model of 1,000 variables of 5 categories and 3,000 edges."""

    params = (list(ESTIMATORS), ["compiled", "python"])
    param_names = ("estimator", "objective")

    def setup(self, name, kind):
        numba.set_num_threads(1)
        self.time_gradient(name, kind)

    def time_gradient(self, name, kind):
        f = potts if kind == "compiled" else potts_batch
        arsm_fast.gradient(f, LOGITS, estimator=ESTIMATORS[name], rng=1)


class PottsRatios:
    """The same against a loop that is written by hand, and on two threads."""

    params = list(ESTIMATORS)
    param_names = ("estimator",)

    def setup_cache(self):
        measured = {}
        for name, estimator in ESTIMATORS.items():
            actions = arsm_fast.propose(LOGITS, estimator=estimator, rng=1).actions.copy()
            values = np.empty(len(actions))
            one, two = (
                on_threads(n, lambda e=estimator: arsm_fast.gradient(potts, LOGITS, estimator=e, rng=1))
                for n in (1, 2)
            )
            plain = on_threads(1, lambda a=actions, v=values: potts_loop(a, v))
            measured[name] = one / plain, one / two
        return measured

    def track_ratio_to_a_plain_loop(self, measured, name):
        return measured[name][0]

    def track_speedup_two_threads(self, measured, name):
        return measured[name][1]

    track_ratio_to_a_plain_loop.unit = track_speedup_two_threads.unit = "ratio"


class BlackBox:
    """ARSM of many one-variable problems in the two steps a black box needs, over the same from a table."""

    params = ([(10_000, 1, 10), (1_000, 1, 1_000), (1, 1, 100_000)], REGIMES)
    param_names = ("problems, variables, categories", "logits")

    def setup_cache(self):
        return {key: self.measure(*key) for key in itertools.product(*self.params)}

    def measure(self, shape, regime):
        logits = regime_logits(regime, shape)
        table = np.cos(np.arange(logits.size)).reshape(shape)
        proposal = arsm_fast.propose(logits, rng=1)
        values = table[proposal.problem, 0, proposal.actions[:, 0]]  # not timed: f's own work
        times = all_on_threads(
            1,
            {
                "in two steps": lambda: arsm_fast.propose(logits, rng=1).estimate(values),
                "table": lambda: arsm_fast.gradient(table, logits, rng=1),
            },
        )
        return times["in two steps"] / times["table"]

    def track_ratio_to_table(self, measured, shape, regime):
        return measured[shape, regime]

    track_ratio_to_table.unit = "ratio"
