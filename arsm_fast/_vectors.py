"""Action vectors that are formed when they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

VectorArray = NDArray[np.int32]


class Vectors(Protocol):
    """An array of vectors, (M, K), as far as slices of it go."""

    def __getitem__(self, rows: slice, /) -> VectorArray:
        """Some of the vectors."""


@dataclass(eq=False, repr=False)
class FormedVectors:
    """Vectors that `form` makes from first to last, each time anew."""

    form: Callable[[int, int], VectorArray]
    size: int

    def __getitem__(self, rows: slice, /) -> VectorArray:
        """Some of the vectors."""
        start, stop, _ = rows.indices(self.size)
        return self.form(start, stop)
