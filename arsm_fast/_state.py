"""States as plain arrays, which are checked before anything is taken from them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]
Fields = dict[str, tuple[Any, str | int]]
"""Name, dtype, and shape: letters for lengths, digits for lengths as they are, or one length; "" for a number."""

FORMAT = "arsm_fast.Optimizer 2"


def seal(state: Arrays, settings: str) -> Arrays:
    """The state with its format, the settings it belongs to, and a digest of it all."""
    sealed = {name: np.array(array) for name, array in state.items()}
    sealed["format"], sealed["settings"] = np.array(FORMAT), np.array(settings)
    sealed["digest"] = np.array(_digest(sealed))
    return sealed


def read_state(state: Mapping[str, Any], fields: Fields, lengths: dict[str, int], settings: str) -> Arrays:
    """The arrays of a state, if it is a whole one of these settings."""
    if not isinstance(state, Mapping):
        raise TypeError(f"state must be a mapping of names to arrays; got {type(state).__name__}")
    try:
        arrays = {str(name): np.asarray(state[name]) for name in state}
    except Exception as error:  # of a file that is not whole, or that has objects in it
        raise ValueError(f"state must be that of an Optimizer; it could not be read: {error}") from error
    names = {*fields, "format", "settings", "digest"}
    if arrays.keys() != names:
        odd = min(names ^ arrays.keys())
        what = "is missing" if odd in names else "does not belong there"
        raise ValueError(f"state must be that of an Optimizer with these settings; {odd!r} {what}")
    if arrays["format"].dtype.kind != "U" or str(arrays["format"]) != FORMAT:
        raise ValueError(f"state must be of the format {FORMAT!r}; got {str(arrays['format'])[:60]!r}")
    if str(arrays["digest"]) != _digest(arrays):
        raise ValueError("state is damaged: it does not match its digest")
    if str(arrays["settings"]) != settings:
        raise ValueError(
            "state must be that of an Optimizer with the same n_categories, logits0, estimator, optimizer, "
            "n_proposals, noisy, maximize and scopes"
        )
    lengths = dict(lengths)
    for name, (dtype, shape) in fields.items():
        array = arrays[name]
        letters = [shape] if isinstance(shape, int) else list(shape)
        wanted = [int(n) if str(n).isdigit() else lengths.get(str(n), -1) for n in letters]
        if array.dtype != dtype or array.ndim != len(wanted):
            raise ValueError(
                f"state is damaged: {name!r} is of dtype {array.dtype} and shape {array.shape}, not of "
                f"dtype {np.dtype(dtype)} with {len(wanted)} axes"
            )
        for letter, n, got in zip(letters, wanted, array.shape, strict=True):
            if n < 0:
                lengths[str(letter)] = got
            elif n != got:
                raise ValueError(f"state is damaged: {name!r} has shape {array.shape}, where {n} entries belong")
    return {name: arrays[name] for name in fields}


def _digest(arrays: Arrays) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays.keys() - {"digest"}):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape};".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
