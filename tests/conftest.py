"""Run before Numba is imported: as many threads as the reproducibility tests need, whatever the machine."""

import os

os.environ.setdefault("NUMBA_NUM_THREADS", "4")
