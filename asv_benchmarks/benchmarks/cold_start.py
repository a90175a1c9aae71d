"""What does a fresh process wait for?"""

import os
import subprocess
import sys
import tempfile
import time

GRADIENT = "import numpy as np, arsm_fast; arsm_fast.gradient(np.arange(5.0), np.zeros(5), rng=0)"


def seconds(code, repeats=3, **environment):
    """A process that runs the code, start to end; the best of several."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], env=os.environ | environment, check=True)
        times.append(time.perf_counter() - start)
    return min(times)


class ColdStart:
    """Import, and first call: with what earlier processes left in the cache, and compiling."""

    timeout = 600

    def track_import_over_numba(self):
        at_once = "; import os; os._exit(0)"  # to take the modules down again is no part of it
        return seconds("from arsm_fast import gradient" + at_once) / seconds("import numba" + at_once)

    track_import_over_numba.unit = "ratio"

    def track_first_gradient(self):
        return seconds(GRADIENT)  # the first of these fills the cache

    track_first_gradient.unit = "s"

    def track_first_gradient_compiling(self):
        with tempfile.TemporaryDirectory() as cache:
            return seconds(GRADIENT, repeats=1, NUMBA_CACHE_DIR=cache)

    track_first_gradient_compiling.unit = "s"
