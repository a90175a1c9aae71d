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


def tasks(
    n_items: str, size: str | None = None, *, sums: int = 0
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile one task of a kernel, and a loop over them in parallel; the task's number is its first argument.

    There is a task for each item or, if items have a size in categories, for several (see items_of): expressions
    of the other arguments. So many results of a task are added up. Both are of the types of the first call.
    """
    count = n_items if size is None else f"n_tasks({n_items}, {size})"

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        task = compiled(function, no_cpython_wrapper=True)
        loop = compiled(_loop_over(function, task, count, sums), parallel=PRANGE_ONLY)
        address = 0

        @functools.wraps(function)
        def enter(*arguments: Any) -> Any:
            nonlocal address
            with parallel_entry():
                if not address:
                    address = _compile_both(task, loop, arguments)
                return loop(address, *arguments)

        enter.dispatcher = loop  # type: ignore[attr-defined]
        return enter

    return decorate


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


@global_compiler_lock
def _compile_both(task: Any, loop: Any, arguments: tuple[Any, ...]) -> int:
    """Compile a task, and the loop over tasks; the task's address."""
    if not loop.overloads:  # else another thread was first
        given = tuple(numba.typeof(argument) for argument in arguments)
        task.compile((types.int64, *given))
        loop.compile((types.int64, *given))
        loop.disable_compile()  # of other types the address would be another
    (overload,) = task.overloads.values()
    address: int = overload.library.get_pointer_to_function(overload.fndesc.llvm_func_name)
    return address
