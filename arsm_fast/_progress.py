"""One line that says how far an optimisation is."""

from __future__ import annotations

import sys
import time
from typing import Any

# Seconds between two updates.
INTERVAL = 0.2


class Progress:
    """A line on standard error that is rewritten: by tqdm where that is installed."""

    def __init__(self, total: int | None, first: int) -> None:
        """A run of so many evaluations, if there is a limit; the first of them were made before."""
        self._begin = self._shown = time.monotonic()
        self._first = first
        try:
            from tqdm import tqdm
        except ImportError:
            self._bar: Any = None
        else:
            self._bar = tqdm(total=total, initial=first, unit="evaluation", mininterval=INTERVAL, leave=True)

    def show(self, history: tuple[int, int, float, float, float], *, last: bool = False) -> None:
        """Say iteration, evaluations, best, mean and entropy, a few times a second."""
        now = time.monotonic()
        iteration, nfev, best, mean, entropy = history
        if not last and now - self._shown < INTERVAL:
            return
        self._shown = now
        if self._bar is not None:
            self._bar.set_postfix_str(
                f"iteration {iteration}, best {best:.6g}, mean {mean:.6g}, entropy {entropy:.4g}", refresh=False
            )
            self._bar.update(nfev - self._bar.n)
            return
        rate = (nfev - self._first) / max(now - self._begin, 1e-9)
        sys.stderr.write(
            f"\r\033[Kiteration {iteration}, {nfev} evaluations, best {best:.6g}, mean {mean:.6g}, "
            f"entropy {entropy:.4g}, {rate:.0f} evaluations/s"
        )
        sys.stderr.flush()

    def close(self) -> None:
        """Leave the line as it is."""
        if self._bar is not None:
            self._bar.close()
        else:
            sys.stderr.write("\n")
            sys.stderr.flush()
