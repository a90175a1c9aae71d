"""The three kinds of objective, and the evaluation of those that are functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np
from numba.core.dispatcher import Dispatcher
from numba.core.errors import NumbaError
from numpy.typing import ArrayLike, NDArray

from ._checks import all_finite, check_values
from ._logits import FloatArray, Logits
from .kernels.evaluation import evaluate, evaluate_with_problem
from .proposals import Proposal, batches_for_threads

__all__ = ["Objective"]

Objective = Callable[..., Any] | ArrayLike
"""A table of values, a Python function of a batch of vectors, or a compiled function of one vector."""


def evaluate_proposal(
    objective: Callable[..., Any], proposal: Proposal, logits: Logits, max_batch: int | None
) -> FloatArray:
    """The values of a proposal's vectors, up to the first batch in which some are not finite."""
    compiled = isinstance(objective, Dispatcher)
    batches = batches_for_threads(proposal, max_batch) if compiled else proposal.batches(max_batch)
    return evaluate_batches(objective, batches, len(proposal.problem), logits)


def evaluate_batches(
    objective: Callable[..., Any],
    batches: Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]],
    n_vectors: int,
    logits: Logits,
) -> FloatArray:
    """The values of vectors that come in batches with their problems, up to the first that are not finite."""
    values = np.zeros(n_vectors)
    start = 0
    compiled = isinstance(objective, Dispatcher)
    for actions, problem in batches:
        part = values[start : start + len(actions)]
        arguments = (actions, problem) if logits.batched else (actions,)
        if compiled:
            evaluate_compiled(objective, arguments, part)
            finite = all_finite(part)
        else:
            finite = store_values(objective(*arguments), actions, part)
        if not finite:
            break
        start += len(actions)
        del actions, problem, arguments  # before the next are formed
    return values


def store_values(answer: Any, actions: NDArray[np.int32], values: FloatArray) -> bool:
    """What a Python function answered for actions, in values; the result is whether it is finite."""
    try:
        values[:] = check_values(answer, actions)
    except ValueError:
        with suppress(ValueError):  # ragged
            if np.shape(answer) == values.shape:  # not finite: for the check of all values, which can say where
                values[:] = answer
                return False
        raise
    return True


def evaluate_compiled(objective: Callable[..., Any], arguments: tuple[Any, ...], values: FloatArray) -> None:
    """The values of a compiled function; where it raises, its exception comes through."""
    raised = try_compiled(objective, arguments, values)
    if raised.any():
        # Again, in Python.
        i = int(raised.argmax())
        objective(*(argument[i] for argument in arguments))


def try_compiled(
    objective: Callable[..., Any], arguments: tuple[Any, ...], values: FloatArray
) -> NDArray[np.bool_]:
    """The values of a compiled function, and for which vectors it raised."""
    raised = np.zeros(values.size, np.bool_)
    actions = arguments[0]
    # Formed for this call alone; and functions compiled for given types take no read-only arrays.
    actions.flags.writeable = True
    batched = len(arguments) > 1
    try:
        if batched:
            evaluate_with_problem(objective, *arguments, values, raised)
        else:
            evaluate(objective, *arguments, values, raised)
    except (NumbaError, SystemError) as error:
        row = "one action" if actions.ndim == 1 else f"an int32 array of {actions.shape[1]} actions"
        raise TypeError(
            f"objective, as a compiled function, must take {row}"
            + (" and the int32 number of a problem" if batched else "")
            + " and return a real number; Numba could not compile such a call"
        ) from error
    return raised
