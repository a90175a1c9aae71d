"""What does a fresh process wait for?"""

import subprocess
import sys
import time

GRADIENT = "import numpy as np, arsm_fast; arsm_fast.gradient(np.arange(5.0), np.zeros(5), rng=0)"


def seconds(code):
    """A process that runs the code, start to end; the best of three."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        times.append(time.perf_counter() - start)
    return min(times)


class ColdStart:
    """Import, and first call with what earlier processes left in the cache."""

    timeout = 600

    def setup_cache(self):
        seconds(GRADIENT)  # fills the cache

    def track_import_over_numba(self):
        return seconds("import arsm_fast") / seconds("import numba")

    track_import_over_numba.unit = "ratio"

    def track_first_gradient(self):
        return seconds(GRADIENT)

    track_first_gradient.unit = "s"
