"""ARS4x32-7 (Salmon, Moraes, Dror and Shaw, SC 2011): counter-based random bits, by seven rounds of AES.

Words hold blocks of two: its low half, and its high one. A processor with instructions for AES, as every x86-64
since about 2010 and most 64-bit ARM have them, is fast; see portable_ars.py for others.
"""

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils

from ._intrinsics import intrinsic
from .portable_ars import ROUNDS, WEYL_HIGH, WEYL_LOW, portable_ars
from .vectors import FEATURES, HAS_AVX512, concatenated, shuffled

# Of how many words the widest vector is that instructions for AES take.
WIDEST = (8 if HAS_AVX512 else 4) if {"+vaes", "+avx2"} <= FEATURES else 2


def _call(builder, name, result, *arguments):
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)


def _x86_round(builder, block, key, last):
    width = {2: "", 4: ".256", 8: ".512"}[block.type.count]
    return _call(builder, f"llvm.x86.aesni.aesenc{'last' if last else ''}{width}", block.type, block, key)


def _arm_round(builder, block, key, last):
    kind = ir.VectorType(ir.IntType(8), 16)
    state = builder.bitcast(block, kind)
    state = _call(builder, "llvm.aarch64.crypto.aese", kind, state, ir.Constant(kind, [0] * 16))
    if not last:
        state = _call(builder, "llvm.aarch64.crypto.aesmc", kind, state)
    return builder.xor(builder.bitcast(state, block.type), key)


# (builder, block, key, last): a round of AES, where there are instructions for it.
AES_ROUND = None
if "+aes" in FEATURES:
    architecture = binding.get_process_triple().split("-")[0]
    AES_ROUND = {"x86_64": _x86_round, "aarch64": _arm_round, "arm64": _arm_round}.get(architecture)


def _in_parts(builder, blocks, key):
    """Whole vectors of blocks at a time, all of them through a round before the next."""
    width = blocks.type.count
    step = min(WIDEST, width)
    kind = ir.VectorType(ir.IntType(64), step)
    first_key = builder.insert_element(ir.Constant(kind, [0] * step), key, ir.IntType(32)(0))
    first_key = shuffled(builder, first_key, first_key, [0, 1] * (step // 2))
    parts = [
        builder.xor(shuffled(builder, blocks, blocks, range(i, i + step)), first_key)
        for i in range(0, width, step)
    ]
    for i in range(1, ROUNDS + 1):
        weyl = [i * int(word) % 2**64 for word in (WEYL_LOW, WEYL_HIGH)]
        own_key = builder.add(first_key, ir.Constant(kind, weyl * (step // 2)))
        parts = [AES_ROUND(builder, part, own_key, i == ROUNDS) for part in parts]
    return concatenated(builder, parts)


@intrinsic
def ars(typing_context, blocks, key):
    """The random bits of blocks of counters, for a key of 64 bits."""

    def codegen(context, builder, sig, arguments):
        blocks, key = arguments
        if AES_ROUND is not None:
            return _in_parts(builder, blocks, key)
        word = types.uint64
        one_block = types.UniTuple(word, 2)(word, word, word)
        result = blocks
        for i in range(0, sig.return_type.width, 2):
            places = ir.IntType(32)(i), ir.IntType(32)(i + 1)
            halves = [builder.extract_element(blocks, place) for place in places]
            own = context.compile_internal(
                builder, lambda low, high, key: portable_ars(low, high, key), one_block, [*halves, key]
            )
            for half, place in zip(cgutils.unpack_tuple(builder, own), places, strict=True):
                result = builder.insert_element(result, half, place)
        return result

    return blocks(blocks, types.uint64), codegen
