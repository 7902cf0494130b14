"""A sentence on what a run took from an earlier version."""

from __future__ import annotations

from collections.abc import Sequence

from artifact.lineage import Init

_SHOWN = 8


def sentence(init: Init) -> str:
    """``Started from houses:1: 14 of 16 weights agree; starting anew: values/kernel, values/bias.``"""
    parts = [f"{len(init.agreed)} of {len(init.agreed) + len(init.anew)} weights agree"]
    for words, names in (
        ("starting anew", init.anew),
        ("new or changed features", _quoted(init.features_anew)),
        ("features that this table lacks", _quoted(init.features_left)),
    ):
        if names:
            parts.append(f"{words}: {_listed(names)}")
    return f"Started from {init.model_name}:{init.model_version}: {'; '.join(parts)}."


def _quoted(names: Sequence[str]) -> list[str]:
    return [f"'{name}'" for name in names]


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
