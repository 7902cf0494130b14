"""A ``schema.toml`` to start from: unedited it says what training decides by itself, and changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from artifact.rows.schema import Feature, Target
from artifact.words.display import extent
from training.table.corrections import rules_of

_MOST_CATEGORIES = 12


def skeleton(
    data: str, features: Sequence[Feature], targets: Sequence[Target], left_out: Sequence[tuple[str, str]]
) -> str:
    """The text of ``schema.toml`` for a table.

    Args:
        data: the path or name that the user gave.
        features: the features that training would use.
        targets: the targets that training would use.
        left_out: columns that training leaves out, each with the reason.
    """
    return "\n".join(_lines(data, features, targets, left_out)) + "\n"


def _lines(
    data: str, features: Sequence[Feature], targets: Sequence[Target], left_out: Sequence[tuple[str, str]]
) -> Iterator[str]:
    yield _comment(
        f"This is how training reads each column of {data}. As it stands, the file changes nothing: edit what is wrong,"
    )
    yield "# take the '#' from a line that you want, and give the file to: trueline train DATA --schema schema.toml"
    for feature in features:
        yield ""
        yield f"[features.{quoted(feature.name)}]"
        range_text = extent(feature)
        kind = f"kind = {quoted(feature.kind)}"
        yield kind + (f"  {_comment(range_text)}" if range_text else "")
        rules = rules_of(feature.text)
        yield from _keys(rules)
        if "unit" not in rules:
            yield '# unit = ""'
        yield '# description = ""'
        if feature.kind in ("number", "integer") and feature.minimum is not None and feature.maximum is not None:
            yield f"# minimum = {_toml_number(feature.minimum)}"
            yield f"# maximum = {_toml_number(feature.maximum)}"
            yield '# out_of_range = "refuse"'
        if feature.kind == "category":
            if 0 < len(feature.categories) <= _MOST_CATEGORIES:
                yield f"# categories = [{', '.join(map(quoted, feature.categories))}]"
            yield '# unseen = "refuse"'
        yield f'# missing = "{"refuse" if feature.missing == "impute" else "impute"}"'
        yield "# drop = true"
    for name, reason in left_out:
        yield ""
        yield f"[features.{quoted(name)}]"
        yield f"drop = true  {_comment(reason)}"
    for target in targets:
        yield ""
        yield f"[targets.{quoted(target.name)}]"
        yield from _keys(rules_of(target.text))
        yield '# unit = ""'
        yield '# description = ""'


def _keys(rules: Mapping[str, object]) -> Iterator[str]:
    """Lines on how a column's texts are written."""
    for key, value in rules.items():
        text = f"[{', '.join(map(quoted, value))}]" if isinstance(value, list) else quoted(str(value))
        yield f"{key} = {text}"


def quoted(text: str) -> str:
    """A TOML basic string. JSON escapes the same characters as TOML, except one, which is replaced here."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _comment(text: str) -> str:
    """A comment of one line, without control characters, which TOML forbids in comments."""
    return "# " + "".join(c if c.isprintable() else " " for c in text)


def _toml_number(value: float) -> str:
    return repr(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
