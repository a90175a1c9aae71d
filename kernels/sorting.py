"""Sort categories by key: positive numbers, most often spread evenly on a logarithmic scale."""

import numpy as np

from ._jit import allocating, called
from .lanes import WIDTH, lane_numbers, load_eight, spread, store_from
from .race import beats
from .room import empty, zeros
from .vectors import as_bits, select

LONGEST_INSERTION = 24
MOST_IN_BUCKET = 64
# So few are sooner compared each with all others, eight at a time.
MOST_RANKED = 64


@called
def heap_sort(keys, items):
    """Sort both arrays by key, level keys by item, in place."""
    n = keys.shape[0]
    heap_start, heap_stop = n // 2, n
    while heap_stop > 1:
        if heap_start > 0:
            heap_start -= 1
            key, item = keys[heap_start], items[heap_start]
        else:
            heap_stop -= 1
            key, item = keys[heap_stop], items[heap_stop]
            keys[heap_stop], items[heap_stop] = keys[0], items[0]
        parent = heap_start
        child = 2 * parent + 1
        while child < heap_stop:
            sibling = child + 1
            if sibling < heap_stop and beats(keys[child], items[child], keys[sibling], items[sibling]):
                child = sibling
            if beats(keys[child], items[child], key, item):
                break
            keys[parent], items[parent] = keys[child], items[child]
            parent = child
            child = 2 * parent + 1
        keys[parent], items[parent] = key, item


@allocating
def sort_by_buckets(keys, items):
    """Sort both arrays by the leading bits of the keys; False, and nothing done, where those hardly differ."""
    n = keys.shape[0]
    low, high = as_bits(keys[0]), as_bits(keys[0])
    for i in range(n):
        bits = as_bits(keys[i])
        low, high = min(low, bits), max(high, bits)
    shift = np.uint64(0)
    while (high - low) >> shift >= np.uint64(2 * n):
        shift += np.uint64(1)
    starts = zeros(np.int32, np.int64((high - low) >> shift) + 2)
    most = 0
    for i in range(n):
        bucket = np.int64((as_bits(keys[i]) - low) >> shift) + 1
        starts[bucket] += 1
        most = max(most, starts[bucket])
    if most > MOST_IN_BUCKET:
        return False
    for bucket in range(1, starts.shape[0]):
        starts[bucket] += starts[bucket - 1]
    old_keys, old_items = empty(np.float64, n), empty(np.int32, n)
    for i in range(n):
        old_keys[i], old_items[i] = keys[i], items[i]
    for i in range(n):
        bucket = np.int64((as_bits(old_keys[i]) - low) >> shift)
        keys[starts[bucket]], items[starts[bucket]] = old_keys[i], old_items[i]
        starts[bucket] += 1
    return True


@allocating
def sort_by_key(keys, items):
    """Sort both arrays by key, level keys by item, in place."""
    n = keys.shape[0]
    if n > LONGEST_INSERTION and not sort_by_buckets(keys, items):
        heap_sort(keys, items)
        return
    for i in range(1, n):
        key, item = keys[i], items[i]
        at = i
        while at > 0 and beats(key, item, keys[at - 1], items[at - 1]):
            keys[at], items[at] = keys[at - 1], items[at - 1]
            at -= 1
        keys[at], items[at] = key, item


@called
def sort_by_rank(keys, items, ranks, sorted_keys, sorted_items):
    """Write keys and items to other arrays in the order of the keys, level ones in that of their places.

    After the keys there must be WIDTH that are infinite, and for the ranks as much room as they take.
    """
    n = items.shape[0]
    one, zero = spread(1.0), spread(0.0)
    for start in range(0, n, WIDTH):
        own = load_eight(keys, start)
        rank = zero
        for i in range(start):
            rank = rank + select(own >= keys[i], one, zero)
        for i in range(start, min(n, start + WIDTH)):
            comes_before = (own > keys[i]) | ((own == keys[i]) & (lane_numbers() > np.float64(i - start)))
            rank = rank + select(comes_before, one, zero)
        for i in range(start + WIDTH, n):
            rank = rank + select(own > keys[i], one, zero)
        store_from(ranks, start, rank)
    for i in range(n):
        rank = np.uint32(ranks[i])
        sorted_keys[rank], sorted_items[rank] = keys[i], items[i]
