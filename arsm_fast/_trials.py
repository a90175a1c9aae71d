"""Which of several estimators leaves the least variance for an evaluation, by a race between them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

# Of what was measured of an estimator its next call leaves this share, as the logits change.
MEMORY = 0.95
LEAST_CALLS = 2
# Calls after which a surrogate has shown what it can do.
LEARNING_CALLS = 8
# An estimator is given up once the best is at most so many times worse, by so many standard errors.
CLOSE, SURE = 1.2, 2.5


@dataclass
class Trial:
    """What was measured of one estimator.

    Attributes
    ----------
    estimator : Estimator
        The candidate.
    learns : bool
        Whether it gets better with use.
    calls : int
        Calls in which it was measured.
    variance : float
        Total variance of the gradient of one sample, the sum over all logits; recent calls count most, and
        only the last while it learns.
    evaluations : float
        Evaluations of one sample, in a call.
    """

    estimator: Any
    learns: bool = False
    calls: int = 0
    variance: float = 0.0
    evaluations: float = 0.0
    # Sums over calls: of their weights, of the squares of these, of the scores and of their squares; the prior is
    # the square of the relative error that one call would have if the gradient were of one Gaussian variable.
    _weight: float = 0.0
    _squared_weight: float = 0.0
    _scores: float = 0.0
    _squared_scores: float = 0.0
    _prior: float = 0.0

    @property
    def score(self) -> float:
        """Variance times evaluations: what counts, and the less the better."""
        return self.variance * self.evaluations

    @property
    def error(self) -> float:
        """Standard error of the score as a share of it, from how it differs between calls; inf before the first.

        To the differences one of a Gaussian variable is added: few calls can agree by chance, and heavy tails
        show late.
        """
        if not self.calls or self.score == 0.0:
            return math.inf
        n_calls = self._weight**2 / self._squared_weight
        mean = self._scores / self._weight
        spread = max(0.0, self._squared_scores / self._weight / mean**2 - 1.0)
        return math.sqrt(n_calls * spread + self._prior) / n_calls

    @property
    def shown(self) -> float:
        """Calls, in units of those after which the score says what it can do."""
        return self.calls / (LEARNING_CALLS if self.learns else LEAST_CALLS)

    def add(self, variance: float, evaluations: float, n_samples: int) -> None:
        """Take a call into account, with the evaluations of one sample in it."""
        memory = 0.0 if self.learns and self.shown < 1 else MEMORY
        weight, score = n_samples - 1.0, variance * evaluations
        self._prior = 2.0 / weight
        self._weight = memory * self._weight + weight
        self._squared_weight = memory**2 * self._squared_weight + weight**2
        self._scores = memory * self._scores + weight * score
        self._squared_scores = memory * self._squared_scores + weight * score**2
        share = weight / self._weight
        self.variance += share * (variance - self.variance)
        self.evaluations += share * (evaluations - self.evaluations)
        self.calls += 1


class Trials:
    """The candidates that are left, and which is next."""

    def __init__(self, candidates: list[Trial], budget: int) -> None:
        self.all = candidates
        self.left = list(candidates)
        self._budget = budget
        self.spent = 0

    @property
    def settled(self) -> bool:
        """Whether there is one left, which has learnt if it can."""
        last = self.left[0]
        ready = not last.learns or last.shown >= 1 or self.spent >= self._budget
        return len(self.left) == 1 and ready

    @property
    def next(self) -> Trial:
        """The one that has shown least, so those that learn have most of the calls; then the one known least."""
        least = min(self.left, key=lambda trial: trial.shown)
        return least if least.shown < 1 else max(self.left, key=lambda trial: trial.error)

    def record(self, trial: Trial, variance: float, evaluations: int, n_samples: int) -> None:
        """Add what a call has shown, and give up what cannot win, or all but the best if the budget is spent."""
        trial.add(variance, evaluations / n_samples, n_samples)
        if self.settled:
            return
        self.spent += evaluations
        tried = [other for other in self.left if other.calls >= LEAST_CALLS]
        if not tried:
            return
        best = min(tried, key=lambda other: other.score)
        if self.spent >= self._budget and len(tried) == len(self.left):
            self.left = [best]
        elif best.score > 0:  # else it may be that all draws were the same
            self.left = [
                other for other in self.left if other is best or other.shown < 1 or not _beats(best, other)
            ]


def _beats(best: Trial, other: Trial) -> bool:
    """Whether the best is surely not much worse than another."""
    lead = math.log(other.score / best.score)
    return lead + math.log(CLOSE) >= SURE * math.hypot(best.error, other.error)
