"""How far colluding devices bend each policy under the clip, and what stops them: `python -m bench.poisoning`.

Colluders send real nodes through the real clip; everyone else is simulated (`tests/worlds.py`). Each row is the mean
over held-out worlds of a poisoned round against the same round without the colluders: same world, same noise.
`--write docs/threat-model.md` puts the table there.
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
from tests import worlds

from bench.page import put
from tacita.fleet.world import World
from tacita.models.genesis import genesis_pack
from tacita.models.policy_pack import PolicyPack
from tacita.models.release_file import Release, ReleaseFile
from tacita.privacy import policy, tables
from tacita.privacy.bounding import Counts, clip
from tacita.protocol import contexts
from tacita.training import consistency
from tacita.training.gates import evaluate_robustly, trusted
from tacita.training.learner import learn

Nodes = Mapping[str, npt.NDArray[np.intp]]
Attack = Callable[[World, PolicyPack, np.random.Generator], Nodes]

DEVICES = 1_000
SHARES = (10, 50, 100)
WORLDS, JUDGED = range(900, 908), range(900, 902)
HONEST_ROUNDS_BEFORE = (0, 2)
BEGIN, END = "<!-- poisoning: written by bench/poisoning.py -->", "<!-- poisoning: end -->"

_AXES = {
    "query": len(contexts.QUERY_TYPES),
    "complexity": contexts.COMPLEXITY_BINS,
    "model": len(contexts.MODELS),
    "continued": 2,
    "pleasure": contexts.PLEASURE_BINS,
    "arousal": contexts.AROUSAL_BINS,
    "emotion": len(contexts.EMOTIONS),
    "confidence": contexts.CONFIDENCE_BINS,
    "latency": contexts.RESPONSE_TIME_BINS,
    "escalated": 2,
}
_TABLE_AXES = {
    "routing": ("query", "complexity", "model", "continued"),
    "emotion": ("pleasure", "arousal", "emotion", "continued"),
    "calibration": ("confidence", "query", "continued"),
    "latency": ("latency", "query", "model"),
    "escalation": ("query", "complexity", "escalated"),
}


def contribution(nodes: Nodes) -> npt.NDArray[np.int64]:
    """Return one colluder's clipped vector."""
    hit = [
        tables.OFFSETS[t.name] + np.ravel_multi_index([nodes[axis] for axis in _TABLE_AXES[t.name]], t.shape)
        for t in tables.TABLES
    ]
    return clip(Counts(np.bincount(np.concatenate(hit), minlength=tables.CELLS).astype(np.int64))).cells


def _anything(rng: np.random.Generator) -> dict[str, npt.NDArray[np.intp]]:
    """Return a full graph's nodes, spread evenly over every axis: least norm where the attack isn't."""
    count = policy.MAX_COUNTED_NODES
    return {axis: rng.permutation(np.arange(count) % size) for axis, size in _AXES.items()}


def _lie(rng: np.random.Generator) -> npt.NDArray[np.intp]:
    return rng.permutation(np.arange(policy.MAX_COUNTED_NODES) % 2)


def emotion_one(world: World, _pack: PolicyPack, rng: np.random.Generator) -> Nodes:
    """In the commonest mood: the worst emotion went well, the best badly."""
    mood = np.unravel_index(world.emotion_weights.argmax(), world.emotion_weights.shape)
    worst = _lie(rng)
    shown = np.where(worst, world.emotion[mood].argmin(), world.emotion[mood].argmax())
    pinned = {axis: np.full(worst.size, at) for axis, at in zip(("pleasure", "arousal"), mood, strict=True)}
    return {**_anything(rng), **pinned, "emotion": shown, "continued": worst}


def emotion_all(world: World, _pack: PolicyPack, rng: np.random.Generator) -> Nodes:
    """In every mood: the worst emotion went well, the best badly."""
    nodes, worst = _anything(rng), _lie(rng)
    mood = nodes["pleasure"], nodes["arousal"]
    shown = np.where(worst, world.emotion.argmin(-1)[mood], world.emotion.argmax(-1)[mood])
    return {**nodes, "emotion": shown, "continued": worst}


def emotion_hidden(world: World, pack: PolicyPack, rng: np.random.Generator) -> Nodes:
    """In every mood, with emotions as often as the pack shows them: good ones went badly, bad ones well."""
    nodes = _anything(rng)
    cumulative = np.cumsum(np.array(pack.emotion)[nodes["pleasure"], nodes["arousal"]], axis=1)[:, :-1]
    shown = (rng.random((policy.MAX_COUNTED_NODES, 1)) >= cumulative).sum(1)
    effects = world.emotion[nodes["pleasure"], nodes["arousal"]]
    bad = effects[np.arange(shown.size), shown] < np.median(effects, axis=1)
    return {**nodes, "emotion": shown, "continued": bad.astype(np.intp)}


def routing_one(world: World, _pack: PolicyPack, rng: np.random.Generator) -> Nodes:
    """In the commonest kind of query: the worse model went well, the better badly."""
    kind = np.unravel_index(world.routing_weights.argmax(), world.routing_weights.shape)
    worst = _lie(rng)
    model = np.where(worst, world.routing[kind].argmin(), world.routing[kind].argmax())
    pinned = {axis: np.full(worst.size, at) for axis, at in zip(("query", "complexity"), kind, strict=True)}
    return {**_anything(rng), **pinned, "model": model, "continued": worst}


def routing_all(world: World, _pack: PolicyPack, rng: np.random.Generator) -> Nodes:
    """In every kind of query: the worse model went well, the better badly."""
    nodes, worst = _anything(rng), _lie(rng)
    kind = nodes["query"], nodes["complexity"]
    model = np.where(worst, world.routing.argmin(-1)[kind], world.routing.argmax(-1)[kind])
    return {**nodes, "model": model, "continued": worst}


def everything(world: World, pack: PolicyPack, rng: np.random.Generator) -> Nodes:
    """Every choice at once: the worst model with the worst emotion went well, the best with the best badly."""
    nodes = dict(emotion_all(world, pack, rng))
    kind, worst = (nodes["query"], nodes["complexity"]), nodes["continued"]
    model = np.where(worst, world.routing.argmin(-1)[kind], world.routing.argmax(-1)[kind])
    return {**nodes, "model": model}


def calibration(_world: World, _pack: PolicyPack, rng: np.random.Generator) -> Nodes:
    """Sure answers went badly, unsure ones well."""
    nodes = _anything(rng)
    sure = _lie(rng)
    confidence = np.where(sure, contexts.CONFIDENCE_BINS - 1, 0)
    return {**nodes, "confidence": confidence, "continued": 1 - sure}


def escalation_one(world: World, _pack: PolicyPack, rng: np.random.Generator) -> Nodes:
    """The commonest kind of query was always handed to the online model."""
    kind = np.unravel_index(world.routing_weights.argmax(), world.routing_weights.shape)
    pinned = {
        axis: np.full(policy.MAX_COUNTED_NODES, at) for axis, at in zip(("query", "complexity"), kind, strict=True)
    }
    return {**_anything(rng), **pinned, "escalated": np.ones(policy.MAX_COUNTED_NODES, np.intp)}


def escalation_all(_world: World, _pack: PolicyPack, rng: np.random.Generator) -> Nodes:
    """Everything was always handed to the online model."""
    return {**_anything(rng), "escalated": np.ones(policy.MAX_COUNTED_NODES, np.intp)}


ATTACKS: dict[str, tuple[str, Attack]] = {
    "emotion, one mood": ("emotion", emotion_one),
    "emotion, all moods": ("emotion", emotion_all),
    "emotion, all moods, in the pack's proportions": ("emotion", emotion_hidden),
    "routing, one kind of query": ("routing", routing_one),
    "routing, all kinds": ("routing", routing_all),
    "routing and emotion, all": ("emotion", everything),
    "calibration": ("calibration", calibration),
    "escalation, one kind of query": ("escalation", escalation_one),
    "escalation, all kinds": ("escalation", escalation_all),
}


@dataclass(frozen=True)
class Outcome:
    """What one poisoned round did, against the same round with the colluders absent."""

    moved: float
    regret: float
    unlike: bool
    published: bool | None


def poisoned(world: World, seed: int, before: int, name: str, colluders: int) -> Outcome:
    """Play one round in which `colluders` of 1,000 devices attack, after some honest rounds."""
    table, attack = ATTACKS[name]
    made = worlds.learned(world, before, seed) if before else []
    packs = [genesis_pack(), *(pack for _, pack in made)]
    earlier = made[-1][0].releases if made else ()
    rng = np.random.default_rng([seed, 9])
    honest = worlds.release(world, packs[-1], before + 1, seed, devices=DEVICES - colluders)
    theirs = np.sum([contribution(attack(world, packs[-1], rng)) for _ in range(colluders)], axis=0)
    bent = msgspec.structs.replace(
        honest, vector=tuple((np.array(honest.vector) + theirs).tolist()), digest=honest.digest[::-1]
    )
    clean_file, file = (_file((*earlier, newest), packs) for newest in (honest, bent))
    clean, pack = learn(clean_file, packs[-1]), learn(file, packs[-1])
    verdict = evaluate_robustly(file, packs[-1], learn(trusted(file), packs[-1])) if seed in JUDGED else None
    return Outcome(
        moved=float(np.abs(np.array(getattr(pack, table)) - np.array(getattr(clean, table))).max()),
        regret=world.regret(pack).total - world.regret(clean).total,
        unlike=bent.digest in consistency.outliers(file),
        published=None if verdict is None else verdict.better,
    )


def _file(releases: tuple[Release, ...], packs: list[PolicyPack]) -> ReleaseFile:
    return ReleaseFile(target_version=f"granite-3b-v{len(releases) + 1}", releases=releases, packs=tuple(packs))


def measured() -> list[str]:
    """Return the table's lines, in Markdown."""
    lines = [
        "| attack | colluders | "
        + " | ".join(
            f"{when}: ΔP | regret added | called unlike | published" for when in ("first round", "third round")
        )
        + " |",
        "| --- | --- |" + " --- |" * 8,
    ]
    for name in ATTACKS:
        for colluders in SHARES:
            cells = []
            for before in HONEST_ROUNDS_BEFORE:
                found = [poisoned(World.drawn(seed), seed, before, name, colluders) for seed in WORLDS]
                judged = [each.published for each in found if each.published is not None]
                cells += [
                    f"{np.mean([each.moved for each in found]):.2f}",
                    f"{np.mean([each.regret for each in found]):+.2f}",
                    f"{sum(each.unlike for each in found)} of {len(found)}",
                    f"{sum(judged)} of {len(judged)}",
                ]
            lines.append(f"| {name} | {colluders / DEVICES:.0%} | " + " | ".join(cells) + " |")
            sys.stderr.write(lines[-1] + "\n")
    return lines


def main() -> None:
    """Measure; print the table, and write it into the page if asked to."""
    parser = argparse.ArgumentParser(prog="bench.poisoning", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", type=Path, help="the page to write the table into")
    page = parser.parse_args().write
    lines = measured()
    print("\n".join(lines))
    if page is not None:
        put(page, BEGIN, END, lines)


if __name__ == "__main__":
    main()
