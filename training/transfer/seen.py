"""Estimates how many measuring rows an earlier version has seen already, by the sample of rows that it stores."""

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
from training.transfer.earlier import FROM_THE_BEGINNING, Earlier
from training.transfer.features import alike, by_name

# Rows that are compared at a time.
_PART = 65_536
# Smaller shares are not reported: a row or two may be equal by chance.
_TOLD = 0.01


def share_seen(earlier: Earlier, frame: pl.DataFrame, schema: FeatureSchema, plan: Plan) -> float:
    """Estimate the share of the measuring rows that equal, in all features, rows that trained the earlier version.

    A version stores only a sample of its training rows, the golden rows. The share of them that occurs among the
    measuring rows, times the number of its training rows, estimates how many measuring rows it has seen.

    Args:
        earlier: the version.
        frame: usable rows of the new table.
        schema: schema of the new table.
        plan: says which rows measure: all of them out of fold, or the test and calibration parts.

    Returns:
        In [0, 1]; 0 where no feature can be compared.
    """
    rows = usual_rows(read_golden(earlier.folder).rows)
    new_features = by_name(schema)
    common = [f for f in earlier.schema.features if f.name in new_features and alike(new_features[f.name], f)]
    if not rows or not common:
        return 0.0
    measuring = frame if plan.parts is None else frame[np.concatenate([plan.parts.test, plan.parts.calibration])]
    shared = FeatureSchema(features=tuple(common), targets=earlier.schema.targets).lenient()
    names = [f.name for f in common]
    try:
        measuring_rows = encode_frame(measuring.select(names), shared)
        golden_rows = Encoder(shared).encode_rows([{name: row.get(name) for name in names} for row in rows])
    except SchemaMismatchError:
        # A number of the earlier version is text here: no row can be equal.
        return 0.0
    matches = matching(golden_rows, measuring_rows) / len(rows)
    return min(1.0, matches * earlier.manifest.lineage.rows / max(1, measuring.height))


def share_known(folder: Path, manifest: Manifest, schema: FeatureSchema, X: Encoded) -> float:
    """Estimate the share of rows that are equal in all features to rows of the table that trained a version.

    Args:
        folder: folder of the version, whose golden rows are the sample.
        manifest, schema: those of the version.
        X: the rows, encoded by its schema.
    """
    rows = usual_rows(read_golden(folder).rows)
    golden_rows = Encoder(schema.lenient()).encode_rows(rows)
    matches = matching(golden_rows, X) / max(1, len(rows))
    return min(1.0, matches * manifest.lineage.rows / max(1, len(X)))


def is_its_table(frame: pl.DataFrame, lineage: Lineage) -> bool:
    """Whether a table is the one that trained a version; its texts are read with the settings of that training."""
    if (frame.height, frame.width) != (lineage.rows, lineage.columns):
        return False
    config = lineage.config
    try:
        corrections = Corrections.model_validate(config.get("schema", {}))
        group = [config["group"]] if config.get("group") else []
        rules = TableTextRules(corrections, config.get("targets", ()), group, corrections.text_columns())
        texts = read_texts(frame, rules)
    except (DataError, ValueError):
        # The table does not fit the stored settings, or an older Trueline wrote them.
        return False
    return TableFacts.of(texts.frame).fingerprint == lineage.data_fingerprint


def known_note(share: float, reference: str, *, same_table: bool) -> str | None:
    """A note that the figures are too good, since the version trained on these rows; None if it did not."""
    if not same_table and share < _TOLD:
        return None
    which = (
        "this is the table"
        if same_table
        else f"about {share:.0%} of these rows are equal, in every feature, to rows of the table"
    )
    return (
        f"The figures are too good: {which} that trained {reference}. Figures on rows that it had not seen: "
        f"trueline show {reference}"
    )


def seen_note(earlier: Earlier, share: float) -> str:
    """A note on which rows the figures are valid for."""
    if share >= _TOLD:
        return (
            f"The figures and intervals are too good: about {share:.0%} of the rows that measure are equal, in "
            f"every feature, to rows that trained {earlier.reference}. "
            f"Give the new rows alone, or {FROM_THE_BEGINNING}."
        )
    return (
        f"The figures hold for rows that {earlier.reference} has not seen; none of the training rows that it keeps as "
        "samples is among the measuring rows."
    )


def matching(sample: Encoded, X: Encoded) -> int:
    """How many rows of a sample are equal to one of many rows."""
    rows = _bytes_of(sample)
    wanted, present = set(rows), set[bytes]()
    # The many rows take no more memory than a part of them.
    for start in range(0, len(X), _PART):
        part = slice(start, start + _PART)
        present.update(wanted.intersection(_bytes_of(Encoded(X.numeric[part], X.categorical[part]))))
    return sum(row in present for row in rows)


def _bytes_of(X: Encoded) -> list[bytes]:
    """Each row's values as bytes. All NaN have the same bytes, and so have 0 and -0."""
    numeric: npt.NDArray[np.float32] = np.where(np.isnan(X.numeric), np.float32(np.nan), X.numeric + np.float32(0))
    return [n.tobytes() + c.tobytes() for n, c in zip(numeric, X.categorical, strict=True)]
