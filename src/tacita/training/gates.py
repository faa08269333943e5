"""Robustness gates: what a candidate must also withstand before it may be signed (docs/threat-model.md, poisoning).

The judge asks whether a candidate is better if the releases are honest. The gates ask what if some devices are not. A
device moves the released vector by at most the clip in L2, so `COLLUDERS` of a round move any linear figure of it by
at most their number times the clip times the figure's gradient: that is proved. Whether a release is like the others
is tested (`consistency`).
"""

from math import ceil

import msgspec
import numpy as np
import numpy.typing as npt

from tacita.models.policy_pack import PolicyPack
from tacita.models.release_file import ReleaseFile
from tacita.privacy import policy, tables
from tacita.training import consistency
from tacita.training.evidence import Evidence, choice_shares
from tacita.training.judge import Evaluation, evaluate, importance_weights

Array = npt.NDArray[np.float64]

COLLUDERS = 0.01
"""The share of a round's devices whose lies alone must not be able to carry a candidate through."""

_HUNDRED = 100.0


def trusted(file: ReleaseFile) -> ReleaseFile:
    """Return the file without the releases that are unlike the others; whole if none would be left."""
    aside = consistency.outliers(file)
    kept = tuple(each for each in file.releases if each.digest not in aside)
    return msgspec.structs.replace(file, releases=kept) if kept else file


def evaluate_robustly(file: ReleaseFile, base: PolicyPack, candidate: PolicyPack) -> Evaluation:
    """Judge a candidate, and hold it to the gates.

    Args:
        file: all releases so far.
        base: the published pack.
        candidate: what the learner made of `trusted(file)`.

    Raises:
        JudgeError, ReleaseFileError: as `judge.evaluate`.
    """
    newest = file.releases[-1]
    suspicion = consistency.outliers(file).get(newest.digest)
    if suspicion is not None:
        return _refused(
            f"the release of round {newest.round} is unlike what its packs and the other releases say "
            f"(an honest one is so with a chance of {suspicion:.0e})"
        )
    verdict = evaluate(trusted(file), base, candidate)
    if not verdict.better:
        return verdict
    broken = _feigned(verdict, file, base, candidate)
    return _refused(broken, verdict) if broken else verdict


def _refused(reason: str, verdict: Evaluation | None = None) -> Evaluation:
    components = [] if verdict is None else verdict.components
    return Evaluation(
        better=False, reason=f"breaks a robustness gate: {reason}", improvements=[], components=components
    )


def gain_weights(file: ReleaseFile, base: PolicyPack, candidate: PolicyPack) -> Array:
    """Return what each of the 452 cells of the newest release, in fixed point, adds to the measured gain.

    In shares of conversations; the candidate held fixed, as it is when it is judged.
    """
    ran = file.pack(file.releases[-1].model_version)
    weights = np.zeros(tables.CELLS)
    for table in (tables.ROUTING, tables.EMOTION):
        newest = Evidence.of(file.releases[-1:], table, [ran])
        change = choice_shares(candidate, table) - choice_shares(base, table)
        added = importance_weights(newest, change) / table.fixed_weight
        weights[tables.OFFSETS[table.name] :][: table.cells] = added.ravel()
    return weights


def feigned_gain(file: ReleaseFile, base: PolicyPack, candidate: PolicyPack, colluders: int) -> float:
    """Return by how much `colluders` devices of the newest round can raise a candidate's measured gain.

    In shares of conversations. Their vectors lie in the non-negative part of a ball of the clip's radius, so the most
    that each adds to a linear estimate is the clip times the length of its weights' positive part.
    """
    helpful = np.maximum(gain_weights(file, base, candidate), 0)
    return colluders * policy.CLIP_NORM * float(np.linalg.norm(helpful))


def _feigned(verdict: Evaluation, file: ReleaseFile, base: PolicyPack, candidate: PolicyPack) -> str | None:
    devices = ceil(COLLUDERS * file.releases[-1].devices)
    most = _HUNDRED * feigned_gain(file, base, candidate, devices)
    total = verdict.components[0]
    if total.estimate > most:
        return None
    return f"{devices} devices could have feigned {most:.1f} points, and {total.estimate:+.1f} were measured"
