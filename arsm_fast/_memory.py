"""The vectors that were evaluated, and their values."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ._distinct import HashArray, hash_multipliers
from ._logits import FloatArray
from ._vectors import VectorArray

KEY_BYTES = 16


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
        raw = hashes.tobytes()
        return [raw[i : i + KEY_BYTES] for i in range(0, len(raw), KEY_BYTES)]

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
        return np.array([self.mean(key) for key in keys])

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
        raw = np.ascontiguousarray(hashes).tobytes()
        keys = (raw[i : i + KEY_BYTES] for i in range(0, len(raw), KEY_BYTES))
        self._entries = dict(zip(keys, zip(totals.tolist(), counts.tolist(), strict=True), strict=True))
