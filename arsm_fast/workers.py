"""Evaluation of an objective in this process, in worker processes, or wherever an executor sends it."""

from __future__ import annotations

import multiprocessing
import operator
import os
import pickle
import signal
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, as_completed, wait
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Literal

import numpy as np
from numba.core.dispatcher import Dispatcher
from numpy.typing import ArrayLike, NDArray

from ._logits import FloatArray
from .objectives import evaluate_compiled, store_values, try_compiled

__all__ = ["Workers"]

# Pieces of unequal cost keep all workers busy until the end if each gets several.
PIECES_A_WORKER = 4
# Where an executor does not say how many workers it has.
PIECES = 64

MapLike = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
Task = Callable[[NDArray[np.int32]], "FloatArray | Failure"]


class Workers:
    """An objective that is evaluated by workers, batch after batch.

    A batch is cut into pieces of rows, several for each worker; the values come back in the order of the rows,
    whoever evaluated them and in whatever order they arrived. They are the same bits for any workers if the
    value of a row does not depend on the rows that it is evaluated with. (Matrix products do so in their last
    digits.)

    Parameters
    ----------
    objective : callable
        A Python function of a batch of vectors, int32 of shape (m, K) to m values, or a function compiled with
        `numba.njit` of one vector, which is called in parallel in each process. For processes it must be
        picklable: defined at the top of a module, not a lambda.
    workers : int, map-like callable or concurrent.futures.Executor
        One of:

        * 1: the objective is called in this process, with whole batches;
        * n > 1 or -1 (as many as cores): processes of our own, which are started by spawn at the first batch,
          so that a script must do its work under ``if __name__ == "__main__":``. Each is sent the objective
          once;
        * ``workers(function, pieces)``, such as `map` or the method of a pool, that gives the results in order;
        * an executor, such as a ThreadPoolExecutor, ``Client(...).get_executor(pure=False)`` of Dask (the extra
          dask), or an ``MPIPoolExecutor`` of mpi4py.futures in a script run by ``mpiexec -n 8 python -m
          mpi4py.futures script.py``. It is not shut down here. The objective is sent with each piece.
    on_error : {"raise", "skip"}
        What happens where the objective raises an exception. "raise": it comes through, with a note of where it
        was raised if that was another process; pieces that are being evaluated are waited for, the rest
        is not begun. "skip": the piece is evaluated again row by row, and the value of a row that raises is nan.
        With processes of our own a row that ends its process is skipped as well.

    Attributes
    ----------
    values : ndarray of float64, shape (M,)
        The values of the last call, nan where there is none: also after it raised an exception or was
        interrupted, so that what had arrived is not lost.

    Raises
    ------
    TypeError, ValueError
        For bad input, naming the argument.

    Notes
    -----
    ``workers(actions)`` takes int32 of shape (M, K) and returns float64 of shape (M,). It raises TypeError or
    ValueError for bad actions and for an objective that does not return a number for each row (whether
    these are finite is for the caller to check), the exceptions of the objective, and BrokenExecutor (of Dask
    KilledWorker) if a worker died; after that, processes of our own are started again at the next call.

    Examples
    --------
    >>> import numpy as np
    >>> from arsm_fast import Workers
    >>> with Workers(lambda actions: actions.sum(axis=1)) as evaluate:
    ...     print(evaluate(np.array([[1, 2], [3, 4]])))
    [3. 7.]
    """

    def __init__(
        self,
        objective: Callable[..., Any],
        workers: int | MapLike | Executor = 1,
        on_error: Literal["raise", "skip"] = "raise",
    ) -> None:
        if not callable(objective):
            raise TypeError(f"objective must be a function; got {type(objective).__name__}")
        if not isinstance(on_error, str) or on_error not in ("raise", "skip"):
            raise ValueError(f'on_error must be "raise" or "skip"; got {on_error!r}')
        self._objective = objective
        self._skip = on_error == "skip"
        self._task: Task = partial(_attempt, objective, self._skip)
        self._executor: Executor | None = None
        self._map: MapLike | None = None
        self._n_processes = 0
        self._n_pieces = PIECES
        if isinstance(workers, Executor):
            self._executor = workers
            n_workers = getattr(workers, "_max_workers", None)
            if n_workers is not None:
                self._n_pieces = PIECES_A_WORKER * n_workers
        elif callable(workers):
            self._map = workers
        elif (number := _check_number(workers)) == 1:
            self._map, self._n_pieces = map, 1
        else:
            self._n_processes, self._n_pieces = number, PIECES_A_WORKER * number
            self._pickled = _pickled((objective, self._skip))
            self._task = _attempt_installed
        self.values: FloatArray = np.empty(0)
        self._returned: NDArray[np.bool_] = np.empty(0, np.bool_)

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._stop_processes()

    @property
    def skips(self) -> bool:
        """Whether the value of a row that raises an exception is nan."""
        return self._skip

    @property
    def is_local(self) -> bool:
        """Whether the objective is called in this process, with whole batches."""
        return self._map is map and self._n_pieces == 1

    def __call__(self, actions: ArrayLike) -> FloatArray:
        """Evaluate a batch of vectors."""
        self._actions = _check_actions(actions)
        n = len(self._actions)
        self.values = np.full(n, np.nan)
        if self.is_local and n:
            self.values = _evaluate(self._objective, self._skip, self._actions.copy())
            return self.values.copy()
        self._returned = np.zeros(n, np.bool_)
        n_pieces = min(n, self._n_pieces)
        pieces = [slice(i * n // n_pieces, (i + 1) * n // n_pieces) for i in range(n_pieces)]
        if self._map is not None:
            self._run_map(self._map, pieces)
        else:
            try:
                self._run(pieces)
            except BrokenExecutor as error:
                self._stop_processes()
                if not (self._skip and self._n_processes and self._can_start()):
                    raise self._broken() from error
                self._run_without_deadly()
            except KeyboardInterrupt:
                self._stop_processes()
                raise
        return self.values.copy()

    def _run_map(self, map_like: MapLike, pieces: list[slice]) -> None:
        outcomes = map_like(self._task, [self._actions[piece].copy() for piece in pieces])
        for piece, outcome in zip(pieces, outcomes, strict=False):
            self._store(piece, outcome)
        if not self._returned.all():
            raise ValueError("workers, as a map-like callable, must give one result for each piece; got fewer")

    def _run(self, pieces: list[slice]) -> None:
        """Evaluate pieces by an executor, and keep all values that arrive whatever happens."""
        executor = self._executor or self._start_processes()
        futures: dict[Future[FloatArray | Failure], slice] = {}
        try:
            for piece in pieces:
                futures[executor.submit(self._task, self._actions[piece].copy())] = piece
            for future in as_completed(futures):
                if future.cancelled() or _failed(future):
                    break
            # Those that can be cancelled are not waited for: of some executors they never end.
            wait([future for future in futures if not future.cancel()])
        finally:
            for future, piece in futures.items():
                if not future.cancel() and future.done() and not _failed(future):
                    self._store(piece, future.result())
        # Of several errors that of the first rows.
        for future in sorted(futures, key=Future.cancelled):
            self._store(futures[future], future.result())

    def _can_start(self) -> bool:
        """Whether processes start at all: if not, no row is to blame."""
        try:
            self._start_processes().submit(os.getpid).result()
        except BrokenExecutor:
            self._stop_processes()
            return False
        return True

    def _run_without_deadly(self) -> None:
        """Evaluate the rows that did not arrive; one that ends its process when it is alone stays nan."""
        rest = [slice(i, i + 1) for i in np.flatnonzero(~self._returned).tolist()]
        while rest:
            for pieces in (rest[:1], rest[1:]):
                try:
                    self._run(pieces)
                except BrokenExecutor:
                    self._stop_processes()
            rest = [piece for piece in rest[1:] if not self._returned[piece.start]]

    def _store(self, piece: slice, outcome: FloatArray | Failure) -> None:
        if isinstance(outcome, Failure):
            raise outcome.error
        self.values[piece] = outcome
        self._returned[piece] = True

    def _broken(self) -> BrokenExecutor:
        message = (
            "a worker died while it evaluated the objective: it was killed, ran out of memory, or the objective "
            f"ended its process; {np.count_nonzero(self._returned)} of {self._returned.size} values had arrived"
        )
        if self._n_processes and not self._returned.any():
            message += '. A script that starts processes must do so under if __name__ == "__main__":'
        return BrokenExecutor(message)

    def _start_processes(self) -> Executor:
        self._executor = ProcessPoolExecutor(
            self._n_processes,
            # Forked processes may not be able to call Numba's threads.
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_install,
            initargs=(self._pickled,),
        )
        return self._executor

    def _stop_processes(self) -> None:
        if self._n_processes and self._executor is not None:
            self._executor.shutdown(cancel_futures=True)
            self._executor = None


@dataclass(frozen=True)
class Failure:
    """An exception of the objective, on its way back."""

    error: Exception

    def __reduce__(self) -> tuple[Any, ...]:
        # Between processes an exception loses its traceback, and some cannot be read again, which breaks pools.
        text = "".join(traceback.format_exception(self.error)).rstrip()
        error = self.error
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:
            error = RuntimeError(f"the objective raised an exception that cannot be pickled: {error!r}")
        error.add_note(f"In a worker:\n{text}")
        return Failure, (error,)


def _failed(future: Future[FloatArray | Failure]) -> bool:
    return future.exception() is not None or isinstance(future.result(), Failure)


def _attempt(objective: Callable[..., Any], skip: bool, actions: NDArray[np.int32]) -> FloatArray | Failure:
    """The values of a piece, or the exception that the objective raised."""
    try:
        return _evaluate(objective, skip, actions)
    except Exception as error:
        return Failure(error)


def _evaluate(objective: Callable[..., Any], skip: bool, actions: NDArray[np.int32]) -> FloatArray:
    values = np.empty(len(actions))
    if isinstance(objective, Dispatcher):
        if skip:
            values[try_compiled(objective, (actions,), values)] = np.nan
        else:
            evaluate_compiled(objective, (actions,), values)
        return values
    actions.flags.writeable = False
    try:
        answer = objective(actions)
    except Exception:
        if not skip:
            raise
        values[:] = np.nan
        for i in range(len(actions)):
            try:
                answer = objective(actions[i : i + 1])
            except Exception:
                continue
            store_values(answer, actions[i : i + 1], values[i : i + 1])
        return values
    store_values(answer, actions, values)
    return values


# In a process of our own: the objective, as it was sent, and when it was read.
_sent = b""
_task: Task | None = None


def _install(sent: bytes) -> None:
    """Keep the objective; to read it here would break the pool where that fails."""
    global _sent
    _sent = sent
    # An interrupt at the terminal ends an idle process at once, without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _attempt_installed(actions: NDArray[np.int32]) -> FloatArray | Failure:
    global _task
    if _task is None:
        try:
            objective, skip = pickle.loads(_sent)
            _task = partial(_attempt, objective, skip)
        except Exception as error:
            error.add_note("The objective could not be read in a worker process, which imports its module anew.")
            return Failure(error)
    return _task(actions)


def _pickled(task: tuple[Callable[..., Any], bool]) -> bytes:
    try:
        return pickle.dumps(task)
    except Exception as error:
        raise TypeError(
            "objective must be picklable to be sent to processes: a function at the top of a module or an object "
            f"whose class is, not a lambda or a function within another; got {task[0]!r}"
        ) from error


def _check_number(workers: Any) -> int:
    if isinstance(workers, bool) or not hasattr(workers, "__index__"):
        raise TypeError(
            f"workers must be a number of processes, a map-like callable or an Executor; got {workers!r}"
        )
    number = operator.index(workers)
    if number == -1:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if number < 1:
        raise ValueError(f"workers must be a number of processes from 1 on, or -1 for all cores; got {number}")
    return number


def _check_actions(actions: ArrayLike) -> NDArray[np.int32]:
    array = np.asarray(actions)
    if array.ndim != 2 or array.dtype.kind not in "iu":
        raise ValueError(
            f"actions must be an array of integers of shape (M, K); got shape {array.shape} of {array.dtype}"
        )
    if array.dtype != np.int32:
        limits = np.iinfo(np.int32)
        outside = (array < limits.min) | (array > limits.max)
        if outside.any():
            raise ValueError(
                f"actions must be numbers of int32, up to {limits.max} in size; got {array[outside][0]}"
            )
    return np.ascontiguousarray(array, np.int32)
