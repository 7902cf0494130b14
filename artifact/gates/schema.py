"""The schema gate: which changes of the schema callers would notice, and which of them refuse earlier requests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from artifact.gates.gate import GateResult
from artifact.gates.side import Side
from artifact.rows.schema import Feature, FeatureSchema, Kind
from artifact.rows.texts.format import PLAIN, TextFormat
from artifact.words.display import extent

# Kinds whose values another kind takes as well: each whole number is a number.
_WIDER: dict[Kind, tuple[Kind, ...]] = {"integer": ("number",)}
# Levels of intervals that people ask for.
_LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99)
_LISTED = 5
# Fields of a text's format that change what a text means; the others only let more or fewer texts pass.
_READINGS = ("decimal", "thousands", "order", "strptime", "epoch", "brackets")


class Change(NamedTuple):
    """One difference that a caller can notice.

    Attributes:
        sentence: the difference in words.
        refuses: whether it makes the service refuse a request that it answered before, or read it in another way.
    """

    sentence: str
    refuses: bool = False


def schema_gate(candidate: Side, champion: Side | None) -> GateResult:
    """Whether each request that the champion answers is answered by the candidate."""
    if champion is None:
        return GateResult.unmeasured("schema", "There is no champion whose callers could notice something.")
    if champion.schema is None or candidate.schema is None:
        side = champion if champion.schema is None else candidate
        return GateResult.unmeasured("schema", f"The schemas cannot be compared: {side.unmeasured}")
    changes = [
        *changes_of(champion.schema, candidate.schema),
        *_levels(champion, candidate),
        *_meaning(champion, candidate),
    ]
    refused = [change.sentence for change in changes if change.refuses]
    others = [change.sentence for change in changes if not change.refuses]
    parts = []
    if refused:
        parts.append(f"Requests that {champion.reference} answers would be refused or misread: {' '.join(refused)}")
    if others:
        parts.append(f"Callers may notice: {' '.join(others)}")
    sentence = " ".join(parts) or "Callers notice nothing: it takes the same fields and gives the same targets."
    return GateResult(gate="schema", passed=not refused, figure=len(refused), limit=0, sentence=sentence)


def changes_of(old: FeatureSchema, new: FeatureSchema) -> list[Change]:
    """What callers of one schema notice when another takes its place.

    Args:
        old: the schema that the callers know.
        new: the schema that takes its place.
    """
    old_features, new_features = ({f.name: f for f in schema.features} for schema in (old, new))
    changes: list[Change] = []
    for name, feature in new_features.items():
        if name not in old_features:
            changes.append(_added(feature))
    for name, feature in old_features.items():
        if name in new_features:
            changes += _features(feature, new_features[name])
        else:
            changes.append(Change(f"'{name}' is no field any more: a request that sends it is refused.", True))
    common = [[n for n in schema.names if n in old_features and n in new_features] for schema in (old, new)]
    if common[0] != common[1]:
        changes.append(
            Change("The fields stand in another order: rows sent as lists or as one tensor would be misread.", True)
        )
    return [*changes, *_targets(old, new)]


def _added(feature: Feature) -> Change:
    if feature.missing == "refuse":
        return Change(f"'{feature.name}' is a new field that must be sent.", True)
    return Change(
        f"'{feature.name}' is a new field; a request without it is answered as missing, but rows sent as lists need it."
    )


def _features(old: Feature, new: Feature) -> Iterator[Change]:
    name = f"'{old.name}'"
    if old.kind != new.kind:
        yield Change(f"{name} is of kind {new.kind}, not {old.kind}.", new.kind not in _WIDER.get(old.kind, ()))
    yield from _policy(name, "missing values", old.missing, new.missing)
    if old.kind == new.kind == "category":
        yield from _policy(name, "unknown categories", old.unseen, new.unseen)
        yield from _categories(name, old, new)
    elif old.kind == new.kind:
        yield from _policy(name, "values out of range", old.out_of_range, new.out_of_range)
        yield from _range(name, old, new)
    if old.unit != new.unit:
        yield Change(f"{name} is in {new.unit or 'no unit'}, not in {old.unit or 'no unit'}.")
    yield from _text(name, old.text or PLAIN, new.text or PLAIN)


def _policy(name: str, values: str, old: str, new: str) -> Iterator[Change]:
    if old != new:
        refuses = new == "refuse"
        yield Change(f"{name} now {'refuses' if refuses else 'takes'} {values}.", refuses)


def _categories(name: str, old: Feature, new: Feature) -> Iterator[Change]:
    answered = {*new.categories, *new.rare}
    lost = [c for c in (*old.categories, *old.rare) if c not in answered]
    if lost and new.unseen == "refuse":
        yield Change(f"{name} refuses {_listed(lost)}, which it knew.", True)
    elif lost:
        yield Change(f"{name} does not know {_listed(lost)} any more, and answers as for an unknown category.")
    added = [c for c in new.categories if c not in {*old.categories, *old.rare}]
    if added:
        yield Change(f"{name} knows {_listed(added)} too.")


def _range(name: str, old: Feature, new: Feature) -> Iterator[Change]:
    if old.kind == "boolean" or (old.minimum, old.maximum) == (new.minimum, new.maximum):
        return
    if None in (old.minimum, old.maximum, new.minimum, new.maximum):
        return
    narrower = (new.minimum or 0.0) > (old.minimum or 0.0) or (new.maximum or 0.0) < (old.maximum or 0.0)
    refuses = narrower and old.out_of_range == new.out_of_range == "refuse"
    if refuses:
        yield Change(
            f"{name} refuses values beyond {extent(new)}; the champion refuses them beyond {extent(old)}.", True
        )
    elif narrower:
        yield Change(f"{name} was trained on {extent(new)}, a narrower range: more rows get a warning.")


def _text(name: str, old: TextFormat, new: TextFormat) -> Iterator[Change]:
    if old == new:
        return
    differing = [field for field in _READINGS if getattr(old, field) != getattr(new, field)]
    # Callers who wrote values as JSON does can still do so.
    refuses = bool(differing) and old != PLAIN
    yield Change(f"{name} is read from texts, as in a CSV, by other rules.", refuses)


def _targets(old: FeatureSchema, new: FeatureSchema) -> Iterator[Change]:
    for name in old.target_names:
        if name not in new.target_names:
            yield Change(f"'{name}' is no longer predicted.", True)
    for name in new.target_names:
        if name not in old.target_names:
            yield Change(f"'{name}' is a new target.")
    common = [
        [n for n in schema.target_names if n in old.target_names and n in new.target_names] for schema in (old, new)
    ]
    if common[0] != common[1]:
        yield Change("The targets stand in another order: answers given as one list would be misread.", True)
    units = {t.name: t.unit for t in old.targets}
    for target in new.targets:
        if target.name in units and target.unit != units[target.name]:
            yield Change(f"'{target.name}' is in {target.unit or 'no unit'}, not in {units[target.name] or 'no unit'}.")


def _levels(champion: Side, candidate: Side) -> Iterator[Change]:
    """The levels of intervals that the candidate cannot promise, because fewer rows calibrated it."""
    highest = [side.predictor.calibration.max_level for side in (champion, candidate) if side.predictor is not None]
    if len(highest) < 2:
        return
    before, after = highest
    lost = [level for level in _LEVELS if after < level <= before]
    if lost:
        yield Change(
            f"Intervals of {', '.join(f'{level:g}' for level in lost)} are refused: too few rows calibrate them.", True
        )


def _meaning(champion: Side, candidate: Side) -> Iterator[Change]:
    if champion.manifest is None or candidate.manifest is None:
        return
    before, after = champion.manifest.objective, candidate.manifest.objective
    if before != after:
        yield Change(f"The objective is {after}, not {before}: the answers may mean something else.")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(f"'{name}'" for name in names[:_LISTED]) + more
