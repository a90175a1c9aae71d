"""Entries of a register that are wanted, moved together in memory, and apart again."""

from llvmlite import ir
from numba import types
from numba.core import cgutils

from ._intrinsics import intrinsic
from .lanes import entry_pointer, some_lanes
from .vectors import FEATURES, HAS_AVX512, REGISTER, Mask, ir_type

SOME, PLACES = ir_type(some_lanes), ir.VectorType(ir.IntType(32), 8)
BITS = ir.IntType(REGISTER)
# Of four entries of 64 bits AVX2 makes any order of eight of 32, looked up by the bits of the mask.
LOOKED_UP = "+avx2" in FEATURES and not HAS_AVX512


def _wanted_first(lanes):
    return lanes + [0] * (REGISTER - len(lanes))


def _ranks(lanes):
    return [lanes.index(lane) if lane in lanes else 0 for lane in range(REGISTER)]


def _in_order(builder, value, condition, name, order_of):
    """The entries of a register in the order that a table has for the bits of the condition."""
    name = f"{name}_{REGISTER}"
    if name not in builder.module.globals:
        orders = [order_of([i for i in range(REGISTER) if bits >> i & 1]) for bits in range(2**REGISTER)]
        rows = [ir.Constant(PLACES, [2 * i + half for i in order for half in range(2)]) for order in orders]
        cgutils.global_constant(builder.module, name, ir.Constant(ir.ArrayType(PLACES, len(rows)), rows))
    bits = builder.zext(builder.bitcast(condition, BITS), ir.IntType(64))
    places = builder.load(builder.gep(builder.module.globals[name], [ir.IntType(64)(0), bits]))
    kind = ir.FunctionType(PLACES, [PLACES, PLACES])
    permute = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.avx2.permd")
    return builder.bitcast(builder.call(permute, [builder.bitcast(value, PLACES), places]), SOME)


@intrinsic
def pack(typing_context, array, at, value, condition):
    """Set the entries of a float64 array from `at` on to those of a register where the condition holds.

    What follows them is overwritten too, as if all were written.
    """

    def codegen(context, builder, sig, arguments):
        array, at, value, condition = arguments
        if LOOKED_UP:
            packed = _in_order(builder, value, condition, "wanted_first", _wanted_first)
        else:
            name = f"llvm.experimental.vector.compress.v{REGISTER}f64"
            kind = ir.FunctionType(SOME, [SOME, condition.type, SOME])
            function = cgutils.get_or_insert_function(builder.module, kind, name)
            packed = builder.call(function, [value, condition, ir.Constant(SOME, ir.Undefined)])
        builder.store(packed, entry_pointer(context, builder, sig.args[0], array, at, some_lanes), align=8)
        return context.get_dummy_value()

    return types.void(array, types.int64, some_lanes, Mask(REGISTER)), codegen


@intrinsic
def unpack_some(typing_context, array, start, condition):
    """The entries of a float64 array from start on in the lanes where the condition holds, any in the others."""

    def codegen(context, builder, sig, arguments):
        array, start, condition = arguments
        pointer = entry_pointer(context, builder, sig.args[0], array, start, some_lanes)
        if LOOKED_UP:
            return _in_order(builder, builder.load(pointer, align=8), condition, "ranks", _ranks)
        others = ir.Constant(SOME, [0.0] * REGISTER)
        name = f"llvm.masked.expandload.v{REGISTER}f64"
        pointer = builder.bitcast(pointer, ir.DoubleType().as_pointer())
        kind = ir.FunctionType(SOME, [pointer.type, condition.type, SOME])
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        return builder.call(function, [pointer, condition, others])

    return some_lanes(array, types.int64, Mask(REGISTER)), codegen


@intrinsic
def store_mask(typing_context, array, index, condition):
    """Set array[index], of an array of uint8, to bits of where the condition holds."""

    def codegen(context, builder, sig, arguments):
        array, index, condition = arguments
        bits = builder.bitcast(condition, BITS)
        bits = bits if REGISTER == 8 else builder.zext(bits, ir.IntType(8))
        builder.store(bits, builder.gep(context.make_array(sig.args[0])(context, builder, array).data, [index]))
        return context.get_dummy_value()

    return types.void(array, types.int64, Mask(REGISTER)), codegen


@intrinsic
def load_mask(typing_context, array, index):
    """What store_mask has stored."""

    def codegen(context, builder, sig, arguments):
        array, index = arguments
        bits = builder.load(builder.gep(context.make_array(sig.args[0])(context, builder, array).data, [index]))
        bits = bits if REGISTER == 8 else builder.trunc(bits, BITS)
        return builder.bitcast(bits, ir.VectorType(ir.IntType(1), REGISTER))

    return Mask(REGISTER)(array, types.int64), codegen
