"""What goes from values to new vectors, as an Optimizer sees it."""

from typing import Any, ClassVar, Protocol

import numpy as np

from ._logits import FloatArray
from ._state import Fields
from ._vectors import VectorArray


class Search(Protocol):
    """A search, which begins anew when it has converged. Lower values are better."""

    ARRAYS: ClassVar[Fields]
    ended: FloatArray | None
    """The logits that were left, where the last call of propose began anew."""

    @property
    def logits(self) -> FloatArray:
        """Of the distribution, flat."""

    @property
    def known(self) -> tuple[VectorArray, float] | None:
        """A vector whose value is known without it having been evaluated, and that value."""

    def propose(self, step: int, used: int, limit: int | None, generator: np.random.Generator) -> VectorArray:
        """Vectors whose values the step needs. Depends on nothing but the state and the arguments."""

    def update(self, values: FloatArray, used: int) -> None:
        """Take their values into account."""

    def state(self) -> dict[str, Any]:
        """All that must be kept, as arrays, which nothing changes in place."""

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `state` gave."""
