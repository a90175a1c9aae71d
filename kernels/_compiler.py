"""How kernels and their helpers are compiled: helpers as parts of the kernels that call them.

Numba would optimise each helper on its own, make machine code of it that nobody calls, and optimise it again in
every caller. That was more than half of LLVM's time at the first call of an estimator.
"""

from types import CodeType

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.compiler_machinery import PassManager

from ._answers import AskedFirst
from .vectors import REGISTER

# Passes of Numba, by name, for what we never write; each goes through all statements of a function.
NEEDLESS = {"with_lifting", "inline_inlinables", "find_literally", "literal_unroll", "LiteralPropagation"}
FOR_CLOSURES = {"inline_closure_likes", "make_function_op_code_to_jit_function"}
FOR_NEW_ARRAYS = {"nopython_rewrites"}
VECTOR_BYTES = 8 * REGISTER


class WithoutEnvironments:
    """A code generator, but for what Numba leaves with machine code."""

    def __init__(self, codegen):
        self._codegen = codegen

    def __getattr__(self, name):
        return getattr(self._codegen, name)

    def set_env(self, env_name, env):
        """Leave nothing: a helper must not need its environment, as it would for arguments of an exception."""


class KernelLibrary(JITCodeLibrary):
    """The code of a kernel."""

    def add_ir_module(self, ir_module):
        """Take what was lowered."""
        for function in ir_module.functions:
            if not function.is_declaration:
                # Else vectors that are kept on the stack lie across two cache lines, in most processes.
                function.attributes.alignstack = VECTOR_BYTES
                # No attribute at all is written without another one; this one changes nothing.
                function.attributes.add("uwtable")
        super().add_ir_module(ir_module)


class HelperLibrary(KernelLibrary):
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


class KernelCompiler(Compiler):
    """Numba's compiler, without what nothing of ours needs."""

    def define_pipelines(self):
        """The passes of Numba, but for those."""
        needless = set(NEEDLESS)
        if not any(isinstance(constant, CodeType) for constant in self.state.func_id.code.co_consts):
            needless |= FOR_CLOSURES
        if not self.state.flags.nrt:
            needless |= FOR_NEW_ARRAYS
        return [_without(needless, pipeline) for pipeline in super().define_pipelines()]

    def compile_extra(self, function):
        """Compile it."""
        if self.state.library is None:
            self.state.library = KernelLibrary(self.state.targetctx.codegen(), function.__qualname__)
            self.state.library.enable_object_caching()
        AskedFirst.n_running += 1
        try:
            return super().compile_extra(function)
        finally:
            AskedFirst.n_running -= 1


def _without(needless, pipeline):
    result = PassManager(pipeline.pipeline_name)
    for step, description in pipeline.passes:
        if step.name() not in needless:
            result.add_pass(step, description)
    result.finalize()
    return result


class HelperCompiler(KernelCompiler):
    """The same, into a library of that kind."""

    def __init__(self, typing_context, target_context, library, *settings):
        library = HelperLibrary(target_context.codegen(), "helper")
        super().__init__(typing_context, target_context, library, *settings)
