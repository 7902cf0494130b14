"""``trueline promote`` and ``rollback``: they change which version of a model is live."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from artifact.errors import ArtifactError, DataError
from artifact.recipe import recipe_if_any
from artifact.registry.base import CHAMPION, Reference, Registry
from artifact.registry.entry import Statement
from artifact.registry.waiting import Reached
from trueline.commands.data import kept_sentence
from trueline.commands.ended import after_the_change, champion_state
from trueline.commands.events import Events, event_option
from trueline.commands.gates import force_option, forced_gates, rows_options, show_gates
from trueline.commands.options import DATA_HELP, json_option, print_json, why_option
from trueline.environment import registry
from trueline.gates.live import check_everywhere, check_seconds, wait_for
from trueline.terminal.consoles import stdout, tell_note

if TYPE_CHECKING:
    from artifact.runtimes import RuntimeName
    from trueline.gates.rows import Given


def waiting_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--wait`` and ``--timeout``; the command takes them as ``seconds``, which is None without ``--wait``."""

    @functools.wraps(command)
    def with_seconds(*args: Any, wait: bool, timeout: float, **options: Any) -> Any:
        check_seconds(timeout)
        return command(*args, seconds=timeout if wait else None, **options)

    for option in (
        click.option(
            "--timeout",
            type=float,
            default=30.0,
            show_default=True,
            metavar="SECONDS",
            help="The longest wait of --wait.",
        ),
        click.option(
            "--wait", is_flag=True, help="Wait until every worker of every service has it live; say which do not."
        ),
    ):
        with_seconds = option(with_seconds)
    return with_seconds


@click.command("promote", epilog=DATA_HELP)
@click.argument("model")
@click.option("--data", metavar="DATA", help="Rows with known targets that are new to both versions, for the gates.")
@rows_options
@force_option()
@why_option
@waiting_options
@event_option
@json_option
def promote_command(
    model: str,
    rows: Given | None,
    runtime: RuntimeName,
    force: str,
    why: str,
    seconds: float | None,
    as_json: bool,
    events: Events,
) -> None:
    """Make a version the champion if its gates let it; running services start to serve it.

    MODEL is NAME:VERSION, or NAME for the newest.

    \b
    Example:
      trueline promote houses:20260131-120000-482913 --data sold-last-month.csv --why "new rows of January"
    """
    from trueline.gates.promote import Wish, promote

    forced = forced_gates(force, why)
    store = registry()
    if ":" not in model and store.versions(model):
        model = f"{model}:{store.versions(model)[-1]}"
    version = store.resolve(model)
    events.about(version.name, version.version)
    with events.refusals(ArtifactError):
        judgement = promote(store, version, Wish("trueline promote", why, forced, rows, runtime))
    if judgement.refused is not None:
        show_gates(judgement, forced)
        if as_json:
            print_json({**judgement.document(), "alias": None})
        raise judgement.refused
    with after_the_change(champion_state(version)):
        show_gates(judgement, forced)
        if judgement.unchanged:
            stdout().print(judgement.unchanged)
        else:
            events.tell("promote", why=why, former=judgement.former)
            _tell_change(version, "Promoted")
        _report(store, version, judgement.document(), seconds, as_json)


@click.command("rollback")
@click.argument("name")
@why_option
@waiting_options
@event_option
@json_option
def rollback_command(name: str, why: str, seconds: float | None, as_json: bool, events: Events) -> None:
    """Make the former champion the champion again, if its files are whole.

    \b
    Example:
      trueline rollback houses --why "too high for flats"
    """
    store = registry()
    events.about(name)
    with events.refusals(ArtifactError, DataError):
        way = store.way_back(name)
        version = store.rollback(name, statement=Statement(why, "trueline rollback"), way=way)
    with after_the_change(champion_state(version)):
        events.about(version.name, version.version)
        events.tell("rollback", why=why, former=way.champion)
        if way.note:
            tell_note(way.note)
        if not as_json:
            _tell_change(version, "Rolled back to")
        document = {"model_name": version.name, "model_version": version.version, "skipped": [*way.skipped]}
        _report(store, version, document, seconds, as_json)


def _tell_change(version: Reference, deed: str) -> None:
    stdout().print(f"{deed} {version.name}:{version.version}: it is the champion of '{version.name}'.")


def _report(
    store: Registry, version: Reference, document: dict[str, Any], seconds: float | None, as_json: bool
) -> None:
    """Print the JSON of a change; with ``seconds`` wait for the workers.

    Args:
        store: the model store.
        version: the champion.
        document: what the JSON says, beside the alias and the workers.
        seconds: the longest wait, or None for no wait.
        as_json: whether JSON is printed.

    Raises:
        RefusedError: some worker does not have it.
    """
    name = version.name
    report: dict[str, Any] = {**document, "alias": CHAMPION}
    recipe = recipe_if_any(version.path, store.manifest(name, version.version))
    if recipe is not None and recipe.kept_tables:
        report["kept_rows"] = {words: table.rows for words, table in recipe.kept_tables.items()}
    if not as_json and (sentence := kept_sentence(recipe)) is not None:
        stdout().print(sentence)
    state = None
    if seconds is not None:
        state = wait_for(store, name, seconds)
        report["workers"] = {
            "live": [lease.worker for lease in state.live],
            "refused": {lease.worker: lease.problem for lease in state.refused},
            "late": [lease.worker for lease in state.late],
        }
        report["seconds"] = round(state.seconds, 3)
    if as_json:
        print_json(report)
    elif state is not None and state.is_everywhere:
        stdout().print(_everywhere(state, name))
    if state is not None:
        check_everywhere(state, version)


def _everywhere(state: Reached, name: str) -> str:
    if not state.live:
        return (
            f"No running service says in this store that it follows '{name}'. One that cannot write there, as in a "
            "container with a read-only mount, follows all the same and cannot say so: look at its /model."
        )
    workers, services = len(state.live), len({lease.service for lease in state.live})
    return f"Live in {_several(workers, 'worker')} of {_several(services, 'service')} after {state.seconds:.1f} s."


def _several(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
