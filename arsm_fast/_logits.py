"""Logits of every accepted shape, held as rows side by side in one flat array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .kernels.weights import fill_inverse_weights

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
LogitsLike = ArrayLike | Sequence[ArrayLike]
# To make these anew takes longer than to look what an array is.
FLOAT64, LISTS = np.dtype(np.float64), list | tuple


@dataclass(eq=False, repr=False)
class Logits:
    """Logits of `n_problems` problems of `n_variables` variables each, as inverse weights.

    Those are `exp(max - logits)` by row: 1 for the likeliest category, infinite for an unavailable one. Row
    `problem * n_variables + k` is `inverse_weights[offsets[row]:offsets[row + 1]]`. `shape` is the user's, or
    None for a list of variables with different numbers of categories.

    Until they are asked for, `weights` are the logits: kernels that meet each row once weigh it as it comes, and
    say where there is one to `refuse`. `own_offsets` are those of a list, and of others once they are asked for.
    """

    weights: FloatArray
    own_offsets: IntArray | None
    n_problems: int
    n_variables: int
    shape: tuple[int, ...] | None
    weighed: bool = True

    @property
    def offsets(self) -> IntArray:
        """Where each row starts, and the last one ends."""
        if self.own_offsets is None:
            n = self.n_categories
            self.own_offsets = np.arange(0, n + 1, n // self.n_rows)
        return self.own_offsets

    @property
    def n_rows(self) -> int:
        """Variables of all problems."""
        return self.n_problems * self.n_variables

    @property
    def inverse_weights(self) -> FloatArray:
        """exp(max - logits) by row."""
        self.weigh()
        return self.weights

    def weigh(self) -> None:
        """Set weights to inverse weights; logits are refused where those are no numbers."""
        if self.weighed:
            return
        inverse_weights = np.empty(self.n_categories)
        if fill_inverse_weights(self.weights, self.offsets, inverse_weights):
            self.refuse()
        self.weights, self.weighed = inverse_weights, True

    def gaps(self) -> FloatArray:
        """The logits, but for a number for each row."""
        return -np.log(self.weights) if self.weighed else self.weights

    def refuse(self) -> NoReturn:
        """Raise an error that says which logits are no numbers, or leave a variable without a category."""
        for bad, what in ((np.isnan(self.weights), "nan"), (self.weights == np.inf, "+inf")):
            if bad.any():
                where = self.describe(int(bad.argmax()), "logits")
                raise ValueError(f"logits must not be {what}; got {bad.sum()} such, the first at {where}")
        unavailable = np.logical_and.reduceat(self.weights == -np.inf, self.offsets[:-1])
        where = self.describe(int(self.offsets[unavailable.argmax()]), "logits")
        raise ValueError(
            "each variable must have a category whose logit is finite; "
            f"{unavailable.sum()} have only -inf, the first starts at {where}"
        )

    @property
    def single(self) -> bool:
        """Whether there is one variable, given without an axis for variables: f gets scalars."""
        return self.shape is not None and len(self.shape) == 1

    @property
    def batched(self) -> bool:
        """Whether there is an axis for problems: f gets the problems' numbers too."""
        return self.shape is not None and len(self.shape) == 3

    @property
    def sizes(self) -> IntArray:
        """Categories of each row."""
        return self.offsets[1:] - self.offsets[:-1]

    @property
    def longest(self) -> int:
        """The most categories of a row."""
        return int(self.sizes.max()) if self.shape is None else self.shape[-1]

    @property
    def shortest(self) -> int:
        """The fewest categories of a row."""
        return int(self.sizes.min()) if self.shape is None else self.shape[-1]

    @property
    def n_categories(self) -> int:
        """Categories of all rows."""
        return self.weights.size

    @property
    def problem_offsets(self) -> IntArray:
        """Where each problem starts in a flat array."""
        if self.n_variables == 1:
            return self.offsets
        if self.shape is None:
            return self.offsets[:: self.n_variables].copy()
        n = self.n_categories
        return np.arange(0, n + 1, n // self.n_problems)

    def probabilities(self) -> FloatArray:
        """Softmax by row."""
        weights: FloatArray = 1.0 / self.inverse_weights
        if self.shape is not None:
            rows = weights.reshape(-1, self.shape[-1])
            rows /= rows.sum(axis=1, keepdims=True)
            return weights
        weights /= np.repeat(np.add.reduceat(weights, self.offsets[:-1]), self.sizes)
        return weights

    def complements(self, probabilities: FloatArray) -> FloatArray:
        """1 - p, by a sum where p > 1/2, so that it keeps its precision."""
        likely = probabilities > 0.5
        others = np.add.reduceat(np.where(likely, 0.0, probabilities), self.offsets[:-1])
        return np.where(likely, np.repeat(others, self.sizes), 1.0 - probabilities)

    def likeliest(self, m: int) -> IntArray:
        """Flat positions of the m likeliest categories of each row, or of all where there are no more."""
        starts = self.offsets[:-1]
        if self.shape is not None:
            rows = self.inverse_weights.reshape(-1, self.shape[-1])
            return (starts[:, None] + rows.argpartition(m - 1, axis=1)[:, :m]).ravel()
        ragged = zip(starts, np.split(self.inverse_weights, self.offsets[1:-1]), strict=True)
        return np.concatenate([start + row.argpartition(min(m, row.size) - 1)[:m] for start, row in ragged])

    def by_size(self) -> IntArray:
        """The variables of a problem from the one with the most categories on."""
        if self.shape is not None:
            return np.arange(self.n_variables)
        return np.argsort(-self.sizes[: self.n_variables], kind="stable")

    def order(self) -> IntArray:
        """The categories of each row from the likeliest on."""
        if self.shape is not None:
            return self.inverse_weights.reshape(-1, self.shape[-1]).argsort(axis=1).ravel()
        rows = np.split(self.inverse_weights, self.offsets[1:-1])
        return np.concatenate([row.argsort() for row in rows])

    def split(self, positions: IntArray) -> tuple[IntArray, IntArray]:
        """Rows and categories of flat positions."""
        if self.shape is not None:
            row, category = np.divmod(positions, self.shape[-1])
        else:
            row = self.offsets.searchsorted(positions, side="right") - 1
            category = positions - self.offsets[row]
        return row, category

    def as_rows(self) -> Logits:
        """Every variable as a problem of its own."""
        return Logits(self.weights, self.own_offsets, self.n_rows, 1, self.shape, self.weighed)

    def describe(self, position: int, name: str) -> str:
        """The index of a flat position in an array of the logits' shape."""
        if self.shape is None:
            row, category = self.split(np.array(position))
            return f"{name}[{row}][{category}]"
        index = ", ".join(str(i) for i in np.unravel_index(position, self.shape))
        return f"{name}[{index}]"

    def shaped(self, flat: FloatArray) -> Any:
        """A flat array in the shape of the user's logits: an array, or a list of arrays."""
        if self.shape is not None:
            return flat.reshape(self.shape)
        return np.split(flat, self.offsets[1:-1])


def check_logits(logits: LogitsLike) -> Logits:
    """Check logits and weigh them."""
    checked = lay_out(logits)
    checked.weigh()
    return checked


def own_logits(logits: LogitsLike) -> Logits:
    """Logits that are kept while f is evaluated, when the user may change his.

    Those of one variable are not weighed yet, and not looked at: most kernels for these do it as they come.
    """
    checked = lay_out(logits)
    if checked.n_variables == 1:
        checked.weights = checked.weights.copy()
    else:
        checked.weigh()
    return checked


def lay_out(logits: LogitsLike) -> Logits:
    """Check everything but the numbers themselves, and lay those out flat."""
    if isinstance(logits, LISTS) and logits:
        variables = [_as_float(variable, f"logits[{k}]") for k, variable in enumerate(logits)]
        shapes = {variable.shape for variable in variables}
        arrays = any(isinstance(variable, np.ndarray) for variable in logits)
        if variables[0].ndim == 1 and (len(shapes) > 1 or arrays):
            return _from_list(variables)
    array = _as_float(logits, "logits")
    if array.ndim not in (1, 2, 3):
        raise ValueError(
            "logits must have shape (C,), (K, C) or (B, K, C), or be a list of 1-D arrays; "
            f"got shape {array.shape}"
        )
    if array.size == 0:
        raise ValueError(f"logits must have at least one variable and one category; got shape {array.shape}")
    n_variables = array.shape[-2] if array.ndim > 1 else 1
    n_problems = array.shape[0] if array.ndim == 3 else 1
    return Logits(for_kernel(array.ravel()), None, n_problems, n_variables, array.shape, weighed=False)


def _from_list(variables: Sequence[NDArray[Any]]) -> Logits:
    for k, variable in enumerate(variables):
        if variable.ndim != 1:
            raise ValueError(
                f"each array in a list of logits must be 1-D; logits[{k}] has shape {variable.shape}"
            )
        if variable.size == 0:
            raise ValueError(f"logits[{k}] must have at least one category; got an empty array")
    offsets = np.concatenate(([0], np.cumsum([variable.size for variable in variables])))
    return Logits(for_kernel(np.concatenate(variables)), offsets, 1, len(variables), None, weighed=False)


def _as_float(values: Any, name: str) -> NDArray[Any]:
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(
            f"{name} must be an array, or a list of 1-D arrays; got nested sequences of different lengths"
        ) from error
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must be real numbers; got dtype {array.dtype}")
    return array


def for_kernel(array: NDArray[Any]) -> FloatArray:
    """One dtype, one layout, writeable: every other kind would be compiled for anew."""
    if array.dtype == FLOAT64 and array.flags.carray:
        return array  # as np.require would, but sooner
    return np.require(array, np.float64, ["C", "W"])
