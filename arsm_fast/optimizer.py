"""Ask and tell for optimisation: the engine of `minimize`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._checks import (
    check_delta,
    check_integer,
    check_own,
    check_real,
    check_terms,
    check_values,
    real_array,
    shown,
)
from ._delta_annealing import DeltaAnnealingSearch
from ._interrupts import uninterrupted
from ._logits import FloatArray, LogitsLike
from ._random import SeedLike, Streams, generator_key
from ._record import Expected, Record
from ._settings import Settings
from ._state import Fields, read_state, seal
from ._step import Step, not_waited_for
from ._vectors import VectorArray
from .estimators import Estimator
from .updates import Update

if TYPE_CHECKING:
    from scipy.optimize import OptimizeResult

__all__ = ["Expected", "Optimizer"]

# Draws from the final distribution, but no more than this share of the evaluations.
FINAL_DRAWS, FINAL_SHARE = 20, 0.05
# Steps that may ask for nothing new, one after another; and twice what is needed for all changes of a vector.
SILENT_STEPS = 1000
NO_TERMS = np.empty((0, 0))
# Values of this size can be added and squared.
LARGEST_VALUE = 1e100
# What a stream of random numbers is for; each step has its own, so that only the step's number must be kept.
STEP, EXPECTED = 0, 1


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
        of which no two share a term: one evaluation says what each of the changes does. The best vector so far
        may then be one whose terms are known from several others; within 20 steps it is asked for itself.
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
        self._maxfev = None if maxfev is None else check_integer(maxfev, "maxfev", 1)
        self._maxiter = None if maxiter is None else check_integer(maxiter, "maxiter", 1)
        self._target = None if target is None else check_real(target, "target")
        self._settings = settings = Settings(
            n_categories,
            logits0,
            estimator,
            optimizer,
            n_proposals,
            self._maxfev,
            scopes,
            noisy=noisy,
            maximize=maximize,
            by_variable=by_variable,
        )
        self._categories = settings.categories
        self._sign = -1.0 if maximize else 1.0
        self._n_terms = None if settings.scopes is None else len(settings.scopes)
        self._key = int(generator_key(rng))
        self._streams = Streams(self._key)
        self._search = settings.search()
        self._delta = self._search if isinstance(self._search, DeltaAnnealingSearch) else None
        self._record = Record(self._categories, noisy=noisy)
        self._step: Step | None = None
        self._before = self._search.state()

    def __repr__(self) -> str:
        return f"<Optimizer of {self._categories.n_variables} variables, {self.nfev} evaluations>"

    @property
    def nfev(self) -> int:
        """Values told so far."""
        step = self._step
        return self._record.nfev + (0 if step is None else len(step.asked) - step.waiting.size)

    @property
    def maxfev(self) -> int | None:
        """The budget."""
        return self._maxfev

    @property
    def maximize(self) -> bool:
        """Whether the highest value is looked for."""
        return self._settings.maximize

    def worst(self, values: FloatArray) -> float:
        """The worst of some values and of all told in finished steps: for vectors that have none."""
        signed = self._sign * values
        known = max(self._record.worst, float(signed.max()) if signed.size else -np.inf)
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
        return self._record.last

    @uninterrupted
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
        return self._step.awaited[:most].copy()

    @uninterrupted
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
        told = np.abs(terms) if terms.size else np.abs(checked)
        if not told.max(initial=0.0) <= LARGEST_VALUE and ((told > LARGEST_VALUE) & (told < np.inf)).any():
            told = told.reshape(len(vectors), -1)
            sizes = told.max(axis=1, where=told < np.inf, initial=0.0)
            i = int(sizes.argmax())
            raise ValueError(
                f"values must not be larger than {LARGEST_VALUE:g} in size; values[{i}] has {sizes[i]}"
            )
        if not len(vectors):
            return
        if self._step is None:
            raise not_waited_for(vectors, 0)
        if vectors is self._step.awaited:
            places = self._step.waiting
        else:
            places = self._step.places(vectors, self._record.memory.keys(vectors))
        if self._delta is not None and self._step.variable is not None:
            largest = float(np.abs(terms[:, self._available(self._step.variable)]).max())
            own, before = terms[:, vectors[0, self._step.variable]], np.array([self._sign * self._delta.value])
            check_own(own, before, largest, [self._step.variable], vectors, "values")
        self._step.take(places, self._sign * checked, self._sign * terms if terms.size else terms)
        if not self._step.waiting.size:
            self._finish_step(self._step)

    def _check_told(self, values: ArrayLike, vectors: VectorArray) -> tuple[FloatArray, FloatArray]:
        """Terms or the values of all categories, if they are told; and f, or the best of those values."""
        if self._n_terms is not None:
            terms = check_terms(values, vectors, self._n_terms, "values")
            with np.errstate(over="ignore"):
                return terms, terms.sum(axis=1)
        k = self.variable
        if k is None:
            return NO_TERMS, check_values(values, vectors).copy()
        answer = check_delta(values, (len(vectors), int(self._categories.sizes[k])), k, "values")
        bad = ~np.isfinite(answer) & self._available(k)
        if bad.any():
            i, c = np.argwhere(bad)[0]
            raise ValueError(
                f"values must be finite; got {answer[i, c]} for category {c} of variable {k} in "
                f"{shown(vectors[i])}"
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
        if self._step is not None and np.array_equal(array, self._step.awaited):
            return self._step.awaited  # what ask gave needs no other checks
        bad = (array < 0) | (array >= self._categories.sizes)
        if bad.any():
            i = int(bad.any(axis=1).argmax())
            raise ValueError(
                "actions must be categories from 0 on, below n_categories; "
                f"actions[{i}] = {shown(array[i])} is not"
            )
        return array.astype(np.int32)

    def finish(self) -> None:
        """Let the next step, after the one that is waited for, be draws from the distribution.

        For `Optimizer.result` to have an estimate ``expected`` where a run is to be stopped before maxfev or
        maxiter. There are up to 20 draws, no more than 5% of the evaluations so far: `ask` gives those that are
        new, or none if all were evaluated before or these would be fewer than two. After them the search goes on.
        """
        self._record.ending = True

    @property
    def n_draws(self) -> int:
        """How many draws there would be after `finish`; less than two are none."""
        left = np.inf if self._maxfev is None else self._maxfev - self.nfev
        return int(min(FINAL_DRAWS, FINAL_SHARE * self.nfev, left))

    def _begin_step(self) -> None:
        """The next step that asks for something."""
        for _ in range(SILENT_STEPS + 2 * self._categories.n_changes // self._settings.n):
            if self._is_spent():
                return
            step, ending = self._propose_step(), self._record.ending
            if len(step.asked):
                if width := self._width(step):
                    step.terms = np.full((len(step.asked), width), np.nan)
                self._step = step
                return
            self._finish_step(step)
            if ending:
                return
        self._record.stalled = True

    def _width(self, step: Step) -> int:
        """How many numbers are told of a vector, beside or in the place of f."""
        return self._n_terms or 0 if step.variable is None else int(self._categories.sizes[step.variable])

    def _propose_step(self) -> Step:
        record = self._record
        generator = self._streams.generator(STEP, record.n_steps)
        n_final = self._n_final()
        final = n_final >= 2 or record.ending
        if final:
            n_final = n_final if n_final >= 2 else 0
            vectors = self._categories.draw(self._categories.softmax(self._logits()), n_final, generator)
        else:
            vectors = self._search.propose(record.n_steps, record.nfev, self._maxfev, generator)
            if self._search.ended is not None and (best := self._best()) is not None:
                record.keep(self._search.ended, best[0])
        keys = record.memory.keys(vectors)
        if not final and self._delta is not None and self._delta.variable is not None:
            step = Step(keys, vectors, keys, final=False)
            step.variable = self._delta.variable
            return step
        rows = record.memory.first(keys, known=record.noisy)
        asked, asked_keys = vectors, keys
        if len(rows) < len(keys):
            asked, asked_keys = vectors[list(rows.values())], list(rows)
        if record.noisy and len(record.incumbents) and len(vectors):
            again = record.incumbents.lowest[None]
            (key,) = record.memory.keys(again)
            if key not in rows:
                asked, asked_keys = np.concatenate([asked, again]), [*asked_keys, key]
        step = Step(keys, asked, asked_keys, final=final)
        if self._maxfev is not None and len(asked) > self._maxfev - record.nfev:
            most = self._maxfev - record.nfev
            step = Step(keys, asked[:most], asked_keys[:most], final=final)
            step.complete = all(key in step.rows or key in record.memory for key in keys)
        return step

    def _finish_step(self, step: Step) -> None:
        record = self._record
        if step.variable is not None:
            told = np.where(self._available(step.variable), step.terms, np.inf)
            step.asked[:, step.variable] = told.argmin(axis=1)
            step.asked_keys = record.memory.keys(step.asked)
        record.add(step.asked, step.asked_keys, step.values)
        self._step = None
        if step.final:
            if step.complete and step.keys:
                record.expected = record.expect(step.keys)
            record.finished |= step.complete and not record.ending
            record.ending = False
        else:
            if not record.finished:
                record.expected = None  # of a distribution of before
            if step.complete:
                self._search.update(self._needed(step), record.nfev)
        self._before = self._search.state()
        best = self._best()
        if len(step.asked) and best is not None:
            entropy = self._categories.entropy(self._search.logits)
            record.note(self._sign * best[1], self._sign * float(step.values.sum() / step.values.size), entropy)

    def _needed(self, step: Step) -> FloatArray:
        """What the search needs of a step."""
        if self._n_terms is not None or step.variable is not None:
            return step.terms
        is_all_new = step.asked_keys is step.keys and not self._record.noisy
        return step.values if is_all_new else self._record.memory.means(step.keys)

    def _n_final(self) -> int:
        """How many draws from the distribution are to come next; less than two are none."""
        record = self._record
        if record.ending:
            return self.n_draws
        if record.finished:
            return 0
        if self._maxfev is not None:
            left = self._maxfev - record.nfev
            n = min(FINAL_DRAWS, int(FINAL_SHARE * self._maxfev), left)
            if left <= n + self._settings.n:
                return n
        return self.n_draws if self._maxiter is not None and record.nit == self._maxiter - 1 else 0

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
        if self._maxiter is not None and self._record.nit >= self._maxiter:
            reasons["maxiter"] = self._record.nit
        if self.nfev >= self._settings.exhausted_at:
            reasons["exhausted"] = self.nfev
        if self._record.stalled:
            reasons["stalled"] = self._record.n_steps
        return reasons

    def _best(self) -> tuple[VectorArray, float] | None:
        """The best vector, also of a step that is not finished, or known without having been evaluated."""
        best = self._record.best()
        step = self._step
        if step is not None and step.waiting.size < len(step.asked) and not (self._record.noisy and best):
            i = int(np.nanargmin(step.values))
            if best is None or step.values[i] < best[1]:
                best = step.asked[i], float(step.values[i])
        known = self._search.known
        return known if known is not None and (best is None or known[1] < best[1]) else best

    def _logits(self) -> FloatArray:
        """Of the distribution to report, flat."""
        best = self._best()
        logits = self._search.logits
        return logits if best is None else self._record.reported(logits, best[0])

    @property
    def result(self) -> OptimizeResult:
        """What was found so far.

        Attributes
        ----------
        x : ndarray of int32, shape (K,), or None
            The best vector seen; where f is noisy that with the lowest mean plus two standard errors. With scopes
            it may be one whose terms are all known from other vectors.
        fun : float
            Its value, or the mean of its values; nan before the first.
        logits, probabilities : ndarray of shape (K, C) or list of arrays
            Of the distribution: that of the search, or, where it began anew, one that it ended with before, if x
            is likelier under that.
        expected : Expected or None
            E[f] under this distribution, as (value, standard_error), from up to 20 draws. They are evaluated as
            the last step before maxfev, or of maxiter, and after `finish`, if 5% of the evaluations are at least
            two. At any other time it is there if f is not noisy and 20 draws were all evaluated before, so that
            they cost nothing, as always where all vectors were; else None.
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
        logits = self._logits()
        probabilities = self._categories.softmax(logits)
        expected = self._record.expected or self._expected_of_known(probabilities)
        if expected is not None:
            expected = expected._replace(value=self._sign * expected.value)
        status, message = self._status()
        from scipy.optimize import OptimizeResult  # here, as it takes long to import

        return OptimizeResult(  # type: ignore[call-arg]
            x=None if best is None else best[0].copy(),
            fun=np.nan if best is None else self._sign * best[1],
            logits=self._categories.shaped(logits.copy()),
            probabilities=self._categories.shaped(probabilities),
            expected=expected,
            nfev=self.nfev,
            nit=self._record.nit,
            success=status == 0 or (status in (1, 2, 3) and self._target is None),
            status=status,
            message=message,
            history=self._record.history(),
        )

    def _expected_of_known(self, probabilities: FloatArray) -> Expected | None:
        """From draws that cost nothing, as all were evaluated before."""
        if self._record.noisy or not self._record.nit:
            return None
        generator = self._streams.generator(EXPECTED, self._record.n_steps)
        keys = self._record.memory.keys(self._categories.draw(probabilities, FINAL_DRAWS, generator))
        return self._record.expect(keys) if all(key in self._record.memory for key in keys) else None

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
        if not self._settings.keeps_state:
            raise TypeError("state_dict() cannot keep what a ControlVariate or a Baseline has learnt")
        step = self._step
        state: dict[str, Any] = {
            "key": np.array(self._key, np.uint64),
            "limits": self._limits(),
            "asked": np.empty((0, self._categories.n_variables), np.int32) if step is None else step.asked,
            "told": np.empty(0) if step is None else step.values,
            "told_terms": np.empty((0, self._n_terms or 0)) if step is None else step.terms,
            **self._record.arrays(),
            **{f"search_{name}": array for name, array in self._before.items()},
        }
        return seal(state, repr(self._settings))

    def _limits(self) -> NDArray[np.int64]:
        """Those that the last steps are planned by."""
        return np.array([-1 if limit is None else limit for limit in (self._maxfev, self._maxiter)], np.int64)

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
        if not self._settings.keeps_state:
            raise TypeError("load_state_dict() cannot give a ControlVariate or a Baseline what it had learnt")
        lengths = {"T": self._n_terms or 0, "K": self._categories.n_variables, "N": self._categories.total}
        fields: Fields = {
            "key": (np.uint64, ""),
            "limits": (np.int64, 2),
            "asked": (np.int32, "AK"),
            "told": (np.float64, "A"),
            "told_terms": (np.float64, "AW"),
            **Record.ARRAYS,
            **{f"search_{name}": field for name, field in self._search.ARRAYS.items()},
        }
        arrays = read_state(state, fields, lengths, repr(self._settings))
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
        self._record = Record(self._categories, noisy=self._settings.noisy)
        self._record.restore(arrays)
        self._key = int(arrays["key"])
        self._streams = Streams(self._key)
        self._step = None
        self._search.restore({name: arrays[f"search_{name}"] for name in self._search.ARRAYS})
        self._before = self._search.state()
        limits = self._maxfev, self._maxiter
        moved = not np.array_equal(arrays["limits"], self._limits())
        if len(arrays["asked"]):
            self._maxfev, self._maxiter = (None if limit < 0 else limit for limit in arrays["limits"].tolist())
            self._resume_step(arrays["asked"], arrays["told"], arrays["told_terms"])
            self._maxfev, self._maxiter = limits
        if moved:
            # The end is elsewhere, and what was drawn for it is not from the final distribution.
            self._record.finished, self._record.expected = False, None
            if self._step is not None and self._step.final:
                self._step.complete = False

    def _resume_step(self, asked: VectorArray, told: FloatArray, terms: FloatArray) -> None:
        """The step that was being waited for, proposed again."""
        step = self._propose_step()
        if not np.array_equal(step.asked, asked):
            raise ValueError("other vectors were asked for")
        if terms.shape[1] != self._width(step):
            raise ValueError("other numbers were to be told")
        step.terms = np.empty(terms.shape)
        step.take(slice(None), told, terms)
        self._step = step
