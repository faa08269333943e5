"""Model files for tests of deltas: small ones of each kind, in two versions that differ as trained weights do."""

from pathlib import Path

import gguf
import msgspec
import numpy as np
import numpy.typing as npt

Weights = dict[str, npt.NDArray[np.float32]]
_SAFETENSORS = {np.dtype(np.float16): "F16", np.dtype(np.float32): "F32"}


def weights(seed: int = 0, rows: int = 256, columns: int = 256, tensors: int = 3) -> Weights:
    """Return random tensors by name."""
    rng = np.random.default_rng(seed)
    return {f"layer.{i}": rng.normal(0, 0.05, (rows, columns)).astype(np.float32) for i in range(tensors)}


def trained(before: Weights, seed: int = 1, step: float = 1e-3, touched: float = 1.0) -> Weights:
    """Return weights a few small steps further on; `touched` is the share of tensors' rows that moved."""
    rng = np.random.default_rng(seed)
    after = {}
    for name, tensor in before.items():
        moved = rng.random((tensor.shape[0], 1)) < touched
        change = rng.normal(0, step, tensor.shape) * moved
        after[name] = (tensor + change).astype(np.float32)
    return after


def write_safetensors(path: Path, tensors: Weights, dtype: type[np.float16] | type[np.float32] = np.float16) -> Path:
    """Write tensors as safetensors do: the header's length, the header in JSON, the data."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, tensor in tensors.items():
        raw = tensor.astype(dtype).tobytes()
        kind = _SAFETENSORS[np.dtype(dtype)]
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    described = msgspec.json.encode(header)
    path.write_bytes(len(described).to_bytes(8, "little") + described + data)
    return path


def write_gguf(path: Path, tensors: Weights, version: str = "1") -> Path:
    """Write tensors quantised to Q4_0 as llama.cpp's own GGUF writer does."""
    kind = gguf.GGMLQuantizationType.Q4_0
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(f"model {version}")
    writer.add_array("tokenizer.ggml.tokens", [f"token-{i}" for i in range(2_000)])
    for name, tensor in tensors.items():
        writer.add_tensor(name, gguf.quantize(tensor, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
