"""The three kinds of objective, and the evaluation of those that are functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba.core.errors import NumbaError
from numba.extending import is_jitted
from numpy.typing import ArrayLike

from ._logits import FloatArray, Logits
from .kernels.evaluation import evaluate, evaluate_with_problem
from .proposals import Proposal

__all__ = ["Objective"]

Objective = Callable[..., Any] | ArrayLike
"""A table of values, a Python function of a batch of vectors, or a compiled function of one vector."""


def evaluate_proposal(objective: Callable[..., Any], proposal: Proposal, logits: Logits) -> FloatArray | Any:
    """The values of a proposal's vectors, not checked yet."""
    if not is_jitted(objective):
        if logits.batched:
            return objective(proposal.actions, proposal.problem)
        return objective(proposal.actions)
    values = np.empty(proposal.problem.size)
    raised = np.zeros(values.size, np.bool_)
    # Copies, since they are writeable: functions compiled for given types take no others.
    actions, problem = proposal.actions.copy(), proposal.problem.copy()
    try:
        if logits.batched:
            evaluate_with_problem(objective, actions, problem, values, raised)
        else:
            evaluate(objective, actions, values, raised)
    except (NumbaError, SystemError) as error:
        row = "one action" if logits.single else f"an int32 array of {logits.n_variables} actions"
        raise TypeError(
            f"objective, as a compiled function, must take {row}"
            + (" and the int32 number of a problem" if logits.batched else "")
            + " and return a real number; Numba could not compile such a call"
        ) from error
    if raised.any():
        # Again, where its exception comes through.
        i = int(raised.argmax())
        arguments = (actions[i], problem[i]) if logits.batched else (actions[i],)
        objective(*arguments)
    return values
