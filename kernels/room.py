"""Arrays as np.empty, np.zeros and reshape make them, which takes Numba a fifth of a second for each kind."""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import impl_ret_borrowed

from ._intrinsics import intrinsic
from .lanes import WIDTH

# Bytes of a cache line.
ALIGNMENT = 64


def _allocated(context, builder, signature, arguments, set_to_zero):
    array_type, (_, shape_type) = signature.return_type, signature.args
    shape = arguments[1:] if array_type.ndim == 1 else cgutils.unpack_tuple(builder, arguments[1])
    kinds = [shape_type] if array_type.ndim == 1 else shape_type.types
    shape = [context.cast(builder, *pair, types.intp) for pair in zip(shape, kinds, strict=True)]
    array = context.make_array(array_type)(context, builder)
    item = context.get_abi_sizeof(context.get_data_type(array_type.dtype))
    strides, size = [], context.get_constant(types.intp, item)
    for length in reversed(shape):
        strides.insert(0, size)
        size = builder.mul(size, length)
    memory = context.nrt.meminfo_alloc_aligned(builder, size, ir.IntType(32)(ALIGNMENT))
    data = context.nrt.meminfo_data(builder, memory)
    if set_to_zero:
        cgutils.memset(builder, data, size, 0)
    context.populate_array(
        array,
        data=builder.bitcast(data, array.data.type),
        shape=shape,
        strides=strides,
        itemsize=item,
        meminfo=memory,
    )
    return array._getvalue()


def _making(set_to_zero):
    @intrinsic
    def make(typing_context, kind, shape):
        ndim = len(shape) if isinstance(shape, types.BaseTuple) else 1
        array_type = types.Array(kind.dtype, ndim, "C")

        def codegen(context, builder, signature, arguments):
            return _allocated(context, builder, signature, arguments, set_to_zero)

        return array_type(kind, shape), codegen

    return make


# Of (kind, shape), a length or a tuple of them, which must fit into memory; each begins with a cache line.
empty = _making(set_to_zero=False)
zeros = _making(set_to_zero=True)


def _check_layout(array, ndim):
    if array.layout != "C" or array.ndim != ndim:
        raise TypeError(f"must be a contiguous array of {ndim} axes; got {array}")


def _view(context, builder, signature, array, shape):
    """What is in a contiguous array, as one of another shape or kind."""
    result = signature.return_type
    given = context.make_array(signature.args[-1])(context, builder, array)
    view = context.make_array(result)(context, builder)
    item = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(result.dtype)))
    strides = [item] if len(shape) == 1 else [builder.mul(item, shape[1]), item]
    data, owner = builder.bitcast(given.data, view.data.type), {"meminfo": given.meminfo, "parent": given.parent}
    context.populate_array(view, data=data, shape=shape, strides=strides, itemsize=item, **owner)
    return impl_ret_borrowed(context, builder, result, view._getvalue())


@intrinsic
def flat(typing_context, array):
    """An array of two axes as one of one."""
    _check_layout(array, 2)

    def codegen(context, builder, signature, arguments):
        shape = cgutils.unpack_tuple(builder, context.make_array(array)(context, builder, arguments[0]).shape)
        return _view(context, builder, signature, arguments[0], [builder.mul(*shape)])

    return array.copy(ndim=1)(array), codegen


@intrinsic
def tile_of(typing_context, array):
    """A flat array as rows of eight."""
    _check_layout(array, 1)

    def codegen(context, builder, signature, arguments):
        (n,) = cgutils.unpack_tuple(builder, context.make_array(array)(context, builder, arguments[0]).shape)
        return _view(context, builder, signature, arguments[0], [builder.sdiv(n, n.type(WIDTH)), n.type(WIDTH)])

    return array.copy(ndim=2)(array), codegen


@intrinsic
def view_as(typing_context, kind, array):
    """A flat array as one of numbers of another kind, no longer ones."""
    _check_layout(array, 1)
    if array.dtype.bitwidth % kind.dtype.bitwidth:
        raise TypeError(f"numbers of {array.dtype} do not consist of {kind.dtype}")

    def codegen(context, builder, signature, arguments):
        (n,) = cgutils.unpack_tuple(builder, context.make_array(array)(context, builder, arguments[1]).shape)
        length = builder.mul(n, n.type(array.dtype.bitwidth // kind.dtype.bitwidth))
        return _view(context, builder, signature, arguments[1], [length])

    return array.copy(dtype=kind.dtype)(kind, array), codegen
