"""As many threads as the reproducibility tests need, before Numba is imported; interrupts as in a terminal."""

import os
import signal

os.environ.setdefault("NUMBA_NUM_THREADS", "4")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # so shells start what they run in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)
