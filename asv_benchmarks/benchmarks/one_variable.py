"""How does a gradient of one variable scale with the number of categories?"""

import numpy as np

import arsm_fast

from .common import REGIMES, best_time, on_threads, regime_logits

SIZES = [2, 10, 100, 1_000, 10_000, 100_000, 1_000_000]


class ManySamples:
    """Full ARSM gradients of one variable, from a table of values and with many samples."""

    params = (SIZES, REGIMES)
    param_names = ("categories", "logits")

    def setup(self, size, regime):
        self.size = size
        self.n_samples = max(1, 1_000_000 // size)
        self.logits = regime_logits(regime, (size,))
        self.table = np.cos(np.arange(size))
        self.gradient()

    def gradient(self):
        arsm_fast.gradient(self.table, self.logits, n_samples=self.n_samples, rng=1)

    def track_ns_per_category(self, size, regime):
        return on_threads(1, self.gradient) * 1e9 / (size * self.n_samples)

    track_ns_per_category.unit = "ns"

    def track_ratio_to_numpy_dirichlet(self, size, regime):
        rng = np.random.default_rng(0)
        numpy_time = best_time(lambda: rng.dirichlet(np.ones(size), size=self.n_samples))
        return on_threads(1, self.gradient) / numpy_time

    track_ratio_to_numpy_dirichlet.unit = "ratio"


class Threads:
    """What a second thread brings."""

    params = (10, 1_000, 100_000)
    param_names = ("categories",)

    def setup(self, size):
        self.logits = regime_logits("normal", (size,))
        self.n_samples = 10_000_000 // size

    def gradient(self):
        arsm_fast.gradient(self.logits, self.logits, n_samples=self.n_samples, rng=1)

    def track_speedup_two_threads(self, size):
        return on_threads(1, self.gradient) / on_threads(2, self.gradient)

    track_speedup_two_threads.unit = "ratio"


class Rows:
    """One sample of each of many rows, with logits of their own."""

    params = ([(100_000, 2), (10_000, 10), (10_000, 30), (1_000, 100), (100, 1_000)], REGIMES)
    param_names = ("rows, categories", "logits")

    def setup(self, shape, regime):
        self.logits = regime_logits(regime, shape)
        self.table = np.cos(np.arange(self.logits.size)).reshape(shape)
        self.gradient()

    def gradient(self):
        arsm_fast.gradient(self.table, self.logits, rng=1)

    def track_ratio_to_numpy_dirichlet(self, shape, regime):
        rng = np.random.default_rng(0)
        numpy_time = best_time(lambda: rng.dirichlet(np.ones(shape[1]), size=shape[0]))
        return on_threads(1, self.gradient) / numpy_time

    track_ratio_to_numpy_dirichlet.unit = "ratio"


class Memory:
    """Peak memory; Numba and LLVM alone take about 170 MB."""

    params = (100_000, 10_000_000)
    param_names = ("categories",)

    def setup(self, size):
        self.logits = np.zeros(size)

    def peakmem_gradient(self, size):
        arsm_fast.gradient(self.logits, self.logits, rng=1)
