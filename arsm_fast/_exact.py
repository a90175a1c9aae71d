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
        available = np.flatnonzero(logits.flat > -np.inf)
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

    def propose(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """All vectors, (M, K), and their problems."""
        logits = self._logits
        vectors = []
        for problem in range(logits.n_problems):
            first_row = problem * logits.n_variables
            categories = [
                positions - logits.offsets[first_row + k]
                for k, positions in enumerate(self._problem_positions(problem))
            ]
            grid = np.meshgrid(*categories, indexing="ij")
            vectors.append(np.stack([axis.ravel() for axis in grid], axis=1).astype(np.int32))
        counts = [len(part) for part in vectors]
        return np.concatenate(vectors), np.repeat(np.arange(logits.n_problems, dtype=np.int32), counts)

    def estimate(self, values: FloatArray) -> Moments:
        """p_c (E[f | z_k = c] - E[f]) for each variable k."""
        logits = self._logits
        gradient = np.zeros(logits.flat.size)
        expectation = np.zeros(logits.n_problems)
        done = 0
        for problem in range(logits.n_problems):
            positions = self._problem_positions(problem)
            shape = tuple(p.size for p in positions)
            table = values[done : done + math.prod(shape)].reshape(shape)
            done += table.size
            probabilities = [logits.probabilities[p] for p in positions]
            level = table.flat[0]  # differences, so that a common level costs no digits
            table = table - level
            for k, position in enumerate(positions):
                conditional = np.moveaxis(table, k, 0)
                for other, p in enumerate(probabilities):
                    if other != k:
                        conditional = np.tensordot(conditional, p, axes=([1], [0]))
                mean = probabilities[k] @ conditional
                gradient[position] = probabilities[k] * (conditional - mean)
            expectation[problem] = level + mean
        return Moments(gradient, np.zeros_like(gradient), expectation)
