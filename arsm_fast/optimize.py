"""Optimisation in one call."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from ._checks import check_real
from ._interrupts import guarded
from ._logits import LogitsLike
from ._progress import Progress
from ._random import SeedLike
from ._vectors import VectorArray
from .estimators import Estimator
from .optimizer import Optimizer
from .updates import Annealing, Update, resolve_update
from .workers import MapLike, Workers

if TYPE_CHECKING:
    from scipy.optimize import OptimizeResult

__all__ = ["maximize", "minimize"]

# The budget where none is given: so many evaluations, and so many for each category of each variable.
LEAST_BUDGET, BUDGET_PER_CATEGORY = 1000, 20


def minimize(
    objective: Callable[..., Any],
    n_categories: ArrayLike | Optimizer,
    *,
    logits0: LogitsLike | None = None,
    estimator: Estimator | str | None = None,
    optimizer: Update | str = "annealing",
    n_proposals: int | None = None,
    maxfev: int | None = None,
    maxiter: int | None = None,
    maxtime: float | None = None,
    target: float | None = None,
    noisy: bool = False,
    workers: int | MapLike | Executor = 1,
    on_error: Literal["raise", "skip"] = "raise",
    callback: Callable[[OptimizeResult], object] | None = None,
    disp: bool = False,
    rng: SeedLike = None,
) -> OptimizeResult:
    """Look for the vector of categories with the lowest value of an objective.

    Parameters
    ----------
    objective : callable
        A Python function of a batch of vectors, int32 of shape (M, K) to M finite values; or a function compiled
        with `numba.njit` of one vector, which is called in parallel. Where it has ``scopes``, the variables that
        each of T terms touches, and a method ``terms(actions)``, which returns the (M, T) terms that f is the sum
        of, these are used by the default optimizer, and need far fewer evaluations; f itself is not called then.
        Where it has no terms but a method ``delta(actions, variable)``, which returns f with each category of
        that variable in the place of the vector's own, (M, n_categories[variable]), the default optimizer asks
        that, and f seldom. A call of delta for one vector counts as one evaluation: nfev is the number of vectors
        that f was asked for, and of those calls. Neither is used where f is noisy or n_proposals is given.
    n_categories : array_like of int, shape (K,), or Optimizer
        Categories of each variable; different numbers are allowed. Or an `Optimizer` to go on with, whose
        settings then hold: it keeps all that it was told, whatever happens here.
    logits0 : array_like or list of 1-D arrays, optional
        Logits of the distribution to begin with; -inf makes a category unavailable.
    estimator : Estimator or str, optional
        Of the gradient, where the optimizer follows one.
    optimizer : Update or str
        "annealing", "natural", "gradient", "momentum", "adam", or one of these with settings. The default was
        chosen by measurement, and needs no tuning on common problems.
    n_proposals : int, optional
        Vectors to propose in a step.
    maxfev : int, optional
        The most evaluations. By default, if there is no other limit, 1,000 and 20 for each category of each
        variable. Give it where there is one: the search is planned by it.
    maxiter : int, optional
        The most steps.
    maxtime : float, optional
        Seconds after which no more steps are begun. The last step, for which time is left by the evaluations so
        far, is the draws for ``expected``.
    target : float, optional
        Stop when the best value is at least as good.
    noisy : bool
        Whether f gives other values for the same vector another time.
    workers : int, map-like callable or concurrent.futures.Executor
        What evaluates the vectors of a step: see `Workers`. The result does not depend on it, nor does
        n_proposals: to keep several workers busy give several times as many. Must be 1 where terms or delta are
        used, which are asked about one vector at a time; with n_proposals they are not.
    on_error : {"raise", "skip"}
        Whether an exception of the objective ends the run, or its vector counts as the worst value told so far.
        With "skip" neither terms nor delta are used.
    callback : callable, optional
        Called as ``callback(intermediate_result)`` after every step, with what `Optimizer.result` gives. If it
        raises StopIteration the run stops.
    disp : bool
        Whether to show progress on standard error, in one line: by tqdm where that is installed.
    rng : None, int, SeedSequence or Generator
        Source of all random numbers.

    Returns
    -------
    OptimizeResult
        See `Optimizer.result`. Its status may also be 4, stopped by maxtime or callback, and 5, by
        KeyboardInterrupt, which gives the best so far.

    Raises
    ------
    TypeError, ValueError
        For bad input, naming the argument, before f is called; or for values that f should not return.
        Exceptions of f come through, with a note of the best so far; give an `Optimizer` to go on after one.

    Examples
    --------
    >>> from arsm_fast import minimize
    >>> result = minimize(lambda actions: ((actions - 3) ** 2).sum(axis=1), [6] * 20, rng=0)
    >>> result.fun
    0.0
    """
    return _run(**locals(), highest=False)


def maximize(
    objective: Callable[..., Any],
    n_categories: ArrayLike | Optimizer,
    *,
    logits0: LogitsLike | None = None,
    estimator: Estimator | str | None = None,
    optimizer: Update | str = "annealing",
    n_proposals: int | None = None,
    maxfev: int | None = None,
    maxiter: int | None = None,
    maxtime: float | None = None,
    target: float | None = None,
    noisy: bool = False,
    workers: int | MapLike | Executor = 1,
    on_error: Literal["raise", "skip"] = "raise",
    callback: Callable[[OptimizeResult], object] | None = None,
    disp: bool = False,
    rng: SeedLike = None,
) -> OptimizeResult:
    """Look for the vector of categories with the highest value of an objective.

    As `minimize`, with the objective's values as they are in the result.

    Parameters
    ----------
    objective : callable
        See `minimize`.
    n_categories : array_like of int, shape (K,), or Optimizer
        See `minimize`. An `Optimizer` must have been made with ``maximize=True``.
    logits0 : array_like or list of 1-D arrays, optional
        See `minimize`.
    estimator : Estimator or str, optional
        See `minimize`.
    optimizer : Update or str
        See `minimize`.
    n_proposals : int, optional
        See `minimize`.
    maxfev : int, optional
        See `minimize`.
    maxiter : int, optional
        See `minimize`.
    maxtime : float, optional
        See `minimize`.
    target : float, optional
        See `minimize`.
    noisy : bool
        See `minimize`.
    workers : int, map-like callable or concurrent.futures.Executor
        See `minimize`.
    on_error : {"raise", "skip"}
        See `minimize`.
    callback : callable, optional
        See `minimize`.
    disp : bool
        See `minimize`.
    rng : None, int, SeedSequence or Generator
        See `minimize`.

    Returns
    -------
    OptimizeResult
        See `minimize`.

    Raises
    ------
    TypeError, ValueError
        See `minimize`.
    """
    return _run(**locals(), highest=True)


def _run(
    objective: Any,
    n_categories: Any,
    *,
    workers: Any,
    on_error: Any,
    maxtime: float | None,
    callback: Callable[[OptimizeResult], object] | None,
    disp: bool,
    highest: bool,
    **settings: Any,
) -> OptimizeResult:
    """What minimize and maximize do; the settings are those of an Optimizer."""
    evaluator = Workers(objective, workers, on_error)
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be a function or None; got {type(callback).__name__}")
    if not isinstance(disp, bool):
        raise TypeError(f"disp must be True or False; got {disp!r}")
    seconds = np.inf if maxtime is None else check_real(maxtime, "maxtime")
    if not seconds > 0:
        raise ValueError(f"maxtime must be positive; got {maxtime!r}")
    if not isinstance(n_categories, Optimizer) and not evaluator.skips:
        update = resolve_update(settings["optimizer"])
        if isinstance(update, Annealing) and not settings["noisy"] and settings["n_proposals"] is None:
            if _has_terms(objective):
                settings["scopes"] = objective.scopes
            elif _has_delta(objective):
                settings["by_variable"] = True
    engine = _engine(n_categories, settings, highest=highest, limited=maxtime is not None)
    if engine.takes_terms and not _has_terms(objective):
        raise TypeError("objective must have a method terms(actions), as the Optimizer was made with scopes")
    for mode, method, takes in (
        ("scopes", "terms", engine.takes_terms),
        ("by_variable", "delta", engine.takes_delta),
    ):
        if takes and evaluator.skips:
            raise ValueError(f'on_error must be "raise" with an Optimizer that was made with {mode}')
        if takes and not evaluator.is_local:
            raise ValueError(
                f"workers must be 1 where {method} of the objective is used, for one vector at a time; "
                f"got {workers!r}. Where n_proposals is given, f is used instead"
            )
    if engine.takes_delta and not _has_delta(objective):
        raise TypeError(
            "objective must have a method delta(actions, variable), as the Optimizer was made with by_variable"
        )
    progress = Progress(engine.maxfev, engine.nfev) if disp else None
    callback = callback and _positional(callback)
    try:
        if engine.takes_terms:
            return _loop(objective.terms, None, engine, seconds, callback, progress)
        with evaluator:
            delta = getattr(objective, "delta", None)
            return _loop(evaluator, delta, engine, seconds, callback, progress)
    except Exception as error:
        result = engine.result
        error.add_note(f"the best of {result.nfev} evaluations before: fun = {result.fun}, x = {result.x}")
        raise
    finally:
        if progress is not None:
            progress.close()


def _engine(n_categories: Any, settings: dict[str, Any], *, highest: bool, limited: bool) -> Optimizer:
    """The optimizer that was given, or a new one."""
    if not isinstance(n_categories, Optimizer):
        limits = ("maxfev", "maxiter", "target")
        if not limited and all(settings[name] is None for name in limits):
            total = int(np.sum(np.asarray(n_categories, np.float64))) if _is_numeric(n_categories) else 0
            settings = {**settings, "maxfev": LEAST_BUDGET + BUDGET_PER_CATEGORY * max(0, total)}
        return Optimizer(n_categories, maximize=highest, **settings)
    defaults = inspect.signature(Optimizer).parameters
    for name, value in settings.items():
        default = defaults[name].default
        if value is not default and (default is None or value != default):
            raise ValueError(f"{name} must not be given with an Optimizer, which has its own")
    if n_categories.maximize is not highest:
        raise ValueError(f"the Optimizer must have been made with maximize={highest}")
    return n_categories


def _positional(callback: Callable[..., object]) -> Callable[[OptimizeResult], object]:
    """A callback that takes its argument by position; as in SciPy it may be one by name alone."""
    try:
        by_name = list(inspect.signature(callback).parameters) == ["intermediate_result"]
    except ValueError:  # a function of C that does not say
        by_name = False
    return (lambda result: callback(intermediate_result=result)) if by_name else callback


@guarded()
def _loop(
    evaluate: Callable[[VectorArray], Any],
    delta: Any,
    engine: Optimizer,
    seconds: float,
    callback: Callable[[OptimizeResult], object] | None,
    progress: Progress | None,
) -> OptimizeResult:
    begin, first = time.monotonic(), engine.nfev
    stopped, closes = None, False
    time_is_up = (4, "The time was up.")
    try:
        while not engine.stop():
            passed = time.monotonic() - begin
            if passed >= seconds:
                stopped = time_is_up
                break
            # The draws for what is expected of the distribution are the last that there is time for.
            if seconds < np.inf and (n := engine.n_draws) > 1:
                closes = passed * (1 + n / max(1, engine.nfev - first)) >= seconds
            if closes:
                engine.finish()
            actions = engine.ask()
            if not len(actions):
                stopped = time_is_up if closes else None
                break
            k = engine.variable
            _tell(engine, actions, evaluate) if k is None else engine.tell(actions, delta(actions, k))
            if progress is not None:
                progress.show(engine.last)
            if callback is not None:
                try:
                    callback(engine.result)
                except StopIteration:
                    stopped = (4, "The callback stopped the run.")
                    break
            if closes:
                stopped = time_is_up
                break
    except KeyboardInterrupt:
        stopped = (5, "The run was interrupted.")
    if progress is not None and engine.nfev:
        progress.show(engine.last, last=True)
    result = engine.result
    if stopped is not None and result["status"]:
        status, message = stopped
        result.update(status=status, message=message, success=False)
    return result


def _tell(engine: Optimizer, actions: VectorArray, evaluate: Callable[[VectorArray], Any]) -> None:
    if isinstance(evaluate, Workers):  # those of the batch before do not belong to these vectors
        evaluate.values = np.empty(0)
    try:
        values = evaluate(actions)
    except BaseException:
        if isinstance(evaluate, Workers):  # nothing that arrived is lost
            arrived = np.flatnonzero(np.isfinite(evaluate.values))
            engine.tell(actions[arrived], evaluate.values[arrived])
        raise
    if isinstance(evaluate, Workers) and evaluate.skips:
        skipped = np.isnan(values)
        if skipped.any():
            values = np.where(skipped, engine.worst(values[~skipped]), values)
    engine.tell(actions, values)


def _has_terms(objective: Any) -> bool:
    return hasattr(objective, "scopes") and callable(getattr(objective, "terms", None))


def _has_delta(objective: Any) -> bool:
    return callable(getattr(objective, "delta", None))


def _is_numeric(n_categories: Any) -> bool:
    try:
        return bool(np.isfinite(np.asarray(n_categories, np.float64)).all())
    except (TypeError, ValueError):
        return False
