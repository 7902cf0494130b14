"""The way of docs/retrain.md works as it is written: each of its commands runs, and prints what the page says of it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.processes import ROOT, clean_environment

PAGE = (ROOT / "docs" / "retrain.md").read_text(encoding="utf-8")


def test_each_command_of_the_page_runs_and_says_what_the_page_says(tmp_path: Path) -> None:
    page = tmp_path / "retrain.md"
    page.write_text(PAGE, encoding="utf-8")
    command = [sys.executable, "-m", "docs.reference", "--run", str(page)]
    environment = clean_environment(tmp_path, CUDA_VISIBLE_DEVICES="-1")
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=550)
    assert done.returncode == 0, done.stderr
    text = page.read_text(encoding="utf-8")
    assert "Traceback" not in text
    assert "Usage:" not in text
    for sentence in (
        "Its rows are kept: 1,200 training rows",
        "Its rows are kept: 1,700 training rows",
        "and 300 held-out rows",
        "On 300 rows the RMSE is",
        "Error: Expected a version that passes its gates.",
        "The intervals were calibrated anew on 800 rows of new.csv",
        "Same bits: houses:",
        "Rolled back to houses:",
    ):
        assert sentence in text, sentence
    # The versions are those of this run: each transcript was printed anew.
    assert not set(_versions(text)) & set(_versions(PAGE))


def _versions(text: str) -> list[str]:
    return re.findall(r"\d{8}-\d{6}-\d{6}", text)
