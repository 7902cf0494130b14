"""What Trueline sets right in BentoML's parent process, before it starts the workers.

What cannot mend itself (a port, a setting, a file, a store that can never be one) ends the command here with one
sentence; the workers never see it.
"""

from __future__ import annotations

import atexit
import functools
import logging
import os
from collections.abc import Callable

from artifact.registry import Registry
from service.choice import Choice
from service.process import passed_by, places, tls
from service.process.runtime_folder import METRICS, RuntimeFolder
from service.settings import Settings
from service.source import Source

logger = logging.getLogger("bentoml.trueline")

_CONTAINER = "BENTOML_CONTAINERIZED"


def prepare(name: str, settings: Settings, source: Callable[[Settings, Choice], Source]) -> None:
    """Check what can be checked, and give this service a folder of its own; every path is absolute already.

    BentoML keeps metrics in one folder for every service of a ``BENTOML_HOME`` and empties it whenever one of them
    starts. In its own images it leaves a dead worker dead, for the platform to restart the container, although its
    health check does not notice; a container of several workers would go on with fewer and fewer.

    Args:
        name: the service's, as BentoML's configuration has it.
        settings: the service's.
        source: makes what finds the model.

    Raises:
        TruelineError: the service cannot start, and waiting would not mend it.
    """
    from bentoml._internal.configuration.containers import BentoMLContainer
    from bentoml._internal.utils import circus

    from service.process.arbiter import ServiceArbiter

    places.check_store(Registry.from_environment(os.environ).home)
    tls.prepare()
    for sentence in (*Settings.unknown(os.environ), *passed_by.sentences(name, os.environ)):
        logger.warning("%s", sentence)
    folder = RuntimeFolder.take(settings.runtime_folder)
    atexit.register(folder.close)
    BentoMLContainer.prometheus_multiproc_dir.set(str(folder.path / METRICS))
    os.environ.pop(_CONTAINER, None)
    # BentoML has no setting for it; create_standalone_arbiter() takes the class from this module when it is called.
    vars(circus)["Arbiter"] = functools.partial(ServiceArbiter, settings, functools.partial(source, settings))
