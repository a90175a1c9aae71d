"""Estimators that need the values of true actions only: REINFORCE, leave-one-out and AR."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ._distinct import find_distinct, hash_multipliers
from ._logits import FloatArray, Logits
from ._moments import Blocks, Moments, accumulate
from ._noise import LONGEST_SHORT_ROW, NOT_GIVEN, Noise
from ._vectors import FormedVectors, VectorArray, Vectors
from .kernels.distinct import hash_rows
from .kernels.draws import (
    AR,
    REINFORCE,
    ar_moments,
    draw_actions,
    draw_actions_of_rows,
    draw_actions_of_samples,
    draw_moments,
)
from .kernels.lanes import WIDTH as TILE_WIDTH


def true_actions(logits: Logits, noise: Noise, n_draws: int) -> NDArray[np.int32]:
    """One action for each draw and row: (draws, rows)."""
    n_rows = logits.n_rows
    actions = np.empty((n_draws, n_rows), np.int32)
    drawn = noise.given.size == 0
    # Logits that are met once are weighed where they are.
    weighed = logits.weighed or not (drawn and n_draws == 1)
    weights, longest = logits.inverse_weights if weighed else logits.weights, logits.longest
    n_bad = 0
    rows_fit = longest <= LONGEST_SHORT_ROW and logits.shape is not None
    # Eight draws of a row at a time, or of eight rows one: whichever leaves fewer of the eight idle.
    rows_pay = -n_rows % TILE_WIDTH * n_draws < -n_draws % TILE_WIDTH * n_rows
    if drawn and rows_fit and rows_pay:
        n_bad = draw_actions_of_rows(noise.key, weights, weighed, longest, actions)
    elif drawn and n_draws >= TILE_WIDTH and longest <= LONGEST_SHORT_ROW:
        draw_actions_of_samples(noise.key, weights, logits.offsets, longest, actions)
    else:
        n_bad = draw_actions(noise.key, noise.given, weights, weighed, logits.offsets, longest, actions)
    if n_bad:
        logits.refuse()
    return actions


class Draws:
    """The distinct vectors among the draws, and the gradient from their values.

    `kind` is one of the constants of kernels.draws, `n_draws` the draws a sample.
    """

    def __init__(self, logits: Logits, noise: Noise, kind: int, *, n_draws: int, baseline: FloatArray) -> None:
        self._logits = logits
        self._noise = noise
        self._kind = kind
        self._n_draws = n_draws
        self._baseline = baseline

    def propose(self) -> tuple[Vectors, NDArray[np.int32]]:
        """The distinct vectors, (M, K), and their problems."""
        logits, n_draws = self._logits, self._noise.n_samples * self._n_draws
        self._actions, self._weights = self._draw()
        by_problem = self._actions.reshape(n_draws, logits.n_problems, logits.n_variables)
        vectors = np.ascontiguousarray(by_problem.transpose(1, 0, 2)).reshape(-1, logits.n_variables)
        hashes = np.empty((vectors.shape[0], 2), np.uint64)
        hash_rows(vectors, hash_multipliers(logits.n_variables), hashes)
        distinct = find_distinct(hashes, np.arange(logits.n_problems + 1) * n_draws)
        self._number, self._first = distinct.number, distinct.first
        return FormedVectors(self._form, distinct.first.size), distinct.problem

    def _draw(self) -> tuple[VectorArray, FloatArray]:
        """One action for each draw and row, (draws, rows), and the weights of pairs where they are antithetic."""
        return true_actions(self._logits, self._noise, self._noise.n_samples * self._n_draws), NOT_GIVEN

    def _form(self, start: int, stop: int) -> VectorArray:
        """The vectors from start to stop."""
        logits = self._logits
        if logits.n_problems == 1:
            if self._first.size == len(self._actions):  # as most often, all are distinct
                return self._actions[start:stop].copy()
            return self._actions[self._first[start:stop]]
        problem, draw = np.divmod(self._first[start:stop], len(self._actions))
        return self._actions.reshape(-1, logits.n_problems, logits.n_variables)[draw, problem]

    def estimate(self, values: FloatArray) -> Moments:
        """The gradient from the values of the distinct vectors."""
        logits, noise = self._logits, self._noise
        probabilities = logits.probabilities() if self._kind == REINFORCE else np.empty(0)
        draw_values = np.ascontiguousarray(values[self._number].reshape(logits.n_problems, -1).T)

        def run(begin: int, blocks: Blocks) -> None:
            if self._kind == AR:
                ar_moments(
                    noise.key,
                    noise.given,
                    noise.n_samples,
                    logits.n_variables,
                    draw_values,
                    logits.offsets,
                    logits.longest,
                    begin,
                    *blocks,
                )
                return
            draw_moments(
                self._kind,
                self._n_draws,
                noise.n_samples,
                logits.n_variables,
                self._actions,
                self._weights,
                draw_values,
                self._baseline,
                probabilities,
                logits.offsets,
                begin,
                *blocks,
            )

        return accumulate(run, logits.problem_offsets, noise.n_samples, noise.first)
