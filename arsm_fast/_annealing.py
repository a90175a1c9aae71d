"""Annealing by changes of single variables, several at a time."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ._categories import Categories
from ._logits import FloatArray, IntArray
from ._state import Fields
from ._vectors import VectorArray
from .updates import Annealing

# Sweeps of the first cycle where there is no budget.
FIRST_SWEEPS = 10
# The distribution that is reported is of at least this temperature, relative to the typical change of f.
REPORTED = 0.02
LEAST_LOGIT = -30.0
TINY = np.finfo(np.float64).tiny


class AnnealingSearch:
    """The chain, what it remembers of changes, and its temperature.

    Entries of flat arrays are changes: a category of a variable, with the other variables as they are.
    """

    ARRAYS: ClassVar[Fields] = {
        "vector": (np.int32, "K"),
        "tested": (np.int64, "N"),
        "change": (np.float64, "N"),
        "singles_vector": (np.int32, "K"),
        "numbers": (np.float64, 9),
    }

    def __init__(
        self, settings: Annealing, categories: Categories, logits0: FloatArray, *, n: int, noisy: bool
    ) -> None:
        self._settings = settings
        self._categories = categories
        self._logits0 = logits0
        self._n = n
        self._noisy = noisy
        self._free = int((categories.choices > 1).sum())
        self._sweep = max(1, categories.n_changes)  # evaluations that try every change
        self._vector = np.empty(0, np.int32)
        self._unavailable = np.flatnonzero(~categories.available)
        self._tested = np.where(categories.available, -1, 0)
        self._change = np.full(categories.total, np.nan)
        self._vector_value = np.nan
        # The best of the changes that were tried alone when several were accepted together.
        self._singles_vector = np.empty(0, np.int32)
        self._singles_value = np.nan
        self._value_before = np.nan
        self._scale = 0.0
        self._n_scaled = 0
        self._temperature = 0.0
        self._cycle = (0, 0)  # evaluations at its beginning, and its length
        self._n_known = 0  # proposals since the last that was new
        self.ended: FloatArray | None = None

    @property
    def _current(self) -> IntArray:
        """The entries of the vector itself."""
        entries: IntArray = np.add(self._categories.starts, self._vector)
        return entries

    def propose(self, step: int, used: int, limit: int | None, generator: np.random.Generator) -> VectorArray:
        """The vector where its value is not known, and changes of it."""
        categories = self._categories
        self.ended = None
        if self._share(used) >= 1.0 or self._n_known > categories.n_changes:
            self._begin_cycle(used, limit, generator)
        self._step, self._used = step, used
        self._asks_value = self._noisy or math.isnan(self._vector_value)
        m = min(self._free, max(1, self._n - self._asks_value))
        entries, ages = self._oldest(generator)
        self._variables = np.arange(m)
        if m < categories.n_variables:
            self._variables = ages.argpartition(categories.n_variables - m - 1)[categories.n_variables - m :]
            self._variables.sort()
        self._entries = entries[self._variables]
        self._patience = draw_patience(m + 1, generator)
        vectors = np.empty((m + self._asks_value, categories.n_variables), np.int32)
        vectors[:] = self._vector
        rows = np.arange(self._asks_value, len(vectors))
        vectors[rows, self._variables] = self._entries - categories.starts[self._variables]
        self._vectors = vectors
        return vectors

    def _oldest(self, generator: np.random.Generator) -> tuple[IntArray, FloatArray]:
        """The change of each variable that was not tried for longest, of the available ones, and how long."""
        age = generator.random(self._categories.total)
        age -= self._tested
        age[self._current] = age[self._unavailable] = -np.inf
        entries = self._categories.argmax(age)
        return entries, age[entries]

    def _share(self, used: int) -> float:
        """How much of the cycle has passed."""
        start, length = self._cycle
        return (used - start) / length if length else 1.0

    def _begin_cycle(self, used: int, limit: int | None, generator: np.random.Generator) -> None:
        """Begin anew, for all of the budget that is left."""
        categories = self._categories
        if limit is not None:
            length = max(limit - used, self._sweep)
        else:
            length = max(2 * self._cycle[1], FIRST_SWEEPS * self._sweep)
        self.ended = self.logits if self._vector.size else None
        self._cycle = (used, length)
        self._n_known = 0
        self._vector = categories.draw(categories.softmax(self._logits0), 1, generator)[0]
        self._vector_value = self._singles_value = np.nan
        self._change = np.full(categories.total, np.nan)  # not in place: see `state`

    def update(self, values: FloatArray, used: int) -> None:
        """Accept changes by their values."""
        self._n_known = self._n_known + values.size if used == self._used else 0
        if self._asks_value:
            self._vector_value = float(values[0])
            values, vectors = values[1:], self._vectors[1:]
            if self._take_back(values):
                return
        else:
            vectors = self._vectors
        changes = values - self._vector_value
        self._tested[self._entries] = self._step
        self._change[self._entries] = changes
        self._rescale(np.abs(changes))
        self._cool(1.0, used)
        accepted = self._accepts(changes, self._patience[1:])
        self._singles_value = np.nan
        if not accepted.any():
            return
        if accepted.sum() > 1:
            best = int(values.argmin())
            self._singles_vector, self._singles_value = vectors[best].copy(), float(values[best])
            self._value_before = self._vector_value
            self._vector_value = np.nan
        else:
            self._vector_value = float(values[accepted][0])
        self._move(accepted)

    def _cool(self, per_evaluation: float, used: int) -> None:
        """Set the temperature, when an evaluation tells so many changes."""
        sweeps = per_evaluation * self._cycle[1] / max(1, self._categories.n_changes)
        highest = min(self._settings.highest, self._settings.temperature * math.sqrt(sweeps))
        self._temperature = self._scale * highest * max(0.0, 1.0 - self._share(used))

    def _move(self, accepted: NDArray[np.bool_]) -> None:
        """Make the accepted changes."""
        moved = self._variables[accepted]
        entries = self._entries[accepted]
        starts = self._categories.starts[moved]
        left = starts + self._vector[moved]
        self._tested[left] = self._step  # the way back is known
        self._change[left] = 0.0
        gains = np.zeros(self._categories.n_variables)
        gains[moved] = self._change[entries]
        self._change -= self._categories.spread(gains)
        self._vector = self._vector.copy()
        self._vector[moved] = entries - starts

    def _accepts(self, changes: Any, patience: Any) -> Any:
        # The rule of Metropolis: an exponential is larger than d / T with probability exp(-d / T).
        return changes <= self._temperature * patience

    def _take_back(self, values: FloatArray) -> bool:
        """Return to the best single change where several together were worse than none."""
        if math.isnan(self._singles_value) or self._accepts(
            self._vector_value - self._value_before, self._patience[0]
        ):
            return False
        if values.size and self._singles_value >= values.min():
            return False
        self._vector, self._vector_value = self._singles_vector, self._singles_value
        self._singles_value = np.nan
        return True

    def _rescale(self, sizes: FloatArray) -> None:
        """Follow the median of what changes of f there are."""
        n = int(np.count_nonzero(sizes))
        if not n:
            return
        if self._scale == 0.0:
            self._scale = float(np.median(sizes[sizes > 0]))
        else:
            gain = 4.0 * n / (self._n_scaled + 4.0 * n)
            self._scale *= math.exp(gain * (int(np.count_nonzero(sizes > self._scale)) / n - 0.5))
        self._n_scaled += n

    @property
    def known(self) -> tuple[VectorArray, float] | None:
        """None: every vector is evaluated."""
        return None

    @property
    def logits(self) -> FloatArray:
        """Minus the changes over the temperature, flat."""
        if not self._vector.size:
            return self._logits0
        temperature = max(self._temperature, REPORTED * self._scale)
        if temperature == 0.0:
            return self._logits0
        changes = self._change.copy()
        np.copyto(changes, self._scale, where=np.isnan(changes))
        changes[self._current] = 0.0
        logits: FloatArray = np.maximum(changes / -temperature, LEAST_LOGIT)
        logits[self._unavailable] = -np.inf
        return logits

    def state(self) -> dict[str, Any]:
        """All that must be kept, as arrays, which only `update` changes."""
        return {
            "vector": self._or_absent(self._vector),
            "tested": self._tested,
            "change": self._change,
            "singles_vector": self._or_absent(self._singles_vector),
            "numbers": np.array(
                [
                    self._vector_value,
                    self._singles_value,
                    self._value_before,
                    self._scale,
                    self._n_scaled,
                    self._temperature,
                    *self._cycle,
                    self._n_known,
                ],
                np.float64,
            ),
        }

    def _or_absent(self, vector: VectorArray) -> VectorArray:
        return vector if vector.size else np.full(self._categories.n_variables, -1, np.int32)

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `state` gave."""
        vector, singles = state["vector"], state["singles_vector"]
        self._vector = vector.copy() if vector[0] >= 0 else np.empty(0, np.int32)
        self._singles_vector = singles.copy() if singles[0] >= 0 else np.empty(0, np.int32)
        self._tested, self._change = state["tested"].copy(), state["change"].copy()
        numbers = state["numbers"].tolist()
        self._vector_value, self._singles_value, self._value_before = numbers[:3]
        self._scale, self._n_scaled, self._temperature = numbers[3], int(numbers[4]), numbers[5]
        self._cycle, self._n_known = (int(numbers[6]), int(numbers[7])), int(numbers[8])


def draw_patience(n: int, generator: np.random.Generator) -> FloatArray:
    """Exponentials: the changes for the worse to accept, in units of the temperature."""
    patience: FloatArray = -np.log(generator.random(n) + TINY)  # a uniform may be 0
    return patience
