"""Where the tensors lie in a model's file: safetensors, GGUF, or nothing known of it.

Only the maker of a delta looks at this: what it finds is written into the chunks as offsets and periods, so that who
applies a delta needs no knowledge of any model format.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from gguf import GGML_QUANT_SIZES, GGUFReader

_GGUF_MAGIC = b"GGUF"
_LENGTH = struct.Struct("<Q")
_MAX_SAFETENSORS_HEADER = 100 << 20
_WIDTHS = {"F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2}


@dataclass(frozen=True)
class Region:
    """A run of bytes of a file.

    Attributes:
        name: the tensor's, or "" for what lies between tensors.
        offset, length: in bytes.
        period: bytes of one of its elements, or of one block of quantised ones.
    """

    name: str
    offset: int
    length: int
    period: int


def regions(path: Path) -> list[Region]:
    """Return all of a file's bytes as regions, in their order; one nameless region where nothing is known of it."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(_LENGTH.size)
    if start.startswith(_GGUF_MAGIC):
        return _filled(_gguf(path), size)
    return _filled(_safetensors(path, start, size), size)


def _gguf(path: Path) -> list[Region]:
    """Return the tensors of a GGUF file; none when it only begins like one."""
    try:
        tensors = GGUFReader(path).tensors
        return [Region(t.name, int(t.data_offset), int(t.n_bytes), GGML_QUANT_SIZES[t.tensor_type][1]) for t in tensors]
    except Exception:  # noqa: BLE001 - the reader fails in as many ways as there are files that are no GGUF
        return []


def _safetensors(path: Path, start: bytes, size: int) -> list[Region]:
    """Return the tensors of a safetensors file; none when it isn't one."""
    if len(start) < _LENGTH.size:
        return []
    (length,) = _LENGTH.unpack(start)
    if length > min(size - _LENGTH.size, _MAX_SAFETENSORS_HEADER):
        return []
    with path.open("rb") as file:
        file.seek(_LENGTH.size)
        try:
            header: dict[str, Any] = msgspec.json.decode(file.read(length), type=dict[str, Any])
            header.pop("__metadata__", None)
            return [_tensor(name, entry, _LENGTH.size + length) for name, entry in header.items()]
        except (msgspec.DecodeError, UnicodeDecodeError, LookupError, TypeError, ValueError):
            return []


def _tensor(name: str, entry: dict[str, Any], data_at: int) -> Region:
    begin, end = entry["data_offsets"]
    return Region(name, data_at + begin, end - begin, _WIDTHS.get(entry["dtype"], 1))


def _filled(tensors: list[Region], size: int) -> list[Region]:
    """Return the tensors in the order of their offsets, with nameless regions for all that is no tensor."""
    found: list[Region] = []
    at = 0
    for tensor in sorted((t for t in tensors if t.length), key=lambda t: t.offset):
        if tensor.offset < at or tensor.offset + tensor.length > size:
            return [Region("", 0, size, 1)]
        if tensor.offset > at:
            found.append(Region("", at, tensor.offset - at, 1))
        found.append(tensor)
        at = tensor.offset + tensor.length
    if at < size:
        found.append(Region("", at, size - at, 1))
    return found
