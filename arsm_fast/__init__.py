"""Gradients of expectations over categorical variables, on CPUs: ARSM and the estimators around it."""

from .baselines import NVIL, Baseline, RunningMean
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
from .gradients import gradient
from .proposals import GradientEstimate, Proposal, propose
from .sampling import dirichlet_noise, pseudo_action_matrix, sample
from .surrogates import Additive, BestOf, Hamming, Surrogate
from .warmup import warmup

__version__ = "0.1.0"

__all__ = [
    "AR",
    "ARM",
    "ARS",
    "ARSM",
    "CARMS",
    "NVIL",
    "Additive",
    "Auto",
    "Baseline",
    "BestOf",
    "ControlVariate",
    "DisARM",
    "Exact",
    "GradientEstimate",
    "Hamming",
    "LeaveOneOut",
    "LocalExpectation",
    "LocalPair",
    "Proposal",
    "RaoBlackwellTop",
    "Reinforce",
    "RunningMean",
    "ScopedLeaveOneOut",
    "Surrogate",
    "UnorderedSet",
    "dirichlet_noise",
    "gradient",
    "propose",
    "pseudo_action_matrix",
    "sample",
    "warmup",
]
