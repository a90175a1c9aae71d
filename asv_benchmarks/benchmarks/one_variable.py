"""How does a gradient of one variable scale with the number of categories?"""

import itertools

import numpy as np

import arsm_fast

from .common import REGIMES, ROWS, all_on_threads, numpy_noise, regime_logits, speedup_two_threads


def ratio_to_numpy_dirichlet(shape, regime, n_samples=1):
    """The time of a gradient from a table of values, each row with logits of its own, over that of the noise."""
    logits = regime_logits(regime, shape)
    table = np.cos(np.arange(logits.size)).reshape(shape)
    rng = np.random.default_rng(1)
    times = all_on_threads(
        1,
        {
            "gradient": lambda: arsm_fast.gradient(table, logits, n_samples=n_samples, rng=rng),
            "noise": numpy_noise((shape[0] * n_samples, shape[1])),
        },
    )
    return times["gradient"] / times["noise"]


class Rows:
    """One sample of each of many rows."""

    params = (ROWS, REGIMES)
    param_names = ("rows, categories", "logits")

    def setup_cache(self):
        return {key: ratio_to_numpy_dirichlet(*key) for key in itertools.product(*self.params)}

    def track_ratio_to_numpy_dirichlet(self, measured, shape, regime):
        return measured[shape, regime]

    track_ratio_to_numpy_dirichlet.unit = "ratio"


class ManySamples:
    """Many samples of one row."""

    params = ([10, 1_000, 100_000], ["normal", "concentrated"])
    param_names = ("categories", "logits")

    def track_ratio_to_numpy_dirichlet(self, size, regime):
        return ratio_to_numpy_dirichlet((1, size), regime, 1_000_000 // size)

    track_ratio_to_numpy_dirichlet.unit = "ratio"


class Threads:
    """What a second thread brings, where there is work for it: 10 ms or more."""

    params = ([(1_000_000, 2), (100_000, 30), (1_000, 1_000), (20, 100_000)],)
    param_names = ("rows, categories",)

    def track_speedup_two_threads(self, shape):
        logits = regime_logits("normal", shape)
        return speedup_two_threads(lambda: arsm_fast.gradient(logits, logits, rng=1))

    track_speedup_two_threads.unit = "ratio"


class Memory:
    """Peak memory, of which Numba and LLVM take about 100 MB."""

    params = (100_000, 10_000_000)
    param_names = ("categories",)

    def setup(self, size):
        self.logits = np.zeros(size)

    def peakmem_gradient(self, size):
        arsm_fast.gradient(self.logits, self.logits, rng=1)
