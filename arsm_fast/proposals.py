"""Ask and tell: the action vectors an estimator wants evaluated, and the gradient from their values."""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._checks import check_count, check_integer, check_terms, check_values
from ._frozen import Frozen
from ._logits import Logits, LogitsLike, own_logits
from ._methods import Method, make_method
from ._moments import Moments, Partial
from ._random import SeedLike, generator_key
from ._relaxed import with_relaxed
from ._scoped import ScopedDraws
from ._trials import Trial
from ._vectors import Vectors, for_threads
from .estimators import CARMS, Auto, Estimator, Exact, UnorderedSet, learns, resolve_estimator
from .relaxed_estimators import REBAR, GumbelSoftmax, MuProp

__all__ = ["GradientEstimate", "Proposal", "Share", "propose"]


# The vectors of a batch have so many int32 actions, 1 MiB, unless the user says how many vectors: what NumPy
# makes of them is in a cache yet when it is used. More are formed at a time, 16 MiB, as after each time NumPy's
# threads may have to wait for Numba's, which stay at hand for a while.
BATCH_ACTIONS, FORMED_ACTIONS = 2**18, 2**22


class Share(Frozen):
    """Which samples an estimate is from that is to be combined with others: first, ..., stop - 1 of n_samples."""

    first: int
    stop: int
    n_samples: int
    estimator: Estimator
    key: int
    logits: str
    """A digest."""
    partial: Partial | None = None
    """What the gradient from all samples needs of these."""


@dataclass(eq=False)
class GradientEstimate:
    """An estimate of the gradient of E[f] with respect to the logits.

    Attributes
    ----------
    gradient : ndarray or list of ndarray
        In the shape of the logits.
    value : float or ndarray
        Estimate of E[f], from all evaluations: a number, or one for each problem of a batch, or for each
        row of a table of values.
    standard_error : ndarray, list of ndarray or None
        Of the gradient, from the spread over samples; None for one sample, zero for ``Exact``.
    n_evaluations : int
        Distinct action vectors whose values the estimate uses; where `gradient` uses the objective's ``delta``,
        those of them that f itself was asked.
    share : Share or None
        Which samples these are, where `propose` was given a `sample_range`: for `combine`.
    report : list of Trial or None
        For `Auto`: what it has measured by now, as `Auto.report`.
    """

    gradient: Any
    value: Any
    standard_error: Any
    n_evaluations: int
    share: Share | None = None
    report: list[Trial] | None = None


class Proposal:
    """Action vectors to evaluate, from `propose`.

    The vectors of one problem are distinct, and follow each other. The noise is not kept but drawn again where
    it is needed, and the vectors are formed when they are asked for: where they are too many to be in memory
    together, use `batches` rather than `actions`.

    Attributes
    ----------
    problem : ndarray of int32, shape (M,)
        Which problem of the batch each vector belongs to; all zero where there is no batch. Read-only.
    """

    def __init__(
        self, logits: Logits, method: Method, n_samples: int, *, exact: bool, share: Share | None = None
    ) -> None:
        self._logits = logits
        self._method = method
        self._n_samples = n_samples
        self._exact = exact
        self._share = share
        self._vectors, self.problem = method.propose()
        self.problem.flags.writeable = False
        self.n_evaluations = len(self.problem)  # fewer where f tells several values at once
        self._formed: NDArray[np.int32] | None = None

    def __repr__(self) -> str:
        return f"<Proposal of {len(self.problem)} action vectors>"

    @property
    def actions(self) -> NDArray[np.int32]:
        """All vectors, int32 of shape (M, K), or (M,) for logits of shape (C,): categories from 0 on. Read-only.

        They are formed when first asked for, and kept.
        """
        if self._formed is None:
            self._formed = self._actions(0, len(self.problem))
        return self._formed

    def batches(self, max_batch: int | None = None) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
        """Go through `actions` and `problem` without having all vectors in memory together.

        Parameters
        ----------
        max_batch : int, optional
            Vectors in a batch, which the last may have fewer of. By default as many as fill 1 MiB, and 16
            batches are in memory together.

        Yields
        ------
        actions : ndarray of int32, shape (m, K), or (m,) for logits of shape (C,)
            The next rows of `actions`. Read-only.
        problem : ndarray of int32, shape (m,)
            Their problems. Read-only.

        Raises
        ------
        TypeError, ValueError
            If max_batch is not a whole number from 1 on.
        """
        size = check_batch_size(max_batch, self._logits.n_variables)
        n_at_once = 1 if max_batch is not None else max(1, FORMED_ACTIONS // (size * self._logits.n_variables))
        return in_batches(self._vectors, self.problem, self._logits, size, n_at_once)

    def _actions(self, start: int, stop: int) -> NDArray[np.int32]:
        return as_actions(self._vectors[start:stop], self._logits)

    def estimate(self, values: ArrayLike) -> GradientEstimate:
        """Turn the values of the action vectors into a gradient.

        May be called again, with other values or after values that were refused.

        Parameters
        ----------
        values : array_like, shape (M,)
            f at each row of `actions`; for `ScopedLeaveOneOut`, of shape (M, T), its terms.

        Returns
        -------
        GradientEstimate
            The estimate.

        Raises
        ------
        TypeError
            If the values are not real numbers.
        ValueError
            If there is not one for each row, or if any is nan or infinite.
        """
        rows = cast("NDArray[np.int32]", _Rows(self))
        if isinstance(self._method, ScopedDraws):
            checked = check_terms(values, rows, self._method.n_terms, "values")
        else:
            checked = check_values(values, rows)
        return self.estimate_from(self._method.estimate(checked))

    def estimate_from(self, moments: Moments) -> GradientEstimate:
        """The estimate in the user's shapes, from what the method made of the values."""
        value = moments.value if self._logits.batched else float(moments.value[0])
        estimate = finish(self._logits, moments, value, self._n_samples, self.n_evaluations, exact=self._exact)
        if self._share is None:
            return estimate
        return replace(estimate, share=replace(self._share, partial=moments.partial))


class _Rows:
    """The actions of a proposal one by one, for messages."""

    def __init__(self, proposal: Proposal) -> None:
        self._proposal = proposal

    def __len__(self) -> int:
        return len(self._proposal.problem)

    def __getitem__(self, i: int) -> Any:
        return self._proposal._actions(i, i + 1)[0]


def check_batch_size(max_batch: Any, n_numbers: int) -> int:
    """The largest number of vectors in a batch; n_numbers are those that a vector has, or that are its value."""
    if max_batch is None:
        return max(1, BATCH_ACTIONS // n_numbers)
    return check_integer(max_batch, "max_batch", 1)


def as_actions(vectors: NDArray[np.int32], logits: Logits) -> NDArray[np.int32]:
    """What f is given for vectors, (M, K), that were formed for it."""
    actions = vectors[:, 0] if logits.single else vectors
    actions.flags.writeable = False
    return actions


def batches_for_threads(
    proposal: Proposal, max_batch: int | None
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
    """As Proposal.batches, each formed when it is asked for, by the threads that are to read it."""
    size = check_batch_size(max_batch, proposal._logits.n_variables)
    return in_batches(for_threads(proposal._vectors), proposal.problem, proposal._logits, size)


def in_batches(
    vectors: Vectors, problem: NDArray[np.int32], logits: Logits, size: int, n_at_once: int = 1
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
    """So many vectors at a time, as f is given them, and their problems; so many batches are formed at once."""
    for start in range(0, len(problem), n_at_once * size):
        formed = vectors[start : start + n_at_once * size]
        for i in range(0, len(formed), size):
            actions = as_actions(formed[i : i + size], logits)
            yield actions, problem[start + i : start + i + len(actions)]
            del actions
        del formed  # before the next are formed


def finish(
    logits: Logits,
    moments: Moments,
    value: Any,
    n_samples: int,
    n_evaluations: int,
    *,
    exact: bool,
    finite: bool = False,
) -> GradientEstimate:
    """The estimate in the user's shapes, with its standard error; `finite` says that it need not be checked."""
    if not finite:
        moments.check()
    standard_error = None
    if exact or n_samples > 1:
        standard_error = logits.shaped(moments.standard_error(n_samples))
    return GradientEstimate(logits.shaped(moments.mean), value, standard_error, n_evaluations)


def propose(
    logits: LogitsLike,
    *,
    estimator: Estimator | str = "arsm",
    n_samples: int = 1,
    noise: Any = None,
    rng: SeedLike = None,
    sample_range: tuple[int, int] | None = None,
) -> Proposal:
    """Ask for the action vectors whose values give a gradient of E[f].

    `gradient` is this, the evaluation of f on `Proposal.actions`, and `Proposal.estimate`. Use the three
    steps where f is evaluated elsewhere, is expensive, or may fail.

    Parameters
    ----------
    logits : array_like of shape (C,), (K, C) or (B, K, C), or list of 1-D arrays
        Unnormalised log-probabilities: of one variable, of K variables that f sees together, of B such
        problems, or of variables with different numbers of categories. -inf makes a category
        unavailable.
    estimator : Estimator or str
        An estimator, or the name of a default one: "ar", "ars", "arsm", "reinforce", "loo", "local",
        "top", "pair", "arm", "disarm", "carms", "unordered", "exact". `ScopedLeaveOneOut` needs its scopes here,
        and `Auto` must be an object that is kept.
    n_samples : int
        Samples to average over. f is still asked each distinct vector of a problem once.
    noise : array_like or list, optional
        Dirichlet(1) noise in place of drawn noise, of shape ``(n_samples,) + logits.shape``; for
        `LeaveOneOut` and `ScopedLeaveOneOut` of shape ``(n_samples, n) + logits.shape``, and for pairs with
        replacement with n = 2; `DisARM`, `CARMS`, `UnorderedSet` of several variables, `GumbelSoftmax`, `REBAR`,
        `RELAX` and `MuProp` take none. For a list of logits a list of arrays. Its sums may be off by 1e-6.
        References are still drawn.
    rng : None, int, SeedSequence or Generator
        Source of the noise and of references. The same seed gives the same bits for any number of threads.
    sample_range : tuple of two ints, optional
        Draw only the samples first, ..., stop - 1 of the n_samples that this rng has, for an estimate from these:
        several machines can so share one gradient, of which `combine` makes a whole. Not for `Exact`, those
        that learn, `CARMS`, `UnorderedSet` of several variables and those for relaxed objectives.

    Returns
    -------
    Proposal
        The action vectors, and `estimate` to turn their values into a gradient.

    Raises
    ------
    TypeError, ValueError
        For bad input, naming the argument.

    Examples
    --------
    >>> import numpy as np
    >>> from arsm_fast import propose
    >>> proposal = propose(np.zeros((3, 4)), estimator="loo", rng=0)
    >>> values = [float(vector.sum()) for vector in proposal.actions]
    >>> proposal.estimate(values).gradient.shape
    (3, 4)
    """
    checked = own_logits(logits)
    if isinstance(estimator, str) and estimator == "auto":
        raise ValueError('estimator "auto" must remember what it tried: pass one object Auto() to each call')
    resolved = resolve_estimator(estimator)
    count = check_count(n_samples, "n_samples")
    if sample_range is not None:
        return _propose_share(checked, resolved, count, noise, rng, sample_range, _digest(logits))
    if isinstance(resolved, Auto):
        check_no_noise(noise)
        return TrialProposal(checked, resolved, None, count, rng)
    method = make_method(checked, resolved, count, noise, rng)
    return Proposal(checked, method, count, exact=isinstance(resolved, Exact))


def _propose_share(
    logits: Logits,
    estimator: Estimator,
    n_samples: int,
    noise: Any,
    rng: SeedLike,
    sample_range: Any,
    digest: str,
) -> Proposal:
    try:
        first, stop = map(operator.index, sample_range)
    except (TypeError, ValueError):
        raise TypeError(f"sample_range must be two integers, (first, stop); got {sample_range!r}") from None
    if not 0 <= first < stop <= n_samples:
        raise ValueError(
            f"sample_range must be (first, stop) with 0 <= first < stop <= n_samples, here {n_samples}; "
            f"got {sample_range!r}"
        )
    reason = _why_no_shares(estimator, logits)
    if reason:
        name = type(estimator).__name__
        raise ValueError(f"sample_range must be None for the estimator {name}, {reason}")
    if noise is not None:
        raise ValueError("noise must be None with sample_range, which says which noise to draw")
    if rng is None:
        raise ValueError("rng must be given with sample_range, the same for every share; got None")
    key = int(generator_key(deepcopy(rng)))  # a Generator is to advance but once
    method = make_method(logits, estimator, stop - first, None, rng, first)
    share = Share(first, stop, n_samples, estimator, key, digest)
    return Proposal(logits, method, stop - first, exact=False, share=share)


def _digest(logits: Any) -> str:
    """Of the logits as they were given: what is computed from them may differ in the last bit elsewhere."""
    rows = logits if isinstance(logits, list | tuple) else [logits]
    flat = np.concatenate([np.ravel(row) for row in rows]).astype(np.float64)
    return hashlib.sha256(flat.tobytes()).hexdigest()


def check_no_noise(noise: Any) -> None:
    """Auto takes none."""
    if noise is not None:
        raise ValueError("noise must be None for the estimator Auto, whose candidates take different kinds")


class TrialProposal(Proposal):
    """The proposal of a candidate of Auto, which learns what it has shown the first time it is told."""

    def __init__(self, logits: Logits, auto: Auto, objective: Any, n_samples: int, rng: SeedLike) -> None:
        self._auto = auto
        self._trial, count = auto.next_trial(logits, objective, n_samples)
        estimator = with_relaxed(self._trial.estimator, getattr(objective, "relaxed", None))
        self.method = make_method(logits, estimator, count, None, rng)
        super().__init__(logits, self.method, count, exact=isinstance(estimator, Exact))
        self._told = False

    def estimate_from(self, moments: Moments) -> GradientEstimate:
        """The estimate, which is recorded."""
        estimate = super().estimate_from(moments)
        if not self._told:
            self._told = True
            self._auto.record(self._trial, self._logits, estimate, self._n_samples)
        return replace(estimate, report=self._auto.report)


def _why_no_shares(estimator: Estimator | Auto, logits: Logits) -> str:
    """Why an estimator's samples cannot be drawn apart; empty where they can."""
    if isinstance(estimator, Exact):
        return "which draws no samples"
    if learns(estimator):
        return "which learns from all samples"
    several = isinstance(estimator, UnorderedSet) and logits.n_variables > 1
    if several or isinstance(estimator, CARMS | GumbelSoftmax | REBAR | MuProp):
        return "whose noise is not all addressed by samples"
    return ""
