"""Changing JSON as JSON: bytes alone seldom stay parseable, and what doesn't parse never reaches the checks behind."""

import json
import random
from collections.abc import Callable
from copy import deepcopy
from typing import Any

_DEEP = "\ue000deep"
_HOSTILE: tuple[Any, ...] = (
    None, True, False, 0, -0.0, -1, 5, 2, 1e-320, 3.4028235e38, 3.5e38, 1e308, 1e400, -1e400, float("nan"),
    2**31, 2**53, 2**63, 2**64, -(2**63) - 1, 10**40, "", " ", "\x00", "\ud800", "\U0001f600", "a" * 70, "0" * 64,
    "A" * 64, "ab" * 32, "=", "QQ==", "QR==", "Q\nQ==", "2025-01-15T00:00:00Z", "2025-01-15T00:00:00",
    "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999-23:59", "NaN", "1e5", "HAPPY", "fast", "question",
    [], {}, [[]], {"": {}}, _DEEP,
)  # fmt: skip


def mutate_json(data: bytes, max_size: int, rng: random.Random) -> bytes | None:
    """Return `data` with its JSON part (from its first brace on) changed in 1 to 3 places; None if there's no JSON."""
    start = data.find(b"{")
    if start < 0:
        return None
    try:
        value = json.loads(data[start:])
    except (ValueError, RecursionError):
        return None
    try:
        for _ in range(rng.randint(1, 3)):
            value = _changed(value, rng)
        text = json.dumps(value, ensure_ascii=rng.random() < 0.5)
    except RecursionError:
        return None
    depth = rng.choice((7, 8, 9, 100, 1_100, 20_000))
    text = text.replace(json.dumps(_DEEP), "[" * depth + "]" * depth).replace(f'"{_DEEP}"', "[" * depth + "]" * depth)
    return (data[:start] + text.encode("utf-8", "surrogatepass"))[:max_size]


def _changed(value: Any, rng: random.Random) -> Any:
    places: list[tuple[Any, Any]] = []
    _collect(value, places)
    if not places:
        return deepcopy(rng.choice(_HOSTILE))
    parent, key = rng.choice(places)
    rng.choice(_CHANGES)(parent, key, places, rng)
    return value


def _collect(value: Any, places: list[tuple[Any, Any]]) -> None:
    keys: Any = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        places.append((value, key))
        _collect(value[key], places)


def _replace(parent: Any, key: Any, _: list[tuple[Any, Any]], rng: random.Random) -> None:
    parent[key] = deepcopy(rng.choice(_HOSTILE))


def _nudge(parent: Any, key: Any, _: list[tuple[Any, Any]], rng: random.Random) -> None:
    if isinstance(parent[key], int | float):
        parent[key] = parent[key] * rng.choice((-1, 0.1, 2, 1 + 1e-7, 1e10)) + rng.choice((0, 0.2, -0.2, 1, 1e-6))
    elif isinstance(parent[key], str) and parent[key]:
        at = rng.randrange(len(parent[key]))
        parent[key] = parent[key][:at] + rng.choice("\u0000aZ0=/+-.\ud83d\n") + parent[key][at + rng.randrange(2) :]


def _drop(parent: Any, key: Any, _: list[tuple[Any, Any]], __: random.Random) -> None:
    del parent[key]


def _graft(parent: Any, key: Any, places: list[tuple[Any, Any]], rng: random.Random) -> None:
    other, name = rng.choice(places)
    parent[key] = deepcopy(other[name])


def _rename(parent: Any, key: Any, places: list[tuple[Any, Any]], rng: random.Random) -> None:
    if isinstance(parent, dict):
        names = [name for other, name in places if isinstance(other, dict)]
        parent[rng.choice([*names, "extra", "", key + "x"])] = deepcopy(parent[key])


def _repeat(parent: Any, key: Any, _: list[tuple[Any, Any]], rng: random.Random) -> None:
    if isinstance(parent, list):
        parent.extend(deepcopy(parent[key]) for _ in range(rng.choice((1, 2, 120))))


_CHANGES: tuple[Callable[[Any, Any, list[tuple[Any, Any]], random.Random], None], ...] = (
    _replace, _replace, _replace, _nudge, _nudge, _drop, _graft, _rename, _repeat,
)  # fmt: skip
