"""Images of digits in black and white: scikit-learn's, of 8 x 8 pixels, or MNIST from its own files."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

# The files of MNIST hold unsigned bytes.
UNSIGNED_BYTE = 8
TRAIN, TEST = "train-images-idx3-ubyte", "t10k-images-idx3-ubyte"


class Images(NamedTuple):
    """Rows of pixels, each 0.0 or 1.0, from the top to the bottom of an image."""

    train: FloatArray
    test: FloatArray


def read_idx(path: Path) -> NDArray[np.uint8]:
    """An array of unsigned bytes from a file in the IDX format, which may be compressed with gzip."""
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] != UNSIGNED_BYTE:
        raise ValueError(f"{path} must be an IDX file of unsigned bytes; it starts with {data[:4].hex(' ')}")
    n_axes = data[3]
    start = 4 + 4 * n_axes
    if len(data) < start:
        raise ValueError(
            f"{path} must have {n_axes} sizes of 4 bytes after its first 4; it has {len(data)} bytes"
        )
    shape = struct.unpack(f">{n_axes}I", data[4:start])
    n_expected = int(np.prod(shape))
    if len(data) - start != n_expected:
        raise ValueError(f"{path} must hold {n_expected} bytes for shape {shape}; it has {len(data) - start}")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def load_mnist(folder: Path) -> Images:
    """The images of the two files in a folder, plain or gzipped; pixels above half of the range are 1."""
    parts = []
    for name in (TRAIN, TEST):
        found = [path for path in (folder / name, folder / f"{name}.gz") if path.is_file()]
        if not found:
            raise FileNotFoundError(f"{folder} must hold MNIST's {name}, or {name}.gz; found neither")
        images = read_idx(found[0])
        if images.ndim != 3:
            raise ValueError(
                f"{found[0]} must hold images, of shape (N, height, width); got shape {images.shape}"
            )
        parts.append((images.reshape(len(images), -1) > 127).astype(np.float64))
    return Images(*parts)


def load_digits() -> Images:
    """The 1,797 digits that come with scikit-learn; every fifth is for testing, pixels of 8 to 16 are 1."""
    try:
        from sklearn import datasets
    except ImportError:
        raise SystemExit('the digits need scikit-learn: pip install "arsm-fast[examples]"') from None
    pixels = (datasets.load_digits().data >= 8).astype(np.float64)
    test = np.arange(len(pixels)) % 5 == 0
    return Images(pixels[~test], pixels[test])


def load_images(mnist: Path | None) -> Images:
    """MNIST from a folder, or else the digits."""
    return load_digits() if mnist is None else load_mnist(mnist)
