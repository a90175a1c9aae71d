"""Entries of a register moved together and apart again, for each mask there is."""

import numpy as np
from arsm_fast.kernels._jit import compiled
from arsm_fast.kernels.lanes import load_some, some_of, store_from
from arsm_fast.kernels.packing import load_mask, pack, store_mask, unpack_some
from arsm_fast.kernels.vectors import REGISTER


@compiled
def move(wanted, values, packed, apart, masks):
    """Where wanted is 1, and not 0."""
    condition = load_some(wanted, 0) == some_of(1.0)
    pack(packed, 1, load_some(values, 0), condition)
    store_mask(masks, 1, condition)
    store_from(apart, 0, unpack_some(packed, 1, load_mask(masks, 1)))


def test_entries_are_packed_in_order_and_go_back_to_where_they_were():
    values = np.arange(1.0, REGISTER + 1.0)
    for bits in range(2**REGISTER):
        wanted = np.array([float(bits >> lane & 1) for lane in range(REGISTER)])
        packed, apart, masks = np.full(REGISTER + 2, -1.0), np.empty(REGISTER), np.zeros(3, np.uint8)
        move(wanted, values, packed, apart, masks)
        n = bits.bit_count()
        np.testing.assert_array_equal(packed[1 : n + 1], values[wanted == 1.0])
        assert packed[0] == packed[-1] == -1.0
        np.testing.assert_array_equal(apart[wanted == 1.0], values[wanted == 1.0])
        np.testing.assert_array_equal(masks, [0, bits, 0])
