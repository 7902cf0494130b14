"""``trueline compare``, and the gates' options and table, which ``promote`` and ``train`` use too."""

from __future__ import annotations

import functools
import textwrap
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
from trueline.environment import registry
from trueline.terminal.consoles import stdout, tell_note

if TYPE_CHECKING:
    from artifact.rows.absent import MissingColumns
    from artifact.runtimes import RuntimeName
    from trueline.gates.promote import Judgement
    from trueline.gates.rows import Given

_NO_NAMES = "--force alone"
# Columns of a page: sentences are broken there where no terminal says how wide they may be.
_PAGE = 120
# Endings of a file with a page.
_PAGES = (".html", ".htm")
_FORCIBLE = ", ".join(gate.name for gate in GATES.values() if gate.can_be_forced)


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
        from trueline.gates.given import RowsWords, given_rows

        words = RowsWords(
            groups=groups,
            allow_missing_columns=missing_columns == "impute",
            separator=separator,
            encoding=encoding,
            sheet=sheet,
        )
        return command(*args, rows=given_rows(data, words), **options)

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
    judgement = compare(store, store.resolve(model), store.resolve(other), rows, runtime)
    show_gates(judgement)
    if output is not None:
        from training.report.gates import gates_page

        replace_text(output, gates_page(judgement.title, judgement.gates))
        stdout().print(f"Wrote {output}.")
    if as_json:
        print_json(judgement.document())


def check_page(path: Path) -> None:
    """Check before any work that a page can be written.

    Raises:
        DataError: an ending that is not of HTML; a folder, or a file in a folder that does not exist.
    """
    if path.suffix.lower() not in _PAGES and not path.is_dir():
        raise DataError(
            f"Expected a page of HTML, a file of {' or '.join(_PAGES)}. Received: {path}. "
            f"Write it to {path.with_suffix(_PAGES[0]).name}; a browser prints it as PDF. For JSON, say --json."
        )
    if not path.absolute().parent.is_dir():
        raise DataError(f"Expected a file in a folder that exists. Received: {path}.")
    if path.is_dir():
        raise DataError(f"Expected a file to write. Received: {path}, which is a folder.")


def show_gates(judgement: Judgement, forced: Sequence[str] = ()) -> None:
    """The figures of the gates as a table, and below it what each gate says, on standard output.

    Args:
        judgement: the results of the gates.
        forced: gates that were overruled. Defaults to none.
    """
    if judgement.note:
        tell_note(judgement.note)
    figures = Table(title=judgement.title, title_justify="left")
    for name in ("gate", "result", "figure", "limit"):
        figures.add_column(name, no_wrap=name != "figure", justify="right" if name in ("figure", "limit") else "left")
    for result in judgement.gates:
        figures.add_row(*(Text(cell) for cell in _cells(result, forced)))
    out = stdout(_PAGE)
    out.print(figures)
    for result in judgement.gates:
        out.print(_paragraph(result, out.width))


def tell_gates(judgement: Judgement, forced: Sequence[str] = ()) -> None:
    """The table of the gates after a training; for a first version that none refuses, one sentence.

    Args:
        judgement: the results of the gates.
        forced: gates that were overruled. Defaults to none.
    """
    if judgement.beside is not None or not judgement.passes:
        show_gates(judgement, forced)
        return
    names = [result.gate for result in judgement.gates if result.measured]
    stdout().print(f"It passes its gates: {', '.join(names)}. There is no champion to compare it with.")


def _cells(result: GateResult, forced: Sequence[str]) -> tuple[str, ...]:
    state = "overruled" if not result.passed and result.gate in forced else result.state
    return result.gate, state, result.figure_text, result.limit_text


def _paragraph(result: GateResult, width: int) -> str:
    """The name of a gate and what it says, on lines of up to ``width`` characters."""
    indent = max(map(len, GATES)) + 2
    return textwrap.fill(
        result.sentence,
        max(width, 2 * indent),
        initial_indent=result.gate.ljust(indent),
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
