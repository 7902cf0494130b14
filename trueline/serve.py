"""``trueline serve``: the service by BentoML's own command."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from artifact.errors import NotFoundError
from artifact.registry import CHAMPION
from trueline.options import registry


@click.command("serve")
@click.argument("model", required=False)
@click.option("--port", type=click.IntRange(1, 65535), default=3000, show_default=True, help="Port to listen on.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for all.")
@click.option("--workers", type=click.IntRange(1, 256), help="Worker processes. Defaults to 1.")
def serve_command(model: str | None, port: int, host: str, workers: int | None) -> None:
    """Serve a champion over HTTP until Ctrl-C. MODEL is NAME, or NAME:VERSION to pin one version.

    Without MODEL, the only model that has a champion.

    \b
    Example:
      trueline serve houses --port 3000 --workers 2
    """
    store = registry()
    if model is not None:
        found = store.resolve(model)
        if ":" not in model and store.alias(found.name) is None:
            raise NotFoundError(
                f"Model '{found.name}' has no {CHAMPION}. "
                f"Promote one first: trueline promote {found.name}:{found.version}"
            )
        os.environ["TRUELINE_MODEL"] = model
    if workers is not None:
        os.environ["TRUELINE_WORKERS"] = str(workers)
    import service

    # BentoML imports the service by its name from the folder it is told to work in.
    folder = str(Path(service.__file__).resolve().parent.parent)
    command = ["-m", "bentoml", "serve", "service:RegressionService", "--working-dir", folder]
    os.environ.setdefault("BENTOML_DO_NOT_TRACK", "true")
    os.execv(sys.executable, [sys.executable, *command, "--host", host, "--port", str(port)])  # noqa: S606
