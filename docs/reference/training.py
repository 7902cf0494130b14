"""The lists in docs/training.md: settings, presets, the families' defaults, the keys of schema.toml."""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel

from docs.reference.markdown import bullets, check_names, code, sentence, table
from docs.reference.values import allowed
from training.families import FAMILIES, networks
from training.objectives import KINDS
from training.settings.config import Preset, TrainConfig
from training.settings.presets import FEW_ROWS, MANY_ROWS
from training.table.corrections import FeatureCorrection, TargetCorrection

__all__ = [
    "FeatureCorrection",
    "TargetCorrection",
    "by_link",
    "corrections",
    "families",
    "family_names",
    "lines",
    "objectives",
    "presets",
    "settings",
]

PRESETS: tuple[str, ...] = get_args(Preset)
# Numbers of rows on both sides of each limit at which presets decide differently.
FEW, SOME, MANY = FEW_ROWS - 500, 20_000, 1_000_000
_ROWS = (40, FEW, SOME, MANY_ROWS, MANY, 3_000_000)
_COLUMNS = (0, 3, 10, 100)


def settings(groups: Mapping[str, str], see: Mapping[str, str]) -> str:
    """Every setting of a training run.

    Args:
        groups: the first setting below each heading, by heading.
        see: by setting, where the page says more.
    """
    check_names("setting", see, TrainConfig.model_fields)
    check_names("setting", {first: heading for heading, first in groups.items()}, TrainConfig.model_fields)
    headings = {first: heading for heading, first in groups.items()}
    text = ""
    group: list[tuple[str, list[str], str]] = []
    for name, field in TrainConfig.model_fields.items():
        if name in headings:
            text += bullets(group) if group else ""
            text, group = f"{text}\n**{headings[name]}**\n", []
        text_of_values, standard = allowed(field), default(name)
        words = text_of_values.startswith("`") or "list of `" in text_of_values
        brief = ["" if words else text_of_values, standard and f"default {standard}"]
        meaning = sentence(field.description or "") + (f" Takes {text_of_values}." if words else "")
        group.append((f"`{name}`", [part for part in brief if part], sentence(meaning, see.get(name))))
    return text + bullets(group)


def default(name: str) -> str:
    """The default of a setting, or the causes that move it; empty where training chooses it."""
    field = TrainConfig.model_fields[name]
    if field.default is not None:
        return code(_shown(field.default))
    values = _resolved()
    if len({str(getattr(config, name)) for config in values.values()}) == 1:
        value = getattr(next(iter(values.values())), name)
        return "" if value is None else code(_shown(value))
    *first, last = _causes(name)
    return f"by {', '.join(first)} and {last}" if first else f"by {last}"


def _causes(name: str) -> list[str]:
    """Those of preset, family, rows and numeric columns that move a setting's default."""
    values = _resolved()
    causes = []
    for place, cause in enumerate(("preset", "family", "rows", "columns")):
        groups: dict[tuple[object, ...], set[str]] = {}
        for key, config in values.items():
            groups.setdefault((*key[:place], *key[place + 1 :]), set()).add(str(getattr(config, name)))
        # A named family is itself the model, without a mix.
        if any(len(group) > 1 for group in groups.values()) and (cause != "family" or name not in ("model", "mix")):
            causes.append(cause)
    return causes


def _config(preset: str, family: str | None = None) -> TrainConfig:
    return TrainConfig.build(settings={"preset": preset, "model": family})


@functools.cache
def _resolved() -> dict[tuple[Any, ...], TrainConfig]:
    families = (None, *networks())
    return {
        (preset, family, n_rows, n_numeric): _config(preset, family).resolved(n_rows, n_numeric)
        for preset, family, n_rows, n_numeric in itertools.product(PRESETS, families, _ROWS, _COLUMNS)
    }


def presets() -> str:
    """The decisions of each preset, a column for each."""
    few, some, many, tiny = ([_config(p).resolved(n) for p in PRESETS] for n in (FEW, SOME, MANY, 40))
    few_rows, many_rows = f"{FEW_ROWS:,} rows", f"{MANY_ROWS:,} rows"
    rows = [
        [f"`model` or `mix` below {few_rows}", *(code(*(c.mix or (c.model,))) for c in few)],
        [f"`model` or `mix` from {few_rows} on", *(code(*(c.mix or (c.model,))) for c in some)],
        [f"`folds` x `repeats` below {few_rows}", *(f"{c.folds} x {c.repeats}" for c in few)],
        [f"`folds` x `repeats` from {few_rows} to {many_rows}", *(f"{c.folds} x {c.repeats}" for c in some)],
        [f"networks from {many_rows} on, without folds", *(str(c.repeats) for c in many)],
        [f"steps of each network below {few_rows}", *(_steps(c, FEW) for c in few)],
        [f"steps of each network from {few_rows} on", *(_steps(c, SOME) for c in some)],
        ["passes over the rows at most", *(str(c.epochs) for c in tiny)],
    ]
    return table(["", *map(code, PRESETS)], rows)


def _steps(config: TrainConfig, n_rows: int) -> str:
    """Steps of one network, to two digits: whole passes over the rows would show in the third."""
    steps = config.required("epochs") * (n_rows // config.required("batch_size"))
    return f"{float(f'{steps:.2g}'):,.0f}"


def families() -> str:
    """The defaults in which the trained families differ, for a table of :data:`SOME` rows."""
    names = networks()
    configs = [_config("balanced", name).resolved(SOME) for name in names]
    rows = [[code(n), *(_cell(getattr(c, n)) for c in configs)] for n in TrainConfig.model_fields if n not in _OF_WORK]
    return table(["setting", *map(code, names)], (row for row in rows if len(set(row[1:])) > 1))


def family_names() -> str:
    """Each family with its summary."""
    return table(["family", "what it is"], ([code(name), family.summary] for name, family in FAMILIES.items()))


def lines() -> str:
    """The families that are solved for, beside their names in scikit-learn."""
    solved = [family for family in FAMILIES.values() if family.solves]
    rows = [[code(family.name), family.like or "-", family.chosen or "-"] for family in solved]
    return table(["family", "is scikit-learn's", "the folds choose"], rows)


def objectives() -> str:
    """Each objective: its answer, its targets, and its error."""
    rows = [[code(name), kind.answers, kind.takes.words or "all", kind.plain] for name, kind in KINDS.items()]
    return table(["objective", "answers with", "takes targets", "compared by"], rows)


def by_link(shapes: Mapping[str, str]) -> str:
    """The objectives, grouped by the shape of their intervals.

    Args:
        shapes: the shape in words, by links separated by spaces; each link occurs once.

    Raises:
        ValueError: an objective has a link without words.
    """
    words = {link: text for links, text in shapes.items() for link in links.split()}
    check_names("link", words, [kind.link for kind in KINDS.values()])
    for name, kind in KINDS.items():
        if kind.link not in words:
            raise ValueError(f"Expected words for the link of each objective. Received: none for '{name}'.")
    rows = [[code(*(n for n, k in KINDS.items() if words[k.link] == text)), text] for text in shapes.values()]
    return table(["objective", "spread, or what stands for it"], rows)


# Settings that a preset decides by the amount of work: the table of presets has them.
_OF_WORK = ("model", "mix", "repeats", "served_repeats", "batch_size", "epochs", "patience")


def corrections(model: type[BaseModel]) -> str:
    """The keys of one part of ``schema.toml``."""
    return bullets(
        (f"`{name}`", [allowed(field)], sentence(field.description or "")) for name, field in model.model_fields.items()
    )


def _cell(value: object) -> str:
    return "none" if value is None else code(_shown(value))


def _shown(value: object) -> str:
    """The value as it is written after ``--set NAME=``."""
    if isinstance(value, tuple):
        return json.dumps(value)
    if isinstance(value, bool):
        return json.dumps(value)
    return f"{value:,g}" if isinstance(value, float) else str(value)
