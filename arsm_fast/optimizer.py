"""Ask and tell for optimisation: the engine of `minimize`."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._annealing import AnnealingSearch
from ._categories import Categories, check_categories, check_start
from ._checks import (
    Scopes,
    check_delta,
    check_integer,
    check_own,
    check_scopes,
    check_terms,
    check_values,
    real_array,
)
from ._delta_annealing import DeltaAnnealingSearch
from ._descent import DescentSearch
from ._incumbents import Incumbents
from ._interrupts import uninterrupted
from ._logits import FloatArray, LogitsLike
from ._memory import Memory
from ._random import SeedLike, philox_key
from ._scoped_annealing import ScopedAnnealingSearch
from ._state import Fields, read_state, seal
from ._vectors import VectorArray
from .estimators import ControlVariate, Estimator, Exact, LeaveOneOut, Named, learns, resolve_estimator
from .updates import Annealing, Update, resolve_update

if TYPE_CHECKING:
    from scipy.optimize import OptimizeResult

__all__ = ["Expected", "Optimizer"]

MOST_PROPOSALS = 20
# So many steps fit into a small budget.
LEAST_STEPS = 1000
# Of a step of a noisy objective, two vectors were evaluated before.
LEAST_NOISY_PROPOSALS = 10
# Draws from the final distribution, but no more than this share of the budget.
FINAL_DRAWS, FINAL_SHARE = 20, 0.05
# Steps that may ask for nothing new, one after another; and twice what is needed for all changes of a vector.
SILENT_STEPS = 1000
# Values of this size can be added and squared.
LARGEST_VALUE = 1e100


class Expected(NamedTuple):
    """An estimate of E[f] under the final distribution."""

    value: float
    standard_error: float


class _Search(Protocol):
    """What goes from values to new vectors. Lower values are better."""

    ARRAYS: ClassVar[Fields]

    @property
    def logits(self) -> FloatArray:
        """Of the distribution, flat."""

    def propose(self, step: int, used: int, limit: int | None, generator: np.random.Generator) -> VectorArray:
        """Vectors whose values the step needs. Depends on nothing but the state and the arguments."""

    def update(self, values: FloatArray, used: int) -> None:
        """Take their values into account."""

    def state(self) -> dict[str, Any]:
        """All that must be kept, as arrays, which nothing changes in place."""

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `state` gave."""


class _Step:
    """A step whose values are being waited for."""

    variable: int | None = None  # the one whose categories all are asked for, where it is not whole vectors

    def __init__(self, keys: list[bytes], asked: VectorArray, asked_keys: list[bytes], *, final: bool) -> None:
        self.keys = keys
        self.asked = asked
        self.asked_keys = asked_keys
        self.rows = {key: i for i, key in enumerate(asked_keys)}
        self.values = np.full(len(asked), np.nan)
        self.terms = np.empty((len(asked), 0))
        self.final = final
        self.complete = True  # whether all that the step needs is asked for


class Optimizer:
    """Look for the vector of categories with the lowest value of f, by ask and tell.

    f is evaluated by the user, where and how they like::

        while not optimizer.stop():
            actions = optimizer.ask()
            optimizer.tell(actions, [f(vector) for vector in actions])
        optimizer.result.x

    `minimize` is this loop. The run depends on the settings and the values alone, not on when, in what order or
    in how many portions they are told.

    Parameters
    ----------
    n_categories : array_like of int, shape (K,)
        Categories of each variable; different numbers are allowed.
    logits0 : array_like of shape (K, C) or list of K 1-D arrays, optional
        Logits of the distribution to begin with; by default all zero. -inf makes a category unavailable.
    estimator : Estimator or str, optional
        Of the gradient, where the optimizer follows one; by default `LeaveOneOut(n_proposals)`.
    optimizer : Update or str
        "annealing", "natural", "gradient", "momentum", "adam", or one of `Annealing`, `NaturalGradient`,
        `GradientDescent`, `Momentum`, `Adam` with settings.
    n_proposals : int, optional
        Vectors to propose in a step, for `Annealing` and `LeaveOneOut`. By default as many as leave 1,000 steps,
        at most 20, and at least 10 where f is noisy. Steps of few vectors need fewer evaluations in all;
        larger ones use more workers.
    maxfev : int, optional
        The budget: never are more vectors asked for. `Annealing` plans its temperature by it.
    maxiter : int, optional
        The most steps.
    target : float, optional
        Stop when the best value is at least as good.
    noisy : bool
        Whether f gives other values for the same vector another time. Then there is no memory of evaluated
        vectors; the best are evaluated again and again, and values are means.
    maximize : bool
        Look for the highest value.
    scopes : sequence of T sequences of int, optional
        For `Annealing` of a sum of T terms that is not noisy: the variables that each term touches. Then the
        terms are told, (M, T), in the place of values. A step asks for one vector, which changes many variables
        of which no two share a term: one evaluation says what each of the changes does.
    by_variable : bool
        For `Annealing` of an f that is not noisy and gives at once, at about the price of one vector, the values
        of all categories of a variable, the other variables as they are. A step asks for one vector, and for all
        categories of its `variable`, which are told, (1, n_categories[variable]), in the place of f. That counts
        as one evaluation.
    rng : None, int, SeedSequence or Generator
        Source of all random numbers.

    Raises
    ------
    TypeError, ValueError
        For bad input, naming the argument.

    Examples
    --------
    >>> from arsm_fast import Optimizer
    >>> optimizer = Optimizer([3, 4, 5], maxfev=40, rng=0)
    >>> while not optimizer.stop():
    ...     actions = optimizer.ask()
    ...     optimizer.tell(actions, (actions - 1).sum(axis=1) ** 2 + actions[:, 0])
    >>> optimizer.result.fun
    0.0
    """

    def __init__(
        self,
        n_categories: ArrayLike,
        *,
        logits0: LogitsLike | None = None,
        estimator: Estimator | str | None = None,
        optimizer: Update | str = "annealing",
        n_proposals: int | None = None,
        maxfev: int | None = None,
        maxiter: int | None = None,
        target: float | None = None,
        noisy: bool = False,
        maximize: bool = False,
        scopes: Sequence[Sequence[int]] | None = None,
        by_variable: bool = False,
        rng: SeedLike = None,
    ) -> None:
        sizes = check_categories(n_categories)
        logits = check_start(logits0, sizes)
        self._categories = Categories(sizes, logits > -np.inf)
        self._maxfev = None if maxfev is None else check_integer(maxfev, "maxfev", 1)
        self._maxiter = None if maxiter is None else check_integer(maxiter, "maxiter", 1)
        self._target = None if target is None else check_real(target, "target")
        for value, name in ((noisy, "noisy"), (maximize, "maximize"), (by_variable, "by_variable")):
            if not isinstance(value, bool):
                raise TypeError(f"{name} must be True or False; got {value!r}")
        self._noisy = noisy
        self._sign = -1.0 if maximize else 1.0
        update = resolve_update(optimizer)
        self._n = _number_of_proposals(n_proposals, self._maxfev, noisy=noisy)
        checked_scopes = _check_scopes(scopes, sizes.size, update, noisy=noisy)
        self._n_terms = None if checked_scopes is None else len(checked_scopes)
        if by_variable and (noisy or scopes is not None or not isinstance(update, Annealing)):
            raise ValueError(
                "by_variable must be False unless the optimizer is Annealing, f is not noisy and scopes are None"
            )
        self._delta: DeltaAnnealingSearch | None = None
        self._search: _Search
        if isinstance(update, Annealing):
            if estimator is not None:
                raise ValueError("estimator must be None for the optimizer Annealing, which follows no gradient")
            resolved = None
            if by_variable:
                self._search = self._delta = DeltaAnnealingSearch(update, self._categories, logits)
            elif checked_scopes is None:
                self._search = AnnealingSearch(update, self._categories, logits, n=self._n, noisy=noisy)
            else:
                self._search = ScopedAnnealingSearch(update, self._categories, logits, checked_scopes)
        else:
            resolved = _gradient_estimator(estimator, n_proposals, self._n)
            self._search = DescentSearch(update, self._categories, logits, estimator=resolved)
        self._keeps_state = resolved is None or not learns(resolved)
        self._settings = repr(
            (
                update,
                resolved,
                self._n,
                noisy,
                maximize,
                checked_scopes,
                by_variable,
                sizes.tolist(),
                logits.tolist(),
            )
        )
        self._key = int(philox_key(rng))
        self._exhausted_at = None if noisy else self._categories.n_vectors
        if by_variable:  # one question tells all of one variable; of more they are not counted
            free = int((self._categories.choices > 1).sum())
            self._exhausted_at = free + 1 if free < 2 else None
        self._memory = Memory(sizes.size)
        self._incumbents = Incumbents(self._memory, noisy=noisy)
        self._nfev = 0
        self._nit = 0
        self._n_steps = 0  # with those that asked for nothing
        self._stalled = False
        self._finished = False
        self._expected: Expected | None = None
        self._worst = -np.inf
        self._history = array("d")  # the five numbers of each step
        self._step: _Step | None = None
        self._before = self._search.state()

    def __repr__(self) -> str:
        return f"<Optimizer of {self._categories.n_variables} variables, {self.nfev} evaluations>"

    @property
    def nfev(self) -> int:
        """Values told so far."""
        return self._nfev + (0 if self._step is None else int(np.count_nonzero(~np.isnan(self._step.values))))

    @property
    def maxfev(self) -> int | None:
        """The budget."""
        return self._maxfev

    @property
    def maximize(self) -> bool:
        """Whether the highest value is looked for."""
        return self._sign < 0

    def worst(self, values: FloatArray) -> float:
        """The worst of some values and of all told in finished steps: for vectors that have none."""
        signed = self._sign * values
        known = max(self._worst, float(signed.max()) if signed.size else -np.inf)
        if not np.isfinite(known):
            raise ValueError("objective must have a value for at least one of the vectors of the first step")
        return self._sign * known

    @property
    def takes_terms(self) -> bool:
        """Whether there are scopes, and terms are told."""
        return self._n_terms is not None

    @property
    def takes_delta(self) -> bool:
        """Whether the values of all categories of a variable are told."""
        return self._delta is not None

    @property
    def variable(self) -> int | None:
        """Of what `ask` gave last, the variable all of whose categories are to be told; None for f as it is."""
        return None if self._step is None else self._step.variable

    @property
    def last(self) -> tuple[int, int, float, float, float]:
        """The last entry of the history: iteration, nfev, best, mean and entropy."""
        iteration, nfev, best, mean, entropy = self._history[-5:] or (0, 0, np.nan, np.nan, np.nan)
        return int(iteration), int(nfev), best, mean, entropy

    @uninterrupted()
    def ask(self, n: int | None = None) -> VectorArray:
        """Say which vectors to evaluate next.

        The vectors of a step; the next step begins when all of their values are told. Asking again gives those
        that are still to be told.

        Parameters
        ----------
        n : int, optional
            At most so many; by default all of the step.

        Returns
        -------
        ndarray of int32, shape (M, K)
            Distinct vectors, which were not evaluated before unless f is noisy, or a `variable` of the vector is
            asked about. Empty when there is a reason to
            `stop` that nothing more can be evaluated for: maxfev, maxiter, or that no vectors are left.

        Raises
        ------
        TypeError, ValueError
            If n is not a whole number from 1 on.
        """
        most = None if n is None else check_integer(n, "n", 1)
        if self._step is None:
            self._begin_step()
        if self._step is None:
            return np.empty((0, self._categories.n_variables), np.int32)
        return self._step.asked[np.flatnonzero(np.isnan(self._step.values))[:most]]

    @uninterrupted()
    def tell(self, actions: ArrayLike, values: ArrayLike) -> None:
        """Tell values of vectors that were asked for, in any order and any portions.

        Parameters
        ----------
        actions : array_like of int, shape (M, K)
            Some of the vectors that `ask` gave.
        values : array_like, shape (M,)
            f at each of them; or its terms, (M, T), where there are scopes; or, unless `variable` is None, f with
            each category of that variable in the place of the vector's own, (1, n_categories[variable]).

        Raises
        ------
        TypeError, ValueError
            For values that are not finite real numbers, one for each vector, and for vectors that are not waited
            for. Nothing is changed then. Values must not be larger than 1e100 in size.
        """
        vectors = self._check_actions(actions)
        terms, checked = self._check_told(values, vectors)
        told = terms if terms.size else checked[:, None]
        sizes = np.abs(told).max(axis=1, where=np.isfinite(told), initial=0.0)
        if (sizes > LARGEST_VALUE).any():
            i = int(sizes.argmax())
            raise ValueError(
                f"values must not be larger than {LARGEST_VALUE:g} in size; values[{i}] has {sizes[i]}"
            )
        keys = self._memory.keys(vectors)
        rows = {} if self._step is None else self._step.rows
        places = np.array([rows.get(key, -1) for key in keys], np.int64)
        if self._step is None or (places < 0).any():
            known = places >= 0
        else:
            # A hash says which vector it must be.
            known = (self._step.asked[places] == vectors).all(axis=1)
        if not known.all() or self._step is None:
            if not len(vectors):
                return
            i = int(known.argmin())
            raise ValueError(
                "actions must be vectors that ask() gave and whose values are still to be told; "
                f"actions[{i}] = {_shown(vectors[i])} is not one"
            )
        told = ~np.isnan(self._step.values[places])
        if told.any():
            i = int(told.argmax())
            raise ValueError(f"actions[{i}] = {_shown(vectors[i])} was told before")
        if len(set(keys)) < len(keys):
            raise ValueError("actions must be distinct; got the same vector twice")
        if self._delta is not None and self._step.variable is not None and len(vectors):
            largest = float(np.abs(terms[:, self._available(self._step.variable)]).max())
            own, before = terms[:, vectors[0, self._step.variable]], np.array([self._sign * self._delta.value])
            check_own(own, before, largest, [self._step.variable], vectors, "values")
        self._step.values[places] = self._sign * checked
        self._step.terms[places] = self._sign * terms
        if not np.isnan(self._step.values).any():
            self._finish_step(self._step)

    def _check_told(self, values: ArrayLike, vectors: VectorArray) -> tuple[FloatArray, FloatArray]:
        """Terms or the values of all categories, if they are told; and f, or the best of those values."""
        if self._n_terms is not None:
            terms = check_terms(values, vectors, self._n_terms, "values")
            with np.errstate(over="ignore"):
                return terms, terms.sum(axis=1)
        k = self.variable
        if k is None:
            return np.empty((len(vectors), 0)), check_values(values, vectors)
        answer = check_delta(values, (len(vectors), int(self._categories.sizes[k])), k, "values")
        bad = ~np.isfinite(answer) & self._available(k)
        if bad.any():
            i, c = np.argwhere(bad)[0]
            raise ValueError(
                f"values must be finite; got {answer[i, c]} for category {c} of variable {k} in "
                f"{_shown(vectors[i])}"
            )
        return answer, self._sign * np.where(self._available(k), self._sign * answer, np.inf).min(axis=1)

    def _available(self, variable: int) -> NDArray[np.bool_]:
        start, stop = self._categories.offsets[variable : variable + 2]
        available: NDArray[np.bool_] = self._categories.available[start:stop]
        return available

    def _check_actions(self, actions: ArrayLike) -> VectorArray:
        array = real_array(actions, "actions")
        n_variables = self._categories.n_variables
        if array.ndim != 2 or array.shape[1] != n_variables:
            raise ValueError(f"actions must have shape (M, {n_variables}); got shape {array.shape}")
        if array.dtype.kind not in "iu":
            raise TypeError(f"actions must be integers; got dtype {array.dtype}")
        bad = ((array < 0) | (array >= self._categories.sizes)).any(axis=1)
        if bad.any():
            i = int(bad.argmax())
            raise ValueError(
                "actions must be categories from 0 on, below n_categories; "
                f"actions[{i}] = {_shown(array[i])} is not"
            )
        return array.astype(np.int32)

    def _begin_step(self) -> None:
        """The next step that asks for something."""
        for _ in range(SILENT_STEPS + 2 * self._categories.n_changes // self._n):
            if self._is_spent():
                return
            step = self._propose_step()
            if len(step.asked):
                step.terms = np.full((len(step.asked), self._width(step)), np.nan)
                self._step = step
                return
            self._finish_step(step)
        self._stalled = True

    def _width(self, step: _Step) -> int:
        """How many numbers are told of a vector, beside or in the place of f."""
        return self._n_terms or 0 if step.variable is None else int(self._categories.sizes[step.variable])

    def _propose_step(self) -> _Step:
        self._before = self._search.state()
        # A stream of its own for each step: what must be kept of the generator is its number.
        generator = np.random.Generator(np.random.Philox(key=self._key, counter=[0, 0, 0, self._n_steps]))
        final = not self._finished and self._is_last()
        if final:
            probabilities = self._categories.softmax(self._search.logits)
            vectors = self._categories.draw(probabilities, self._n_final(), generator)
        else:
            vectors = self._search.propose(self._n_steps, self._nfev, self._maxfev, generator)
        keys = self._memory.keys(vectors)
        if not final and self._delta is not None and self._delta.variable is not None:
            step = _Step(keys, vectors, keys, final=False)
            step.variable = self._delta.variable
            return step
        rows: dict[bytes, int] = {}
        for i, key in enumerate(keys):
            if self._noisy or key not in self._memory:
                rows.setdefault(key, i)
        asked, asked_keys = vectors[list(rows.values())], list(rows)
        if self._noisy and len(self._incumbents):
            again = self._incumbents.lowest[None]
            (key,) = self._memory.keys(again)
            if key not in rows:
                asked, asked_keys = np.concatenate([asked, again]), [*asked_keys, key]
        step = _Step(keys, asked, asked_keys, final=final)
        if self._maxfev is not None and len(asked) > self._maxfev - self._nfev:
            most = self._maxfev - self._nfev
            step = _Step(keys, asked[:most], asked_keys[:most], final=final)
            step.complete = all(key in step.rows or key in self._memory for key in keys)
        return step

    def _finish_step(self, step: _Step) -> None:
        if step.variable is not None:
            told = np.where(self._available(step.variable), step.terms, np.inf)
            step.asked[:, step.variable] = told.argmin(axis=1)
            step.asked_keys = self._memory.keys(step.asked)
        for key, vector, value in zip(step.asked_keys, step.asked, step.values.tolist(), strict=True):
            if self._noisy or key not in self._memory:
                self._incumbents.add(key, vector, value)
        self._worst = max([self._worst, *step.values.tolist()])
        self._nfev += len(step.asked)
        self._n_steps += 1
        self._step = None
        if step.complete:
            if step.final:
                values = self._memory.means(step.keys)
                self._finished = True
                error = float(values.std(ddof=1) / np.sqrt(values.size))
                self._expected = Expected(self._sign * float(values.mean()), error)
            else:
                takes_values = self._n_terms is None and step.variable is None
                self._search.update(self._memory.means(step.keys) if takes_values else step.terms, self._nfev)
        self._before = self._search.state()
        if len(step.asked):
            self._nit += 1
            best, mean = self._incumbents.best()[1], float(step.values.mean())
            entropy = self._entropy(self._categories.softmax(self._search.logits))
            self._history.extend((self._nit, self._nfev, self._sign * best, self._sign * mean, entropy))

    def _entropy(self, probabilities: FloatArray) -> float:
        positive = probabilities[probabilities > 0.0]
        return -float((positive * np.log(positive)).sum())

    def _n_final(self) -> int:
        if self._maxfev is None:
            return 0
        return min(FINAL_DRAWS, int(FINAL_SHARE * self._maxfev), self._maxfev - self._nfev)

    def _is_last(self) -> bool:
        """Whether it is time to draw from the final distribution."""
        n = self._n_final()
        return self._maxfev is not None and n >= 2 and self._maxfev - self._nfev <= n + self._n

    def _is_spent(self) -> bool:
        """Whether nothing more may be asked for."""
        reasons = self.stop()
        return bool(reasons) and reasons.keys() != {"target"}

    def stop(self) -> dict[str, Any]:
        """Give the reasons to stop: empty as long as there is none.

        Returns
        -------
        dict
            Of "target", "maxfev", "maxiter", "exhausted" (all vectors were evaluated) and "stalled" (nothing
            new was proposed for 1,000 steps) those that apply, with the values that were reached.
        """
        reasons: dict[str, Any] = {}
        if self._target is not None:
            best = self._best()
            if best is not None and best[1] <= self._sign * self._target:
                reasons["target"] = self._sign * best[1]
        if self._maxfev is not None and self.nfev >= self._maxfev:
            reasons["maxfev"] = self.nfev
        if self._maxiter is not None and self._nit >= self._maxiter:
            reasons["maxiter"] = self._nit
        if self._exhausted_at is not None and self.nfev >= self._exhausted_at:
            reasons["exhausted"] = self.nfev
        if self._stalled:
            reasons["stalled"] = self._n_steps
        return reasons

    def _best(self) -> tuple[VectorArray, float] | None:
        """The best vector, also of a step that is not finished."""
        best = self._incumbents.best() if len(self._incumbents) else None
        if self._step is not None and not np.isnan(self._step.values).all() and not (self._noisy and best):
            i = int(np.nanargmin(self._step.values))
            if best is None or self._step.values[i] < best[1]:
                return self._step.asked[i], float(self._step.values[i])
        return best

    @property
    def result(self) -> OptimizeResult:
        """What was found so far.

        Attributes
        ----------
        x : ndarray of int32, shape (K,), or None
            The best vector seen; where f is noisy that with the lowest mean plus two standard errors.
        fun : float
            Its value, or the mean of its values; nan before the first.
        logits, probabilities : ndarray of shape (K, C) or list of arrays
            Of the distribution.
        expected : Expected or None
            E[f] under the final distribution, as (value, standard_error), from up to 20 draws which are made just
            before maxfev is reached; None without a maxfev, or before.
        nfev : int
            Evaluations; distinct vectors unless f is noisy.
        nit : int
            Steps.
        success : bool
            Whether the target was reached, all vectors were evaluated, or the run ended and had no target.
        status : int
            0 target reached or all vectors evaluated; 1 maxfev; 2 maxiter; 3 stalled; 6 none of these.
        message : str
            The same in words.
        history : dict of ndarray
            "iteration", "nfev", "best", "mean" of the step, "entropy" of the distribution: one entry a step.
        """
        best = self._best()
        logits = self._search.logits
        status, message = self._status()
        columns = np.array(self._history).reshape(-1, 5).T
        names = ("iteration", "nfev", "best", "mean", "entropy")
        history = dict(zip(names, columns, strict=True))
        for name in ("iteration", "nfev"):
            history[name] = history[name].astype(np.int64)
        from scipy.optimize import OptimizeResult  # here, as it takes long to import

        return OptimizeResult(  # type: ignore[call-arg]
            x=None if best is None else best[0].copy(),
            fun=np.nan if best is None else self._sign * best[1],
            logits=self._categories.shaped(logits.copy()),
            probabilities=self._categories.shaped(self._categories.softmax(logits)),
            expected=self._expected,
            nfev=self.nfev,
            nit=self._nit,
            success=status == 0 or (status in (1, 2, 3) and self._target is None),
            status=status,
            message=message,
            history=history,
        )

    def _status(self) -> tuple[int, str]:
        reasons = self.stop()
        if "target" in reasons:
            return 0, f"The target was reached: {reasons['target']:g}."
        if "exhausted" in reasons:
            return 0, f"All {reasons['exhausted']} vectors were evaluated."
        if "maxfev" in reasons:
            return 1, f"The budget of {self._maxfev} evaluations was spent."
        if "maxiter" in reasons:
            return 2, f"The limit of {self._maxiter} steps was reached."
        if "stalled" in reasons:
            return 3, f"Nothing new was proposed for {SILENT_STEPS} steps."
        return 6, "Not finished."

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """All that is needed to go on, as arrays, for ``np.savez(file, **optimizer.state_dict())``.

        Returns
        -------
        dict of ndarray
            Numbers and strings of fixed width only: ``np.load(file, allow_pickle=False)`` reads it.

        Raises
        ------
        TypeError
            For estimators that keep what they learn to themselves: `ControlVariate`, and `Reinforce` with a
            `Baseline`.
        """
        if not self._keeps_state:
            raise TypeError("state_dict() cannot keep what a ControlVariate or a Baseline has learnt")
        hashes, totals, counts = self._memory.arrays()
        step = self._step
        none = np.empty((0, self._categories.n_variables), np.int32)
        expected = self._expected or (np.nan, np.nan)
        state: dict[str, Any] = {
            "key": np.array(self._key, np.uint64),
            "counts": np.array(
                [self._nfev, self._nit, self._n_steps, self._stalled, self._finished, step is not None], np.int64
            ),
            "expected": np.array([*expected, self._worst], np.float64),
            "history": np.array(self._history).reshape(-1, 5),
            "maxfev": np.array(-1 if self._maxfev is None else self._maxfev, np.int64),
            "memory_hashes": hashes,
            "memory_totals": totals,
            "memory_counts": counts,
            "asked": none if step is None else step.asked,
            "told": np.empty(0) if step is None else step.values,
            "told_terms": np.empty((0, self._n_terms or 0)) if step is None else step.terms,
        }
        state |= {f"incumbents_{name}": a for name, a in self._incumbents.state(none.shape[1]).items()}
        state |= {f"search_{name}": array for name, array in self._before.items()}
        return seal(state, self._settings)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state, bit for bit as the run that it was taken from would have.

        This optimizer must have been made with the same settings. rng need not be the same; maxfev, maxiter
        and target may be others. A step that was begun goes on as it was, and with another maxfev the final
        distribution is a later one.

        Parameters
        ----------
        state : mapping of str to ndarray
            From `state_dict`: that itself, or a file of it that was opened with
            ``np.load(file, allow_pickle=False)``.

        Raises
        ------
        TypeError, ValueError
            If this is not the state of an Optimizer with these settings, or is damaged. Nothing is changed then.
        """
        if not self._keeps_state:
            raise TypeError("load_state_dict() cannot give a ControlVariate or a Baseline what it had learnt")
        lengths = {"T": self._n_terms or 0, "K": self._categories.n_variables, "N": self._categories.total}
        fields: Fields = {
            "key": (np.uint64, ""),
            "counts": (np.int64, 6),
            "expected": (np.float64, 3),
            "history": (np.float64, "H5"),
            "maxfev": (np.int64, ""),
            "memory_hashes": (np.uint64, "M2"),
            "memory_totals": (np.float64, "M"),
            "memory_counts": (np.int64, "M"),
            "asked": (np.int32, "AK"),
            "told": (np.float64, "A"),
            "told_terms": (np.float64, "AW"),
            **{f"incumbents_{name}": field for name, field in Incumbents.ARRAYS.items()},
            **{f"search_{name}": field for name, field in self._search.ARRAYS.items()},
        }
        arrays = read_state(state, fields, lengths, self._settings)
        before = dict(self.__dict__)
        search_before = self._search.state()
        try:
            self._restore(arrays)
        except Exception as error:
            self.__dict__.update(before)
            self._search.restore(search_before)
            raise ValueError("state must be that of an Optimizer; it is damaged") from error

    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        for name, entries in arrays.items():
            if entries.dtype == np.int32:  # vectors; a search marks by -1 what it does not have
                least = -1 if name.startswith("search_") else 0
                if ((entries < least) | (entries >= self._categories.sizes)).any():
                    raise ValueError(f"{name} are not vectors")
        memory = Memory(self._categories.n_variables)
        memory.restore(arrays["memory_hashes"], arrays["memory_totals"], arrays["memory_counts"])
        self._memory = memory
        self._incumbents = Incumbents(memory, noisy=self._noisy)
        self._incumbents.restore(_part(arrays, "incumbents_"))
        self._key = int(arrays["key"])
        self._nfev, self._nit, self._n_steps, stalled, finished, waiting = arrays["counts"].tolist()
        self._stalled, self._finished = bool(stalled), bool(finished)
        value, error, self._worst = arrays["expected"].tolist()
        self._expected = None if np.isnan(value) else Expected(value, error)
        self._history = array("d", arrays["history"].ravel().tolist())
        self._step = None
        self._search.restore(_part(arrays, "search_"))
        self._before = self._search.state()
        maxfev, planned = self._maxfev, int(arrays["maxfev"])
        if waiting:
            self._maxfev = None if planned < 0 else planned
            self._resume_step(arrays["asked"], arrays["told"], arrays["told_terms"])
            self._maxfev = maxfev
        if planned != (-1 if maxfev is None else maxfev):
            # The end is elsewhere, and what was drawn for it is not from the final distribution.
            self._finished, self._expected = False, None
            if self._step is not None and self._step.final:
                self._step.complete = False

    def _resume_step(self, asked: VectorArray, told: FloatArray, terms: FloatArray) -> None:
        """The step that was being waited for, proposed again."""
        step = self._propose_step()
        if len(step.asked) < len(asked) or not np.array_equal(step.asked[: len(asked)], asked):
            raise ValueError("other vectors were asked for")
        if terms.shape[1] != self._width(step):
            raise ValueError("other numbers were to be told")
        step.values, step.terms = told.copy(), terms.copy()
        self._step = step


def _part(arrays: dict[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _number_of_proposals(n: int | None, maxfev: int | None, *, noisy: bool) -> int:
    if n is not None:
        return check_integer(n, "n_proposals", 1)
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


def check_real(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"{name} must be a number; got {value!r}")
    if np.isnan(value):
        raise ValueError(f"{name} must not be nan")
    return float(value)


def _shown(vector: Any) -> str:
    return np.array2string(np.asarray(vector), threshold=20, max_line_width=10_000)
