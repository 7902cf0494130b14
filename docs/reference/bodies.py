"""``python -m docs.reference.bodies``: the bodies that docs/http.md sends, as files of the working folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_ROW: dict[str, Any] = dict(
    zip(
        ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"),
        (50, 1, 31.5, 103, 178, 109.2, 43, 4, 4.8, 92),
        strict=True,
    )
)


def write(folder: Path) -> None:
    """Write all bodies as files into the folder."""
    misspelt = {("bmy" if name == "bmi" else name): value for name, value in _ROW.items()}
    bodies: dict[str, Any] = {
        "one": {"rows": [_ROW]},
        "two": {"rows": [_ROW, {**_ROW, "age": "old"}], "on_error": "row"},
        "wrong": {"rows": [{**misspelt, "age": "fifty"}]},
        "many": {"rows": [_ROW] * 32_769},
    }
    for name, body in bodies.items():
        (folder / f"{name}.json").write_text(json.dumps(body), encoding="utf-8")
    table = f"{','.join(_ROW)}\n{','.join(map(str, _ROW.values()))}\n"
    (folder / "new.csv").write_text(table, encoding="utf-8")
    (folder / "broken.parquet").write_bytes(b"PAR1" + bytes(50))


if __name__ == "__main__":
    write(Path())
