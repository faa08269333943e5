"""released → trained → evaluated: the trainer and the judge, each a process that sees files of releases alone."""

from pathlib import Path
from typing import Any

import msgspec

from tacita.models import release_file
from tacita.models.policy_pack import PACK_FORMAT, decode_pack
from tacita.models.release_file import ReleaseFile, encode_release_file
from tacita.privacy.release import Release
from tacita.rounds.workshop import StepFailed, Workshop
from tacita.store import registry, releases, rounds
from tacita.store.connection import Connection, run_transaction
from tacita.store.registry import Model
from tacita.store.rounds import Round, State


def _run_folder(shop: Workshop, made_from: list[Release]) -> Path:
    """Return the folder of this run, named by the release's digest: the same release is the same run."""
    folder = shop.runs / made_from[-1].digest()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


async def _inputs(shop: Workshop, current: Round) -> tuple[Path, Model]:
    """Write the run's release file and base pack; return its folder and the base model."""

    async def read(connection: Connection) -> tuple[list[Release], Model | None, list[Model]]:
        made_from = await releases.up_to(connection, current.number)
        return made_from, await registry.latest(connection), await registry.everything(connection)

    made_from, base, models = await run_transaction(shop.pool, read)
    if base is None or not made_from:
        raise StepFailed(f"round {current.number} has no release or no base model to train from")
    folder = _run_folder(shop, made_from)
    ran = {model.round: model.base_version for model in models}
    entries = tuple(_entry(made, ran.get(made.statement.round) or base.version) for made in made_from)
    needed = {entry.model_version for entry in entries}
    packs = tuple([decode_pack(await shop.blobs.get(m.sha256)) for m in models if m.version in needed])
    file = ReleaseFile(target_version=current.model_version, releases=entries, packs=packs)
    (folder / "releases.json").write_bytes(encode_release_file(file))
    (folder / "base.json").write_bytes(await shop.blobs.get(base.sha256))
    return folder, base


def _entry(made: Release, model_version: str) -> release_file.Release:
    return release_file.Release(
        round=made.statement.round,
        digest=made.digest(),
        model_version=model_version,
        vector=tuple(made.vector),
        sigma=made.statement.sigma,
        devices=made.statement.devices,
        nano_rho=made.statement.nano_rho,
        epsilon=made.statement.epsilon,
        delta=made.statement.delta,
        policy_hash=made.statement.policy_hash,
    )


async def train(shop: Workshop, current: Round) -> None:
    """Train the round's model in a separate process and register it as a candidate."""
    folder, base = await _inputs(shop, current)
    files = ["--input", str(folder / "releases.json"), "--base", str(folder / "base.json")]
    await shop.launcher.run(["train", *files, "--output", str(folder / "pack.json")], folder / "train.log")
    pack = (folder / "pack.json").read_bytes()
    digest = await shop.blobs.put(pack)
    now = shop.clock()
    number = current.number + 1
    candidate = Model(
        current.model_version, number, base.version, current.number, "candidate", PACK_FORMAT, digest, len(pack), now,
        None, None, [],
    )  # fmt: skip

    async def register(connection: Connection) -> None:
        if await rounds.advance(connection, current.number, State.RELEASED, State.TRAINED, now, f"sha256 {digest}"):
            await registry.add_candidate(connection, candidate)

    await run_transaction(shop.pool, register)


async def evaluate(shop: Workshop, current: Round) -> None:
    """Judge the candidate against the published model; one that isn't measurably better ends its round here."""
    folder, _ = await _inputs(shop, current)
    candidate = await run_transaction(shop.pool, lambda connection: registry.get(connection, current.model_version))
    if candidate is None:
        raise StepFailed(f"round {current.number} has no candidate")
    (folder / "pack.json").write_bytes(await shop.blobs.get(candidate.sha256))
    files = ["--input", str(folder / "releases.json"), "--base", str(folder / "base.json")]
    output = folder / "evaluation.json"
    arguments = ["evaluate", *files, "--candidate", str(folder / "pack.json"), "--output", str(output)]
    await shop.launcher.run(arguments, folder / "evaluate.log")
    evaluation: dict[str, Any] = msgspec.json.decode(output.read_bytes())
    better, reason = bool(evaluation["better"]), str(evaluation["reason"])

    async def judge(connection: Connection) -> None:
        reached = State.EVALUATED if better else State.ABANDONED
        if await rounds.advance(connection, current.number, State.TRAINED, reached, shop.clock(), reason):
            improvements = [str(text) for text in evaluation["improvements"]]
            await registry.judge(connection, candidate.version, evaluation, improvements, better=better)

    await run_transaction(shop.pool, judge)
