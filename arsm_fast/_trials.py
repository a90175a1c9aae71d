"""Which of several estimators leaves the least variance for an evaluation, by trying them in turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Of what was measured of an estimator its next call leaves this share, as the logits change.
MEMORY = 0.9
LEAST_CALLS = 2
# Calls after which a surrogate has shown what it can do.
LEARNING_CALLS = 8
# An estimator is given up if its score is so many times the best.
HOPELESS = 2.0


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
    weight: float = 0.0

    @property
    def score(self) -> float:
        """Variance times evaluations: what counts, and the less the better."""
        return self.variance * self.evaluations

    @property
    def shown(self) -> float:
        """Calls, in units of those after which the score says what it can do."""
        return self.calls / (LEARNING_CALLS if self.learns else LEAST_CALLS)


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
        """The one that has shown least: so those that learn have most of the calls."""
        return min(self.left, key=lambda trial: trial.shown)

    def record(self, trial: Trial, variance: float, evaluations: int, n_samples: int) -> None:
        """Add what a call has shown, and give up what is hopeless, or all but the best if the budget is spent."""
        weight = n_samples - 1.0
        learning = trial.learns and trial.shown < 1
        trial.weight = (0.0 if learning else MEMORY) * trial.weight + weight
        share = weight / trial.weight
        trial.variance += share * (variance - trial.variance)
        trial.evaluations += share * (evaluations / n_samples - trial.evaluations)
        trial.calls += 1
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
            self.left = [other for other in self.left if other.shown < 1 or other.score <= HOPELESS * best.score]
