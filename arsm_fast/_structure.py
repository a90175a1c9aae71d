"""Objectives that offer more than their value: that of each term, or those of all categories of a variable."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ._checks import check_delta, check_own, check_terms, shown
from ._logits import FloatArray, IntArray, Logits
from ._scoped import ScopedDraws
from ._vectors import VectorArray
from .estimators import ScopedLeaveOneOut
from .objectives import evaluate_batches
from .proposals import Proposal, as_actions, check_batch_size, in_batches

if TYPE_CHECKING:
    from ._changes import DistinctChanges


def with_scopes_of(objective: Any, estimator: ScopedLeaveOneOut) -> ScopedLeaveOneOut:
    """The estimator with the objective's scopes, unless it has its own."""
    missing = [] if callable(getattr(objective, "terms", None)) else ["a method terms"]
    if estimator.scopes is None and not hasattr(objective, "scopes"):
        missing.append("scopes")
    if missing:
        raise TypeError(
            "objective must have scopes and a method terms(actions), which returns (M, T) values, for the "
            f"estimator ScopedLeaveOneOut; got {type(objective).__name__} without {' and '.join(missing)}"
        )
    return estimator if estimator.scopes is not None else replace(estimator, scopes=objective.scopes)


def evaluate_terms(
    objective: Any, proposal: Proposal, method: ScopedDraws, logits: Logits, max_batch: int | None
) -> FloatArray:
    """The sums of the terms of a proposal's vectors, (M, K + 1)."""
    sums = np.empty((len(proposal.problem), logits.n_variables + 1))
    start = 0
    for actions, problem in proposal.batches(
        check_batch_size(max_batch, max(logits.n_variables, method.n_terms))
    ):
        terms = objective.terms(*((actions, problem) if logits.batched else (actions,)))
        checked = check_terms(terms, actions, method.n_terms, "objective.terms(actions)")
        sums[start : start + len(actions)] = method.sums(checked)
        start += len(actions)
    return sums


def evaluate_by_delta(
    objective: Any, distinct: DistinctChanges, logits: Logits, max_batch: int | None
) -> tuple[FloatArray, int]:
    """The values of distinct vectors, f being asked the true ones alone; and how many these are.

    Where f is not finite at some of those, the others stay zero.
    """
    changes = distinct.changes
    true_number, item = np.unique(distinct.number[changes.bounds[:-1]], return_index=True)
    vectors, problem = changes.true_actions[item], distinct.problem[true_number]
    size = check_batch_size(max_batch, logits.n_variables)
    true_values = evaluate_batches(objective, in_batches(vectors, problem, logits, size), len(vectors), logits)
    values = np.zeros(distinct.first.size)
    values[true_number] = true_values
    if not np.isfinite(true_values).all():
        return values, len(vectors)

    # Each of the others is a category in the answer to a question: a variable of a true vector.
    changed = np.setdiff1d(np.arange(values.size), true_number, assume_unique=True)
    entry = distinct.first[changed]
    changed_item = np.searchsorted(changes.bounds, entry, side="right") - 1
    source = np.searchsorted(true_number, distinct.number[changes.bounds[changed_item]])
    variable, category = changes.variable[entry].astype(np.int64), changes.category[entry]
    questions, question = np.unique(variable * len(vectors) + source, return_inverse=True)
    order = question.argsort(kind="stable")
    bounds = np.concatenate(([0], np.cumsum(np.bincount(question))))
    variables, sources = np.divmod(questions, len(vectors))
    own_values = np.empty(questions.size)
    for start, stop in _question_batches(variables, logits, max_batch):
        k, asked = int(variables[start]), sources[start:stop]
        answer = _ask_delta(objective, vectors[asked], problem[asked], k, logits)
        own_values[start:stop] = answer[np.arange(stop - start), vectors[asked, k]]
        part = order[bounds[start] : bounds[stop]]
        values[changed[part]] = answer[question[part] - start, category[part]]
    finite = np.isfinite(values[changed])
    if not finite.all():
        i = finite.argmin()
        raise ValueError(
            f"objective.delta must give finite values; got {values[changed[i]]} for category {category[i]} of "
            f"variable {variable[i]} in {shown(vectors[source[i]])}"
        )
    largest = float(np.abs(values).max())
    check_own(own_values, true_values[sources], largest, variables, vectors[sources], "objective.delta")
    return values, len(vectors)


def _question_batches(variables: IntArray, logits: Logits, max_batch: int | None) -> Iterator[tuple[int, int]]:
    """Questions about one variable, as many as vectors may be in a batch: the first and the end."""
    start = 0
    while start < variables.size:
        k = variables[start]
        size = check_batch_size(max_batch, max(logits.n_variables, int(logits.sizes[k])))
        stop = min(start + size, int(np.searchsorted(variables, k, side="right")))
        yield start, stop
        start = stop


def _ask_delta(
    objective: Any, vectors: VectorArray, problem: NDArray[np.int32], variable: int, logits: Logits
) -> FloatArray:
    """f with each category of a variable in place of its own, (M, categories)."""
    arguments = (as_actions(vectors, logits), variable, *([problem] if logits.batched else []))
    shape = len(vectors), int(logits.sizes[variable])
    return check_delta(objective.delta(*arguments), shape, variable, "objective.delta(actions, variable)")
