"""``trueline compare``, and the gates' options and table, which ``promote`` and ``train`` use too."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table
from rich.text import Text

from artifact.errors import DataError
from artifact.gates.gate import GATES, GateResult
from trueline.commands.options import (
    DATA_HELP,
    json_option,
    missing_columns_option,
    print_json,
    reading_words,
    runtime_option,
)
from trueline.environment import need_training, registry
from trueline.terminal.consoles import stdout, tell_note

if TYPE_CHECKING:
    from artifact.rows.absent import MissingColumns
    from artifact.runtimes import RuntimeName
    from trueline.gates.promote import Judged
    from trueline.gates.rows import Given

_NO_NAMES = "--force alone"
_FORCIBLE = ", ".join(gate.name for gate in GATES.values() if gate.can_be_forced)

why_option = click.option("--why", metavar="TEXT", default="", help="The reason, for `trueline history`.")


def force_option(subject: str = "") -> Callable[[Any], Any]:
    """``--force GATE[,GATE]``. ``--force`` without names, an older form, is refused by a sentence that lists the gates.

    Args:
        subject: beginning of the help text, which ends with the word "gates". Defaults to that word alone.
    """
    return click.option(
        "--force",
        metavar="GATE[,GATE]",
        is_flag=False,
        flag_value=_NO_NAMES,
        default="",
        help=f"{subject or 'Gates'} that are overruled, with the reason in --why: {_FORCIBLE}.",
    )


def forced_gates(force: str, why: str) -> tuple[str, ...]:
    """The gates that ``--force`` names.

    Raises:
        DataError: it names none, a name is no gate, or there is no reason.
    """
    from trueline.gates.promote import force_of

    if force == _NO_NAMES:
        raise DataError(
            f"Expected names of gates after --force. Received: none. Name what is overruled, and say why: "
            f"--force verdict --why TEXT. There are: {_FORCIBLE}."
        )
    return force_of(force, why)


def rows_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that say how rows are read and grouped; the command takes them as ``rows``, None without ``data``."""

    @functools.wraps(command)
    def with_rows(
        *args: Any,
        data: str | None,
        groups: str,
        missing_columns: MissingColumns,
        separator: str | None,
        encoding: str | None,
        sheet: str | None,
        **options: Any,
    ) -> Any:
        rows: Given | None = None
        if data is not None:
            need_training("comparing on rows", "polars", "sklearn")
            from training.table.reading import Reading
            from trueline.gates.rows import Given

            names = tuple(name.strip() for name in groups.split(",") if name.strip())
            rows = Given(data, Reading(separator, encoding, sheet), missing_columns, names, tell_note)
        elif groups:
            raise DataError(f"Expected rows with --groups. Received: --groups {groups} alone. Give the rows too.")
        return command(*args, rows=rows, **options)

    groups = click.option(
        "--groups",
        metavar="COL[,COL]",
        default="",
        help="Further columns whose values form groups, as the features do: in no group may the error be much worse.",
    )
    return groups(runtime_option(missing_columns_option(reading_words(with_rows))))


@click.command("compare", epilog=DATA_HELP)
@click.argument("model")
@click.argument("other")
@click.argument("data", required=False)
@rows_options
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write it as a page, in HTML.")
@json_option
def compare_command(
    model: str,
    other: str,
    rows: Given | None,
    runtime: RuntimeName,
    output: Path | None,
    as_json: bool,
) -> None:
    """Say what the gates of a promotion would say of MODEL, if OTHER were the champion; nothing is changed.

    MODEL and OTHER are NAME, NAME:VERSION or NAME:champion. If DATA is given, both answer its rows as a service would,
    and these answers are compared.

    \b
    Example:
      trueline compare houses:20260131-120000-482913 houses:champion sold-last-month.csv
    """
    from artifact.files import replace_text
    from trueline.gates.promote import compare

    if output is not None:
        check_page(output)
    store = registry()
    judged = compare(store, store.resolve(model), store.resolve(other), rows, runtime)
    show_gates(judged)
    if output is not None:
        from training.report.gates import gates_page

        replace_text(output, gates_page(_title(judged), judged.gates))
        stdout().print(f"Wrote {output}.")
    if as_json:
        print_json(judged.document())


def check_page(path: Path) -> None:
    """Check before any work that a page can be written.

    Raises:
        DataError: a folder, or one in a folder that does not exist.
    """
    if not path.absolute().parent.is_dir():
        raise DataError(f"Expected a file in a folder that exists. Received: {path}.")
    if path.is_dir():
        raise DataError(f"Expected a file to write. Received: {path}, which is a folder.")


def show_gates(judged: Judged, forced: Sequence[str] = ()) -> None:
    """The table of the gates, on standard output.

    Args:
        judged: the results of the gates.
        forced: gates that were overruled. Defaults to none.
    """
    if judged.note:
        tell_note(judged.note)
    table = Table(title=_title(judged), title_justify="left")
    for name in ("gate", "result", "figure", "limit"):
        table.add_column(name, no_wrap=name != "figure", justify="right" if name in ("figure", "limit") else "left")
    table.add_column("in words", overflow="fold")
    for result in judged.gates:
        table.add_row(*(Text(cell) for cell in _cells(result, forced)))
    stdout().print(table)


def tell_gates(judged: Judged, forced: Sequence[str] = ()) -> None:
    """The table of the gates after a training; for a first version that none refuses, one sentence.

    Args:
        judged: the results of the gates.
        forced: gates that were overruled. Defaults to none.
    """
    if judged.beside is not None or not judged.passes:
        show_gates(judged, forced)
        return
    names = [result.gate for result in judged.gates if result.measured]
    stdout().print(f"It passes its gates: {', '.join(names)}. There is no champion to compare it with.")


def _cells(result: GateResult, forced: Sequence[str]) -> tuple[str, ...]:
    state = "overruled" if not result.passed and result.gate in forced else result.state
    return result.gate, state, result.figure_text, result.limit_text, result.sentence


def _title(judged: Judged) -> str:
    beside = "without a champion" if judged.beside is None else f"beside {judged.beside}"
    return f"Gates of {judged.version.name}:{judged.version.version}, {beside}"
