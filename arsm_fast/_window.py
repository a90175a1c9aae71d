"""The last evaluations, as many as are to be kept."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._logits import FloatArray
from ._vectors import VectorArray


class Window:
    """Vectors and their values in slots; where all are taken, what is new takes those of the oldest."""

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._vectors = np.empty((0, 1), np.int32)
        self._values = np.empty(0)
        self._sizes: list[int] = []
        self._n_taken_up = 0
        self._news: list[tuple[VectorArray, FloatArray]] = []
        self.n_news = 0

    def __len__(self) -> int:
        return min(self._n_taken_up, self._memory)

    @property
    def vectors(self) -> VectorArray:
        """By slot, (len, K): not a copy."""
        return self._vectors[: len(self)]

    @property
    def values(self) -> FloatArray:
        """By slot, (len,): not a copy."""
        return self._values[: len(self)]

    def check(self, sizes: list[int]) -> None:
        """Refuse another objective, by its numbers of categories."""
        if sizes != self._sizes:
            raise ValueError(
                f"surrogate has learnt an objective of {len(self._sizes)} variables and {sum(self._sizes)} "
                f"categories in all, and is now used for {len(sizes)} and {sum(sizes)}; use a new one for each"
            )

    def tell(self, vectors: VectorArray, values: FloatArray, sizes: list[int]) -> None:
        """Note evaluations, which have no slots before they are taken up."""
        self._sizes = self._sizes or sizes
        self.check(sizes)
        if vectors.shape[1:] != (len(sizes),):
            raise ValueError(f"actions must have shape (M, {len(sizes)}); got shape {vectors.shape}")
        self._news.append((vectors.copy(), values.copy()))
        self.n_news += len(values)

    def take_up(self) -> NDArray[np.int64]:
        """Give what was told its slots, which are returned."""
        vectors, values = (np.concatenate(parts)[-self._memory :] for parts in zip(*self._news, strict=True))
        if vectors.min() < 0 or (vectors.max(axis=0) >= self._sizes).any():
            self._news, self.n_news = [], 0
            raise ValueError(
                "actions must be categories from 0 on, below sizes; the last that were learnt are not"
            )
        n = len(self) + len(values)
        if n > len(self._values) < self._memory:
            size = min(self._memory, max(n, 2 * len(self._values)))
            self._vectors, self._values = _grown(self._vectors, vectors, size), _grown(self._values, values, size)
        self._n_taken_up += self.n_news
        slots = np.arange(self._n_taken_up - len(values), self._n_taken_up) % self._memory
        self._vectors[slots], self._values[slots] = vectors, values
        self._news, self.n_news = [], 0
        return slots


def _grown(old: NDArray[Any], new: NDArray[Any], size: int) -> NDArray[Any]:
    """The old entries, with room for such new ones."""
    grown: NDArray[Any] = np.empty((size, *new.shape[1:]), new.dtype)
    grown[: len(old)] = old
    return grown
