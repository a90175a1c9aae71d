"""Kernels made of tasks: each is compiled on its own, and a loop in parallel calls it by its address.

Numba compiles whatever a loop in parallel calls four times more: in the loop, in its function and in two
wrappers. What is called by address it does not see.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numba
from numba import types
from numba.core import cgutils
from numba.core.compiler_lock import global_compiler_lock
from numba.extending import intrinsic

from ._jit import PRANGE_ONLY, compiled, inlined, parallel_entry

CATEGORIES_PER_TASK = 16384


@inlined
def items_per_task(size):
    """How many items of so many categories make a task."""
    return max(1, CATEGORIES_PER_TASK // size)


@inlined
def n_tasks(n_items, size):
    """How many tasks so many items are."""
    per_task = items_per_task(size)
    return (n_items + per_task - 1) // per_task


@inlined
def items_of(task, n_items, size):
    """The items of a task, a range."""
    per_task = items_per_task(size)
    return range(task * per_task, min(n_items, (task + 1) * per_task))


def tasks(n_items: str, size: str | None = None, *, sums: int = 0) -> Callable[[Callable[..., Any]], Any]:
    """Compile one task of a kernel, and a loop over them in parallel; the task's number is its first argument.

    There is a task for each item or, if items have a size in categories, for several (see items_of): expressions
    of the other arguments. So many results of a task are added up. Both are of the types of the first call.
    """
    count = n_items if size is None else f"n_tasks({n_items}, {size})"
    return lambda function: Tasks(function, count, sums)


class Tasks:
    """A kernel; nothing is made before the first call, as most programs need few of all kernels."""

    def __init__(self, function: Callable[..., Any], count: str, sums: int) -> None:
        functools.update_wrapper(self, function)
        self._function, self._count, self._sums = function, count, sums
        self._address = 0

    @functools.cached_property
    def task(self) -> Any:
        """One task."""
        return compiled(self._function, no_cpython_wrapper=True)

    @functools.cached_property
    def dispatcher(self) -> Any:
        """The loop."""
        return compiled(_loop_over(self._function, self.task, self._count, self._sums), parallel=PRANGE_ONLY)

    def __call__(self, *arguments: Any) -> Any:
        """Run all tasks."""
        with parallel_entry():
            if not self._address:
                self._compile(arguments)
            return self.dispatcher(self._address, *arguments)

    @global_compiler_lock
    def _compile(self, arguments: tuple[Any, ...]) -> None:
        if self._address:
            return  # another thread was first
        given = tuple(numba.typeof(argument) for argument in arguments)
        self.task.compile((types.int64, *given))
        self.dispatcher.compile((types.int64, *given))
        self.dispatcher.disable_compile()  # of other types the address would be another
        (overload,) = self.task.overloads.values()
        self._address = overload.library.get_pointer_to_function(overload.fndesc.llvm_func_name)


def _loop_over(function: Callable[..., Any], task: Any, count: str, sums: int) -> Callable[..., Any]:
    """The loop, as Python would have it written: its arguments are the task's address and its arguments."""
    _, *names = inspect.signature(function).parameters
    results = [f"sum_{i}" for i in range(sums)]
    call = f"call(address, task, {', '.join(names)})"
    lines = [
        f"def {function.__name__}(address, {', '.join(names)}):",
        *(f"    {result} = 0" for result in results),
        f"    for task in prange({count}):",
        f"        {', '.join(f'own_{result}' for result in results)} = {call}" if sums else f"        {call}",
        *(f"        {result} += own_{result}" for result in results),
        *([f"    return {', '.join(results)}"] if sums else []),
    ]
    names_of_loop = {**function.__globals__, "prange": numba.prange, "n_tasks": n_tasks, "call": _call_of(task)}
    # The compile cache goes by the file.
    exec(compile("\n".join(lines), function.__code__.co_filename, "exec"), names_of_loop)
    loop: Callable[..., Any] = names_of_loop[function.__name__]
    return loop


def _call_of(task: Any) -> Any:
    """An intrinsic that calls a compiled task at an address."""

    @intrinsic
    def call(typing_context: Any, address: Any, *arguments: Any) -> Any:
        (overload,) = task.overloads.values()
        result, own = overload.signature.return_type, overload.signature.args

        def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            pointer = context.call_conv.get_function_type(result, own).as_pointer()
            given = zip(cgutils.unpack_tuple(builder, values[1]), signature.args[1], own, strict=True)
            converted = [context.cast(builder, value, of, to) for value, of, to in given]
            function = builder.inttoptr(values[0], pointer)
            status, value = context.call_conv.call_function(builder, function, result, own, converted)
            with cgutils.if_unlikely(builder, status.is_error):
                context.call_conv.return_status_propagate(builder, status)
            return context.get_dummy_value() if result == types.none else value

        return result(types.int64, types.StarArgTuple(arguments)), codegen

    return call
