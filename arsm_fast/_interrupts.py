"""Interrupts at the terminal, where they may not leave things half done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class _Guard:
    """A handler of interrupts that, within a section, holds the first back until its end."""

    def __init__(self, handler: Callable[..., Any]) -> None:
        self._handler = handler
        self._within = False
        self._held: Any = None

    def __call__(self, *arguments: Any) -> None:
        if self._within and self._held is None:
            self._held = arguments
        else:
            self._handler(*arguments)

    def __enter__(self) -> None:
        self._within = True

    def __exit__(self, *_: object) -> None:
        self._within = False
        held, self._held = self._held, None
        if held is not None:
            self._handler(*held)


_guard: _Guard | None = None


@contextmanager
def guarded() -> Iterator[None]:
    """Install what `uninterrupted` needs once for many calls: to do so takes longer than a short step.

    Python gives interrupts to the main thread only.
    """
    global _guard
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    before, _guard = _guard, _Guard(handler)
    signal.signal(signal.SIGINT, _guard)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is _guard:
            signal.signal(signal.SIGINT, handler)
        _guard = before


def uninterrupted(function: Callable[P, R]) -> Callable[P, R]:
    """Hold the first interrupt back until the function returns; a second one comes through at once."""

    @wraps(function)
    def whole(*args: P.args, **kwargs: P.kwargs) -> R:
        if threading.current_thread() is not threading.main_thread():
            return function(*args, **kwargs)
        if _guard is not None:
            with _guard:
                return function(*args, **kwargs)
        with guarded():
            if _guard is None:
                return function(*args, **kwargs)
            with _guard:
                return function(*args, **kwargs)

    return whole
