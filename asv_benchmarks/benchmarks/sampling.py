"""How fast are true actions drawn, beside NumPy's Gumbel-max?"""

import numba
import numpy as np

import arsm_fast

from .common import on_threads, regime_logits, speedup_two_threads


class Sample:
    """One million categories' worth of draws."""

    params = (10, 1_000, 100_000)
    param_names = ("categories",)

    def setup(self, size):
        numba.set_num_threads(1)
        self.logits = regime_logits("normal", (1_000_000 // size, size))
        arsm_fast.sample(self.logits, rng=1)

    def time_sample(self, size):
        arsm_fast.sample(self.logits, rng=1)

    def time_dirichlet_noise(self, size):
        arsm_fast.dirichlet_noise(self.logits, rng=1)


class Ratios:
    """The same over NumPy's time, and on two threads."""

    params = Sample.params
    param_names = Sample.param_names

    def setup_cache(self):
        rng = np.random.default_rng(0)
        measured = {}
        for size in self.params:
            logits = regime_logits("normal", (1_000_000 // size, size))
            theirs = on_threads(1, lambda x=logits: (x + rng.gumbel(size=x.shape)).argmax(-1))
            ours = on_threads(1, lambda x=logits: arsm_fast.sample(x, rng=1))
            two = speedup_two_threads(lambda x=logits: arsm_fast.sample(x, 10, rng=1))
            measured[size] = theirs / ours, two
        return measured

    def track_speedup_over_gumbel_max(self, measured, size):
        return measured[size][0]

    def track_speedup_two_threads(self, measured, size):
        return measured[size][1]

    track_speedup_over_gumbel_max.unit = track_speedup_two_threads.unit = "ratio"
