"""Variables with different numbers of categories, side by side in one flat array."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._checks import real_array
from ._logits import FloatArray, IntArray, LogitsLike, check_logits
from ._vectors import VectorArray

# Categories of all variables together: what is kept for each of them must fit into memory.
MOST_CATEGORIES = 2**28
# Of a logit below the largest of its variable: beyond, as for categories that are not available, the probability
# is next to none.
LEAST_EXCESS = -700.0


class Categories:
    """Where the categories of each variable start, and which are available."""

    def __init__(self, sizes: IntArray, available: Any = None) -> None:
        self.sizes = sizes
        self.offsets = np.concatenate(([0], np.cumsum(sizes)))
        self.starts = self.offsets[:-1]
        self.n_variables = sizes.size
        self.total = int(self.offsets[-1])
        self.available = np.ones(self.total, np.bool_) if available is None else available
        self.choices = np.add.reduceat(self.available.astype(np.int64), self.starts)
        # Vectors that differ from one vector in one variable.
        self.n_changes = int((self.choices - 1).sum())
        self.uniform = bool((sizes == sizes[0]).all())
        # Many short rows are summed sooner as a few long columns.
        self._side_by_side = self.uniform and self.total < self.n_variables**2

    @property
    def n_vectors(self) -> float:
        """All vectors of available categories; inf where these are beyond float64."""
        with np.errstate(over="ignore"):
            return float(np.prod(self.choices.astype(np.float64)))

    def softmax(self, logits: FloatArray) -> FloatArray:
        """Probabilities from flat logits."""
        if self.uniform:
            table = logits.reshape(self.n_variables, -1)
            weights: FloatArray = np.exp(table - table.max(axis=1, keepdims=True))
            weights /= weights.sum(axis=1, keepdims=True)
            return weights.ravel()
        flat: FloatArray = np.exp(logits - self.spread(np.maximum.reduceat(logits, self.starts)))
        flat /= self.spread(np.add.reduceat(flat, self.starts))
        return flat

    def entropy(self, logits: FloatArray) -> float:
        """Of the product distribution, from flat logits."""
        if self._side_by_side:
            excess = logits.reshape(self.n_variables, -1).T.copy()
            excess -= np.maximum.reduce(excess, axis=0)
        else:
            excess = logits - self.spread(np.maximum.reduceat(logits, self.starts))
        np.maximum(excess, LEAST_EXCESS, out=excess)
        weights = np.exp(excess)
        sums = self._sums(weights)
        weights *= excess
        # That of one variable is log sum - (weights @ excess) / sum.
        return float(np.add.reduce(np.log(sums) - self._sums(weights) / sums))

    def _sums(self, table: FloatArray) -> FloatArray:
        if self._side_by_side:
            sums: FloatArray = np.add.reduce(table, axis=0)
            return sums
        return np.add.reduceat(table, self.starts)

    def spread(self, values: NDArray[Any]) -> NDArray[Any]:
        """The value of each variable for all of its categories, flat."""
        return np.repeat(values, self.total // self.n_variables if self.uniform else self.sizes)

    def argmax(self, flat: FloatArray) -> IntArray:
        """Where the largest entry of each variable is, or the first such."""
        if self.uniform:
            positions: IntArray = flat.reshape(self.n_variables, -1).argmax(axis=1)
            positions += self.starts
            return positions
        largest = np.maximum.reduceat(flat, self.starts)
        places = np.flatnonzero(flat == self.spread(largest))
        return places[np.searchsorted(places, self.starts)]

    def draw(self, probabilities: FloatArray, n: int, generator: np.random.Generator) -> VectorArray:
        """N vectors from the product distribution, (n, K)."""
        ends = np.cumsum(probabilities)
        before = ends[self.starts] - probabilities[self.starts]
        last = np.maximum.reduceat(np.where(probabilities > 0, np.arange(self.total), 0), self.starts)
        uniform = generator.random((n, self.n_variables))
        position = np.searchsorted(ends, before + uniform * (ends[self.offsets[1:] - 1] - before), side="right")
        # By rounding a draw may fall outside its variable or its available categories.
        first = np.minimum.reduceat(np.where(probabilities > 0, np.arange(self.total), self.total), self.starts)
        vectors: VectorArray = (np.clip(position, first, last) - self.starts).astype(np.int32)
        return vectors

    def shaped(self, flat: FloatArray) -> Any:
        """(K, C) where all variables have C categories, or a list of arrays."""
        if self.uniform:
            return flat.reshape(self.n_variables, -1)
        return np.split(flat, self.offsets[1:-1])


def check_categories(n_categories: ArrayLike) -> IntArray:
    """The numbers of categories of the variables."""
    array = real_array(n_categories, "n_categories")
    if array.dtype.kind not in "iu":
        raise TypeError(f"n_categories must be integers, one for each variable; got dtype {array.dtype}")
    if array.ndim != 1 or array.size == 0:
        raise ValueError(
            f"n_categories must have shape (K,), one number for each variable; got shape {array.shape}"
        )
    if (array < 1).any():
        k = int((array < 1).argmax())
        raise ValueError(f"n_categories must be at least 1; got n_categories[{k}] = {array[k]}")
    total = int(array.astype(np.float64).sum())
    if total > MOST_CATEGORIES:
        raise ValueError(
            f"n_categories must sum to at most {MOST_CATEGORIES} over the variables; got a sum of {total}"
        )
    return array.astype(np.int64)


def check_start(logits0: LogitsLike | None, sizes: IntArray) -> FloatArray:
    """The logits to begin with, flat; zero where there are none."""
    if logits0 is None:
        return np.zeros(int(sizes.sum()))
    try:
        checked = check_logits(logits0)
    except (TypeError, ValueError) as error:
        raise type(error)(str(error).replace("logits", "logits0")) from None
    if checked.batched or checked.n_variables != sizes.size or not np.array_equal(checked.sizes, sizes):
        got = f"shape {checked.shape}" if checked.shape is not None else f"lengths {_shown(checked.sizes)}"
        raise ValueError(
            f"logits0 must have a row of n_categories[k] logits for each variable k, {_shown(sizes)}; got {got}"
        )
    # Of the flat rows only differences matter: the largest of each is 0.
    with np.errstate(divide="ignore"):
        return -np.log(checked.inverse_weights)


def _shown(sizes: IntArray) -> str:
    return np.array2string(sizes, threshold=20, max_line_width=10_000, separator=", ")
