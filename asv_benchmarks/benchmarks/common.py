"""Problems and clocks that the benchmarks share."""

from __future__ import annotations

import time
from collections.abc import Callable

import numba
import numpy as np

REGIMES = ("zero", "normal", "concentrated", "ramp")
# Rows of one variable each, and their categories.
ROWS = (
    (100_000, 2),
    (10_000, 10),
    (10_000, 30),
    (1_000, 100),
    (100, 1_000),
    (10, 10_000),
    (4, 100_000),
    (1, 1_000_000),
)


def regime_logits(regime: str, shape: tuple[int, ...]) -> np.ndarray:
    """Logits as they are at the start, on the way, and near the end of an optimisation."""
    rng = np.random.default_rng(0)
    if regime == "zero":
        return np.zeros(shape)
    if regime == "ramp":
        return np.broadcast_to(np.linspace(0, 8, shape[-1]), shape).copy()
    return {"normal": 1.0, "concentrated": 4.0}[regime] * rng.normal(size=shape)


def warm_allocator() -> None:
    """Have the C library keep freed memory for the next call, as it does in programs that used larger arrays.

    Otherwise arrays of some megabytes are handed back and their pages made anew by the system at each call, which
    costs as much as filling them.
    """
    np.ones(3_900_000)


def numpy_noise(shape: tuple[int, int]) -> Callable[[], object]:
    """What draws Dirichlet noise of that shape with NumPy."""
    rng = np.random.default_rng(0)
    return lambda: rng.dirichlet(np.ones(shape[1]), size=shape[0])


def best_times(functions: dict[str, Callable[[], object]], repeats: int = 5) -> dict[str, float]:
    """Seconds of the fastest of several calls of each; first ones, which may compile, do not count.

    They are called in turn, so that a machine that is slower for a while is so for all of them.
    """
    for function in functions.values():
        function()
    best = dict.fromkeys(functions, float("inf"))
    for _ in range(repeats):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def all_on_threads(
    n_threads: int, functions: dict[str, Callable[[], object]], repeats: int = 5
) -> dict[str, float]:
    """best_times with so many of Numba's threads, or as many as there are."""
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(min(n_threads, numba.config.NUMBA_NUM_THREADS))
        return best_times(functions, repeats)
    finally:
        numba.set_num_threads(before)


def on_threads(n_threads: int, function: Callable[[], object], repeats: int = 5) -> float:
    """all_on_threads of one function."""
    return all_on_threads(n_threads, {"": function}, repeats)[""]


def speedup_two_threads(function: Callable[[], object]) -> float:
    """How many times faster two threads are than one, each called in turn."""

    def on(n_threads: int) -> Callable[[], object]:
        return lambda: (numba.set_num_threads(min(n_threads, numba.config.NUMBA_NUM_THREADS)), function())

    before = numba.get_num_threads()
    try:
        times = best_times({"one": on(1), "two": on(2)})
    finally:
        numba.set_num_threads(before)
    return times["one"] / times["two"]
