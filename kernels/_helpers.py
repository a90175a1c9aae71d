"""How helpers are compiled: as parts of the kernels that call them.

Numba would optimise each helper on its own, make machine code of it that nobody calls, and optimise it again in
every caller. That was more than half of LLVM's time at the first call of an estimator.
"""

import operator
from typing import ClassVar

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.typing.arraydecl import GetItemBuffer
from numba.core.typing.builtins import Bool
from numba.core.typing.templates import infer_global


class AskedFirst:
    """Answers for what it is mixed with, before all others, but only where a helper is compiled.

    Numba asks all other containers first whether a[i] is of theirs, and strings and more whether bool(a) is: that
    was a tenth of the time it takes. What is for one target is asked before what is for any. In the code of
    others than us, their overloads must be heard first.
    """

    metadata: ClassVar = {"target": "cpu"}

    def generic(self, args, kws):
        """The signature, if it is one."""
        return super().generic(args, kws) if HelperCompiler.n_running else None


@infer_global(operator.getitem)
class ItemOfArray(AskedFirst, GetItemBuffer):
    """An entry or a part of an array."""


@infer_global(bool)
class TruthOfNumber(AskedFirst, Bool):
    """Whether a number is not zero."""


class WithoutEnvironments:
    """A code generator, but for what Numba leaves with machine code."""

    def __init__(self, codegen):
        self._codegen = codegen

    def __getattr__(self, name):
        return getattr(self._codegen, name)

    def set_env(self, env_name, env):
        """Leave nothing: a helper must not need its environment, as it would for arguments of an exception."""


class HelperLibrary(JITCodeLibrary):
    """The code of a helper, simplified but not optimised, to be linked into that of its callers."""

    @property
    def codegen(self):
        """As Numba sees it."""
        return WithoutEnvironments(self._codegen)

    def add_ir_module(self, ir_module):
        """Take what was lowered."""
        for function in ir_module.functions:
            # What is not to be inlined is not: LLVM would look at its loops before they are unrolled.
            if not function.is_declaration and "alwaysinline" not in function.attributes:
                function.attributes.add("noinline")
        super().add_ir_module(ir_module)

    def get_pointer_to_function(self, name):
        """No machine code."""
        return 0

    def _optimize_final_module(self):
        pass

    def _finalize_final_module(self):
        self._finalized = True


class HelperCompiler(Compiler):
    """Numba's compiler, into a library of that kind."""

    # How many are at it, one in another; Numba's lock lets one thread compile.
    n_running = 0

    def __init__(self, typing_context, target_context, library, *settings):
        library = HelperLibrary(target_context.codegen(), "helper")
        super().__init__(typing_context, target_context, library, *settings)

    def compile_extra(self, function):
        """Compile it."""
        HelperCompiler.n_running += 1
        try:
            return super().compile_extra(function)
        finally:
            HelperCompiler.n_running -= 1
