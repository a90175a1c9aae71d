"""How helpers are compiled: as parts of the kernels that call them.

Numba would optimise each helper on its own, make machine code of it that nobody calls, and optimise it again in
every caller. That was more than half of LLVM's time at the first call of an estimator.
"""

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler


class HelperLibrary(JITCodeLibrary):
    """The code of a helper as it was lowered, to be linked into that of its callers."""

    @property
    def codegen(self):
        """Where Numba leaves a function's environment: a helper has none, as no machine code refers to it."""
        return self

    def set_env(self, env_name, env):
        """Leave none."""

    def get_pointer_to_function(self, name):
        """No machine code."""
        return 0

    def _optimize_functions(self, ll_module):
        ll_module.data_layout = self._codegen._data_layout
        for function in ll_module.functions:
            # What is not to be inlined is not: LLVM would look at its loops before they are unrolled.
            if not function.is_declaration and b"alwaysinline" not in b" ".join(function.attributes).split():
                function.add_function_attribute("noinline")

    def _optimize_final_module(self):
        pass

    def _finalize_final_module(self):
        self._finalized = True


class HelperCompiler(Compiler):
    """Numba's compiler, into a library of that kind."""

    def __init__(self, typing_context, target_context, library, *settings):
        library = HelperLibrary(target_context.codegen(), "helper")
        super().__init__(typing_context, target_context, library, *settings)
