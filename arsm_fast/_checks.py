"""Checks of what is neither logits nor rng, each with a message that names the argument."""

from __future__ import annotations

import math
import operator
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._logits import FloatArray, Logits, for_kernel

Scopes = tuple[tuple[int, ...], ...]

# What delta says of a vector's own category may differ from f by so much of the largest value, as rounding does
# where one of the two adds up changes, or is in float32; and by so much where all values are next to zero.
TOLERANCE, SMALL = 1e-5, 1e-8


def all_finite(numbers: FloatArray) -> bool:
    """Whether none is nan or infinite."""
    if numbers.size == 1:
        return math.isfinite(numbers.item())
    return bool(np.count_nonzero(np.isfinite(numbers)) == numbers.size)  # as all() would say, but sooner


def check_integer(value: Any, name: str, least: int) -> int:
    """A whole number that is large enough, and fits into arrays of integers."""
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer; got {value!r}") from None
    if number < least:
        raise ValueError(f"{name} must be at least {least}; got {number}")
    if number >= 2**63:
        raise ValueError(f"{name} must be below 2**63; got {number}")
    return number


def check_positive(value: Any, name: str) -> float:
    """A positive, finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"{name} must be a number; got {value!r}")
    if not 0.0 < value < np.inf:
        raise ValueError(f"{name} must be positive and finite; got {value!r}")
    return float(value)


def check_count(value: Any, name: str) -> int:
    """A number of samples, which must fit into the generator's counter."""
    count = check_integer(value, name, 1)
    if count >= 2**32:
        raise ValueError(f"{name} must be below 2**32; got {count}")
    return count


def check_noise(noise: Any, logits: Logits, leading: tuple[int, ...]) -> FloatArray:
    """Noise of shape leading + logits' shape as (samples, categories of all rows)."""
    if logits.shape is not None:
        array = real_array(noise, "noise")
        if array.shape != leading + logits.shape:
            raise ValueError(
                f"noise must have shape {leading + logits.shape}, that is {leading} followed by the "
                f"shape of logits; got shape {array.shape}"
            )
        # A copy: a proposal reads it again later.
        flat = np.array(array.reshape(-1, logits.n_categories), np.float64, order="C")
    else:
        sizes = logits.sizes
        if not isinstance(noise, list | tuple) or len(noise) != sizes.size:
            raise ValueError(
                f"noise must be a list of {sizes.size} arrays, one for each variable; got "
                f"{type(noise).__name__}" + (f" of {len(noise)}" if hasattr(noise, "__len__") else "")
            )
        variables = [real_array(variable, f"noise[{k}]") for k, variable in enumerate(noise)]
        for k, variable in enumerate(variables):
            if variable.shape != (*leading, sizes[k]):
                raise ValueError(
                    f"noise[{k}] must have shape {(*leading, int(sizes[k]))}; got shape {variable.shape}"
                )
        rows = [variable.reshape(-1, variable.shape[-1]) for variable in variables]
        flat = np.concatenate(rows, axis=1, dtype=np.float64)
    if not (flat > 0).all():
        raise ValueError(
            f"noise must be positive; got {int((~(flat > 0)).sum())} entries that are not, "
            f"the smallest {flat.min()}"
        )
    sums = np.add.reduceat(flat, logits.offsets[:-1], axis=1)
    errors = np.abs(sums - 1.0)
    if not errors.max() <= 1e-6:
        raise ValueError(
            f"noise must sum to 1 over the categories of each variable; got a sum of {sums.flat[errors.argmax()]}"
        )
    return flat


def check_answer(answer: Any, name: str, shape: tuple[int, ...], meaning: str) -> FloatArray:
    """What a function returned, of which the name says which part of which function."""
    array = real_array(answer, name)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, {meaning}; got shape {array.shape}")
    finite = np.isfinite(array)
    if not finite.all():
        index = [int(i) for i in np.unravel_index(int(finite.argmin()), shape)]
        raise ValueError(
            f"{name} must be finite; {(~finite).sum()} of {array.size} are not, the first with index {index}"
        )
    return array.astype(np.float64)


def check_values(values: Any, actions: NDArray[np.int32]) -> FloatArray:
    """The objective's values for the rows of actions: the array itself, if it is as kernels need it."""
    n = len(actions)
    try:
        array = np.asarray(values)
    except ValueError:
        raise ValueError(
            f"values must be {n} real numbers, one for each row of actions; got a ragged sequence"
        ) from None
    if array.dtype.kind not in "fiub":
        raise TypeError(f"values must be {n} real numbers, one for each row of actions; got dtype {array.dtype}")
    if array.shape != (n,):
        raise ValueError(
            f"values must have shape ({n},), one number for each row of actions; got shape {array.shape}"
        )
    array = for_kernel(array)
    if not all_finite(array):
        where = np.flatnonzero(~np.isfinite(array))
        raise ValueError(
            f"values must be finite; {where.size} of {n} are not: "
            + ", ".join(f"values[{i}] = {array[i]} at {shown(actions[i])}" for i in where[:3])
            + (", ..." if where.size > 3 else "")
        )
    return array


def check_scopes(scopes: Any) -> Scopes:
    """The variables that each term touches, of which there may be any number."""
    given = scopes.tolist() if isinstance(scopes, np.ndarray) else scopes
    try:
        checked = tuple(map(tuple, given))
    except TypeError:
        raise TypeError(
            f"scopes must be a sequence of sequences of variables, one for each term; got {scopes!r}"
        ) from None
    if not checked:
        raise ValueError("scopes must be those of at least one term; got none")
    variables = list(chain.from_iterable(checked))
    if set(map(type, variables)) - {int} or min(variables, default=0) < 0:
        checked = tuple(
            tuple(check_integer(k, f"scopes[{t}]", 0) for k in scope) for t, scope in enumerate(checked)
        )
    return checked


def check_terms(values: Any, actions: Any, n_terms: int, name: str) -> FloatArray:
    """The values of all terms for the rows of actions."""
    array = real_array(values, name)
    if array.shape != (len(actions), n_terms):
        raise ValueError(
            f"{name} must have shape ({len(actions)}, {n_terms}), a row for each row of actions and a number "
            f"in it for each of the scopes; got shape {array.shape}"
        )
    finite = np.isfinite(array)
    if not finite.all():
        where = np.argwhere(~finite)
        raise ValueError(
            f"{name} must be finite; {len(where)} of {array.size} are not: "
            + ", ".join(f"term {t} = {array[i, t]} at {shown(actions[i])}" for i, t in where[:3])
            + (", ..." if len(where) > 3 else "")
        )
    return array.astype(np.float64, copy=False)


def check_delta(values: Any, shape: tuple[int, int], variable: int, name: str) -> FloatArray:
    """The values of all categories of a variable, which need not all be finite."""
    answer = real_array(values, name)
    if answer.shape != shape:
        raise ValueError(
            f"{name} must have shape {shape}, for variable {variable} a row for each row of actions with f for "
            f"every category; got shape {answer.shape}"
        )
    return answer.astype(np.float64, copy=False)


def check_own(own: FloatArray, true: FloatArray, largest: float, variables: Any, vectors: Any, name: str) -> None:
    """Whether what delta says of the vectors' own categories is f."""
    off = ~np.isclose(own, true, rtol=0.0, atol=TOLERANCE * largest + SMALL)
    if off.any():
        i = off.argmax()
        raise ValueError(
            f"{name} must give f of the whole vector for every category, and so f itself for the one "
            f"that the vector has; for variable {variables[i]} of {shown(vectors[i])} it gave "
            f"{own[i]}, and f is {true[i]}"
        )


def check_table(objective: Any, logits: Logits) -> FloatArray:
    """A table of values, in the shape of logits, flat, of which each may be any number yet."""
    if logits.shape is not None:
        array = real_array(objective, "objective")
        if array.shape != logits.shape:
            raise ValueError(
                f"objective, as an array of values, must have the shape of logits, {logits.shape}; "
                f"got shape {array.shape}"
            )
        flat = array.ravel()
    else:
        sizes = [int(size) for size in logits.sizes]
        if not isinstance(objective, list | tuple):
            raise TypeError(
                "objective must be a function or, as logits are, a list of arrays of values; "
                f"got {type(objective).__name__}"
            )
        variables = [real_array(values, f"objective[{k}]") for k, values in enumerate(objective)]
        shapes = [values.shape for values in variables]
        if shapes != [(size,) for size in sizes]:
            raise ValueError(
                f"objective, as a list of arrays of values, must have the lengths of logits, {sizes}; "
                f"got arrays of shape {shapes}"
            )
        flat = np.concatenate(variables)
    return for_kernel(flat)


def check_finite(table: FloatArray, logits: Logits) -> None:
    """Refuse a flat table of values that are not all finite."""
    if not math.isfinite(max(float(table.max()), -float(table.min()))):
        finite = np.isfinite(table)
        raise ValueError(
            f"objective, as an array of values, must be finite; {(~finite).sum()} of {table.size} are not, "
            f"the first at {logits.describe(int(finite.argmin()), 'objective')}"
        )


def shown(vector: Any) -> str:
    """An action vector in one line."""
    return np.array2string(np.asarray(vector), threshold=20, max_line_width=10_000)


def check_real(value: Any, name: str) -> float:
    """A number that is not nan."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"{name} must be a number; got {value!r}")
    if np.isnan(value):
        raise ValueError(f"{name} must not be nan")
    return float(value)


def real_array(values: Any, name: str) -> np.ndarray[Any, Any]:
    """An array of real numbers, of any shape."""
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name} must be an array; got nested sequences of different lengths") from error
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must be real numbers; got dtype {array.dtype}")
    return array
