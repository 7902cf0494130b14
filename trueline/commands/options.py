"""Options and helpers that several commands share."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Collection, Iterable
from typing import Any

import click

from artifact.words.remarks import LONGEST, remark
from trueline.environment import need_training

DATA_HELP = (
    "DATA is a CSV, Excel, Parquet, Arrow/Feather or NDJSON file, compressed or not, a quoted glob or a folder of "
    "them, - for standard input, dataset:diabetes or dataset:california_housing."
)

# As artifact.runtimes.RuntimeName has them; it is not imported for every command.
RUNTIMES = ("auto", "onnx", "onnx-int8", "keras")


class NamesOption(click.Option):
    """An option whose help lists the names of a registry, which is imported when the help is shown.

    Args:
        names: gives the names that the option takes.
        help: help text, with ``{names}`` in their place.
    """

    def __init__(self, *args: Any, names: Callable[[], Iterable[str]], **more: Any) -> None:
        self._names = names
        super().__init__(*args, **more)

    def _filled_in(self) -> str:
        from training.objectives.records import listed

        return self._template.format(names=listed(self._names()))

    def _set_template(self, template: str) -> None:
        self._template = template

    help = property(_filled_in, _set_template)


runtime_option = click.option(
    "--runtime",
    type=click.Choice(RUNTIMES),
    default="auto",
    show_default=True,
    help="Runtime that computes the network; auto: ONNX Runtime where the version has a model for it, else Keras.",
)
missing_columns_option = click.option(
    "--allow-missing-columns",
    "missing_columns",
    is_flag=True,
    callback=lambda _context, _option, allowed: "impute" if allowed else "refuse",
    help="Treat a feature without a column as missing in each row, if training saw it missing.",
)
_READING = (
    click.option(
        "--separator",
        metavar="CHAR",
        help="Separator of the fields of a CSV: one character, or tab, comma, semicolon, pipe or space. "
        "Defaults to what its rows show.",
    ),
    click.option(
        "--encoding",
        metavar="NAME",
        help="Encoding of a CSV or NDJSON file, as Python calls it: utf-16, cp1252. Defaults to what its bytes show.",
    ),
    click.option("--sheet", metavar="NAME", help="Sheet of an Excel file. Defaults to the only one that is not empty."),
)
_TEXTS = (
    click.option(
        "--decimal",
        metavar="MARK",
        help="Mark before the fraction of a number, '.' or ',', where the columns are ambiguous.",
    ),
    click.option(
        "--thousands",
        metavar="MARK",
        help="Mark between thousands, a comma, a point, an apostrophe or a space, where the columns are ambiguous.",
    ),
    click.option(
        "--missing-value",
        metavar="TEXT",
        multiple=True,
        help="A text that means 'no value', beside the usual ones; may be given again.",
    ),
    click.option(
        "--date-format",
        metavar="FORM",
        help="How dates are written: dd/mm/yyyy, mm/dd/yyyy, or a form of strptime such as %d.%m.%Y.",
    ),
)
interval_option = click.option(
    "--interval", "level", type=float, metavar="LEVEL", help="Level of the intervals, in (0, 1). Defaults to 0.9."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")


def _remark(_: click.Context, option: click.Parameter, text: str) -> str:
    return remark(text, option.name or "")


def _remark_option(name: str, help_text: str) -> Callable[[Any], Any]:
    """An option for words of the user's own."""
    return click.option(f"--{name}", metavar="TEXT", default="", callback=_remark, help=help_text)


note_option = _remark_option(
    "note",
    f"A note on the version in your own words, up to {LONGEST} characters; models, show and the report print it.",
)
why_option = _remark_option("why", f"The reason, for `trueline history`, up to {LONGEST} characters.")


def reading_words(command: Callable[..., Any]) -> Callable[..., Any]:
    """The same options as :func:`reading_options`; the command takes each as it was typed."""
    for option in reversed(_READING):
        command = option(command)
    return command


def text_words(command: Callable[..., Any]) -> Callable[..., Any]:
    """The same options as :func:`text_options`; the command takes each as it was typed."""
    for option in reversed(_TEXTS):
        command = option(command)
    return command


def reading_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that say how DATA is read; the command takes them as one ``reading`` (training.table.reading.Reading)."""

    @functools.wraps(command)
    def with_reading(*args: Any, separator: str | None, encoding: str | None, sheet: str | None, **options: Any) -> Any:
        need_training("reading a table", "polars")
        from training.table.reading import Reading

        return command(*args, reading=Reading(separator, encoding, sheet), **options)

    return reading_words(with_reading)


def scoring_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of the commands that predict the rows of a table: level, absent columns, runtime, reading, JSON."""
    for option in (json_option, reading_options, runtime_option, missing_columns_option, interval_option):
        command = option(command)
    return command


def text_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that say how texts are written; the command takes them as ``rules``, for ``Corrections.with_rules``."""

    @functools.wraps(command)
    def with_rules(
        *args: Any,
        decimal: str | None,
        thousands: str | None,
        missing_value: tuple[str, ...],
        date_format: str | None,
        **options: Any,
    ) -> Any:
        rules = {"decimal": decimal, "thousands": thousands, "missing_values": missing_value or None}
        return command(*args, rules={**rules, "format": date_format}, **options)

    return text_words(with_rules)


def print_json(content: dict[str, Any]) -> None:
    """Print one line of JSON."""
    click.echo(json.dumps(content, allow_nan=False))


def typed_words(context: click.Context, leave_out: Collection[str] = ()) -> tuple[str, ...]:
    """The arguments and options that were typed, as separate words, in the order of the command's parameters.

    Args:
        context: context of the command.
        leave_out: names of parameters to leave out.
    """
    words: list[str] = []
    for parameter in context.command.params:
        name = parameter.name or ""
        typed = context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        if not typed or name in leave_out:
            continue
        value = context.params[name]
        if isinstance(parameter, click.Argument):
            words.append(str(value))
        elif isinstance(value, bool):
            words.append((parameter.opts if value else parameter.secondary_opts)[0])
        else:
            for one in value if isinstance(value, tuple) else (value,):
                words += [parameter.opts[0], str(one)]
    return tuple(words)
