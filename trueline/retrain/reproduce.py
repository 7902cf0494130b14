"""Trains a version again from the rows that are kept of it, and says whether it has the same bits, or what differs."""

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
from trueline.retrain.refit import Display
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
class Reproduction:
    """A version compared with the same version trained again.

    Attributes:
        reference: reference of the version.
        same: names of the parts that have the same bits.
        different: names of the parts that have other bits.
        farthest: the largest difference of a golden answer, in standard deviations of the target; 0 for none.
        reasons: what has changed since the training: packages, device, precision.
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

    @property
    def sentences(self) -> tuple[str, ...]:
        """What is the same, or what differs and why."""
        return tuple(self._sentences())

    def _sentences(self) -> Iterator[str]:
        same = ", ".join(self.same)
        if self.is_same:
            yield f"Same bits: {self.reference} trained again in {self.seconds:.0f} s has the same {same}."
        else:
            yield f"Not the same bits: {self.reference} trained again has another {', '.join(self.different)}."
            yield f"The same: {same or 'nothing'}."
            yield (f"The farthest answer to a golden row is {self.farthest:.2g} standard deviations from the old one.")
            reasons = "; ".join(self.reasons)
            yield f"Changed since then: {reasons}." if reasons else "Packages and devices have not changed."
        if not self.repeats_intervals:
            yield "Its intervals came from `trueline recalibrate`, and were not compared."


class _Scratch(LocalRegistry):
    """A registry that stores into a folder of its own, and finds versions to start from in another registry."""

    def __init__(self, folder: Path, store: Registry) -> None:
        super().__init__(folder)
        self._store = store

    def resolve(self, reference: str) -> Reference:
        return self._store.resolve(reference)

    def manifest(self, name: str, version: str) -> Manifest:
        return self._store.manifest(name, version)


def reproduce(former: Former, folder: Path, display: Display | None = None) -> Reproduction:
    """Train a version again from its kept rows, and compare; nothing is stored.

    Args:
        former: the version.
        folder: an empty folder for the version that is trained now; the caller removes it.
        display: what the training shows. Defaults to everything but the details of ``verbose``.

    Raises:
        DataError: no rows are kept of it, or the version from which it started is gone.
        ArtifactError: the kept rows are gone or damaged.
    """
    display = display or Display()
    request = replace(former.request(), file=former.kept_rows(), stream=former.recipe.streamed)
    scratch = _Scratch(folder, former.store)
    manifest = trained(
        request, scratch, quiet=display.quiet, verbose=display.verbose, raise_if_ended=display.raise_if_ended
    )
    return _compare(former, manifest, scratch.models / manifest.model_name / manifest.model_version)


def _compare(former: Former, again: Manifest, folder: Path) -> Reproduction:
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
    return Reproduction(
        former.reference,
        tuple(_COMPARED[name] for name in same),
        tuple(_COMPARED[name] for name in different),
        farthest,
        tuple(_reasons(before, again)),
        again.lineage.seconds,
        repeats,
    )


def _reasons(before: Manifest, again: Manifest) -> Iterator[str]:
    """What has changed since the version was trained."""
    then, now = before.lineage, again.lineage
    for package in sorted({*then.packages, *now.packages}):
        if then.packages.get(package) != now.packages.get(package):
            yield f"{package} {then.packages.get(package, 'none')} then, {now.packages.get(package, 'none')} now"
    for field in ("backend", "device", "precision", "distribution"):
        if getattr(then, field) != getattr(now, field):
            yield f"{field} {getattr(then, field)} then, {getattr(now, field)} now"
    if then.data_fingerprint != now.data_fingerprint:
        yield "the table is read in another way"
