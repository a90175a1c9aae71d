"""The best vectors seen, where values may be noisy."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ._logits import FloatArray
from ._memory import Memory
from ._state import Fields
from ._vectors import VectorArray

# Vectors that are kept where f is noisy.
MOST = 10
# The best is that with the lowest mean plus so many standard errors.
CAUTION = 2.0


class Incumbents:
    """The vectors with the lowest means: one, or several where f is noisy."""

    ARRAYS: ClassVar[Fields] = {"vectors": (np.int32, "EK"), "noise": (np.float64, 2)}

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._vectors: list[tuple[bytes, VectorArray]] = []
        # Sum of squares about the means of vectors that were evaluated again, and its degrees of freedom.
        self._squares, self._freedom = 0.0, 0

    def __len__(self) -> int:
        return len(self._vectors)

    def add(self, key: bytes, vector: VectorArray, value: float) -> None:
        """Note an evaluation of a noisy f, in the memory too."""
        memory = self._memory
        if key in memory:
            count = memory.count(key)
            self._squares += (value - memory.mean(key)) ** 2 * count / (count + 1)
            self._freedom += 1
        memory.add(key, value)
        if all(key != known for known, _ in self._vectors):
            if len(self._vectors) < MOST or memory.mean(key) < memory.mean(self._vectors[-1][0]):
                self._vectors.append((key, vector.copy()))
            else:
                return
        self._vectors.sort(key=lambda entry: memory.mean(entry[0]))
        del self._vectors[MOST:]

    def replace(self, key: bytes, vector: VectorArray) -> None:
        """Put a vector that is in the memory in the place of the one there is, if it is better."""
        if not self._vectors or self._memory.mean(key) < self._memory.mean(self._vectors[0][0]):
            self._vectors = [(key, vector.copy())]

    @property
    def lowest(self) -> VectorArray:
        """The vector with the lowest mean: worth another evaluation."""
        return self._vectors[0][1]

    def best(self) -> tuple[VectorArray, float]:
        """The vector to report, and the mean of its values."""
        if len(self._vectors) == 1:
            key, vector = self._vectors[0]
            return vector, self._memory.mean(key)
        deviation = np.sqrt(self._squares / self._freedom) if self._freedom else 0.0

        def bound(entry: tuple[bytes, VectorArray]) -> float:
            key = entry[0]
            return float(self._memory.mean(key) + CAUTION * deviation / np.sqrt(self._memory.count(key)))

        key, vector = min(self._vectors, key=bound)
        return vector, self._memory.mean(key)

    def state(self, n_variables: int) -> dict[str, Any]:
        """All that must be kept, as arrays."""
        vectors = [vector for _, vector in self._vectors]
        table = np.array(vectors, np.int32).reshape(-1, n_variables)
        return {"vectors": table, "noise": np.array([self._squares, self._freedom], np.float64)}

    def restore(self, state: dict[str, FloatArray]) -> None:
        """Take up what `state` gave."""
        vectors = np.array(state["vectors"], np.int32)
        self._vectors = list(zip(self._memory.keys(vectors), vectors, strict=True))
        self._squares, self._freedom = float(state["noise"][0]), int(state["noise"][1])
