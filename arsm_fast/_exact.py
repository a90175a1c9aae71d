"""The gradient itself, by enumeration."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ._logits import FloatArray, IntArray, Logits
from ._moments import Moments


class Enumeration:
    """All vectors of available categories, and the gradient from their values."""

    def __init__(self, logits: Logits, limit: int) -> None:
        self._logits = logits
        available = np.flatnonzero(logits.inverse_weights < np.inf)
        rows = np.searchsorted(available, logits.offsets)
        # Positions of the available categories of each row in the flat array.
        self._positions = np.split(available, rows[1:-1])
        for problem in range(logits.n_problems):
            n_vectors = math.prod(p.size for p in self._problem_positions(problem))
            if n_vectors > limit:
                raise ValueError(
                    f"estimator Exact enumerates all vectors, here {n_vectors} of "
                    f"{logits.n_variables} variables, more than its limit of {limit}"
                )

    def _problem_positions(self, problem: int) -> list[IntArray]:
        k = self._logits.n_variables
        return self._positions[problem * k : (problem + 1) * k]

    def _digits(self, problem: int) -> list[IntArray]:
        """For each variable, which of its available categories each vector of the problem has."""
        sizes = [positions.size for positions in self._problem_positions(problem)]
        number = np.arange(math.prod(sizes))
        digits = []
        for size in reversed(sizes):
            number, digit = np.divmod(number, size)
            digits.append(digit)
        return digits[::-1]

    def propose(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """All vectors, (M, K), and their problems."""
        logits = self._logits
        vectors = []
        for problem in range(logits.n_problems):
            first_row = problem * logits.n_variables
            columns = [
                (positions - logits.offsets[first_row + k])[digits]
                for k, (positions, digits) in enumerate(
                    zip(self._problem_positions(problem), self._digits(problem), strict=True)
                )
            ]
            vectors.append(np.stack(columns, axis=1).astype(np.int32))
        counts = [len(part) for part in vectors]
        return np.concatenate(vectors), np.repeat(np.arange(logits.n_problems, dtype=np.int32), counts)

    def estimate(self, values: FloatArray) -> Moments:
        """The sum of p(z) (f(z) - E[f]) over the vectors with z_k = c."""
        logits = self._logits
        gradient = np.zeros(logits.n_categories)
        expectation = np.zeros(logits.n_problems)
        probabilities = logits.probabilities()
        done = 0
        for problem in range(logits.n_problems):
            all_positions, all_digits = self._problem_positions(problem), self._digits(problem)
            weights = np.ones(all_digits[0].size)
            for positions, digits in zip(all_positions, all_digits, strict=True):
                weights *= probabilities[positions][digits]
            own_values = values[done : done + weights.size]
            done += weights.size
            expectation[problem] = own_values[0] + weights @ (own_values - own_values[0])
            weights *= own_values - expectation[problem]
            for positions, digits in zip(all_positions, all_digits, strict=True):
                gradient[positions] = np.bincount(digits, weights)
        return Moments(gradient, np.zeros_like(gradient), expectation)
