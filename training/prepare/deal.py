"""The second pass over a streamed table: encodes the rows that train and deals them to the spool."""

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
    """Facts that the second pass gathers.

    Attributes:
        targets: moments of the targets of the rows that train.
        weighted_targets: the same moments, weighted as the rows are.
        untargeted: the table's rows that have no value of some target.
        empty: number of rows that train without a value in any feature.
        shared: number of test rows that are equal, in every column, to some row of another part.
    """

    targets: Moments
    weighted_targets: Moments
    untargeted: Untargeted
    empty: int = 0
    shared: int = 0


def deal(
    rows: Rows, held_out: HeldOut, scanned: Scanned, schema: FeatureSchema, spool: Spool, weight: str | None
) -> Dealt:
    """Read all rows once more, and deal those that train to the spool.

    Args:
        rows: the usable rows, as in the first pass.
        held_out: gives the keys of the rows.
        scanned: results of the first pass.
        schema: the schema that encodes the rows.
        spool: takes the encoded rows.
        weight: column that says how much each row counts, or None.

    Raises:
        DataError: rows cannot be read.
        OSError: the disk is full.
    """
    n_targets, lenient = len(schema.targets), schema.lenient()
    dealt = Dealt(Moments(n_targets), Moments(n_targets), Untargeted(schema.names))
    columns = [*schema.names, *schema.target_names]
    hashes = scanned.frame.select(columns).hash_rows().to_numpy()
    test = hashes[scanned.parts["test"]]
    others = np.concatenate([scanned.parts["calibration"], scanned.parts["validation"]])
    shared = np.isin(test, hashes[others])
    for batch in rows.batches(dealt.untargeted.add):
        keys = held_out.keys(batch.numbers, batch.frame)
        training = np.ones(len(keys), bool) if scanned.bound is None else keys > scanned.bound
        if not training.any():
            continue
        frame, y = batch.frame.filter(pl.Series(training)), batch.y[training]
        X = encode_frame(frame, lenient)
        weights = None if weight is None else weights_in(frame, weight)
        spool.add(X, y, weights)
        dealt.targets.add(y)
        dealt.weighted_targets.add(y, weights)
        dealt.empty += empty_count(X)
        shared |= np.isin(test, frame.select(columns).hash_rows().to_numpy())
    if weight is not None:
        check_parts(weight, [dealt.weighted_targets.weight])
    dealt.shared = int(shared.sum())
    return dealt
