"""The results of a version's gates as a page in the report's style."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from artifact.gates.gate import GATES, GateResult
from training.report.html import document, table, text


def gates_page(title: str, gates: Sequence[GateResult]) -> str:
    """The page as HTML; it needs no script and no other file."""
    return document(title, [f"<h1>{text(title)}</h1>", *gates_section(gates)])


def gates_section(gates: Sequence[GateResult]) -> Iterator[str]:
    """A verdict, the table of figures and limits, and what each gate asks.

    Args:
        gates: results, in the order of the gates.
    """
    refused = [result.gate for result in gates if not result.passed]
    verdict = f"No: refused by {', '.join(refused)}." if refused else "Yes: no gate refuses it."
    look = "no" if refused else "yes"
    yield f'<p class="verdict {look}"><b>May it go live?</b>{text(verdict)}</p>'
    header = ["gate", "result", "figure", "limit", "in words"]
    rows = [[result.gate, result.state, result.figure_text, result.limit_text, result.sentence] for result in gates]
    yield table(header, rows, words=["result", "in words"])
    yield '<p class="soft">In brackets: 95% interval. The interval of groups holds for all cells together.</p>'
    rules = "".join(f"<li><b>{text(gate.name)}</b>: {text(gate.about)}</li>" for gate in GATES.values())
    yield f"<details><summary>What each gate asks</summary><ul>{rules}</ul></details>"
