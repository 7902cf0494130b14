"""What Trueline sets right in BentoML's parent process, before it starts the workers."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
from pathlib import Path

_CONTAINER = "BENTOML_CONTAINERIZED"
# BentoML's arbiter looks for dead workers every 10 s; with one worker that is how long nobody answers.
_CHECK_SECONDS = 1.0


def prepare(runtime_folder: Path | None) -> None:
    """Give this service a folder of its own, and have workers that died started again.

    BentoML keeps metrics in one folder for every service of a ``BENTOML_HOME`` and empties it whenever one of them
    starts. In its own images it leaves a dead worker dead, for the platform to restart the container, although its
    health check does not notice; a container of several workers would go on with fewer and fewer.

    Args:
        runtime_folder: the service's folder, emptied by BentoML; None is a new temporary one.
    """
    from bentoml._internal.configuration.containers import BentoMLContainer
    from bentoml._internal.utils import circus

    # BentoML has no setting for it; serve_http() takes the function from this module when it is called.
    circus.create_standalone_arbiter = functools.partial(circus.create_standalone_arbiter, check_delay=_CHECK_SECONDS)
    os.environ.pop(_CONTAINER, None)
    if runtime_folder is None:
        folder = Path(tempfile.mkdtemp(prefix="trueline-"))
        atexit.register(_remove, folder, os.getpid())
    else:
        folder = runtime_folder
    BentoMLContainer.prometheus_multiproc_dir.set(str(folder / "metrics"))


def _remove(folder: Path, pid: int) -> None:
    """Remove the temporary folder, unless this is a fork of the process that made it."""
    if os.getpid() == pid:
        shutil.rmtree(folder, ignore_errors=True)
