"""Gradients of expectations over categorical variables, on CPUs: ARSM and the estimators around it."""

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
from .surrogates import Additive, BestOf, Hamming, Surrogate
from .updates import Adam, Annealing, GradientDescent, Momentum, NaturalGradient
from .warmup import warmup
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
