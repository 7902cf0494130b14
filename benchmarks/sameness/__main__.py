"""Checks whether a change altered any bit: ``python -m benchmarks.sameness --old FOLDER``.

FOLDER is a checkout of the version before (``git worktree add FOLDER COMMIT``); this checkout is the new one. Each
training is run by the command line of the old checkout and then of the new one, on the same small tables, and the
stored versions are compared: the bits of every weight and of every answer, metrics, verdict, notes, the other files
and what the commands print. The new one also answers with versions that the old one trained. Then the service of each
checkout serves the same versions, which the old one trained, and status, headers and bytes of its answers are compared.
The exit status is 1 where anything differs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.checkouts import commit_of, is_checkout
from benchmarks.sameness.calls import Call, calls_of_one_target, calls_of_two_targets
from benchmarks.sameness.facts import FAILED, KINDS, Facts
from benchmarks.sameness.report import Compared, compared, report
from benchmarks.sameness.served import ask, service
from benchmarks.sameness.tables import write_tables
from benchmarks.sameness.trained import ANSWER_FACTS, MODEL, Checkout
from benchmarks.sameness.trainings import TRAININGS
from benchmarks.servers import ROOT

# From the training whose version is served to the calls.
SERVED: dict[str, Callable[[str], dict[str, Call]]] = {
    "mlp": calls_of_one_target,
    "elastic-net-two-targets": calls_of_two_targets,
}
# From the name of a run to a training; the new checkout reads the old one's version of it layer by layer.
READ = {f"read-{name}": name for name, training in TRAININGS.items() if training.runtime == "keras"}
GROUPS = ("trainings", "readings", "calls")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    rows: list[Compared] = []
    with tempfile.TemporaryDirectory(prefix="trueline-sameness-") as temporary:
        folder = Path(temporary)
        tables = folder / "tables"
        write_tables(tables)
        old = Checkout(options.old.resolve(), _store_of_old(options, folder), tables)
        new = Checkout(ROOT, folder / "new", tables)
        for name in _selected("trainings", list(TRAININGS), options.only):
            with _timed(name):
                rows.append(compared(name, old.trained(name).facts, new.trained(name).facts, options.ignore))
        for name in _selected("readings", list(READ), options.only):
            with _timed(name):
                rows.append(compared(name, *_read(old, new, READ[name], folder / "read"), options.ignore))
        for training, calls_of in SERVED.items():
            calls = calls_of(MODEL)
            selected = {name: calls[name] for name in _selected("calls", list(calls), options.only)}
            if selected:
                with _timed(f"{len(selected)} calls to a version of {training}"):
                    answers = _answers(old, new, training, selected, folder / "serving")
                rows += [compared(name, *answers[name], options.ignore) for name in selected]
    print("\n".join(report(rows, all_lines=options.all)))
    if options.json:
        plain = [row._asdict() for row in rows]
        options.json.write_text(json.dumps(plain, indent=2) + "\n", encoding="utf-8")
    return 1 if any(row.differences for row in rows) else 0


def _read(old: Checkout, new: Checkout, training: str, folder: Path) -> tuple[Facts, Facts]:
    """The old checkout's answers with its own version, and the new one's with the same version."""
    trained = old.trained(training)
    facts = new.read(training, trained.home, folder)
    return {name: fact for name, fact in trained.facts.items() if name.startswith((*ANSWER_FACTS, FAILED))}, facts


def _answers(
    old: Checkout, new: Checkout, training: str, calls: Mapping[str, Call], folder: Path
) -> dict[str, tuple[Facts, Facts]]:
    """The facts of each call's answer, by the old and by the new service, each on a copy of the old one's store."""
    home = old.trained(training).home
    answers: list[Mapping[str, Facts]] = []
    for checkout in (old, new):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(home, folder / "home")
        with service(checkout.root, folder / "home", MODEL, folder / "service.log") as port:
            answers.append(ask(port, calls))
    return {name: (answers[0][name], answers[1][name]) for name in calls}


def _store_of_old(options: argparse.Namespace, folder: Path) -> Path:
    """The folder of the old checkout's trainings; with ``--keep``, one with the name of its commit."""
    return options.keep.resolve() / commit_of(options.old) if options.keep else folder / "old"


def _selected(group: str, names: Sequence[str], only: Collection[str]) -> list[str]:
    return [name for name in names if not only or group in only or name in only]


@contextlib.contextmanager
def _timed(what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    names = [*TRAININGS, *READ, *(name for calls_of in SERVED.values() for name in calls_of(MODEL))]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sameness",
        description=__doc__,
        epilog=f"Names for --only: {', '.join(GROUPS)}, {', '.join(names)}.",
    )
    parser.add_argument("--old", type=Path, required=True, help="checkout of the version before")
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", default=[], help="trainings, calls, or single ones of them"
    )
    parser.add_argument(
        "--ignore",
        nargs="+",
        metavar="KIND",
        choices=KINDS,
        default=[],
        help=f"kinds of facts that may differ: {', '.join(KINDS)}",
    )
    parser.add_argument("--keep", type=Path, help="folder for the old one's trainings, which the next run takes again")
    parser.add_argument("--all", action="store_true", help="print every difference, not the first of each kind")
    parser.add_argument("--json", type=Path, help="write every difference to this file too")
    options = parser.parse_args(arguments)
    if not is_checkout(options.old):
        parser.error(f"Expected a checkout of Trueline. Received: {options.old}.")
    for name in options.only:
        if name not in (*GROUPS, *names):
            parser.error(f"Expected --only to name a run. Received: '{name}'. The runs are {', '.join(names)}.")
    if options.keep and not commit_of(options.old):
        parser.error(f"Expected --keep with an old checkout that has no changes. Received: {options.old}.")
    return options


if __name__ == "__main__":
    sys.exit(main())
