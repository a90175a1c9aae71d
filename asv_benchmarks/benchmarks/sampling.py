"""How fast are true actions drawn, beside NumPy's Gumbel-max?"""

import numba
import numpy as np

import arsm_fast

from .common import all_on_threads, regime_logits, speedup_two_threads


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

    def setup(self, size):
        self.logits = regime_logits("normal", (1_000_000 // size, size))

    def track_speedup_over_gumbel_max(self, size):
        rng = np.random.default_rng(0)
        times = all_on_threads(
            1,
            {
                "theirs": lambda: (self.logits + rng.gumbel(size=self.logits.shape)).argmax(-1),
                "ours": lambda: arsm_fast.sample(self.logits, rng=1),
            },
        )
        return times["theirs"] / times["ours"]

    def track_speedup_two_threads(self, size):
        return speedup_two_threads(lambda: arsm_fast.sample(self.logits, 10, rng=1))

    track_speedup_over_gumbel_max.unit = track_speedup_two_threads.unit = "ratio"
