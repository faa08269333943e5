"""Byte planes: the first bytes of all elements, then all second ones, and so on; and what that is worth for tensors.

Two versions of a tensor differ in the low bytes of each number, and of a quantised block in its scale and some of its
nibbles. Laid apart, the bytes that hardly differ are long runs of zeros after the xor, which zstd makes vanish.
"""

import numpy as np

from tacita.models.deltas.structure import Chunk, Operation


def split(data: bytes, period: int) -> bytes:
    """Return `data` in byte planes of elements of `period` bytes; what is left at its end stays there."""
    whole = len(data) - len(data) % period
    planes = np.frombuffer(data, np.uint8, whole).reshape(-1, period).T
    return planes.tobytes() + data[whole:]


def join(data: bytes, period: int) -> bytes:
    """Return the data of `split`."""
    whole = len(data) - len(data) % period
    elements = np.frombuffer(data, np.uint8, whole).reshape(period, -1).T
    return elements.tobytes() + data[whole:]


def xor(data: bytes, other: bytes) -> bytes:
    """Return the bitwise exclusive or of two equally long texts."""
    return (np.frombuffer(data, np.uint8) ^ np.frombuffer(other, np.uint8)).tobytes()


def unfold(chunk: Chunk, content: bytes, base: bytes) -> bytes:
    """Return a chunk of the target from its decompressed payload and the base's bytes beside it."""
    if chunk.operation is Operation.PREFIX:
        return content
    joined = join(content, chunk.period) if chunk.period > 1 else content
    return xor(joined, base) if chunk.operation is Operation.XOR else joined
