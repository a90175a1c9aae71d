"""The three kinds of objective, and the evaluation of those that are functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba.extending import is_jitted
from numpy.typing import ArrayLike

from ._logits import FloatArray, Logits
from .kernels.evaluation import evaluate, evaluate_with_problem
from .proposals import Proposal

__all__ = ["Objective"]

Objective = Callable[..., Any] | ArrayLike
"""A table of values, a Python function of a batch of vectors, or a compiled function of one vector."""


def evaluate_proposal(
    objective: Callable[..., Any], proposal: Proposal, logits: Logits
) -> FloatArray | Any:
    """The values of a proposal's vectors, not checked yet."""
    if not is_jitted(objective):
        if logits.batched:
            return objective(proposal.actions, proposal.problem)
        return objective(proposal.actions)
    # Exceptions cannot leave a parallel loop: what is not written stays nan, and is refused as such.
    values = np.full(proposal.problem.size, np.nan)
    actions = np.ascontiguousarray(proposal.actions)
    if logits.batched:
        evaluate_with_problem(objective, actions, proposal.problem, values)
    else:
        evaluate(objective, actions, values)
    return values
