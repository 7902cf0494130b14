"""A ``schema.toml`` to begin with: as it stands it says what training decides, and changes nothing."""

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
        data: the path or name as it was given.
        features: as training has them.
        targets: likewise.
        left_out: columns that training leaves out, and why.
    """
    return "\n".join(_lines(data, features, targets, left_out)) + "\n"


def _lines(
    data: str, features: Sequence[Feature], targets: Sequence[Target], left_out: Sequence[tuple[str, str]]
) -> Iterator[str]:
    yield _comment(
        f"What training takes each column of {data} for. As it stands it changes nothing: edit what is wrong,"
    )
    yield "# take the '#' from a line that you want, and give the file to: trueline train DATA --schema schema.toml"
    for feature in features:
        yield ""
        yield f"[features.{quoted(feature.name)}]"
        shown = extent(feature)
        kind = f"kind = {quoted(feature.kind)}"
        yield kind + (f"  {_comment(shown)}" if shown else "")
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
    """How a column's texts are written."""
    for key, value in rules.items():
        shown = f"[{', '.join(map(quoted, value))}]" if isinstance(value, list) else quoted(str(value))
        yield f"{key} = {shown}"


def quoted(text: str) -> str:
    """A TOML basic string; JSON's escapes are TOML's, but for the one character that JSON leaves as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _comment(text: str) -> str:
    """One line; a comment holds no control characters."""
    return "# " + "".join(c if c.isprintable() else " " for c in text)


def _toml_number(value: float) -> str:
    return repr(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
