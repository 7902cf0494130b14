"""docs/deployment.md names things that exist."""

from __future__ import annotations

import re

from tests.processes import ROOT

TEXT = (ROOT / "docs" / "deployment.md").read_text()


def test_what_the_image_sets_is_documented() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    for name in re.findall(r"\b((?:BENTOML|ORT)_\w+)=", dockerfile):
        assert f"| `{name}` |" in TEXT
    assert "/var/lib/trueline" in TEXT
    assert "runs as user 10001" in TEXT


def test_files_it_names_exist() -> None:
    for path in set(re.findall(r"`((?:requirements|deploy|benchmarks)/[\w./-]+)`", TEXT)):
        assert (ROOT / path).exists(), path
