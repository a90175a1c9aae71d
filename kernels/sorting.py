"""Sort categories by key: by buckets positive numbers, most often spread evenly on a logarithmic scale."""

import numpy as np

from ._jit import allocating, called
from .race import beats
from .room import empty, zeros
from .vectors import as_bits

LONGEST_INSERTION = 24
MOST_IN_BUCKET = 64


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
