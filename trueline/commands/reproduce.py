"""``trueline reproduce``: a version trained again from its kept rows, and compared."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import click

from trueline.commands.ended import ended_by_signals
from trueline.commands.options import json_option, print_json
from trueline.commands.retrain import telling_options
from trueline.environment import need_training, registry
from trueline.terminal.consoles import stdout


@click.command("reproduce")
@click.argument("model", metavar="NAME:VERSION")
@telling_options
@json_option
def reproduce_command(model: str, quiet: bool, verbose: bool, as_json: bool) -> int:
    """Train a version again from its kept rows, and say whether it has the same bits; nothing is stored.

    \b
    Example:
      trueline reproduce houses:20260131-120000-482913
    """
    need_training("reproduce", "keras", "polars", "sklearn")
    from trueline.retrain.earlier import Former
    from trueline.retrain.refit import Telling
    from trueline.retrain.reproduce import reproduced

    store = registry()
    former = Former.find(store, model)
    with (
        tempfile.TemporaryDirectory(prefix="trueline-reproduce-") as folder,
        ended_by_signals(lambda: shutil.rmtree(folder, ignore_errors=True)) as signals,
    ):
        reproduction = reproduced(former, Path(folder), Telling(quiet, verbose, signals.raise_if_any))
    for sentence in (*reproduction.sentences, "Nothing was stored."):
        stdout().print(sentence)
    if as_json:
        print_json(
            {
                "model_name": former.version.name,
                "model_version": former.version.version,
                "same_bits": reproduction.is_same,
                "same": reproduction.same,
                "different": reproduction.different,
                "farthest_golden_answer": reproduction.farthest,
                "reasons": reproduction.reasons,
                "seconds": reproduction.seconds,
            }
        )
    return 0 if reproduction.is_same else 1
