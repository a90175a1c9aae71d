"""A compiled objective of one action vector, evaluated in parallel: compiled anew for each objective."""

import numba

from ._jit import parallel_uncached


@parallel_uncached
def evaluate(objective, actions, out):
    """out[i] is the objective at actions[i]."""
    for i in numba.prange(out.shape[0]):
        out[i] = objective(actions[i])


@parallel_uncached
def evaluate_with_problem(objective, actions, problem, out):
    """out[i] is the objective at actions[i] for problem[i]."""
    for i in numba.prange(out.shape[0]):
        out[i] = objective(actions[i], problem[i])
