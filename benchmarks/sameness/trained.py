"""Trains by the command of a checkout, asks its version, and keeps what came of it."""

from __future__ import annotations

import json
import re
import secrets
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import polars as pl

from benchmarks.checkouts import run_in
from benchmarks.sameness.facts import FAILED, digest, masked
from benchmarks.sameness.stored import read_version
from benchmarks.sameness.trainings import TRAININGS, Training

MODEL = "houses"
_TABLE = re.compile(r"(?<!\S)[\w-]+\.(?:csv|parquet)\b")
_SECONDS = re.compile(r'("seconds": )[\d.]+')
# A line of progress comes every ten seconds, as far as the training is by then; TensorFlow's log names the time.
_OF_THE_TIME = re.compile(
    r"^(?:(?:Reading|Training|Teaching|Comparing|Storing)|[IWEF]\d{4} \d\d:|[IWEF]0000 00:00:|WARNING: All log).*$\n?",
    re.MULTILINE,
)


class Trained(NamedTuple):
    """What a training gave.

    Attributes:
        home: the store, a folder for ``BENTOML_HOME``.
        facts: of the version, its answers and what the commands printed; of a command that failed its last line alone.
    """

    home: Path
    facts: dict[str, str]


class Checkout:
    """A checkout of Trueline with the versions that it trained.

    Args:
        root: of the checkout.
        folder: for its stores, a folder for each training.
        tables: folder of the tables.
    """

    def __init__(self, root: Path, folder: Path, tables: Path) -> None:
        self.root, self._folder, self._tables = root, folder, tables

    def trained(self, name: str) -> Trained:
        """Train, or take what was trained before in the same folder by the same words on the same tables."""
        training = TRAININGS[name]
        folder = self._folder / digest(f"{training}{self._fingerprint()}".encode())[:16]
        facts = folder / "facts.json"
        if not facts.is_file():
            # Whole or not at all: another process may keep its trainings in the same folder.
            begun = self._folder / f"begun-{secrets.token_hex(8)}"
            found = self._facts(training, begun / "home")
            (begun / "facts.json").write_text(json.dumps(found), encoding="utf-8")
            shutil.rmtree(folder, ignore_errors=True)
            begun.rename(folder)
        return Trained(folder / "home", json.loads(facts.read_text(encoding="utf-8")))

    def _fingerprint(self) -> str:
        return "".join(digest(path.read_bytes()) for path in sorted(self._tables.iterdir()))

    def _facts(self, training: Training, home: Path) -> dict[str, str]:
        home.mkdir(parents=True)
        masks = (str(home), str(self._tables))
        answers = home / "answers.parquet"
        named = ["--name", MODEL, "--promote", "--force", "--json"]
        commands = {
            "before": ["train", *self._words(training.before), *named],
            "train": ["train", *self._words(training.words), *named],
            "predict": [*self._words(f"predict {MODEL} asked.csv --runtime {training.runtime} -o"), str(answers)],
            "evaluate": self._words(f"evaluate {MODEL} known.csv --json"),
        }
        if not training.before:
            del commands["before"]
        facts: dict[str, str] = {}
        for name, words in commands.items():
            done = self._run(words, home)
            if done.returncode:
                last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
                return {FAILED: masked(f"{name}: exit {done.returncode}: {''.join(last)}", *masks)}
            for stream, text in (("printed", done.stdout), ("errors", done.stderr)):
                facts[f"messages/{name}, {stream}"] = _timeless(masked(text, *masks))
        newest = max(path for path in (home / "models" / MODEL).iterdir() if path.is_dir())
        return {**read_version(newest, *masks), **_answers(answers), **facts}

    def _words(self, text: str) -> list[str]:
        return shlex.split(_TABLE.sub(lambda match: str(self._tables / match[0]), text))

    def _run(self, words: list[str], home: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "trueline", *words]
        return run_in(self.root, command, check=False, BENTOML_HOME=str(home), COLUMNS="120")


def _timeless(text: str) -> str:
    """What a command printed, without what hangs on how long it took."""
    return _SECONDS.sub(r"\1SECONDS", _OF_THE_TIME.sub("", text))


def _answers(path: Path) -> dict[str, str]:
    """The columns of scored rows; a float as its bits are."""
    frame = pl.read_parquet(path)
    facts = {}
    for column in frame:
        values = [value.hex() if isinstance(value, float) else str(value) for value in column]
        facts[f"answers/{column.name}"] = f"{column.dtype}: {' '.join(values)}"
    return facts
