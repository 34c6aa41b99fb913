"""COPY's binary format for rows of numbers and float8 arrays, made by numpy: a month of candles is a few
memory copies, not a hundred thousand calls."""

from __future__ import annotations

import struct

import numpy as np

HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0)
TRAILER = struct.pack("!h", -1)

FLOAT8 = 701  # the type's oid, as the wire format wants it
ELEMENT = np.dtype([("length", ">i4"), ("value", ">f8")])


def float8_array(values: np.ndarray, missing: np.ndarray | None = None) -> bytes:
    """A field that holds float8[], from shape (n,), n > 0; NULL where ``missing`` (bool, shape (n,)) is true."""
    n = len(values)
    elements = np.empty(n, ELEMENT)
    elements["length"] = 8
    elements["value"] = values
    nulls = missing if missing is not None and missing.any() else None
    if nulls is not None:
        # a NULL is a length of -1 with no value behind it, so the elements are no longer of one size
        null = struct.pack("!i", -1)
        body = b"".join(null if gone else element.tobytes() for element, gone in zip(elements, nulls, strict=True))
    else:
        body = elements.tobytes()
    body = struct.pack("!iiIii", 1, int(nulls is not None), FLOAT8, n, 1) + body
    return struct.pack("!i", len(body)) + body


def bits(values: np.ndarray) -> bytes:
    """A field that holds bit(n), from bool of shape (n,)."""
    body = struct.pack("!i", len(values)) + np.packbits(values).tobytes()
    return struct.pack("!i", len(body)) + body


def boolean(value: bool) -> bytes:
    """A field that holds a boolean."""
    return struct.pack("!i?", 1, value)


def int4(value: int) -> bytes:
    """A field that holds an integer (or a date, as days since 2000-01-01)."""
    return struct.pack("!ii", 4, value)


def float8(value: float) -> bytes:
    """A field that holds a float8."""
    return struct.pack("!id", 8, value)


def int2(value: int) -> bytes:
    """A field that holds a smallint."""
    return struct.pack("!ih", 2, value)
