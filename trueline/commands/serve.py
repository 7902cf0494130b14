"""``trueline serve``: starts the service by BentoML's command, with a flag for each setting of the service."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin

import click

from artifact.errors import DataError
from artifact.registry.local import bentoml_home
from trueline.environment import registry

# MODEL is an argument; everybody on the machine can read a key in a command line.
_NO_FLAG = ("model", "api_key")


class ServeCommand(click.Command):
    """The command with one option for each setting; the settings are imported when it is used."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*super().get_params(ctx), *setting_options()]


def setting_options() -> list[click.Option]:
    """One option for each setting, in their order; without it the environment decides."""
    from service.settings.settings import Settings

    options = []
    for name, field in Settings.model_fields.items():
        if name in _NO_FLAG:
            continue
        flag = "--" + name.replace("_", "-")
        kind = _kind(field.annotation)
        text = field.description or ""
        if field.default is not None:
            text += f" [default: {_written(field.default)}]"
        if kind is bool:
            options.append(click.Option([f"{flag}/--no-{flag[2:]}", name], default=None, help=text))
        else:
            options.append(click.Option([flag, name], type=kind, metavar=_METAVARS.get(kind), help=text))
    return options


_METAVARS: dict[Any, str] = {int: "N", float: "SECONDS", str: "TEXT"}


def _kind(annotation: Any) -> Any:
    """The type of a setting's value, as click knows it."""
    if isinstance(annotation, UnionType):
        (annotation,) = (part for part in get_args(annotation) if part is not type(None))
    if get_origin(annotation) is Literal:
        return click.Choice(get_args(annotation))
    return annotation if annotation in (bool, int, float) else str


def _written(default: object) -> str:
    return ("on" if default else "off") if isinstance(default, bool) else str(default)


def _address(_context: click.Context, _option: click.Parameter, host: str) -> str:
    """The address of a host's name; BentoML takes only addresses."""
    try:
        entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise click.BadParameter(f"Expected an address or a name of this machine. Received: {host}.") from error
    addresses = [str(entry[4][0]) for entry in entries]
    return next((address for address in addresses if ":" not in address), addresses[0])


@click.command("serve", cls=ServeCommand)
@click.argument("model", required=False)
@click.option(
    "--port", type=click.IntRange(1, 65535), metavar="N", default=3000, show_default=True, help="Port to listen on."
)
@click.option(
    "--host",
    metavar="ADDRESS",
    default="127.0.0.1",
    show_default=True,
    callback=_address,
    help="Address to listen on: this machine only, or 0.0.0.0 for all.",
)
@click.option(
    "--strict-range",
    is_flag=True,
    help="The same as --warnings refuse: a value that is unseen or outside the training range is refused with 422.",
)
def serve_command(model: str | None, port: int, host: str, strict_range: bool, **settings: Any) -> None:
    """Serve a champion over HTTP until Ctrl-C. MODEL is NAME, or NAME:VERSION to pin one version.

    Without MODEL, it serves the only model that has a champion. Where there is no champion yet, it waits for one. A
    setting without its flag is read from the environment, where --max-rows is TRUELINE_MAX_ROWS. TRUELINE_API_KEY has
    no flag, because a command line is no place for a secret.

    \b
    Example:
      trueline serve houses --port 3000 --workers 2 --strict-range
    """
    from service.process import places
    from service.settings.settings import PREFIX, Settings
    from service.wire.errors import StartError

    if strict_range:
        settings["warnings"] = "refuse"
    flags = {PREFIX + name.upper(): str(value) for name, value in settings.items() if value is not None}
    Settings.from_environment(flags)  # A wrong flag exits with 2, a wrong variable with 1.
    os.environ.update(flags)
    os.environ.update(places.resolved(os.environ))
    try:
        Settings.from_environment(os.environ)
    except DataError as error:
        raise StartError(str(error)) from error
    store = registry()
    places.check_store(bentoml_home(os.environ))
    if model is not None:
        # An empty store may be mounted later; in a store with models an unknown name is a mistake.
        if store.names():
            store.resolve(model)
        os.environ[f"{PREFIX}MODEL"] = model
    import service

    # BentoML imports the service by its name, from this working folder.
    folder = str(Path(service.__file__).resolve().parent.parent)
    command = ["-m", "trueline.serving", "serve", "service:RegressionService", "--working-dir", folder]
    os.environ.setdefault("BENTOML_DO_NOT_TRACK", "true")
    os.execv(sys.executable, [sys.executable, *command, "--host", host, "--port", str(port)])  # noqa: S606
