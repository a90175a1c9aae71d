"""What does `minimize` take for itself, beside the evaluations of f?"""

import time

import numba
import numpy as np

import arsm_fast

# Variables, categories, vectors that are proposed in a step, evaluations.
SHAPE = (100, 5, 20, 10_000)
EDGES = np.random.default_rng(0).integers(SHAPE[0], size=(300, 2))


class Timed:
    """The number of edges whose ends agree, and the seconds that this took so far."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self, actions):
        start = time.perf_counter()
        values = (actions[:, EDGES[:, 0]] == actions[:, EDGES[:, 1]]).sum(axis=1)
        self.seconds += time.perf_counter() - start
        return values


def seconds_beside(optimizer):
    """Of one run, for each evaluation."""
    k, c, n, maxfev = SHAPE
    f = Timed()
    start = time.perf_counter()
    result = arsm_fast.minimize(f, [c] * k, optimizer=optimizer, n_proposals=n, maxfev=maxfev, rng=0)
    return (time.perf_counter() - start - f.seconds) / result.nfev


class Overhead:
    """The least of several runs, in microseconds for each evaluation."""

    params = ["annealing", "natural"]
    param_names = ("optimizer",)

    def setup(self, optimizer):
        numba.set_num_threads(1)

    def track_overhead(self, optimizer):
        return 1e6 * min(seconds_beside(optimizer) for _ in range(5))

    track_overhead.unit = "us"
