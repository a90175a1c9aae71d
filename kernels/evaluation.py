"""A compiled objective of one action vector, evaluated in parallel: compiled anew for each objective.

Exceptions do not leave a parallel loop, so a vector that raises one is noted, for a call outside the loop.
"""

import numba
import numpy as np

from ._jit import parallel_uncached, serial_uncached


@serial_uncached
def _attempt(objective, arguments):
    try:
        return objective(*arguments), False
    except Exception:
        return np.nan, True


@parallel_uncached
def evaluate(objective, actions, out, raised):
    """out[i] is the objective at actions[i], or raised[i] says that it raised an exception."""
    for i in numba.prange(out.shape[0]):
        out[i], raised[i] = _attempt(objective, (actions[i],))


@parallel_uncached
def evaluate_with_problem(objective, actions, problem, out, raised):
    """out[i] is the objective at actions[i] for problem[i]; raised as in evaluate."""
    for i in numba.prange(out.shape[0]):
        out[i], raised[i] = _attempt(objective, (actions[i], problem[i]))
