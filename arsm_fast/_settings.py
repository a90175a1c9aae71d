"""What an Optimizer is made with: checked, and the search that it asks for."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ._annealing import AnnealingSearch
from ._categories import Categories, check_categories, check_start
from ._checks import Scopes, check_count, check_scopes
from ._delta_annealing import DeltaAnnealingSearch
from ._descent import DescentSearch
from ._logits import LogitsLike, check_logits
from ._methods import make_method
from ._scoped_annealing import ScopedAnnealingSearch
from ._search import Search
from .estimators import ControlVariate, Estimator, Exact, LeaveOneOut, Named, learns, resolve_estimator
from .updates import Annealing, Update, resolve_update

MOST_PROPOSALS = 20
# So many steps fit into a small budget.
LEAST_STEPS = 1000
# Of a step of a noisy objective, two vectors were evaluated before.
LEAST_NOISY_PROPOSALS = 10


class Settings:
    """The settings that a state belongs to: all but the limits and rng."""

    def __init__(
        self,
        n_categories: ArrayLike,
        logits0: LogitsLike | None,
        estimator: Estimator | str | None,
        optimizer: Update | str,
        n_proposals: int | None,
        maxfev: int | None,
        scopes: Sequence[Sequence[int]] | None,
        *,
        noisy: bool,
        maximize: bool,
        by_variable: bool,
    ) -> None:
        sizes = check_categories(n_categories)
        self.logits = check_start(logits0, sizes)
        self.categories = Categories(sizes, self.logits > -np.inf)
        for value, name in ((noisy, "noisy"), (maximize, "maximize"), (by_variable, "by_variable")):
            if not isinstance(value, bool):
                raise TypeError(f"{name} must be True or False; got {value!r}")
        self.noisy, self.maximize, self.by_variable = noisy, maximize, by_variable
        self.update = resolve_update(optimizer)
        self.n = _number_of_proposals(n_proposals, maxfev, noisy=noisy)
        self.scopes = _check_scopes(scopes, sizes.size, self.update, noisy=noisy)
        if by_variable and (noisy or scopes is not None or not isinstance(self.update, Annealing)):
            raise ValueError(
                "by_variable must be False unless the optimizer is Annealing, f is not noisy and scopes are None"
            )
        self.estimator: Estimator | None = None
        if not isinstance(self.update, Annealing):
            self.estimator = _gradient_estimator(estimator, n_proposals, self.n)
            # What it cannot do is said here, before anything is evaluated.
            make_method(check_logits(self.categories.shaped(self.logits)), self.estimator, 1, None, 0)
        elif estimator is not None:
            raise ValueError("estimator must be None for the optimizer Annealing, which follows no gradient")
        self.exhausted_at = self._exhausted_at()

    def __repr__(self) -> str:
        return repr(
            (
                self.update,
                self.estimator,
                self.n,
                self.noisy,
                self.maximize,
                self.scopes,
                self.by_variable,
                self.categories.sizes.tolist(),
                self.logits.tolist(),
            )
        )

    @property
    def keeps_state(self) -> bool:
        """Whether all that the run learns can be kept as arrays."""
        return self.estimator is None or not learns(self.estimator)

    def _exhausted_at(self) -> float:
        """The number of evaluations after which there is nothing more to ask."""
        if self.noisy:
            return math.inf
        if self.by_variable:  # one question tells all of one variable; of more they are not counted
            free = int((self.categories.choices > 1).sum())
            return free + 1 if free < 2 else math.inf
        return self.categories.n_vectors

    def search(self) -> Search:
        """A new search."""
        if not isinstance(self.update, Annealing):
            assert self.estimator is not None
            return DescentSearch(self.update, self.categories, self.logits, estimator=self.estimator)
        if self.by_variable:
            return DeltaAnnealingSearch(self.update, self.categories, self.logits)
        if self.scopes is not None:
            return ScopedAnnealingSearch(self.update, self.categories, self.logits, self.scopes)
        return AnnealingSearch(self.update, self.categories, self.logits, n=self.n, noisy=self.noisy)


def _number_of_proposals(n: int | None, maxfev: int | None, *, noisy: bool) -> int:
    if n is not None:
        return check_count(n, "n_proposals")
    if maxfev is None:
        return MOST_PROPOSALS
    return min(MOST_PROPOSALS, max(LEAST_NOISY_PROPOSALS if noisy else 1, maxfev // LEAST_STEPS))


def _check_scopes(scopes: Any, n_variables: int, update: Update, *, noisy: bool) -> Scopes | None:
    if scopes is None:
        return None
    if noisy or not isinstance(update, Annealing):
        raise ValueError("scopes must be None unless the optimizer is Annealing and f is not noisy")
    checked = check_scopes(scopes)
    for t, scope in enumerate(checked):
        if any(k >= n_variables for k in scope):
            raise ValueError(
                f"scopes must name variables below {n_variables}, from 0 on; scopes[{t}] is {list(scope)}"
            )
    return checked


def _gradient_estimator(estimator: Estimator | str | None, n_proposals: int | None, n: int) -> Estimator:
    if estimator is None:
        return LeaveOneOut(max(2, n)) if n_proposals is not None else LeaveOneOut(MOST_PROPOSALS)
    if n_proposals is not None:
        raise ValueError("n_proposals must be None where an estimator is given, which decides it")
    resolved = resolve_estimator(estimator)
    if not isinstance(resolved, Named | Exact | ControlVariate):
        raise ValueError(
            f"estimator must need values of f alone, and must not be Auto; got {type(resolved).__name__}"
        )
    return resolved
