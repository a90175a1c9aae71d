"""The gradient in one call."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ._checks import check_count, check_finite, check_table
from ._logits import FloatArray, Logits, LogitsLike, lay_out, own_logits
from ._methods import Method, make_method
from ._one_variable import OneVariable
from ._random import SeedLike, as_generator
from ._relaxed import LinearTable, with_relaxed
from ._scoped import ScopedDraws
from ._structure import evaluate_by_delta, evaluate_terms, with_scopes_of
from .estimators import Auto, Estimator, Exact, ScopedLeaveOneOut, resolve_estimator
from .objectives import Objective, evaluate_proposal
from .proposals import GradientEstimate, Proposal, TrialProposal, check_batch_size, check_no_noise, finish

__all__ = ["gradient"]


def gradient(
    objective: Objective,
    logits: LogitsLike,
    *,
    estimator: Estimator | str = "arsm",
    n_samples: int = 1,
    noise: Any = None,
    rng: SeedLike = None,
    max_batch: int | None = None,
) -> GradientEstimate:
    """Estimate the gradient of E[f(z)] with respect to the logits of categorical variables z.

    Parameters
    ----------
    objective : callable or array_like
        One of:

        * a Python function of a batch of vectors: int32 of shape (M, K) to M values; for logits of
          shape (C,) int32 of shape (M,); for logits of shape (B, K, C) it gets the actions and the
          number of the problem of each, of shape (M,);
        * a function compiled with `numba.njit` of one vector (and its problem): what the Python
          function gets one row of. It is called in parallel, with no Python between;
        * an array of values of the shape of the logits: each row is then a problem of one variable of
          its own, whatever the number of axes, and no function is called.

        A Python function may be an object that offers more, see Notes.
    logits : array_like of shape (C,), (K, C) or (B, K, C), or list of 1-D arrays
        Unnormalised log-probabilities: of one variable, of K variables that f sees together, of B such
        problems, or of variables with different numbers of categories. -inf makes a category
        unavailable: f is never asked for it.
    estimator : Estimator or str
        An estimator, or the name of a default one: "ar", "ars", "arsm", "reinforce", "loo", "local",
        "top", "pair", "arm", "disarm", "carms", "unordered", "exact"; or "scoped", where the objective has
        terms; or "auto", which tries several first: see `Auto`.
        All are unbiased, but for `GumbelSoftmax`. Those that need a relaxed objective, and are given none, take
        the attribute ``relaxed`` of the objective, or for an array of values ``sum_c s_c f(c)``.
    n_samples : int
        Samples to average over. f is still asked each distinct vector of a problem once.
    noise : array_like or list, optional
        Dirichlet(1) noise in place of drawn noise, of shape ``(n_samples,) + logits.shape``; for
        `LeaveOneOut` and `ScopedLeaveOneOut` of shape ``(n_samples, n) + logits.shape``. For a list of logits a
        list of arrays. Its sums may be off by 1e-6. References are still drawn.
    rng : None, int, SeedSequence or Generator
        Source of the noise and of references. The same seed gives the same bits for any number of threads.
    max_batch : int, optional
        Vectors that a function is given at a time, and that are in memory together. By default it is given as
        many as fill 1 MiB, and 16 MiB are in memory, or 1 for a compiled function. The result does not depend on
        it.

    Returns
    -------
    GradientEstimate
        Gradient, value, standard error and number of evaluations.

    Raises
    ------
    TypeError, ValueError
        For bad input, naming the argument, before f is called; or for values that f should not return.
        Exceptions of a function come through unchanged; use `propose` to keep what was drawn.

    Notes
    -----
    The default, ARSM, is equation 9 of Yin, Yue and Zhou (ICML 2019, version 2). For one variable it takes
    expected O(C) time a sample.

    An objective that is known as a sum of T terms can offer ``objective.scopes``, T sequences of the variables
    that each term touches, and ``objective.terms(actions)``, which gives their values, (M, T): for
    `ScopedLeaveOneOut`, with far less variance.

    One that is quick to say what a change of one variable makes of f can offer ``objective.delta(actions,
    variable)``, which gives f of each vector with every category of that variable in place of its own, (M,
    categories). `LocalExpectation`, `RaoBlackwellTop`, `LocalPair` and ``ARSM("coordinate")`` then ask f for the
    true vectors only, and delta for each variable that they change. The gradient is the same to rounding;
    n_evaluations counts what f was asked, and what delta costs is the objective's to know. For the category that
    a vector has delta must give f itself, which is checked. For several problems the problem of each vector is
    the last argument of both methods. Where f is fast and delta is not, pass ``objective.__call__``.

    Examples
    --------
    >>> import numpy as np
    >>> import arsm_fast
    >>> table = np.array([1.0, 2.0, 4.0])
    >>> estimate = arsm_fast.gradient(table, np.zeros(3), n_samples=1000, rng=0)
    >>> exact = arsm_fast.gradient(table, np.zeros(3), estimator="exact")
    >>> bool((abs(estimate.gradient - exact.gradient) < 5 * estimate.standard_error).all())
    True
    """
    checked = own_logits(logits) if callable(objective) else lay_out(logits)
    resolved = resolve_estimator(estimator)
    count = check_count(n_samples, "n_samples")
    check_batch_size(max_batch, checked.n_variables)
    if isinstance(resolved, Auto):
        check_no_noise(noise)
        if isinstance(estimator, str):
            return _tried_estimate(objective, logits, resolved, count, rng, max_batch)
        if callable(objective):
            tried = TrialProposal(checked, resolved, objective, count, rng)
            return _evaluated(objective, tried, tried.method, checked, max_batch)
        trial, count = resolved.next_trial(checked.as_rows(), objective, count)
        estimate = gradient(objective, logits, estimator=trial.estimator, n_samples=count, rng=rng)
        resolved.record(trial, checked, estimate, count)
        return replace(estimate, report=resolved.report)
    if isinstance(resolved, ScopedLeaveOneOut):
        resolved = with_scopes_of(objective, resolved)
    elif not callable(objective):
        table = check_table(objective, checked)
        return _table_gradient(table, checked, resolved, count, noise, rng)
    resolved = with_relaxed(resolved, getattr(objective, "relaxed", None))
    method = make_method(checked, resolved, count, noise, rng)
    proposal = Proposal(checked, method, count, exact=isinstance(resolved, Exact))
    return _evaluated(objective, proposal, method, checked, max_batch)


def _tried_estimate(
    objective: Objective, logits: LogitsLike, auto: Auto, n_samples: int, rng: SeedLike, max_batch: int | None
) -> GradientEstimate:
    """The estimate of a new Auto after its trial."""
    generator, n_evaluations = as_generator(rng), 0
    while True:
        settled = isinstance(auto.choice, Exact) or (auto.choice is not None and auto.report != [])
        count = n_samples if settled else 1
        estimate = gradient(
            objective, logits, estimator=auto, n_samples=count, rng=generator, max_batch=max_batch
        )
        n_evaluations += estimate.n_evaluations
        if settled:
            return replace(estimate, n_evaluations=n_evaluations)


def _evaluated(
    objective: Any, proposal: Proposal, method: Method, logits: Logits, max_batch: int | None
) -> GradientEstimate:
    if isinstance(method, ScopedDraws):
        sums = evaluate_terms(objective, proposal, method, logits, max_batch)
        return proposal.estimate_from(method.estimate_from_sums(sums))
    if callable(getattr(objective, "delta", None)):
        distinct = getattr(method, "distinct", None)  # of those methods that change one variable at a time
        if distinct is not None:
            values, proposal.n_evaluations = evaluate_by_delta(objective, distinct, logits, max_batch)
            return proposal.estimate(values)
    return proposal.estimate(evaluate_proposal(objective, proposal, logits, max_batch))


def _table_gradient(
    table: FloatArray,
    logits: Logits,
    estimator: Estimator,
    n_samples: int,
    noise: Any,
    rng: SeedLike,
) -> GradientEstimate:
    rows = logits.as_rows()
    estimator = with_relaxed(estimator, LinearTable(table, rows))
    method = make_method(rows, estimator, n_samples, noise, rng)
    looks = isinstance(method, OneVariable) and method.looks_at_values
    small = False
    if not looks:
        check_finite(table, logits)
    if isinstance(method, OneVariable):
        moments, n_evaluations, small = method.from_table(table)
        if looks and not small:
            check_finite(table, logits)
    else:
        vectors, row = method.propose()
        moments = method.estimate(table[rows.offsets[row] + vectors[:][:, 0]])
        n_evaluations = row.size
    if logits.single:
        value: Any = float(moments.value[0])
    elif logits.shape is None:
        value = moments.value
    else:
        value = moments.value.reshape(logits.shape[:-1])
    exact = isinstance(estimator, Exact)
    return finish(logits, moments, value, n_samples, n_evaluations, exact=exact, finite=small)
