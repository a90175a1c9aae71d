"""Bit-level operations that Numba lacks."""

import numpy as np
from llvmlite import ir
from numba import types

from ._intrinsics import intrinsic

MASK_WIDTH = 32
# A word's low half, and how far its high one is shifted.
LOW_WORD, WORD_BITS = np.uint64(0xFFFFFFFF), np.uint64(32)


@intrinsic
def below_mask(typing_context, row, start, factor, limit):
    """Bit i says whether row[start + i] * factor < limit, for MASK_WIDTH entries of a float64 row."""

    def codegen(context, builder, signature, arguments):
        row_value, start_value, factor_value, limit_value = arguments
        vector = ir.VectorType(ir.DoubleType(), MASK_WIDTH)

        def spread(scalar):
            one = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, ir.IntType(32)(0))
            zeros = ir.Constant(ir.VectorType(ir.IntType(32), MASK_WIDTH), [0] * MASK_WIDTH)
            return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), zeros)

        data = context.make_array(signature.args[0])(context, builder, row_value).data
        pointer = builder.bitcast(builder.gep(data, [start_value]), vector.as_pointer())
        entries = builder.load(pointer, align=8)
        below = builder.fcmp_ordered("<", builder.fmul(entries, spread(factor_value)), spread(limit_value))
        mask = builder.bitcast(below, ir.IntType(MASK_WIDTH))
        return builder.zext(mask, ir.IntType(64))

    return types.uint64(row, types.int64, types.float64, types.float64), codegen


@intrinsic
def lowest_bit(typing_context, mask):
    """The number of the lowest bit that is set in a non-zero mask."""

    def codegen(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), codegen


@intrinsic
def highest_bit(typing_context, mask):
    """The number of the highest bit that is set in a non-zero mask."""

    def codegen(context, builder, signature, arguments):
        return builder.sub(ir.IntType(64)(63), builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 1)))

    return types.int64(types.uint64), codegen


@intrinsic
def bit_count(typing_context, mask):
    """How many bits are set."""

    def codegen(context, builder, signature, arguments):
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), codegen
