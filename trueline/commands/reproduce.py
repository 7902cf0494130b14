"""``trueline reproduce``: a version trained again from its kept rows, and compared."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from trueline.commands.ended import ended_by_signals
from trueline.commands.options import json_option, print_json
from trueline.commands.retrain import display_options
from trueline.environment import need_training, registry
from trueline.terminal.consoles import stdout

if TYPE_CHECKING:
    from trueline.retrain.reproduce import Comparison


@click.command("reproduce")
@click.argument("model", metavar="NAME:VERSION")
@display_options
@json_option
def reproduce_command(model: str, quiet: bool, verbose: bool, as_json: bool) -> int:
    """Train a version again from its kept rows, and say whether it has the same bits; nothing is stored.

    \b
    Example:
      trueline reproduce houses:20260131-120000-482913
    """
    need_training("reproduce", "keras", "polars", "sklearn")
    from trueline.retrain.earlier import Former
    from trueline.retrain.refit import Display
    from trueline.retrain.reproduce import reproduce

    store = registry()
    former = Former.find(store, model)
    with (
        tempfile.TemporaryDirectory(prefix="trueline-reproduce-") as folder,
        ended_by_signals(lambda: shutil.rmtree(folder, ignore_errors=True)) as signals,
    ):
        comparison = reproduce(former, Path(folder), Display(quiet, verbose, signals.raise_if_any))
    for line in _differences(comparison):
        stdout().print(line)
    if as_json:
        print_json(
            {
                "model_name": former.version.name,
                "model_version": former.version.version,
                "same_bits": comparison.is_same,
                "same": comparison.same,
                "different": comparison.different,
                "farthest_golden_answer": comparison.farthest,
                "reasons": comparison.reasons,
                "seconds": comparison.seconds,
            }
        )
    return 0 if comparison.is_same else 1


def _differences(comparison: Comparison) -> list[str]:
    same = ", ".join(comparison.same)
    lines = []
    if comparison.is_same:
        lines.append(
            f"Same bits: {comparison.reference} trained again in {comparison.seconds:.0f} s has the same {same}."
        )
    else:
        lines.append(
            f"Not the same bits: {comparison.reference} trained again has another {', '.join(comparison.different)}."
        )
        lines.append(f"The same: {same or 'nothing'}.")
        lines.append(
            f"The farthest answer to a golden row is {comparison.farthest:.2g} standard deviations from the old one."
        )
        reasons = "; ".join(comparison.reasons)
        lines.append(f"Changed since then: {reasons}." if reasons else "Packages and devices have not changed.")
    if not comparison.repeats_intervals:
        lines.append("Its intervals came from `trueline recalibrate`, and were not compared.")
    return [*lines, "Nothing was stored."]
