"""Policy packs and release files for tests: any sound one, or a sound one with a part replaced."""

from typing import Any

from hypothesis import strategies as st

from tacita.models.genesis import genesis_pack
from tacita.models.policy_pack import PolicyPack, Row, encode_pack
from tacita.models.release_file import Release, ReleaseFile
from tacita.privacy.tables import CELLS
from tacita.protocol import contexts

TYPES = len(contexts.QUERY_TYPES)
SHARES = st.floats(0.01, 0.99)
VERSIONS = st.integers(1, 10**9).map("granite-3b-v{}".format)
DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)


def _rows(values: st.SearchStrategy[float], shape: tuple[int, int]) -> st.SearchStrategy[tuple[Row, ...]]:
    row = st.lists(values, min_size=shape[1], max_size=shape[1]).map(tuple)
    return st.lists(row, min_size=shape[0], max_size=shape[0]).map(tuple)


def _normalised(table: tuple[Row, ...]) -> tuple[Row, ...]:
    return tuple(tuple(share / sum(row) for share in row) for row in table)


_EMOTIONS = _rows(SHARES, (contexts.AROUSAL_BINS, len(contexts.EMOTIONS))).map(_normalised)
_BY_PLEASURE = st.lists(_EMOTIONS, min_size=contexts.PLEASURE_BINS, max_size=contexts.PLEASURE_BINS).map(tuple)

PACKS = st.builds(
    PolicyPack,
    version=VERSIONS,
    base_version=st.none() | VERSIONS,
    releases=st.lists(DIGESTS, max_size=3).map(tuple),
    routing=_rows(SHARES, (TYPES, contexts.COMPLEXITY_BINS)),
    emotion=_BY_PLEASURE,
    calibration=_rows(st.floats(0, 1), (contexts.CONFIDENCE_BINS, TYPES)),
    escalation=_rows(st.floats(0, 1), (TYPES, contexts.COMPLEXITY_BINS)),
)


def pack_bytes(version: str, base_version: str | None = "granite-3b-v1", shift: float = 0.0) -> bytes:
    """Return the file of a sound pack; `shift` changes its content."""
    genesis = genesis_pack()
    routing = tuple(tuple(p + shift for p in row) for row in genesis.routing)
    fields = {name: getattr(genesis, name) for name in ("releases", "emotion", "calibration", "escalation")}
    return encode_pack(PolicyPack(version=version, base_version=base_version, routing=routing, **fields))


def release_entry(number: int = 1, **changes: Any) -> Release:
    made: dict[str, Any] = {
        "round": number,
        "digest": "ab" * 32,
        "model_version": "granite-3b-v1",
        "vector": tuple(range(-5, CELLS - 5)),
        "sigma": 139_000.0,
        "devices": 1_000,
        "nano_rho": 24_355_963,
        "epsilon": 1.0,
        "delta": 1e-6,
        "policy_hash": "cd" * 32,
    }
    return Release(**made | changes)


def release_file(**changes: Any) -> ReleaseFile:
    made: dict[str, Any] = {
        "target_version": "granite-3b-v3",
        "releases": (release_entry(1), release_entry(2)),
        "packs": (genesis_pack(),),
    }
    return ReleaseFile(**made | changes)
