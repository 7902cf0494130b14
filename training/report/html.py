"""Pieces of the page: escaped text, tables, pictures, and the look of it all."""

from __future__ import annotations

import base64
import html
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from training.report.drawing import Picture

STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --line: #d8dde4; --page: #ffffff; --card: #f4f6f9;
  --blue: #2f6fb3; --good: #1f7a4d; --bad: #b3402f }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e3e7ed; --soft: #9aa5b4; --line: #333c49; --page: #12171e; --card: #1b222c; --blue: #6ba6e0;
    --good: #5cc48f; --bad: #e98b7b }
  img { filter: invert(.93) hue-rotate(180deg) }
}
* { box-sizing: border-box }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 62rem; margin: 0 auto; padding: 1.5rem 1rem 4rem;
  color: var(--ink); background: var(--page); overflow-wrap: anywhere }
h1 { font-size: 1.7rem; line-height: 1.2; margin: .5rem 0 } h2 { margin: 2.6rem 0 .6rem; font-size: 1.25rem }
h3 { margin: 1.6rem 0 .4rem; font-size: 1rem } p { margin: .6rem 0 } a { color: var(--blue) }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1rem; font-size: .9rem; margin: 1rem 0 }
.soft, figcaption { color: var(--soft); font-size: .9rem }
.verdict { background: var(--card); border-left: 4px solid var(--soft); padding: .8rem 1rem }
.verdict b { display: block; font-size: .9rem; color: var(--soft) }
.verdict.yes { border-color: var(--good) } .verdict.no { border-color: var(--bad) }
.wide { overflow-x: auto; margin: .8rem 0 }
table { border-collapse: collapse; font-size: .92rem }
th, td { padding: .3rem .9rem .3rem 0; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top;
  font-variant-numeric: tabular-nums; overflow-wrap: normal }
th { color: var(--soft); font-weight: 600 } th:last-child, td:last-child { padding-right: 0 }
.words th, .words td, .word, th:first-child, td:first-child { text-align: left }
.words td, td:first-child { overflow-wrap: anywhere; min-width: 5rem }
td:first-child { min-width: 9rem } tr.ours { font-weight: 650 }
figure { margin: 1rem 0 } img { width: 100%; max-width: 880px; height: auto; display: block; border-radius: 6px }
details { margin: .6rem 0 } summary { cursor: pointer; color: var(--blue) } ul { padding-left: 1.2rem }
@media print { body { max-width: none; font-size: 10.5pt; padding: 0 } nav { display: none }
  figure, tr, .verdict { break-inside: avoid } h2, h3 { break-after: avoid } .wide { overflow: visible } }
"""


def text(value: object) -> str:
    """A value as escaped text."""
    return html.escape(str(value))


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    words: bool | Collection[str] = False,
    ours: str | None = None,
) -> str:
    """A table that scrolls by itself where the screen is narrow.

    Args:
        header: headers of the columns.
        rows: cells of each row.
        words: cells that are words, aligned left: True for all, or the headers of their columns. Defaults to False.
        ours: first cell of the row that is highlighted. Defaults to None.
    """
    word_headers = () if isinstance(words, bool) else words
    looks = [' class="word"' if h in word_headers else "" for h in header]
    head = "".join(f'<th scope="col"{look}>{text(h)}</th>' for look, h in zip(looks, header, strict=True))
    body = []
    for row in rows:
        kind = ' class="ours"' if ours is not None and row[0] == ours else ""
        cells = "".join(f"<td{look}>{text(cell)}</td>" for look, cell in zip(looks, row, strict=True))
        body.append(f"<tr{kind}>{cells}</tr>")
    kind = ' class="words"' if words is True else ""
    lines = "\n".join(body)
    return f'<div class="wide"><table{kind}><thead><tr>{head}</tr></thead>\n<tbody>{lines}</tbody></table></div>'


def image(picture: Picture, caption: str = "") -> str:
    """A picture inside the page, with its caption."""
    data = base64.b64encode(picture.png).decode()
    below = f"<figcaption>{text(caption)}</figcaption>" if caption else ""
    return f'<figure><img alt="{text(picture.alt)}" src="data:image/png;base64,{data}">{below}</figure>'


def document(title: str, parts: Iterable[str]) -> str:
    """The whole page."""
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{text(title)}</title><style>{STYLE}</style>"
    )
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n' + "\n".join(parts) + "\n</body></html>\n"
