"""``trueline evaluate``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.table import Column, Table

from trueline.faults import by_row
from trueline.options import (
    DATA_HELP,
    json_option,
    missing_columns_option,
    need_training,
    print_json,
    reading_options,
    registry,
    runtime_option,
    stderr,
    stdout,
)

if TYPE_CHECKING:
    from artifact.rows.absent import MissingColumns
    from artifact.runtimes import RuntimeName
    from training.table.reading import Reading


@click.command("evaluate", epilog=DATA_HELP)
@click.argument("model")
@click.argument("data")
@click.option(
    "--interval", "level", type=float, metavar="LEVEL", help="Level of the intervals, in (0, 1). Defaults to 0.9."
)
@missing_columns_option
@runtime_option
@reading_options
@json_option
def evaluate_command(
    model: str,
    data: str,
    level: float | None,
    missing_columns: MissingColumns,
    runtime: RuntimeName,
    as_json: bool,
    reading: Reading,
) -> None:
    """Measure a version on rows whose target is known. MODEL is NAME, NAME:VERSION or NAME:champion.

    \b
    Example:
      trueline evaluate houses sold-last-month.csv
    """
    need_training("evaluate", "polars", "sklearn")

    import polars as pl

    from artifact.errors import DataError, SchemaMismatchError
    from artifact.predictor import Predictor, target_offsets
    from artifact.words.display import metric, number
    from training.evaluation.metrics import by_target
    from training.evaluation.verdict import coverage
    from training.settings.config import TrainConfig
    from training.table.data import check_columns, read_raw
    from training.table.encode import check_features, encode_frame, with_targets
    from training.table.ids import ids_as_text
    from training.table.names import in_terms_of
    from training.table.types import typed
    from training.transfer.seen import is_its_table, known_note, share_known

    found = registry().resolve(model)
    predictor = Predictor.load(found.path, runtime=runtime)
    schema = predictor.schema
    targets = list(schema.target_names)
    raw = read_raw(data, reading, keep={*schema.names, *targets})
    for note in raw.notes:
        stderr().print(f"Note: {note}")
    words = [f.name for f in schema.categorical]
    frame = in_terms_of(raw.frame, [*schema.names, *targets])
    whole = typed(ids_as_text(frame, words), as_text=[*schema.names, *targets])
    check_columns(whole, targets, "target column")
    check_features(whole.columns, schema, missing_columns)
    table = with_targets(whole, schema)
    usable = table.select(pl.all_horizontal(pl.col(targets).is_finite().fill_null(value=False))).to_series()
    table = table.filter(usable)
    n_left_out = whole.height - table.height
    if n_left_out:
        stderr().print(f"{n_left_out:,} of {whole.height:,} rows are left out: no finite value of the target.")
    if table.height < 2:
        raise DataError(f"Expected at least 2 rows with a target. Received: {table.height}.")
    try:
        X = encode_frame(table, schema, missing_columns=missing_columns)
    except SchemaMismatchError as error:
        raise by_row(error, [int(i) + 1 for i in usable.arg_true()]) from error
    outputs = predictor.run(X.numeric, X.categorical)
    answer = predictor.finish(outputs, predictor.row_bounds([predictor.bound(level)], [len(X)], X), X.warnings)
    y = table.select(targets).to_numpy()
    trained = predictor.manifest.lineage.config
    config = TrainConfig.build(
        settings={k: trained[k] for k in ("objective", "quantiles", "tweedie_power") if k in trained}
    )
    metrics = by_target(
        schema.target_names,
        y,
        answer.value.astype("float64"),
        config=config,
        outputs=outputs,
        offsets=target_offsets(schema),
    )
    covered = coverage(schema.target_names, y, answer, level or predictor.default_level)
    imputed = [name for name in schema.names if name not in table.columns]
    if imputed:
        columns = ", ".join(f"'{name}'" for name in imputed)
        stderr().print(f"The table has no column {columns}: answered as missing in each row.", markup=False)
    same_table = is_its_table(frame, predictor.manifest.lineage)
    share = 1.0 if same_table else share_known(found.path, predictor.manifest, schema, X)
    flatters = known_note(share, f"{found.name}:{found.version}", same_table=same_table)
    if flatters:
        stderr().print(f"Note: {flatters}", markup=False)
    if as_json:
        reference = {"model_name": found.name, "model_version": found.version, "rows": table.height}
        print_json(
            {
                **reference,
                "rows_left_out": n_left_out,
                "metrics": metrics,
                "coverage": covered.model_dump(),
                "trained_on": {"same_table": same_table, "share": share},
            }
        )
        return
    out = stdout()
    for target in targets:
        result = Table(
            "metric",
            Column("value", justify="right"),
            title=f"{target}: {table.height:,} rows by {found.name}:{found.version}",
        )
        for name, value in metrics[target].items():
            result.add_row(name, metric(name, value))
        out.print(result)
        share, width = covered.covered[target], covered.mean_width[target]
        out.print(f"{covered.level:.0%} intervals cover {share:.1%} of the rows; mean width {number(width)}.")
