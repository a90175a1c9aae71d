"""How does a gradient of one variable scale with the number of categories?"""

import numpy as np

import arsm_fast

from .common import REGIMES, ROWS, numpy_noise, on_threads, regime_logits, speedup_two_threads


class Rows:
    """One sample of each of many rows, with logits of their own, from a table of values."""

    params = (ROWS, REGIMES)
    param_names = ("rows, categories", "logits")
    n_samples = 1

    def setup(self, shape, regime):
        self.logits = regime_logits(regime, shape)
        self.table = np.cos(np.arange(self.logits.size)).reshape(shape)

    def gradient(self):
        arsm_fast.gradient(self.table, self.logits, n_samples=self.n_samples, rng=1)

    def track_ratio_to_numpy_dirichlet(self, shape, regime):
        return on_threads(1, self.gradient) / on_threads(1, numpy_noise((shape[0] * self.n_samples, shape[1])))

    track_ratio_to_numpy_dirichlet.unit = "ratio"


class ManySamples(Rows):
    """Many samples of one row."""

    params = ([(1, 10), (1, 1_000), (1, 100_000)], ["normal", "concentrated"])

    def setup(self, shape, regime):
        self.n_samples = 1_000_000 // shape[1]
        super().setup(shape, regime)


class Threads:
    """What a second thread brings, where there is work for it: 10 ms or more."""

    params = ([(1_000_000, 2), (100_000, 30), (1_000, 1_000), (20, 100_000)],)
    param_names = ("rows, categories",)

    def setup(self, shape):
        self.logits = regime_logits("normal", shape)

    def gradient(self):
        arsm_fast.gradient(self.logits, self.logits, rng=1)

    def track_speedup_two_threads(self, shape):
        return speedup_two_threads(self.gradient)

    track_speedup_two_threads.unit = "ratio"


class Memory:
    """Peak memory; Numba and LLVM alone take about 170 MB."""

    params = (100_000, 10_000_000)
    param_names = ("categories",)

    def setup(self, size):
        self.logits = np.zeros(size)

    def peakmem_gradient(self, size):
        arsm_fast.gradient(self.logits, self.logits, rng=1)
