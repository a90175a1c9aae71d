"""The estimators, as settings: small frozen dataclasses, each also known by a name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from ._checks import check_integer
from .surrogates import Surrogate

__all__ = [
    "AR",
    "ARS",
    "ARSM",
    "ControlVariate",
    "Estimator",
    "Exact",
    "LeaveOneOut",
    "Reinforce",
    "resolve_estimator",
]


@dataclass(frozen=True)
class AR:
    """Augment-REINFORCE: ``f(z) (1 - C pi_c)``.

    Unbiased. One evaluation a sample. Its variance grows with C and with the level of f: it is here
    because ARS and ARSM are built from it, not because it should be used.

    References
    ----------
    Yin, Yue and Zhou, ICML 2019 (version 2), equation 5.
    """


@dataclass(frozen=True)
class ARS:
    """Augment-REINFORCE-swap, with one reference category.

    ``[f(z^(c<->j)) - mean_m f(z^(m<->j))] (1 - C pi_j)`` for the reference j; for several variables
    the swap is made in all of them at once. Unbiased. At most C distinct evaluations a sample (one more where
    the variables have different numbers of categories), often far fewer. The gradient of each variable sums
    to zero.

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


@dataclass(frozen=True)
class ARSM:
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
        variables, and has a much lower variance.
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
    change any, and time and memory are in proportion to these.

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


@dataclass(frozen=True)
class Reinforce:
    """REINFORCE: ``(f(z) - baseline) (1[z = c] - p_c)``.

    Unbiased if the baseline does not depend on the actions drawn now: the mean of earlier values is a
    good one. One evaluation a sample.

    Parameters
    ----------
    baseline : float or array_like
        A number, or one for each problem of a batch: an array of the shape of `GradientEstimate.value`.
        Kept as a float or a tuple of floats.

    References
    ----------
    Williams, Machine Learning 8, 1992.
    """

    baseline: ArrayLike = 0.0

    def __post_init__(self) -> None:
        try:
            array = np.asarray(self.baseline, dtype=np.float64)
        except (TypeError, ValueError):
            raise TypeError(f"baseline must be a number or an array of them; got {self.baseline!r}") from None
        if not np.isfinite(array).all():
            raise ValueError(f"baseline must be finite; got {self.baseline!r}")
        object.__setattr__(self, "baseline", tuple(array.ravel().tolist()) if array.ndim else float(array))


@dataclass(frozen=True)
class LeaveOneOut:
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


@dataclass(frozen=True)
class Exact:
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


@dataclass(frozen=True)
class ControlVariate:
    """Any other estimator of ``f - beta h``, and the exact gradient of ``beta E[h]``.

    h is a surrogate that learns the objective from past evaluations, beta how far to trust it, from how well it
    predicted past batches before they were evaluated. Unbiased, as neither has seen the evaluations that it is
    used for: for this each call needs noise of its own, so never the same seed twice. The evaluations are those
    of the other estimator. For one problem, not for a batch of them.

    Parameters
    ----------
    estimator : Estimator
        Where f is expensive, `LeaveOneOut`.
    surrogate : Surrogate
        `Additive`, `Hamming` or one of your own. It keeps what it has learnt: a new one for each objective.
    """

    estimator: AR | ARS | ARSM | Reinforce | LeaveOneOut
    surrogate: Surrogate

    def __post_init__(self) -> None:
        if not isinstance(self.estimator, AR | ARS | ARSM | Reinforce | LeaveOneOut):
            raise TypeError(f"estimator must be one that samples, such as LeaveOneOut(); got {self.estimator!r}")
        if not isinstance(self.surrogate, Surrogate):
            raise TypeError(f"surrogate must be a Surrogate, such as Additive(); got {self.surrogate!r}")


Estimator = AR | ARS | ARSM | Reinforce | LeaveOneOut | Exact | ControlVariate

_BY_NAME: dict[str, type[AR | ARS | ARSM | Reinforce | LeaveOneOut | Exact]] = {
    "ar": AR,
    "ars": ARS,
    "arsm": ARSM,
    "reinforce": Reinforce,
    "loo": LeaveOneOut,
    "exact": Exact,
}


def resolve_estimator(estimator: Estimator | str) -> Estimator:
    """The estimator that was given, or the default one of that name."""
    if isinstance(estimator, str) and estimator in _BY_NAME:
        return _BY_NAME[estimator]()
    if isinstance(estimator, Estimator):
        return estimator
    known = ", ".join(repr(name) for name in _BY_NAME)
    classes = ", ".join(f"{cls.__name__}()" for cls in _BY_NAME.values())
    raise ValueError(
        f"estimator must be one of {known}, or one of {classes}, ControlVariate(...); got {estimator!r}"
    )
