"""Gradients of expectations over categorical variables, on CPUs: ARSM and the estimators around it."""

from .combining import combine
from .control_network import ControlNetwork
from .estimators import (
    AR,
    ARM,
    ARS,
    ARSM,
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
from .proposals import GradientEstimate, Proposal, propose
from .relaxed_estimators import REBAR, RELAX, GumbelSoftmax, MuProp
from .sampling import dirichlet_noise, pseudo_action_matrix, sample
from .surrogates import Additive, Hamming, Surrogate
from .warmup import warmup
from .workers import Workers

__version__ = "0.1.0"

__all__ = [
    "AR",
    "ARM",
    "ARS",
    "ARSM",
    "REBAR",
    "RELAX",
    "Additive",
    "ControlNetwork",
    "ControlVariate",
    "DisARM",
    "Exact",
    "ExpectedObjective",
    "GradientEstimate",
    "GumbelSoftmax",
    "Hamming",
    "HierarchicalEstimate",
    "LeaveOneOut",
    "LocalExpectation",
    "LocalPair",
    "MuProp",
    "Proposal",
    "RaoBlackwellTop",
    "Reinforce",
    "ScopedLeaveOneOut",
    "Surrogate",
    "UnorderedSet",
    "Workers",
    "combine",
    "dirichlet_noise",
    "gradient",
    "hierarchical_gradient",
    "lax_gradient",
    "propose",
    "pseudo_action_matrix",
    "sample",
    "warmup",
]
