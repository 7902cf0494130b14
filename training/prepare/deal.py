"""The second pass: encodes the rows that train and deals them to the spool."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from artifact.rows.schema import FeatureSchema
from training.prepare.held_out import HeldOut
from training.prepare.moments import Moments
from training.prepare.rows import Rows
from training.prepare.scan import Scanned
from training.prepare.spool import Spool
from training.suspects.absence import Untargeted
from training.suspects.leakage import empty_count
from training.table.encode import encode_frame
from training.table.weights import check_parts, weights_in


@dataclass(slots=True)
class Dealt:
    """What the rows that train say.

    Attributes:
        seen: moments of their targets.
        weighted: the same, of rows as they weigh.
        untargeted: the rows of the table that have no value of some target.
        empty: rows without a value in any feature.
        shared: test rows that stand, equal in every column, in another part too.
    """

    seen: Moments
    weighted: Moments
    untargeted: Untargeted
    empty: int = 0
    shared: int = 0


def deal(rows: Rows, held: HeldOut, scanned: Scanned, schema: FeatureSchema, spool: Spool, weight: str | None) -> Dealt:
    """Read all rows once more.

    Args:
        rows: as they were scanned.
        held: keys of the rows.
        scanned: what the first pass found.
        schema: encodes the rows.
        spool: takes them.
        weight: column that says how much each row counts, or None.

    Raises:
        DataError: rows that cannot be read.
        OSError: the disk is full.
    """
    n_targets, lenient = len(schema.targets), schema.lenient()
    found = Dealt(Moments(n_targets), Moments(n_targets), Untargeted(schema.names))
    columns = [*schema.names, *schema.target_names]
    hashes = scanned.frame.select(columns).hash_rows().to_numpy()
    test = hashes[scanned.parts["test"]]
    others = np.concatenate([scanned.parts["calibration"], scanned.parts["validation"]])
    shared = np.isin(test, hashes[others])
    for batch in rows.batches(found.untargeted.add):
        keys = held.keys(batch.numbers, batch.frame)
        training = np.ones(len(keys), bool) if scanned.bound is None else keys > scanned.bound
        if not training.any():
            continue
        frame, y = batch.frame.filter(pl.Series(training)), batch.y[training]
        X = encode_frame(frame, lenient)
        weights = None if weight is None else weights_in(frame, weight)
        spool.add(X, y, weights)
        found.seen.add(y)
        found.weighted.add(y, weights)
        found.empty += empty_count(X)
        shared |= np.isin(test, frame.select(columns).hash_rows().to_numpy())
    if weight is not None:
        check_parts(weight, [found.weighted.weight])
    found.shared = int(shared.sum())
    return found
