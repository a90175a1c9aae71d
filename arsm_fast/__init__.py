"""Gradients of expectations over categorical variables, on CPUs: ARSM and the estimators around it."""

import gc
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._warmup import warmup
    from .baselines import NVIL, Baseline, RunningMean
    from .combining import combine
    from .control_network import ControlNetwork
    from .episode import BatchEpisode, Episode
    from .estimators import (
        AR,
        ARM,
        ARS,
        ARSM,
        CARMS,
        Auto,
        ControlVariate,
        DisARM,
        Exact,
        LeaveOneOut,
        LocalExpectation,
        LocalPair,
        RaoBlackwellTop,
        Reinforce,
        ScopedLeaveOneOut,
        UnorderedSet,
    )
    from .expected import ExpectedObjective
    from .gradients import gradient
    from .hierarchical import HierarchicalEstimate, hierarchical_gradient
    from .lax import lax_gradient
    from .optimize import maximize, minimize
    from .optimizer import Expected, Optimizer
    from .proposals import GradientEstimate, Proposal, propose
    from .relaxed_estimators import REBAR, RELAX, GumbelSoftmax, MuProp
    from .sampling import dirichlet_noise, pseudo_action_matrix, sample
    from .surrogates import Additive, BestOf, Features, Hamming, Surrogate
    from .updates import Adam, Annealing, GradientDescent, Momentum, NaturalGradient
    from .workers import Workers

__version__ = "0.1.0"

__all__ = [
    "AR",
    "ARM",
    "ARS",
    "ARSM",
    "CARMS",
    "NVIL",
    "REBAR",
    "RELAX",
    "Adam",
    "Additive",
    "Annealing",
    "Auto",
    "Baseline",
    "BatchEpisode",
    "BestOf",
    "ControlNetwork",
    "ControlVariate",
    "DisARM",
    "Episode",
    "Exact",
    "Expected",
    "ExpectedObjective",
    "Features",
    "GradientDescent",
    "GradientEstimate",
    "GumbelSoftmax",
    "Hamming",
    "HierarchicalEstimate",
    "LeaveOneOut",
    "LocalExpectation",
    "LocalPair",
    "Momentum",
    "MuProp",
    "NaturalGradient",
    "Optimizer",
    "Proposal",
    "RaoBlackwellTop",
    "Reinforce",
    "RunningMean",
    "ScopedLeaveOneOut",
    "Surrogate",
    "UnorderedSet",
    "Workers",
    "combine",
    "dirichlet_noise",
    "gradient",
    "hierarchical_gradient",
    "lax_gradient",
    "maximize",
    "minimize",
    "propose",
    "pseudo_action_matrix",
    "sample",
    "warmup",
]

# Each is imported when it is asked for, so that importing the package takes next to no time.
_MODULES = {
    "_warmup": ("warmup",),
    "baselines": ("NVIL", "Baseline", "RunningMean"),
    "combining": ("combine",),
    "control_network": ("ControlNetwork",),
    "episode": ("BatchEpisode", "Episode"),
    "estimators": (
        *("AR", "ARM", "ARS", "ARSM", "CARMS", "Auto", "ControlVariate", "DisARM", "Exact", "LeaveOneOut"),
        *("LocalExpectation", "LocalPair", "RaoBlackwellTop", "Reinforce", "ScopedLeaveOneOut", "UnorderedSet"),
    ),
    "expected": ("ExpectedObjective",),
    "gradients": ("gradient",),
    "hierarchical": ("HierarchicalEstimate", "hierarchical_gradient"),
    "lax": ("lax_gradient",),
    "optimize": ("maximize", "minimize"),
    "optimizer": ("Expected", "Optimizer"),
    "proposals": ("GradientEstimate", "Proposal", "propose"),
    "relaxed_estimators": ("REBAR", "RELAX", "GumbelSoftmax", "MuProp"),
    "sampling": ("dirichlet_noise", "pseudo_action_matrix", "sample"),
    "surrogates": ("Additive", "BestOf", "Features", "Hamming", "Surrogate"),
    "updates": ("Adam", "Annealing", "GradientDescent", "Momentum", "NaturalGradient"),
    "workers": ("Workers",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # A search of all objects for garbage would fall into it, which takes half as long as to import our modules;
    # what modules make is no garbage.
    collects = gc.isenabled()
    gc.disable()
    try:
        globals()[name] = getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)
    finally:
        if collects:
            gc.enable()
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
