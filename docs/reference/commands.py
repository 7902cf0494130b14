"""The lists in docs/cli.md: the commands and their options."""

from __future__ import annotations

from collections.abc import Mapping

import click

from artifact.gates.gate import GATES
from docs.reference.markdown import bullets, check_names, code, sentence, table, typed
from trueline.main import COMMANDS, cli


def commands() -> str:
    """Every command with the first sentence of its help."""
    rows = [(f"[`{name}`](#trueline-{name})", typed(_first_sentence(command(name)))) for name in COMMANDS]
    return table(["command", "what it does"], rows)


def options(name: str, see: Mapping[str, str] | None = None) -> str:
    """The options of a command, without the service's settings that ``serve`` takes: another page lists these.

    Args:
        name: name of the command.
        see: by option, where the page says more.
    """
    see = see or {}
    # Not get_params: it would add serve's settings and --help.
    params = [p for p in command(name).params if isinstance(p, click.Option)]
    check_names("option", see, {p.opts[-1] for p in params})
    return bullets((_spelt(p), _brief(p), sentence(typed(p.help or ""), see.get(p.opts[-1]))) for p in params)


def gates() -> str:
    """The gates of a promotion, in their order."""
    return table(["gate", "what passes"], ((code(gate.name), typed(gate.about)) for gate in GATES.values()))


def command(name: str) -> click.Command:
    """A command of the command line."""
    command_object = cli.get_command(click.Context(cli), name)
    if command_object is None:
        raise ValueError(f"Expected a command that exists. Received: '{name}'.")
    return command_object


def _first_sentence(one: click.Command) -> str:
    text = " ".join((one.help or "").split("\n\n")[0].split())
    return text.partition(". ")[0].rstrip(".") + "."


def _spelt(option: click.Option) -> str:
    """``-o, --output FILE``, as it is typed."""
    value = "" if option.is_flag else f" {option.metavar or option.type.name.upper()}"
    if isinstance(option.type, click.Choice) and not option.metavar:
        value = " NAME"
    return ", ".join(
        f"`{flag}{value if flag == option.opts[-1] else ''}`" for flag in (*option.opts, *option.secondary_opts)
    )


def _brief(option: click.Option) -> list[str]:
    brief = ["required"] if option.required else []
    if isinstance(option.type, click.Choice):
        brief.append(code(*option.type.choices))
    if option.show_default and option.default is not None:
        brief.append(f"default {code(option.default)}")
    return brief
