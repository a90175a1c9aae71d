"""What a run has found so far."""

from array import array
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._categories import Categories
from ._incumbents import Incumbents
from ._logits import FloatArray
from ._memory import Memory
from ._state import Fields
from ._vectors import VectorArray

HISTORY = ("iteration", "nfev", "best", "mean", "entropy")


class Expected(NamedTuple):
    """An estimate of E[f] under the final distribution."""

    value: float
    standard_error: float


class Record:
    """All that was told in finished steps, and what came of it. Lower values are better.

    Of the distributions that a search leaves where it begins anew, that is kept under which the best vector is
    likeliest.
    """

    ARRAYS: ClassVar[Fields] = {
        "counts": (np.int64, 6),
        "numbers": (np.float64, 3),
        "history": (np.float64, "H5"),
        "memory_hashes": (np.uint64, "M2"),
        "memory_totals": (np.float64, "M"),
        "memory_counts": (np.int64, "M"),
        **{f"incumbents_{name}": field for name, field in Incumbents.ARRAYS.items()},
        "kept_logits": (np.float64, "L"),
    }

    def __init__(self, categories: Categories, *, noisy: bool) -> None:
        self._categories = categories
        self.noisy = noisy
        self.memory = Memory(categories.n_variables)
        self.incumbents = Incumbents(self.memory)
        self.nfev = 0
        self.nit = 0
        self.n_steps = 0  # with those that asked for nothing
        self.stalled = False
        self.finished = False  # whether the end was planned, and the draws for it were made
        self.ending = False  # whether draws from the distribution come next
        self.expected: Expected | None = None
        self.worst = -np.inf
        self._history = array("d")  # the five numbers of each step
        self._kept_logits: FloatArray = np.empty(0)

    def add(self, vectors: VectorArray, keys: list[bytes], values: FloatArray) -> None:
        """Note the values of a step."""
        if self.noisy:
            for key, vector, value in zip(keys, vectors, values.tolist(), strict=True):
                self.incumbents.add(key, vector, value)
        elif keys:
            self.memory.add_new(keys, values)
            i = int(values.argmin())
            self.incumbents.replace(keys[i], vectors[i])
        if keys:
            self.worst = max(self.worst, float(values.max()))
        self.nfev += len(keys)
        self.n_steps += 1

    def best(self) -> tuple[VectorArray, float] | None:
        """The best vector, and its value."""
        return self.incumbents.best() if len(self.incumbents) else None

    def note(self, best: float, mean: float, entropy: float) -> None:
        """Add an entry to the history."""
        self.nit += 1
        self._history.extend((self.nit, self.nfev, best, mean, entropy))

    @property
    def last(self) -> tuple[int, int, float, float, float]:
        """The last entry of the history."""
        iteration, nfev, best, mean, entropy = self._history[-5:] or (0, 0, np.nan, np.nan, np.nan)
        return int(iteration), int(nfev), best, mean, entropy

    def history(self) -> dict[str, NDArray[Any]]:
        """The entries of all steps, by name."""
        columns = np.array(self._history).reshape(-1, len(HISTORY)).T
        history: dict[str, NDArray[Any]] = dict(zip(HISTORY, columns, strict=True))
        for name in ("iteration", "nfev"):
            history[name] = history[name].astype(np.int64)
        return history

    def keep(self, logits: FloatArray, best: VectorArray) -> None:
        """Keep the distribution of a search that begins anew, or that which is kept."""
        self._kept_logits = self.reported(logits, best)

    def reported(self, logits: FloatArray, best: VectorArray) -> FloatArray:
        """These logits of the search, or those that are kept: under which the best vector is likelier."""
        if not self._kept_logits.size:
            return logits
        now, kept = (self._log_probability(one, best) for one in (logits, self._kept_logits))
        return logits if now > kept else self._kept_logits

    def _log_probability(self, logits: FloatArray, vector: VectorArray) -> float:
        with np.errstate(divide="ignore"):
            logs = np.log(self._categories.softmax(logits)[self._categories.starts + vector])
        return float(logs.sum())

    def expect(self, keys: list[bytes]) -> Expected:
        """The mean over draws, all of which were evaluated."""
        values = self.memory.means(keys)
        return Expected(float(values.mean()), float(values.std(ddof=1) / np.sqrt(values.size)))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that must be kept."""
        hashes, totals, counts = self.memory.arrays()
        expected = self.expected or (np.nan, np.nan)
        return {
            "counts": np.array(
                [self.nfev, self.nit, self.n_steps, self.stalled, self.finished, self.ending], np.int64
            ),
            "numbers": np.array([*expected, self.worst], np.float64),
            "history": np.array(self._history).reshape(-1, 5),
            "memory_hashes": hashes,
            "memory_totals": totals,
            "memory_counts": counts,
            **{
                f"incumbents_{name}": a for name, a in self.incumbents.state(self._categories.n_variables).items()
            },
            "kept_logits": self._kept_logits,
        }

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take up what `arrays` gave."""
        self.memory.restore(arrays["memory_hashes"], arrays["memory_totals"], arrays["memory_counts"])
        self.incumbents.restore({name: arrays[f"incumbents_{name}"] for name in Incumbents.ARRAYS})
        self.nfev, self.nit, self.n_steps, *flags = arrays["counts"].tolist()
        self.stalled, self.finished, self.ending = map(bool, flags)
        value, error, self.worst = arrays["numbers"].tolist()
        self.expected = None if np.isnan(value) else Expected(value, error)
        self._history = array("d", arrays["history"].ravel().tolist())
        self._kept_logits = arrays["kept_logits"].copy()
        if self._kept_logits.size not in (0, self._categories.total):
            raise ValueError("the logits that were kept are not of these variables")
