"""The methods that carry out the estimators, most of them imported when they are first asked for.

Programs use one or two, and `gradient` is to be imported in little more time than Numba is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._checks import Scopes, check_noise
from ._draws import Draws
from ._logits import FloatArray, Logits
from ._moments import Moments
from ._noise import NOT_GIVEN, Noise
from ._one_variable import OneVariable
from ._random import SeedLike, generator_key
from ._relaxed import relaxed_method
from ._scoped import ScopedDraws
from ._vectors import Vectors
from .baselines import Baseline
from .estimators import (
    ARM,
    ARS,
    ARSM,
    CARMS,
    ControlVariate,
    DisARM,
    Estimator,
    Exact,
    LeaveOneOut,
    LocalExpectation,
    LocalPair,
    RaoBlackwellTop,
    Reinforce,
    ScopedLeaveOneOut,
    UnorderedSet,
)
from .kernels import draws
from .relaxed_estimators import REBAR, RELAX, GumbelSoftmax, MuProp

# To make such a union takes longer than to look in it.
RELAXED = GumbelSoftmax | REBAR | RELAX | MuProp
SWAPS = ARS | ARSM
LOCAL = LocalExpectation | RaoBlackwellTop | LocalPair
ANTITHETIC = DisARM | CARMS


class Method(Protocol):
    """What stands behind a proposal."""

    def propose(self) -> tuple[Vectors, NDArray[np.int32]]:
        """Distinct vectors, (M, K), and their problems, (M,)."""

    def estimate(self, values: FloatArray) -> Moments:
        """The gradient from the values of those vectors."""


@cache
def _maker(module: str, name: str) -> Callable[..., Method]:
    """What makes a method; kept, as a statement that imports takes more than a microsecond each time."""
    maker: Callable[..., Method] = getattr(import_module(f".{module}", __package__), name)
    return maker


def make_method(
    logits: Logits, estimator: Estimator, n_samples: int, noise: Any, rng: SeedLike, first: int | None = None
) -> Method:
    """The method that carries out an estimator, on the generator's samples from number first on."""
    if isinstance(estimator, Exact):
        if noise is not None:
            raise ValueError("noise must be None for the estimator Exact, which uses none")
        return _maker("_exact", "Enumeration")(logits, estimator.limit)
    if isinstance(estimator, ControlVariate):
        inner = make_method(logits, estimator.estimator, n_samples, noise, rng)
        return _maker("_control_variate", "WithSurrogate")(logits, inner, estimator.surrogate)
    if isinstance(estimator, RELAXED):
        if noise is not None:
            raise ValueError(
                f"noise must be None for the estimator {type(estimator).__name__}, which draws more than "
                "Dirichlet noise"
            )
        return relaxed_method(logits, Noise(generator_key(rng), n_samples), estimator)
    if isinstance(estimator, ARM):
        if (logits.sizes != 2).any():
            raise ValueError(
                f"estimator ARM is for variables of two categories, here one has "
                f"{logits.sizes[(logits.sizes != 2).argmax()]}; ARSM is its form for others"
            )
        estimator = ARSM()
    if isinstance(estimator, SWAPS):
        return _swap_method(logits, estimator, n_samples, noise, rng, first)
    if isinstance(estimator, LOCAL):
        return _local_method(logits, estimator, n_samples, noise, rng, first)
    if isinstance(estimator, UnorderedSet):
        if logits.n_variables > 1:
            if noise is not None:
                raise ValueError(
                    "noise must be None for the estimator UnorderedSet of several variables, which races vectors"
                )
            return _maker("_joint_sets", "JointSets")(logits, Noise(generator_key(rng), n_samples), estimator.n)
        given = NOT_GIVEN if noise is None else check_noise(noise, logits, (n_samples,))
        return _maker("_unordered", "UnorderedSets")(
            logits, Noise(generator_key(rng), n_samples, given, first=first), estimator.n
        )
    if isinstance(estimator, ANTITHETIC):
        if noise is not None:
            raise ValueError(
                f"noise must be None for the estimator {type(estimator).__name__}, whose draws are not each of "
                "Dirichlet noise"
            )
        settings = Noise(generator_key(rng), n_samples, first=first)
        if isinstance(estimator, CARMS):
            return _maker("_carms", "AntitheticSets")(logits, settings, estimator.n, estimator.limit)
        return _maker("_antithetic", "AntitheticPairs")(logits, settings)
    if isinstance(estimator, ScopedLeaveOneOut):
        if estimator.scopes is None:
            raise ValueError(
                "scopes must be given where there is no objective to have them: ScopedLeaveOneOut(scopes=...)"
            )
        given = NOT_GIVEN if noise is None else check_noise(noise, logits, (n_samples, estimator.n))
        settings = Noise(generator_key(rng), n_samples, given, first=first, draws=estimator.n)
        return ScopedDraws(logits, settings, estimator.n, cast(Scopes, estimator.scopes))
    leading: tuple[int, ...] = (n_samples,)
    kind, n_draws = draws.AR, 1
    baseline = np.zeros(logits.n_problems)
    if isinstance(estimator, LeaveOneOut):
        leading = (n_samples, estimator.n)
        kind, n_draws = draws.LEAVE_ONE_OUT, estimator.n
    elif isinstance(estimator, Reinforce):
        kind = draws.REINFORCE
        if not isinstance(estimator.baseline, Baseline):
            baseline = _check_baseline(estimator.baseline, logits.n_problems)
    given = NOT_GIVEN if noise is None else check_noise(noise, logits, leading)
    settings = Noise(generator_key(rng), n_samples, given, first=first, draws=n_draws)
    if isinstance(estimator, Reinforce) and isinstance(estimator.baseline, Baseline):
        return _maker("_learnt_baseline", "LearntBaseline")(logits, settings, estimator.baseline)
    return Draws(logits, settings, kind, n_draws=n_draws, baseline=baseline)


def _swap_method(
    logits: Logits, estimator: ARS | ARSM, n_samples: int, noise: Any, rng: SeedLike, first: int | None
) -> Method:
    given = NOT_GIVEN if noise is None else check_noise(noise, logits, (n_samples,))
    if isinstance(estimator, ARS):
        fixed = -1 if estimator.reference is None else int(estimator.reference)
        if fixed >= logits.shortest:
            raise ValueError(
                f"reference must be a category of every variable, below {logits.shortest}; got {fixed}"
            )
        n_references = 1
    else:
        fixed = -1
        n_references = estimator.references or 0
        if n_references > 0 and n_references >= logits.longest:  # all of them: no need to draw any
            n_references = 0
    settings = Noise(generator_key(rng), n_samples, given, n_references, fixed, first)
    if logits.n_variables == 1:
        return OneVariable(logits, settings)
    if isinstance(estimator, ARSM) and estimator.swap == "coordinate":
        return _maker("_coordinate", "coordinate_swaps")(logits, settings)
    plus = isinstance(estimator, ARSM) and estimator.plus
    if n_references == 0:
        return _maker("_joint_pairs", "joint_pairs")(logits, settings, plus=plus)
    return _maker("_joint_references", "JointReferences")(logits, settings, plus=plus)


def _local_method(
    logits: Logits,
    estimator: LocalExpectation | RaoBlackwellTop | LocalPair,
    n_samples: int,
    noise: Any,
    rng: SeedLike,
    first: int | None,
) -> Method:
    independent = isinstance(estimator, LocalPair) and estimator.replacement
    leading = (n_samples, 2) if independent else (n_samples,)
    given = NOT_GIVEN if noise is None else check_noise(noise, logits, leading)
    settings = Noise(generator_key(rng), n_samples, given, first=first, draws=2 if independent else 1)
    if isinstance(estimator, LocalPair):
        return _maker("_local", "LocalPairs")(logits, settings, distinct=not independent)
    longest = logits.longest
    if isinstance(estimator, RaoBlackwellTop):
        return _maker("_local", "LocalSums")(logits, settings, min(estimator.m, longest), logits.n_variables)
    return _maker("_local", "LocalSums")(logits, settings, longest, estimator.variables or logits.n_variables)


def _check_baseline(baseline: ArrayLike, n_problems: int) -> FloatArray:
    array = np.asarray(baseline)
    if array.size not in (1, n_problems):
        raise ValueError(f"baseline must be a number, or one for each of {n_problems} problems; got {array.size}")
    return np.broadcast_to(array, (n_problems,)).astype(np.float64)
