"""Answers to what Numba asks about nearly every line, ahead of all others that it would ask.

It asks all containers first whether a[i] is of theirs, and strings and more whether bool(a) is; and it compares
the types of a + b with all that it can add, each time. That was a tenth of the time it takes. What is for one
target is asked before what is for any. In the code of others than us, their overloads must be heard first.
"""

import operator
from typing import ClassVar

from numba.core.typing import builtins
from numba.core.typing.arraydecl import GetItemBuffer, SetItemBuffer
from numba.core.typing.builtins import Bool
from numba.core.typing.templates import ConcreteTemplate, builtin_registry, infer_global


class AskedFirst:
    """Answers for what it is mixed with, but only while we compile, and as it did for the same types before."""

    # How many of ours are compiled, one in another; Numba's lock lets one thread compile.
    n_running = 0

    metadata: ClassVar = {"target": "cpu"}

    def __init_subclass__(cls):
        cls.answers = {}

    def apply(self, args, kws):
        """The signature, if it is one."""
        if kws or not AskedFirst.n_running:
            return None
        types_of_args = tuple(args)
        if types_of_args not in self.answers:
            self.answers[types_of_args] = super().apply(args, kws)
        return self.answers[types_of_args]


@infer_global(operator.getitem)
class ItemOfArray(AskedFirst, GetItemBuffer):
    """An entry or a part of an array."""


@infer_global(operator.setitem)
class EntryIntoArray(AskedFirst, SetItemBuffer):
    """What is written to a place of an array."""


@infer_global(bool)
class TruthOfNumber(AskedFirst, Bool):
    """Whether a number is not zero."""


def _answer_for_numbers():
    """Whatever operators make of numbers."""
    for template in list(builtin_registry.functions):
        # Not issubclass(), which would ask all classes of templates.
        of_numbers = template.__module__ == builtins.__name__ and ConcreteTemplate in template.__mro__
        if of_numbers and template.key in vars(operator).values():
            infer_global(template.key)(type(template.__name__, (AskedFirst, template), {}))


_answer_for_numbers()
