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

# In bytes. Parts begin with a cache line. Little is never given back, and of one array this large all is.
ALIGNMENT, LITTLE, MOST = 64, 2**18, 2**25 - 2**12


def arrays_in_one(*kinds: tuple[tuple[int, ...], np.dtype[Any]]) -> list[NDArray[Any]]:
    """As np.empty of each shape and dtype; large ones are parts of one array."""
    sizes = [math.prod(shape) * dtype.itemsize for shape, dtype in kinds]
    if not LITTLE < sum(sizes) < MOST:
        return [np.empty(shape, dtype) for shape, dtype in kinds]
    starts, total = [], 0
    for size in sizes:
        starts.append(total)
        total += -(-size // ALIGNMENT) * ALIGNMENT
    room = np.empty(total, np.uint8)
    parts = zip(starts, sizes, kinds, strict=True)
    return [room[start : start + size].view(dtype).reshape(shape) for start, size, (shape, dtype) in parts]


def scratch(n: int) -> FloatArray:
    """As np.empty(n), of an array that is freed with others beside it before the call returns."""
    largest = 3 * n
    return np.empty(largest)[:n] if LITTLE < 8 * largest < MOST else np.empty(n)
