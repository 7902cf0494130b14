"""Trains by the command of a checkout, asks its version for answers, and stores the results."""

from __future__ import annotations

import json
import re
import secrets
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from benchmarks.checkouts import run_in
from benchmarks.sameness.facts import FAILED, digest, masked
from benchmarks.sameness.stored import read_version
from benchmarks.sameness.trainings import TRAININGS, Training

MODEL = "houses"
# Commands that ask a version for answers, and change nothing.
_ASK = ("predict", "evaluate")
# The beginnings of the names of their facts.
ANSWER_FACTS = ("answers/", *(f"messages/{command}," for command in _ASK))
_HOME, _OUTPUTS, _ANSWERS = "home", "outputs.json", "answers.parquet"
_SECONDS = re.compile(r'("seconds": )[\d.]+')
# Lines that depend on time: one of progress comes every ten seconds, and TensorFlow's log names the time.
_OF_THE_TIME = re.compile(
    r"^(?:(?:Reading|Training|Teaching|Comparing|Storing)|[IWEF]\d{4} \d\d:|[IWEF]0000 00:00:|WARNING: All log).*$\n?",
    re.MULTILINE,
)


class Trained(NamedTuple):
    """The result of a training.

    Attributes:
        home: the store, a folder for ``BENTOML_HOME``.
        facts: facts of the version, its answers and the commands' output; if a command failed, only its last line.
    """

    home: Path
    facts: dict[str, str]


class Checkout:
    """A checkout of Trueline with the versions that it trained.

    Args:
        root: folder of the checkout.
        folder: folder for its stores, one for each training.
        tables: folder of the tables.
    """

    def __init__(self, root: Path, folder: Path, tables: Path) -> None:
        self.root, self._folder, self._tables = root, folder, tables

    def trained(self, name: str) -> Trained:
        """Train, or take the stored result of the same commands in the same folder on the same tables."""
        commands = _commands(TRAININGS[name])
        tables = "".join(digest(path.read_bytes()) for path in sorted(self._tables.iterdir()))
        folder = self._folder / digest(f"{commands}{tables}".encode())[:16]
        if not (folder / _OUTPUTS).is_file():
            # The folder appears whole or not at all, since another process may store its trainings there, too.
            begun = self._folder / f"begun-{secrets.token_hex(8)}"
            (begun / _HOME).mkdir(parents=True)
            self._run(commands, begun)
            if FAILED in (failure := _printed(begun)):
                return Trained(begun / _HOME, failure)
            shutil.rmtree(folder, ignore_errors=True)
            begun.rename(folder)
        versions = folder / _HOME / "models" / MODEL
        newest = max(path for path in versions.iterdir() if path.is_dir())
        return Trained(folder / _HOME, {**read_version(newest, *_masks(folder)), **_answer_facts(folder)})

    def read(self, name: str, home: Path, folder: Path) -> dict[str, str]:
        """The facts of this checkout's answers with a version that another one trained.

        Args:
            name: name of the training.
            home: the other checkout's store, which is not changed.
            folder: folder for a copy of it.
        """
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(home, folder / _HOME)
        self._run({command: words for command, words in _commands(TRAININGS[name]).items() if command in _ASK}, folder)
        return _answer_facts(folder)

    def _run(self, commands: dict[str, list[str]], folder: Path) -> None:
        """Run commands on a folder's store until one fails; write each one's output, and the folders it may name."""
        home = folder / _HOME
        outputs: dict[str, Any] = {"folders": [str(home), str(self._tables)], "commands": {}}
        for name, words in commands.items():
            command = [sys.executable, "-m", "trueline", *(self._place(word, home) for word in words)]
            ended = run_in(self.root, command, check=False, BENTOML_HOME=str(home), COLUMNS="120")
            outputs["commands"][name] = {
                "exit": ended.returncode,
                "printed": ended.stdout,
                "errors": ended.stderr,
            }
            if ended.returncode:
                break
        (folder / _OUTPUTS).write_text(json.dumps(outputs), encoding="utf-8")

    def _place(self, word: str, home: Path) -> str:
        """A word of a command, with paths in place of the names of tables and answers."""
        if word == _ANSWERS:
            return str(home / word)
        return str(self._tables / word) if word.endswith((".csv", ".parquet")) else word


def _commands(training: Training) -> dict[str, list[str]]:
    """The words of each command, in order; tables and answers are given by the names of their files."""
    # Without a champion the name means the newest version. Checkouts differ in what may be promoted, and how.
    named = f"--name {MODEL} --json"
    before = {"before": f"train {training.before} {named}"} if training.before else {}
    texts = {
        **before,
        "train": f"train {training.words} {named}",
        "predict": f"predict {MODEL} asked.csv --runtime {training.runtime} -o {_ANSWERS}",
        "evaluate": f"evaluate {MODEL} known.csv --json",
    }
    return {name: shlex.split(text) for name, text in texts.items()}


def _answer_facts(folder: Path) -> dict[str, str]:
    """The facts of the answers in a folder and of the commands' output; if a command failed, only its last line."""
    printed = _printed(folder)
    return printed if FAILED in printed else {**_answers(folder / _HOME / _ANSWERS), **printed}


def _printed(folder: Path) -> dict[str, str]:
    outputs = json.loads((folder / _OUTPUTS).read_text(encoding="utf-8"))
    facts: dict[str, str] = {}
    for name, output in outputs["commands"].items():
        if output["exit"]:
            last = (output["errors"].strip() or output["printed"].strip()).splitlines()[-1:]
            return {FAILED: masked(f"{name}: exit {output['exit']}: {''.join(last)}", *_masks(folder))}
        for stream in ("printed", "errors"):
            facts[f"messages/{name}, {stream}"] = _timeless(masked(output[stream], *_masks(folder)))
    return facts


def _masks(folder: Path) -> list[str]:
    """The folders that belong to a run."""
    folders: list[str] = json.loads((folder / _OUTPUTS).read_text(encoding="utf-8"))["folders"]
    return folders


def _timeless(text: str) -> str:
    """A command's output, without the parts that depend on time."""
    return _SECONDS.sub(r"\1SECONDS", _OF_THE_TIME.sub("", text))


def _answers(path: Path) -> dict[str, str]:
    """The columns of scored rows; floats in hexadecimal, so that every bit counts."""
    frame = pl.read_parquet(path)
    facts = {}
    for column in frame:
        values = [value.hex() if isinstance(value, float) else str(value) for value in column]
        facts[f"answers/{column.name}"] = f"{column.dtype}: {' '.join(values)}"
    return facts
