"""Functions that say how LLVM is to write them, as numba.extending.intrinsic has them, but known when asked for.

That registers each when it is defined, which takes a tenth of the time to import `gradient` beyond Numba; and
nobody asks for them where kernels are loaded from the cache.
"""

import functools
from collections.abc import Callable
from typing import Any

from numba import types
from numba.core.typing.templates import make_intrinsic_template


class Intrinsic:
    """A function of the typing context and the types of arguments, to a signature and what writes the code."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self._function, self._name = function, function.__name__  # the name is for Numba's passes

    @functools.cached_property
    def _numba_type_(self) -> Any:
        """By which Numba knows it in the code of others."""
        template = make_intrinsic_template(self, self._function, self._name)
        answers: dict[Any, Any] = {}

        def apply(asked: Any, args: Any, kws: Any) -> Any:
            """The signature; Numba looks for new registrations each time."""
            if kws:
                return template.apply(asked, args, kws)
            question = asked.context, *args
            if question not in answers:
                answers[question] = template.apply(asked, args, kws)
            return answers[question]

        return types.Function(type(self._name, (template,), {"apply": apply}))

    def __call__(self, *arguments: Any) -> Any:
        raise NotImplementedError(f"{self._name} is for compiled code")


def intrinsic(function: Callable[..., Any]) -> Intrinsic:
    """Make one of a function."""
    return Intrinsic(function)
