"""Leave-one-out of a sum of terms, where each variable has only the terms that touch it."""

from __future__ import annotations

from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from ._checks import Scopes
from ._draws import Draws
from ._logits import FloatArray, Logits
from ._moments import Blocks, Moments, accumulate
from ._noise import NOT_GIVEN, Noise
from .kernels.draws import LEAVE_ONE_OUT, draw_moments

if TYPE_CHECKING:
    from scipy.sparse import csr_array


class ScopedDraws(Draws):
    """The distinct vectors among the draws, and the gradient from the values of their terms."""

    def __init__(self, logits: Logits, noise: Noise, n_draws: int, scopes: Scopes) -> None:
        super().__init__(logits, noise, LEAVE_ONE_OUT, n_draws=n_draws, baseline=np.zeros(logits.n_problems))
        self.n_terms = len(scopes)
        self._touches = _incidence(scopes, logits.n_variables)

    def sums(self, terms: FloatArray) -> FloatArray:
        """Of the terms of some vectors, (M, T), those of each variable and of all: (M, K + 1)."""
        return (self._touches @ terms.T).T

    def estimate(self, values: FloatArray) -> Moments:
        """The gradient from the values of the terms, (M, T)."""
        return self.estimate_from_sums(self.sums(values))

    def estimate_from_sums(self, sums: FloatArray) -> Moments:
        """The gradient from what `sums` gives for all vectors."""
        logits, noise = self._logits, self._noise
        number = self._number.reshape(logits.n_problems, -1)
        draw_values = np.ascontiguousarray(sums[:, :-1][number.T].reshape(number.shape[1], -1))

        def run(begin: int, blocks: Blocks) -> None:
            # Every variable as a problem of its own.
            draw_moments(
                LEAVE_ONE_OUT,
                self._n_draws,
                noise.n_samples,
                1,
                self._actions,
                NOT_GIVEN,
                draw_values,
                self._baseline,
                np.empty(0),
                logits.offsets,
                begin,
                *blocks,
            )

        values = sums[:, -1][number].reshape(logits.n_problems, -1, self._n_draws).mean(axis=2).T
        return accumulate(run, logits.offsets, noise.n_samples, noise.first).with_values(values)


@lru_cache(maxsize=4)
def _incidence(scopes: Scopes, n_variables: int) -> csr_array:
    """Which variables touch which terms, (K + 1, T); in the last row are ones."""
    from scipy.sparse import csr_array  # here, as it takes long to import

    n_terms = len(scopes)
    variable = np.array([*chain.from_iterable(scopes)], np.int64)
    term = np.repeat(np.arange(n_terms), [len(scope) for scope in scopes])
    if (variable >= n_variables).any():
        i = (variable >= n_variables).argmax()
        raise ValueError(
            f"scopes must name variables of logits, which has {n_variables}, from 0 on; "
            f"scopes[{term[i]}] names {variable[i]}"
        )
    rows = np.concatenate([variable, np.full(n_terms, n_variables)])
    columns = np.concatenate([term, np.arange(n_terms)])
    touches = csr_array((np.ones(rows.size), (rows, columns)), shape=(n_variables + 1, n_terms))
    touches.data[:] = 1.0  # also where a scope names a variable twice
    return touches
