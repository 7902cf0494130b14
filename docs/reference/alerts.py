"""The list in docs/deployment.md: the alerts of deploy/prometheus."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from docs.reference.markdown import bullets, code, typed

RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "alerts.yml"


def alerts() -> str:
    """Every alert: its severity, how long it waits, and its text in Prometheus."""
    rules = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"][0]["rules"]
    return bullets(
        (
            code(rule["alert"]),
            [rule["labels"]["severity"], f"after {rule['for']}" if "for" in rule else "at once"],
            typed(_plain(f"{rule['annotations']['summary']} {rule['annotations']['description']}")),
        )
        for rule in rules
    )


def _plain(text: str) -> str:
    """The text with a label's name in italics where Prometheus writes the label's value."""
    text = re.sub(r"{{ with \$labels\.(\w+) }}.*?{{ end }}", r"*\1*", text)
    return " ".join(re.sub(r"{{ \$labels\.(\w+) }}", r"*\1*", text).split())
