"""Compile everything ahead of the first call."""

from __future__ import annotations

import numpy as np

from ._moments import LARGEST_BLOCK
from ._noise import LONGEST_SHORT_ROW
from ._one_variable import LONG_ROW, LONGEST_IN_A_LANE
from .estimators import (
    AR,
    ARS,
    ARSM,
    ControlVariate,
    DisARM,
    LeaveOneOut,
    LocalExpectation,
    LocalPair,
    Reinforce,
    UnorderedSet,
)
from .gradients import gradient
from .kernels.row_room import LONGEST as LONGEST_ROW_BY_ROW
from .proposals import batches_for_threads, propose
from .sampling import dirichlet_noise, pseudo_action_matrix, sample
from .surrogates import Additive, Hamming

__all__ = ["warmup"]


def warmup() -> None:
    """Compile every kernel, or load it from the cache on disk, so that later calls only run.

    Kernels are otherwise compiled when first needed. Does not cover the objective: a compiled one is
    compiled into its evaluation loop at its first use.
    """
    # Each of these takes the one path that the others do not.
    logits = np.zeros((2, 3))
    many_rows, long_rows = np.zeros((8, 1)), np.zeros((1, 1 + max(LONGEST_SHORT_ROW, LONGEST_ROW_BY_ROW)))
    sample(logits, rng=0)
    sample(logits, 8, rng=0)
    sample(many_rows, rng=0)
    dirichlet_noise(long_rows, rng=0)
    pseudo_action_matrix(dirichlet_noise(logits, rng=0)[0], logits)
    gradient(logits, logits, rng=0)
    gradient(long_rows, long_rows, rng=0)
    for shape in ((8, 2), (LONGEST_IN_A_LANE + 1,), (LONG_ROW,)):
        gradient(np.zeros(shape), np.zeros(shape), rng=0)
    gradient(logits, logits, n_samples=2 * LARGEST_BLOCK, rng=0)  # blocks are merged
    gradient(logits, logits, estimator=ARS(), rng=0)
    for estimator in (
        *(AR(), ARS(), ARSM(), ARSM(swap="coordinate"), Reinforce(), LeaveOneOut(2), LocalExpectation(1)),
        *(LocalPair(), DisARM()),
    ):
        gradient(lambda actions: actions.sum(axis=1), logits, estimator=estimator, rng=0)
    gradient(lambda actions: actions.sum(axis=1), logits, n_samples=2, rng=0)
    gradient(lambda actions: actions.sum(axis=1), [*logits], n_samples=2, rng=0)
    gradient(logits, logits, estimator=UnorderedSet(2), rng=0)
    for surrogate, size in ((Additive(), 3), (Hamming(), 3), (Hamming(), 256)):
        for seed in range(2):  # it is fitted, and used
            control_variate = ControlVariate(LeaveOneOut(64), surrogate)
            gradient(
                lambda actions: actions.sum(axis=1), np.zeros((2, size)), estimator=control_variate, rng=seed
            )
    next(batches_for_threads(propose(logits, estimator=ARSM(swap="coordinate"), rng=0), None))
    proposal = propose(logits[:, None, :], rng=0)
    proposal.estimate(np.zeros(len(proposal.actions)))
