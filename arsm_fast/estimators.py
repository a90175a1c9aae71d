"""The estimators, as settings: small frozen dataclasses, each also known by a name."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Literal

from numpy.typing import ArrayLike

__all__ = ["AR", "ARS", "ARSM", "Estimator", "Exact", "LeaveOneOut", "Reinforce", "resolve_estimator"]


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
    the swap is made in all of them at once. Unbiased. At most C distinct evaluations a sample, often
    far fewer. The gradient of each variable sums to zero.

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
            value = _as_int(self.reference, "reference")
            if value < 0:
                raise ValueError(f"reference must be None or a category from 0 on; got {value}")


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

    References
    ----------
    Yin, Yue and Zhou, ICML 2019 (version 2), equation 9 and Algorithm 1. ARSM+: Dong, Mnih and Tucker,
    NeurIPS 2021.
    """

    swap: Literal["joint", "coordinate"] = "joint"
    references: int | None = None
    plus: bool = False

    def __post_init__(self) -> None:
        if self.swap not in ("joint", "coordinate"):
            raise ValueError(f'swap must be "joint" or "coordinate"; got {self.swap!r}')
        if self.references is not None and _as_int(self.references, "references") < 1:
            raise ValueError(f"references must be None or at least 1; got {self.references}")


@dataclass(frozen=True)
class Reinforce:
    """REINFORCE: ``(f(z) - baseline) (1[z = c] - p_c)``.

    Unbiased if the baseline does not depend on the actions drawn now: the mean of earlier values is a
    good one. One evaluation a sample.

    Parameters
    ----------
    baseline : float or array_like
        A number, or one for each problem of a batch.

    References
    ----------
    Williams, Machine Learning 8, 1992.
    """

    baseline: ArrayLike = 0.0


@dataclass(frozen=True)
class LeaveOneOut:
    """REINFORCE with, for each draw, the mean of the other draws as its baseline (RLOO, VarGrad).

    ``1/(n-1) sum_i (f_i - mean f) 1[z_i = c]`` over n draws a sample. Unbiased; the gradient of each
    variable sums to zero. At most n distinct evaluations a sample. With several variables it has the
    lowest variance at equal evaluations of the estimators here, see ESTIMATORS in the README.

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
        if _as_int(self.n, "n") < 2:
            raise ValueError(f"n must be at least 2; got {self.n}")


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
        if _as_int(self.limit, "limit") < 1:
            raise ValueError(f"limit must be at least 1; got {self.limit}")


Estimator = AR | ARS | ARSM | Reinforce | LeaveOneOut | Exact

_BY_NAME: dict[str, type[Estimator]] = {
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
    raise ValueError(f"estimator must be one of {known}, or one of {classes}; got {estimator!r}")


def _as_int(value: object, name: str) -> int:
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name} must be an integer; got {value!r}") from None
