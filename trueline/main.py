"""The ``trueline`` command: runs the commands, and turns errors into one sentence and an exit code."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from typing import Any

import click

from artifact.errors import TruelineError, unknown_name
from trueline.commands.ended import EndedError

# The module of each command; it is imported when its command is used.
COMMANDS = {
    "example": "trueline.commands.example",
    "inspect": "trueline.commands.inspect",
    "train": "trueline.commands.train",
    "refit": "trueline.commands.retrain",
    "finetune": "trueline.commands.retrain",
    "recalibrate": "trueline.commands.retrain",
    "reproduce": "trueline.commands.reproduce",
    "evaluate": "trueline.commands.evaluate",
    "predict": "trueline.commands.predict",
    "models": "trueline.commands.models",
    "show": "trueline.commands.models",
    "compare": "trueline.commands.gates",
    "promote": "trueline.commands.deploy",
    "rollback": "trueline.commands.deploy",
    "history": "trueline.commands.history",
    "report": "trueline.commands.report",
    "data": "trueline.commands.data",
    "delete": "trueline.commands.delete",
    "prune": "trueline.commands.delete",
    "serve": "trueline.commands.serve",
}


class Commands(click.Group):
    """Commands by name, imported one at a time, so that ``--help`` is instant."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(COMMANDS[cmd_name]), f"{cmd_name}_command")
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(unknown_name("command", args[0], COMMANDS), ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="trueline", prog_name="trueline")
def cli() -> None:
    """A table in, a live prediction API out.

    \b
    Example:
      trueline train houses.csv --target price --promote
      trueline serve houses
    """


def main() -> None:
    """Run the command line. Exit codes: 2 for a wrong command or data, 1 for a fault, 130 interrupted, 143 ended."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code; errors become one sentence on stderr."""
    try:
        result = cli.main(arguments, prog_name="trueline", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.exceptions.Exit as error:
        return error.exit_code
    except TruelineError as error:
        click.echo(f"Error: {error}", err=True)
        return error.exit_code
    except OSError as error:
        click.echo(f"Error: {_plain(error)}", err=True)
        return 1
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted. Nothing was stored or changed.", err=True)
        return 130
    except EndedError as error:
        click.echo(str(error), err=True)
        return error.exit_code
    return result if isinstance(result, int) else 0


def _plain(error: OSError) -> str:
    """The sentence for an error of the operating system."""
    place = f" at {error.filename}" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        reason = os.strerror(error.errno)
        return f"Expected room to write{place}. Received: {reason}. Nothing was stored; make room and run it again."
    if isinstance(error, PermissionError):
        return f"Expected to be allowed to read and write{place}. Received: {error.strerror or error}."
    return f"Expected to read and write{place}. Received: {error.strerror or error}."
