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
        self._entries: dict[bytes, tuple[float, int]] = {}

    def __len__(self) -> int:
        """Distinct vectors."""
        return len(self._entries)

    def __contains__(self, key: bytes) -> bool:
        return key in self._entries

    def keys(self, actions: VectorArray) -> list[bytes]:
        """The keys of vectors, (M, K)."""
        hashes: HashArray = actions.astype(np.uint64) @ self._multipliers  # modulo 2**64
        return _as_keys(hashes)

    def first(self, keys: list[bytes], *, known: bool) -> dict[bytes, int]:
        """Where each key appears first; of those in the memory only if asked for the known ones too."""
        rows: dict[bytes, int] = {}
        entries = self._entries
        for i, key in enumerate(keys):
            if key not in rows and (known or key not in entries):
                rows[key] = i
        return rows

    def add(self, key: bytes, value: float) -> None:
        """Note one evaluation."""
        total, count = self._entries.get(key, (0.0, 0))
        self._entries[key] = (total + value, count + 1)

    def add_new(self, keys: list[bytes], values: FloatArray) -> None:
        """Note the evaluations of those vectors that were not evaluated before."""
        for key, value in zip(keys, values.tolist(), strict=True):
            self._entries.setdefault(key, (value, 1))

    def mean(self, key: bytes) -> float:
        """The mean of a vector's values."""
        total, count = self._entries[key]
        return total / count

    def means(self, keys: Iterable[bytes]) -> FloatArray:
        """The mean of each vector's values."""
        return np.array([total / count for total, count in map(self._entries.__getitem__, keys)])

    def count(self, key: bytes) -> int:
        """How often a vector was evaluated."""
        return self._entries.get(key, (0.0, 0))[1]

    def arrays(self) -> tuple[HashArray, FloatArray, NDArray[np.int64]]:
        """Hashes (n, 2), sums and counts, in the order of first evaluation."""
        hashes = np.frombuffer(b"".join(self._entries), np.uint64).reshape(-1, 2)
        totals = np.array([total for total, _ in self._entries.values()], np.float64)
        return hashes, totals, np.array([count for _, count in self._entries.values()], np.int64)

    def restore(self, hashes: HashArray, totals: FloatArray, counts: NDArray[np.int64]) -> None:
        """Take up what `arrays` gave."""
        entries = zip(totals.tolist(), counts.tolist(), strict=True)
        self._entries = dict(zip(_as_keys(hashes), entries, strict=True))


def _as_keys(hashes: HashArray) -> list[bytes]:
    """The bytes of each row, (n, 2)."""
    keys: list[Any] = np.ascontiguousarray(hashes).view(KEY).ravel().tolist()
    return keys
