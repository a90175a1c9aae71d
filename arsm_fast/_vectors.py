"""Action vectors that are formed when they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

VectorArray = NDArray[np.int32]
# Actions of a cache line. Of fewer actions, to find one takes longer than it saves.
LINE, MANY_ACTIONS = 16, 2**16


class Vectors(Protocol):
    """An array of vectors, (M, K), as far as slices of it go."""

    def __getitem__(self, rows: slice, /) -> VectorArray:
        """Some of the vectors."""


def empty_vectors(n_vectors: int, n_variables: int) -> VectorArray:
    """Room for vectors that begins with a cache line, as else every other register is written to two of them."""
    size = n_vectors * n_variables
    if size < MANY_ACTIONS:
        return np.empty((n_vectors, n_variables), np.int32)
    numbers = np.empty(size + LINE, np.int32)
    start = -numbers.__array_interface__["data"][0] // numbers.itemsize % LINE
    return numbers[start : start + size].reshape(n_vectors, n_variables)


@dataclass(eq=False, repr=False)
class FormedVectors:
    """Vectors that `form` makes from first to last, each time anew."""

    form: Callable[[int, int], VectorArray]
    size: int
    form_by_threads: Callable[[int, int], VectorArray] | None = None
    """The same by the threads that are to read them next."""

    def __getitem__(self, rows: slice, /) -> VectorArray:
        """Some of the vectors."""
        start, stop, _ = rows.indices(self.size)
        return self.form(start, stop)


def for_threads(vectors: Vectors) -> Vectors:
    """The same vectors, for threads to read."""
    if isinstance(vectors, FormedVectors) and vectors.form_by_threads is not None:
        return FormedVectors(vectors.form_by_threads, vectors.size)
    return vectors
