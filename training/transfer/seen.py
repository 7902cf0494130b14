"""How many of the rows that will measure an earlier version has seen already, by the rows that it keeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from artifact.errors import DataError, SchemaMismatchError
from artifact.golden import read_golden
from artifact.lineage import Lineage
from artifact.manifest import Manifest
from artifact.rows.encoding import Encoded, Encoder
from artifact.rows.schema import FeatureSchema
from training.table.corrections import Corrections
from training.table.data import TableFacts
from training.table.encode import encode_frame
from training.table.folds import Plan
from training.table.texts.table import TableTextRules, read_texts
from training.table.usual import usual_rows
from training.transfer.earlier import Earlier
from training.transfer.features import alike, by_name

# Below it a row or two that happen to be equal would be told of.
_TOLD = 0.01


def share_seen(earlier: Earlier, frame: pl.DataFrame, schema: FeatureSchema, plan: Plan) -> float:
    """Estimate which share of the rows that measure stand, equal in all features, among those that trained before.

    A version keeps no training rows but its golden ones, a sample. The share of them that measure here, times the rows
    that trained it, is how many were seen.

    Args:
        earlier: the version.
        frame: usable rows of the new table.
        schema: of the new table.
        plan: which rows measure: all of them out of fold, or the test and calibration parts.

    Returns:
        In [0, 1]; 0 where no feature can be compared.
    """
    rows = usual_rows(read_golden(earlier.folder).rows)
    known = by_name(schema)
    common = [f for f in earlier.schema.features if f.name in known and alike(known[f.name], f)]
    if not rows or not common:
        return 0.0
    measuring = frame if plan.parts is None else frame[np.concatenate([plan.parts.test, plan.parts.calibration])]
    shared = FeatureSchema(features=tuple(common), targets=earlier.schema.targets).lenient()
    names = [f.name for f in common]
    try:
        here = encode_frame(measuring.select(names), shared)
        there = Encoder(shared).encode_rows([{name: row.get(name) for name in names} for row in rows])
    except SchemaMismatchError:
        # A number that is text here: no row can be equal.
        return 0.0
    present = set(_bytes_of(here))
    found = sum(row in present for row in _bytes_of(there)) / len(rows)
    return min(1.0, found * earlier.manifest.lineage.rows / max(1, measuring.height))


def share_known(folder: Path, manifest: Manifest, schema: FeatureSchema, X: Encoded) -> float:
    """Estimate which share of some rows stand, equal in all features, in the table that trained a version.

    Args:
        folder: of the version, whose golden rows are the sample.
        manifest, schema: of the version.
        X: the rows, encoded by its schema.
    """
    rows = usual_rows(read_golden(folder).rows)
    present = set(_bytes_of(X))
    there = Encoder(schema.lenient()).encode_rows(rows)
    found = sum(row in present for row in _bytes_of(there)) / max(1, len(rows))
    return min(1.0, found * manifest.lineage.rows / max(1, len(X)))


def is_its_table(frame: pl.DataFrame, lineage: Lineage) -> bool:
    """Whether a table, as it was read, is the one that trained a version: its texts are read as they were then."""
    if (frame.height, frame.width) != (lineage.rows, lineage.columns):
        return False
    config = lineage.config
    try:
        said = Corrections.model_validate(config.get("schema", {}))
        group = [config["group"]] if config.get("group") else []
        texts = read_texts(frame, TableTextRules(said, config.get("targets", ()), group, said.text_columns()))
    except (DataError, ValueError):
        # It does not fit what was said then, or was said in an older way.
        return False
    return TableFacts.of(texts.frame).fingerprint == lineage.data_fingerprint


def known_note(share: float, reference: str, *, same_table: bool) -> str | None:
    """What a reader of figures on rows that trained a version must know; None where they did not."""
    if not same_table and share < _TOLD:
        return None
    which = (
        "this is the table"
        if same_table
        else f"about {share:.0%} of these rows stand, equal in every feature, in the one"
    )
    return (
        f"The figures flatter: {which} that trained {reference}. How good it is on rows that it had not seen: "
        f"trueline show {reference}"
    )


def seen_note(earlier: Earlier, share: float) -> str:
    """What a reader of the figures must know."""
    if share >= _TOLD:
        return (
            f"The figures and intervals flatter: about {share:.0%} of the rows that measure stand, equal in every "
            f"feature, among those that trained {earlier.reference}. Give the new rows alone, or train without --init."
        )
    return (
        f"The figures hold for rows that {earlier.reference} has not seen; none of the training rows that it keeps as "
        "samples is among those that measure."
    )


def _bytes_of(X: Encoded) -> list[bytes]:
    """Each row's values as bytes; every NaN the same, and 0 without a sign."""
    numeric: npt.NDArray[np.float32] = np.where(np.isnan(X.numeric), np.float32(np.nan), X.numeric + np.float32(0))
    return [n.tobytes() + c.tobytes() for n, c in zip(numeric, X.categorical, strict=True)]
