"""Large arrays that a call needs for a while.

What glibc frees goes back to the system, unless an array as large as half of it was freed before; and to get it
again takes longer than to use it. So arrays are parts of one, or more is asked for than is ever touched.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._logits import FloatArray

# In bytes: where parts begin, a cache line; of what to give back costs little; and the most that glibc ever keeps
# of one array, after which it keeps twice as much in all.
ALIGNMENT, LITTLE, MOST = 64, 2**21, 2**25 - 2**12


def arrays_in_one(*kinds: tuple[tuple[int, ...], np.dtype[Any]]) -> list[NDArray[Any]]:
    """As np.empty of each shape and dtype; large ones are parts of one array."""
    sizes = [math.prod(shape) * dtype.itemsize for shape, dtype in kinds]
    if sum(sizes) < LITTLE:
        return [np.empty(shape, dtype) for shape, dtype in kinds]
    if sum(sizes) < MOST:
        starts = np.cumsum([0, *(-(-size // ALIGNMENT) * ALIGNMENT for size in sizes)]).tolist()
        room = np.empty(starts[-1] + ALIGNMENT, np.uint8)
        room = room[-room.__array_interface__["data"][0] % ALIGNMENT :]
        parts = [room[start : start + size] for start, size in zip(starts[:-1], sizes, strict=True)]
    else:  # of the largest that glibc would keep, all that it would
        largest = max((size for size in sizes if size < MOST), default=0)
        parts = [np.empty(MOST if size == largest else size, np.uint8)[:size] for size in sizes]
    return [part.view(dtype).reshape(shape) for part, (shape, dtype) in zip(parts, kinds, strict=True)]


def scratch(n: int) -> FloatArray:
    """As np.empty(n), of an array that is freed with others beside it before the call returns."""
    largest = 3 * n
    return np.empty(largest)[:n] if LITTLE < 8 * largest < MOST else np.empty(n)
