"""What does `minimize` take for itself, beside the evaluations of f?"""

import time

import numba
import numpy as np

import arsm_fast

N_VARIABLES, N_CATEGORIES, N_STEPS = 100, 5, 500
EDGES = np.random.default_rng(0).integers(N_VARIABLES, size=(300, 2))


class Timed:
    """The number of edges whose ends agree, and the seconds that this took so far."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self, actions):
        start = time.perf_counter()
        values = (actions[:, EDGES[:, 0]] == actions[:, EDGES[:, 1]]).sum(axis=1)
        self.seconds += time.perf_counter() - start
        return values


def seconds_beside(optimizer, n_proposals):
    """Of one run, for each evaluation."""
    f, sizes, maxfev = Timed(), [N_CATEGORIES] * N_VARIABLES, N_STEPS * n_proposals
    start = time.perf_counter()
    arsm_fast.minimize(f, sizes, optimizer=optimizer, n_proposals=n_proposals, maxfev=maxfev, rng=0)
    return (time.perf_counter() - start - f.seconds) / maxfev


class Overhead:
    """The least of several runs, in microseconds for each evaluation."""

    params = ([("annealing", 1), ("annealing", 20), ("natural", 20)],)
    param_names = ("optimizer, vectors a step",)

    def setup(self, case):
        numba.set_num_threads(1)

    def track_overhead(self, case):
        return 1e6 * min(seconds_beside(*case) for _ in range(3))

    track_overhead.unit = "us"
