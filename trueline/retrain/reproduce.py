"""Trains a version again from the rows that are kept of it, and compares: the same bits, or what differs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from artifact import manifest as files
from artifact.golden import read_golden
from artifact.manifest import Manifest
from artifact.predictor import Predictor
from artifact.registry.base import Reference, Registry
from artifact.registry.local import LocalRegistry
from trueline.retrain.earlier import Former
from trueline.retrain.refit import Telling
from trueline.trainer import trained

# The parts that decide an answer or that a caller sees. The other parts name the version, the day or the machine.
_COMPARED = {
    files.ONNX_MODEL: "network",
    files.INT8_MODEL: "network in 8-bit integers",
    files.SCHEMA: "schema",
    files.CALIBRATION: "intervals",
    files.GOLDEN: "answers to the golden rows",
    files.PROFILE: "profile for drift",
}
# What ``recalibrate`` makes anew.
_OF_INTERVALS = (files.CALIBRATION, files.GOLDEN)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison of a version with the same version trained again.

    Attributes:
        reference: of the version.
        same: what has the same bits, in words.
        different: what has other bits, in words.
        farthest: the largest difference of a golden answer, in standard deviations of the target; 0 for none.
        reasons: what is different from the time of the training: packages, device, precision.
        seconds: seconds that the new training took.
        repeats_intervals: False where the version's intervals are not from its training.
    """

    reference: str
    same: tuple[str, ...]
    different: tuple[str, ...]
    farthest: float
    reasons: tuple[str, ...]
    seconds: float
    repeats_intervals: bool

    @property
    def is_same(self) -> bool:
        """Whether all that was compared has the same bits."""
        return not self.different


class _Scratch(LocalRegistry):
    """A registry that stores into a folder of its own, and finds versions to start from in another registry."""

    def __init__(self, folder: Path, store: Registry) -> None:
        super().__init__(folder)
        self._store = store

    def resolve(self, reference: str) -> Reference:
        return self._store.resolve(reference)

    def manifest(self, name: str, version: str) -> Manifest:
        return self._store.manifest(name, version)


def reproduced(former: Former, folder: Path, telling: Telling | None = None) -> Comparison:
    """Train a version again from its kept rows, and compare; nothing is stored.

    Args:
        former: the version.
        folder: an empty folder for the version that is trained now; the caller removes it.
        telling: how the training is shown. Defaults to all of it.

    Raises:
        DataError: no rows are kept of it; or the version that it started from is not there any more.
        ArtifactError: the kept rows are gone or damaged.
    """
    telling = telling or Telling()
    request = replace(former.request(), file=former.kept_rows(), stream=former.recipe.streamed)
    scratch = _Scratch(folder, former.store)
    manifest = trained(
        request, scratch, quiet=telling.quiet, verbose=telling.verbose, raise_if_ended=telling.raise_if_ended
    )
    return _compared(former, manifest, scratch.models / manifest.model_name / manifest.model_version)


def _compared(former: Former, again: Manifest, folder: Path) -> Comparison:
    before, derivation = former.manifest, former.recipe.derivation
    repeats = derivation is None or derivation.by != "recalibrate"
    compared = [name for name in _COMPARED if repeats or name not in _OF_INTERVALS]
    compared = [name for name in compared if name in before.files or name in again.files]
    same = [name for name in compared if before.files.get(name) == again.files.get(name)]
    different = [name for name in compared if name not in same]
    farthest = 0.0
    if different:
        differences = Predictor.load(folder, device="cpu").differences(read_golden(former.version.path))
        farthest = max(differences.values()) if repeats else differences["value"]
    return Comparison(
        former.reference,
        tuple(_COMPARED[name] for name in same),
        tuple(_COMPARED[name] for name in different),
        farthest,
        tuple(_reasons(before, again)),
        again.lineage.seconds,
        repeats,
    )


def _reasons(before: Manifest, again: Manifest) -> Iterator[str]:
    """What is not as it was when the version was trained."""
    then, now = before.lineage, again.lineage
    for package in sorted({*then.packages, *now.packages}):
        if then.packages.get(package) != now.packages.get(package):
            yield f"{package} {then.packages.get(package, 'none')} then, {now.packages.get(package, 'none')} now"
    for what in ("backend", "device", "precision", "distribution"):
        if getattr(then, what) != getattr(now, what):
            yield f"{what} {getattr(then, what)} then, {getattr(now, what)} now"
    if then.data_fingerprint != now.data_fingerprint:
        yield "the table is read in another way"
