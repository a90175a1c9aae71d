"""The estimators, as settings: small frozen dataclasses, each also known by a name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field, replace
from functools import cache
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike

from ._checks import check_integer, check_scopes
from ._frozen import Setting
from ._logits import Logits
from ._trials import Trial, Trials
from .baselines import Baseline
from .relaxed_estimators import REBAR, RELAX, GumbelSoftmax, MuProp
from .surrogates import Additive, BestOf, Hamming, Surrogate

if TYPE_CHECKING:
    from .proposals import GradientEstimate

__all__ = [
    "AR",
    "ARM",
    "ARS",
    "ARSM",
    "CARMS",
    "Auto",
    "ControlVariate",
    "DisARM",
    "Estimator",
    "Exact",
    "LeaveOneOut",
    "LocalExpectation",
    "LocalPair",
    "RaoBlackwellTop",
    "Reinforce",
    "ScopedLeaveOneOut",
    "UnorderedSet",
    "resolve_estimator",
]


class AR(Setting):
    """Augment-REINFORCE: ``f(z) (1 - C pi_c)``.

    Unbiased. One evaluation a sample. Its variance grows with C and with the level of f: it is here
    because ARS and ARSM are built from it, not because it should be used. A sample takes about three times as
    long as its draw, as the noise is drawn twice rather than kept.

    References
    ----------
    Yin, Yue and Zhou, ICML 2019 (version 2), equation 5.
    """


class ARS(Setting):
    """Augment-REINFORCE-swap, with one reference category.

    ``[f(z^(c<->j)) - mean_m f(z^(m<->j))] (1 - C pi_j)`` for the reference j; for several variables
    the swap is made in all of them at once. Unbiased. At most C distinct evaluations a sample (one more where
    the variables have different numbers of categories), often far fewer. The gradient of each variable sums
    to zero. A sample of many variables takes about ten times as long as its one draw, which is followed by all
    swaps with the reference.

    Parameters
    ----------
    reference : int, optional
        The reference category, the same for all variables and samples. By default one is drawn for
        each sample and problem, independently of the noise.

    References
    ----------
    Yin, Yue and Zhou, ICML 2019 (version 2), equation 8.
    """

    reference: int | None = None

    def __post_init__(self) -> None:
        if self.reference is not None:
            check_integer(self.reference, "reference", 0)


class ARSM(Setting):
    """Augment-REINFORCE-swap-merge: the mean of ARS over the references.

    Unbiased; the gradient of each variable sums to zero, and is exactly zero where no swap changes the
    action. With one variable 1 to C distinct evaluations a sample and an exact merge in O(C); with two
    categories it is ARM.

    Parameters
    ----------
    swap : {"joint", "coordinate"}
        For several variables: make one swap in all of them at once, as in the paper, with at most
        ``C (C - 1) / 2 + 1`` evaluations a sample; or in one variable at a time with the others at their
        true action, which needs about as many evaluations as there are pseudo actions in all
        variables (one where the objective offers ``delta``, see `gradient`), and has a much lower variance.
    references : int, optional
        Use so many references, drawn for each sample independently of the noise, in place of all C.
        Fewer evaluations, more variance.
    plus : bool
        ARSM+: with the joint swap, drop the term of a variable and a reference under which none of its
        swaps changes the variable. Stays unbiased, loses noise. Makes no difference to the coordinate
        swap or to one variable, where such terms are zero.

    Notes
    -----
    The joint swap follows what changes: of K variables with C categories about K C of the C (C - 1) / 2 swaps
    change any, and time and memory are in proportion to these. A sample of many variables takes five to eight
    times as long as its one draw, most of it to find these swaps and to list the vectors that they lead to. With
    the coordinate swap it takes about ten times as long, and some more to form its vectors of K actions each.

    References
    ----------
    Yin, Yue and Zhou, ICML 2019 (version 2), equation 9 and Algorithm 1. ARSM+: Dong, Mnih and Tucker,
    NeurIPS 2021.
    """

    swap: Literal["joint", "coordinate"] = "joint"
    references: int | None = None
    plus: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.swap, str) or self.swap not in ("joint", "coordinate"):
            raise ValueError(f'swap must be "joint" or "coordinate"; got {self.swap!r}')
        if self.references is not None:
            check_integer(self.references, "references", 1)
        if not isinstance(self.plus, bool):
            raise TypeError(f"plus must be True or False; got {self.plus!r}")


class Reinforce(Setting):
    """REINFORCE: ``(f(z) - baseline) (1[z = c] - p_c)``.

    Unbiased if the baseline does not depend on the actions drawn now. One evaluation a sample. A sample takes two
    to four times as long as its one draw, which costs no more than the probabilities and the checks beside it.

    Parameters
    ----------
    baseline : Baseline, float or array_like
        `RunningMean` or `NVIL`, which learn it from call to call, or one of your own: as it knows past values
        only, give each call noise of its own, so never the same seed twice. Or a number, or one for each
        problem of a batch: an array of the shape of `GradientEstimate.value`, kept as a float or a tuple of
        floats.

    References
    ----------
    Williams, Machine Learning 8, 1992.
    """

    baseline: Baseline | ArrayLike = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.baseline, Baseline):
            return
        try:
            array = np.asarray(self.baseline, dtype=np.float64)
        except (TypeError, ValueError):
            raise TypeError(
                f"baseline must be a Baseline, a number or an array of them; got {self.baseline!r}"
            ) from None
        if not np.isfinite(array).all():
            raise ValueError(f"baseline must be finite; got {self.baseline!r}")
        object.__setattr__(self, "baseline", tuple(array.ravel().tolist()) if array.ndim else float(array))


class LeaveOneOut(Setting):
    """REINFORCE with, for each draw, the mean of the other draws as its baseline (RLOO, VarGrad).

    ``1/(n-1) sum_i (f_i - mean f) 1[z_i = c]`` over n draws a sample. Unbiased; the gradient of each
    variable sums to zero. At most n distinct evaluations a sample. The one to beat: see "Which estimator
    when" in the README.

    Parameters
    ----------
    n : int
        Draws a sample, at least 2.

    References
    ----------
    Kool, van Hoof and Welling, 2019; Richter et al., NeurIPS 2020 (VarGrad).
    """

    n: int = 10

    def __post_init__(self) -> None:
        check_integer(self.n, "n", 2)


class ScopedLeaveOneOut(Setting):
    """Leave-one-out for an objective that is a sum of terms: each variable learns from its own terms alone.

    ``1/(n-1) sum_i (F_ik - mean F_k) 1[z_ik = c]`` for variable k over n draws a sample, F_ik being the sum of
    those terms of f(z_i) that touch k: the expectation of the others does not depend on its logits, and their
    noise is left out. Unbiased if no term depends on more variables than its scope names; the gradient of each
    variable sums to zero. At most n distinct evaluations a sample. The fewer terms touch a variable, the less
    variance; where every term touches all variables it is `LeaveOneOut`. A sample takes about three times as long
    as its draws, as the terms are summed for each variable.

    With `gradient` the scopes and the terms are those of the objective, ``objective.scopes`` and
    ``objective.terms(actions)``, which gives (M, T) values whose sums over T are f; for several problems
    ``objective.terms(actions, problem)``, with scopes that are the same for all. f itself is not called. With
    `propose` the scopes must be given, and the values that are told are those of the terms, (M, T).

    Parameters
    ----------
    n : int
        Draws a sample, at least 2.
    scopes : sequence of T sequences of int, optional
        The variables that each term touches, from 0 on. Kept as a tuple of tuples. By default, with `gradient`
        only, those of the objective.

    References
    ----------
    Ranganath, Gerrish and Blei, AISTATS 2014, section 3.1 (only the terms that a variable has a part in); with
    the baseline of Kool, van Hoof and Welling, 2019.
    """

    n: int = 10
    scopes: Sequence[Sequence[int]] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_integer(self.n, "n", 2)
        if self.scopes is not None:
            object.__setattr__(self, "scopes", check_scopes(self.scopes))


class LocalExpectation(Setting):
    """The exact expectation over each variable, with the others at their true action.

    ``p_c (f(z_-k, c) - sum_b p_b f(z_-k, b))`` for variable k. Unbiased; the gradient of each variable sums
    to zero. For one variable it is the gradient itself, without noise. ``1 + sum_k (C_k - 1)`` distinct
    evaluations a sample, C_k being the available categories of variable k; one where the objective offers
    ``delta`` (see `gradient`). A sample takes many times as long as its one draw: nearly all of it goes into the
    list of so many vectors.

    Parameters
    ----------
    variables : int, optional
        Only so many variables a sample, at even distances from a random one, and their gradient times
        ``K / variables``: fewer evaluations, more variance. By default, and from K on, all.

    References
    ----------
    Titsias and Lázaro-Gredilla, NeurIPS 2015, equation 8; De Smet, Sansone and Zuidberg Dos Martires, NeurIPS
    2023 (IndeCateR), with one sample of the other variables for all categories.
    """

    variables: int | None = None

    def __post_init__(self) -> None:
        if self.variables is not None:
            check_integer(self.variables, "variables", 1)


class RaoBlackwellTop(Setting):
    """The exact sum over the m likeliest categories of each variable; one draw stands for all others.

    ``sum_{c in top} p_c (f_c - b) (1_c - p) + P (f_t - b) (1_t - p)`` with ``f_c = f(z_-k, c)`` for variable
    k and the others at their true action. t is drawn from the categories outside the top, in proportion to
    their probabilities, whose sum is P; b is the mean of f over the top, weighted by probability. Unbiased;
    the gradient of each variable sums to zero. With m = C it is `LocalExpectation`. At most ``1 + K m``
    distinct evaluations a sample, one with ``delta``. Best where few categories have most of the probability.
    A sample takes several times as long as its two draws: most of it goes into the list of so many vectors.

    Parameters
    ----------
    m : int
        Categories of each variable that are summed over, at least 1.

    References
    ----------
    Liu, Regier, Tripuraneni, Jordan and McAuliffe, ICML 2019, equation 8, for each variable; with a baseline.
    """

    m: int = 3

    def __post_init__(self) -> None:
        check_integer(self.m, "m", 1)


class LocalPair(Setting):
    """The difference of two categories of each variable, with the others at their true action.

    ``w (f_a - f_b) (1_a - 1_b)`` with ``f_c = f(z_-k, c)`` for variable k, a its true action and b a second draw.
    Unbiased, as the gradient is ``sum_{a < b} p_a p_b (f_a - f_b) (1_a - 1_b)`` where the others are fixed; the
    gradient of each variable sums to zero. At most ``K + 1`` distinct evaluations a sample, whatever C is; one
    with ``delta``. A sample takes several times as long as two draws: it finds the first two categories of each
    race, not the first alone, and lists the vectors.

    Parameters
    ----------
    replacement : bool
        Draw b independently of a, with w = 1/2; by default b differs from a, and
        ``w = (1 - p_a) (1 - p_b) / (2 - p_a - p_b)``.

    References
    ----------
    For each variable the leave-one-out of two draws: Kool, van Hoof and Welling, 2019 (with replacement),
    and ICLR 2020 (without).
    """

    replacement: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.replacement, bool):
            raise TypeError(f"replacement must be True or False; got {self.replacement!r}")


class ARM(Setting):
    """Augment-REINFORCE-merge, for variables of two categories.

    ``1/2 (f(z) - f(z')) (1 - 2 pi_1)`` and its negative, z' being z with the noise of both categories exchanged,
    in all variables at once. Unbiased. One or two distinct evaluations a sample. It is `ARSM` for two categories,
    and takes about four times as long as its one draw; `DisARM` has less variance for the same evaluations.

    References
    ----------
    Yin and Zhou, ICLR 2019, Theorem 1.
    """


class DisARM(Setting):
    """Leave-one-out of two antithetic draws of all variables at once.

    ``1/2 (f(z) - f(z')) w_k (1[z_k = c] - 1[z'_k = c])``. z_k is the first category i with ``u_i < q_i``, z'_k
    that with ``1 - u_i < q_i``, with u_i uniform and q_i the probability of i given that it is none before i. The
    categories of a variable are in ascending order of probability, so that any two of them can be a pair. The
    importance weight is ``w_k = prod_{i < m} (1 - q_i)^2 / (1 - 2 q_i) max(q_m, 1 - q_m)``, m being the first of
    z_k and z'_k. Unbiased; the gradient of each variable sums to zero. One or two distinct evaluations a sample.
    The categories are sorted once for all samples. A sample takes about five times as long as two independent
    draws, as a pair and its weight are found category by category.

    References
    ----------
    Dong, Mnih and Tucker, NeurIPS 2020, equation 5 (two categories, also known as U2G: Yin, Ho, Yan, Qian and
    Zhou, 2020); NeurIPS 2021 (DisARM-IW).
    """


class CARMS(Setting):
    """Leave-one-out of n antithetic draws of all variables at once, each pair weighted by importance.

    ``1/(n (n - 1)) sum_{i < j} (f_i - f_j) p(z_ik) p(z_jk) / J(z_ik, z_jk) (1[z_ik = c] - 1[z_jk = c])``, with J
    the probability of such a pair. A variable's draws are the categories, the likeliest first, into whose
    intervals of the cumulative probabilities ``(1 - d_i)^(n - 1)`` falls, d being one draw of Dirichlet(1) for
    all of them. J is exact and no ratio is clipped. A variable whose ratios would add more variance than the
    draws save, or for which some pair cannot be drawn, has independent draws, as in `LeaveOneOut`: so for n = 2
    any of more than two categories; of two categories n = 2 is `DisARM`. Unbiased; the gradient of each variable
    sums to zero. At most n distinct evaluations a sample. A few per cent better than `LeaveOneOut` with many
    variables, in many times its own time: O(K n^2) a sample, for the weights of all pairs of draws, and
    O(K C^2) a call, for their probabilities.

    Parameters
    ----------
    n : int
        Draws a sample, at least 2.
    limit : int
        Refuse problems with more pairs of categories, K C^2 with the largest C: there is a table of them.

    References
    ----------
    Dimitriev and Zhou, NeurIPS 2021, with the Dirichlet copula.
    """

    n: int = 10
    limit: int = 2**20

    def __post_init__(self) -> None:
        check_integer(self.n, "n", 2)
        check_integer(self.limit, "limit", 1)


class UnorderedSet(Setting):
    """A set of n vectors without replacement, each with its probability to have been drawn first.

    ``sum_{s in S} q_s (f_s - b_s) (1[s_k = c] - p_kc)``, with q_s the probability that s was drawn first given
    the set S, and ``b_s = p(s) f_s + (1 - p(s)) sum_t q_{t|s} f_t`` with that of t having been second after s.
    Unbiased; the gradient of each variable sums to zero. n distinct evaluations a sample; from the number of
    vectors of available categories on it is the gradient itself, without noise. Better than `LeaveOneOut` where
    that would often draw a vector twice: of one variable, of few, or near convergence. Elsewhere it is the same
    in much more time: O(C + n^2.5) a sample of one variable; of several O(n C) for each, and n^2.5. The search
    for the set goes variable by variable, with NumPy, and the probabilities q are integrals.

    Parameters
    ----------
    n : int
        Vectors in a set, at least 2.

    References
    ----------
    Kool, van Hoof and Welling, ICLR 2020: the unordered set policy gradient with its built-in baseline; the
    probabilities by quadrature, without a sum over orders. Sets of vectors: the same, ICML 2019.
    """

    n: int = 10

    def __post_init__(self) -> None:
        check_integer(self.n, "n", 2)


class Exact(Setting):
    """The gradient itself, by enumeration of all vectors of available categories.

    No noise and no variance: the standard error is zero, and ``n_samples`` and ``rng`` do not matter. The
    product of the numbers of categories evaluations, for each problem.

    Parameters
    ----------
    limit : int
        Refuse problems with more vectors than this.
    """

    limit: int = 1_000_000

    def __post_init__(self) -> None:
        check_integer(self.limit, "limit", 1)


Named = (
    AR
    | ARS
    | ARSM
    | Reinforce
    | LeaveOneOut
    | LocalExpectation
    | RaoBlackwellTop
    | LocalPair
    | ARM
    | DisARM
    | CARMS
    | UnorderedSet
)
Sampling = Named | REBAR | RELAX | MuProp


class ControlVariate(Setting):
    """Any other estimator of ``f - beta h``, and the exact gradient of ``beta E[h]``.

    h is a surrogate that learns the objective from past evaluations, beta how far to trust it, from how well it
    predicted past batches before they were evaluated. Unbiased, as neither has seen the evaluations that it is
    used for: for this each call needs noise of its own, so never the same seed twice. The evaluations are those
    of the other estimator. For one problem, not for a batch of them.

    It saves evaluations, and time where these take longer than what the surrogate does for each. To learn from
    one, with all fits, takes less time than f does on any of the problems of ``examples/compare_estimators.py``,
    which prints it: with `Additive` 2 to 6 us of 125 to 400 categories in all, with `Hamming` 3 to 6 of up to 25
    variables; 10 to 12 and 12 to 13 of 200 variables with 1,000. With predictions and expectations it is some 12
    to 25 and 17 to 36 us with 10 evaluations a call, 50 and 94: where f takes 4 to 20 us, more evaluations and no
    surrogate are sooner done.

    Parameters
    ----------
    estimator : Estimator
        Any but `Exact` and `ScopedLeaveOneOut`; where f is expensive, `LeaveOneOut`.
    surrogate : Surrogate
        `Additive`, `Hamming`, `Features` or one of your own. It keeps what it has learnt: a new one for each
        objective.
    """

    estimator: Sampling
    surrogate: Surrogate

    def __post_init__(self) -> None:
        if not isinstance(self.estimator, Sampling):
            raise TypeError(
                f"estimator must be one that samples f, such as LeaveOneOut(); got {self.estimator!r}"
            )
        if not isinstance(self.surrogate, Surrogate):
            raise TypeError(f"surrogate must be a Surrogate, such as Additive(); got {self.surrogate!r}")


# Draws of the candidates of Auto for several variables, and categories that its surrogates learn.
LARGEST_SET, LARGEST_LEARNT = 20, 2000

Candidate = Sampling | ScopedLeaveOneOut | Exact | ControlVariate


class Auto:
    """The estimator that leaves the least variance for an evaluation here, found by a race of several.

    Keep one object from call to call: each of the first calls is made with one candidate, and shows the variance
    of its gradient and the evaluations that it takes. How much that differs from call to call says how well it is
    known. A candidate is out as soon as the best is surely (by 2.5 standard errors) less than 1.2 times worse: so
    one that is far behind is out after few calls, and the others go to those that are close. A `ControlVariate`
    has most of the first calls, as it learns from its own only. The last one left, or the best when the trial
    has used its evaluations, is settled on for all later calls.

    Unbiased in every call, as the choice depends on past calls only: for this each call needs noise of its own,
    so never the same seed twice. A call takes about as many evaluations as it may, and `n_samples` times that;
    what is evaluated for several of its samples counts once. Where these are enough for all vectors it takes
    `Exact`. Variance changes as the logits do: a new object tries anew.

    The name "auto" alone is for a single estimate: `gradient` then makes a trial first, with a new object and
    evaluations that serve for nothing else, and counts these too.

    Parameters
    ----------
    candidates : sequence of Estimator, optional
        By default, for several variables: `ScopedLeaveOneOut` where the objective has terms; `LeaveOneOut`, with
        a `ControlVariate` of the better of `Additive` and `Hamming` where there is one problem with at most 2,000
        categories together; `LocalPair`, `RaoBlackwellTop` and `LocalExpectation` where a call's evaluations are
        enough for a sample of it. For one variable there is no race: `UnorderedSet` with a quarter of a call's
        evaluations, which is at least as good as the others there, if not the fastest (10 ms a call).
    evaluations : int
        Evaluations that a call may take, for each problem, at least 4.
    trial : int
        Evaluations after which the trial is over at the latest, for each problem; more where they are too few to
        call each candidate twice. It takes all of them only where several candidates are about as good.

    Attributes
    ----------
    choice : Estimator or None
        What was settled on, if anything.
    report : list of Trial
        What was measured, the best first: each has `estimator`, `calls`, `variance` (total, of one sample),
        `evaluations` (of one sample), `score`, their product, and `error`, its relative standard error. Each
        estimate has what was measured by then, `GradientEstimate.report`.
    """

    def __init__(
        self, candidates: Sequence[Candidate] | None = None, evaluations: int = 200, trial: int = 16_000
    ) -> None:
        if candidates is not None:
            if isinstance(candidates, str | Candidate) or not candidates:
                raise TypeError(
                    f"candidates must be a sequence of estimators, such as [LeaveOneOut()]; got {candidates!r}"
                )
            for candidate in candidates:
                if not isinstance(candidate, Candidate):
                    raise TypeError(f"candidates must be estimators, such as LeaveOneOut(); got {candidate!r}")
        self.candidates = None if candidates is None else list(candidates)
        self.evaluations = check_integer(evaluations, "evaluations", 4)
        self.trial = check_integer(trial, "trial", 1)
        self._trials: Trials | None = None
        self._sizes: list[int] = []

    def __repr__(self) -> str:
        return f"Auto(evaluations={self.evaluations}, trial={self.trial})"

    @property
    def choice(self) -> Candidate | None:
        """What was settled on."""
        return self._trials.next.estimator if self._trials and self._trials.settled else None

    @property
    def report(self) -> list[Trial]:
        """What was measured, the best first."""
        measured = [trial for trial in (self._trials.all if self._trials else []) if trial.calls]
        return sorted((replace(trial) for trial in measured), key=lambda trial: trial.score)

    def next_trial(self, logits: Logits, objective: object, n_samples: int) -> tuple[Trial, int]:
        """The candidate of the next call, and how many samples of it."""
        sizes = [int(size) for size in logits.sizes[: logits.n_variables]]
        if self._trials is None:
            candidates = self.candidates or self._defaults(logits, objective)
            trials = [Trial(candidate, isinstance(candidate, ControlVariate)) for candidate in candidates]
            self._trials, self._sizes = Trials(trials, self.trial * logits.n_problems), sizes
        if sizes != self._sizes:
            raise ValueError(
                f"estimator Auto was tried on {len(self._sizes)} variables of {_some(self._sizes)} categories, "
                f"and is now used for {len(sizes)} of {_some(sizes)}; make a new one for each objective"
            )
        trial = self._trials.next
        if not trial.evaluations:
            return trial, 2 * n_samples
        samples = min(round(self.evaluations * logits.n_problems / trial.evaluations), self.evaluations)
        return trial, n_samples * max(1 if self._trials.settled else 2, samples)

    def record(self, trial: Trial, logits: Logits, estimate: GradientEstimate, n_samples: int) -> None:
        """Learn what a call has shown, if it has several samples."""
        if self._trials is None or estimate.standard_error is None or n_samples == 1:
            return
        errors = estimate.standard_error if logits.shape is None else [estimate.standard_error]
        variance = n_samples * sum(float((error**2).sum()) for error in errors)
        self._trials.record(trial, variance, estimate.n_evaluations, n_samples)

    def _defaults(self, logits: Logits, objective: object) -> list[Candidate]:
        """The candidates that are applicable."""
        available = np.add.reduceat(logits.inverse_weights < np.inf, logits.offsets[:-1], dtype=np.float64)
        by_problem = available.reshape(logits.n_problems, -1)
        if np.log(by_problem).sum(axis=1).max() <= np.log(self.evaluations + 0.5):
            return [Exact(self.evaluations)]
        k = logits.n_variables
        if k == 1:
            return [UnorderedSet(max(2, self.evaluations // 4))]
        loo = LeaveOneOut(min(LARGEST_SET, self.evaluations // 2))
        candidates: list[Candidate] = [loo]
        if logits.n_problems == 1 and available.sum() <= LARGEST_LEARNT:
            candidates = [ControlVariate(loo, BestOf(Additive(), Hamming()))]
        if hasattr(objective, "scopes") and callable(getattr(objective, "terms", None)):
            candidates.append(ScopedLeaveOneOut(loo.n, objective.scopes))
        delta = callable(getattr(objective, "delta", None))
        local: list[tuple[Candidate, float]] = [
            (LocalPair(), k + 1),
            (RaoBlackwellTop(), np.minimum(by_problem, 3).sum(axis=1).max() + 1),
            (LocalExpectation(), (by_problem - 1).sum(axis=1).max() + 1),
        ]
        return candidates + [each for each, needed in local if delta or needed <= self.evaluations]


def _some(sizes: list[int]) -> str:
    """Numbers of categories in few words."""
    return f"{sizes[0]}" if len(set(sizes)) == 1 else f"{min(sizes)} to {max(sizes)}"


Estimator = Candidate | GumbelSoftmax | Auto

_BY_NAME: dict[str, type[Named | ScopedLeaveOneOut | Exact | Auto]] = {
    "ar": AR,
    "ars": ARS,
    "arsm": ARSM,
    "reinforce": Reinforce,
    "loo": LeaveOneOut,
    "scoped": ScopedLeaveOneOut,
    "local": LocalExpectation,
    "top": RaoBlackwellTop,
    "pair": LocalPair,
    "arm": ARM,
    "disarm": DisARM,
    "carms": CARMS,
    "unordered": UnorderedSet,
    "exact": Exact,
    "auto": Auto,
}


def learns(estimator: Estimator) -> bool:
    """Whether its estimates depend on calls before."""
    if isinstance(estimator, Reinforce):
        return isinstance(estimator.baseline, Baseline)
    return isinstance(estimator, ControlVariate | Auto | RELAX)


@cache
def _default(name: str) -> Estimator:
    """The default estimator of a name, none that learns: such is one of its own for each who asks."""
    return _BY_NAME[name]()


def resolve_estimator(estimator: Estimator | str) -> Estimator:
    """The estimator that was given, or the default one of that name."""
    if isinstance(estimator, str) and estimator in _BY_NAME:
        return Auto() if estimator == "auto" else _default(estimator)
    if isinstance(estimator, Estimator):
        return estimator
    known = ", ".join(repr(name) for name in _BY_NAME)
    classes = ", ".join(f"{cls.__name__}()" for cls in _BY_NAME.values())
    raise ValueError(
        f"estimator must be one of {known}, or one of {classes}, ControlVariate(...), "
        f"GumbelSoftmax(...), REBAR(...), RELAX(...), MuProp(...); got {estimator!r}"
    )
