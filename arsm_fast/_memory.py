"""The vectors that were evaluated, and their values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._distinct import HashArray, hash_multipliers
from ._logits import FloatArray
from ._vectors import VectorArray

KEY = np.dtype((np.void, 16))


class Memory:
    """Sums of values and their numbers, by hashes of 128 bits: vectors are not kept."""

    def __init__(self, n_variables: int) -> None:
        self._multipliers = hash_multipliers(n_variables)
        self._totals: dict[bytes, float] = {}
        self._counts: dict[bytes, int] = {}  # of those that were evaluated more than once

    def __len__(self) -> int:
        """Distinct vectors."""
        return len(self._totals)

    def __contains__(self, key: bytes) -> bool:
        return key in self._totals

    def keys(self, actions: VectorArray) -> list[bytes]:
        """The keys of vectors, (M, K)."""
        hashes: HashArray = actions.astype(np.uint64) @ self._multipliers  # modulo 2**64
        return _as_keys(hashes)

    def first(self, keys: list[bytes], *, known: bool) -> dict[bytes, int]:
        """Where each key appears first; of those in the memory only if asked for the known ones too."""
        rows: dict[bytes, int] = {}
        totals = self._totals
        for i, key in enumerate(keys):
            if key not in rows and (known or key not in totals):
                rows[key] = i
        return rows

    def add(self, key: bytes, value: float) -> None:
        """Note one evaluation."""
        if key in self._totals:
            self._counts[key] = self.count(key) + 1
            value += self._totals[key]
        self._totals[key] = value

    def add_new(self, keys: list[bytes], values: FloatArray) -> None:
        """Note the evaluations of those vectors that were not evaluated before."""
        for key, value in zip(keys, values.tolist(), strict=True):
            self._totals.setdefault(key, value)

    def mean(self, key: bytes) -> float:
        """The mean of a vector's values."""
        return self._totals[key] / self._counts.get(key, 1)

    def means(self, keys: Iterable[bytes]) -> FloatArray:
        """The mean of each vector's values."""
        return np.array([self.mean(key) for key in keys])

    def count(self, key: bytes) -> int:
        """How often a vector was evaluated."""
        return self._counts.get(key, 1) if key in self._totals else 0

    def arrays(self) -> tuple[HashArray, FloatArray, NDArray[np.int64]]:
        """Hashes (n, 2), sums and counts, in the order of first evaluation."""
        hashes = np.frombuffer(b"".join(self._totals), np.uint64).reshape(-1, 2)
        totals = np.array([*self._totals.values()], np.float64)
        return hashes, totals, np.array([self._counts.get(key, 1) for key in self._totals], np.int64)

    def restore(self, hashes: HashArray, totals: FloatArray, counts: NDArray[np.int64]) -> None:
        """Take up what `arrays` gave."""
        keys = _as_keys(hashes)
        self._totals = dict(zip(keys, totals.tolist(), strict=True))
        self._counts = {key: n for key, n in zip(keys, counts.tolist(), strict=True) if n > 1}


def _as_keys(hashes: HashArray) -> list[bytes]:
    """The bytes of each row, (n, 2)."""
    keys: list[Any] = np.ascontiguousarray(hashes).view(KEY).ravel().tolist()
    return keys
