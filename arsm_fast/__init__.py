"""Gradients of expectations over categorical variables, on CPUs: ARSM and the estimators around it."""

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
    UnorderedSet,
)
from .gradients import gradient
from .hierarchical import HierarchicalEstimate, hierarchical_gradient
from .proposals import GradientEstimate, Proposal, propose
from .sampling import dirichlet_noise, pseudo_action_matrix, sample
from .surrogates import Additive, Hamming, Surrogate
from .warmup import warmup

__version__ = "0.1.0"

__all__ = [
    "AR",
    "ARM",
    "ARS",
    "ARSM",
    "Additive",
    "ControlVariate",
    "DisARM",
    "Exact",
    "GradientEstimate",
    "Hamming",
    "HierarchicalEstimate",
    "LeaveOneOut",
    "LocalExpectation",
    "LocalPair",
    "Proposal",
    "RaoBlackwellTop",
    "Reinforce",
    "Surrogate",
    "UnorderedSet",
    "dirichlet_noise",
    "gradient",
    "hierarchical_gradient",
    "propose",
    "pseudo_action_matrix",
    "sample",
    "warmup",
]
