"""Trueline's changes and checks in BentoML's parent process, before it starts the workers.

A fault that waiting cannot mend (a port, a setting, a file, an unusable store) ends the command here with one message,
before a worker starts.
"""

from __future__ import annotations

import atexit
import functools
import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from artifact.errors import TruelineError
from artifact.registry.local import bentoml_home
from service.live.choice import Choice
from service.live.source import Source
from service.process import places, tls, without_effect
from service.process.runtime_folder import METRICS, RuntimeFolder
from service.settings.settings import Settings

logger = logging.getLogger("bentoml.trueline")

_CONTAINER = "BENTOML_CONTAINERIZED"


class Parent:
    """The parent process of one service's workers, from the time when BentoML has read its configuration.

    Args:
        name: name of the service in BentoML's configuration.
        settings: settings of the service; every path is absolute already.
        source: makes the source that finds the model.

    Attributes:
        serves: whether BentoML has begun to serve; before that, the command may also be one that builds a Bento.
    """

    def __init__(self, name: str, settings: Settings, source: Callable[[Settings, Choice], Source]) -> None:
        self.serves = False
        self._name = name
        self._settings = settings
        self._source = source

    def prepare(self) -> None:
        """Make BentoML call :meth:`begin` when it serves, and start its workers with :class:`ServiceArbiter`.

        BentoML keeps metrics in one folder for every service of a ``BENTOML_HOME`` and empties the folder whenever one
        of them starts. In its own images it does not restart a dead worker and relies on the platform to restart the
        container. Its health check does not notice a dead worker, so a container would go on with fewer and fewer
        workers.

        Raises:
            StartError: a certificate is set and cannot be used.
        """
        from bentoml import serving
        from bentoml._internal.utils import circus

        from service.process.arbiter import ServiceArbiter

        tls.prepare()
        # BentoML has no setting for either change. serve_http() looks both names up in their modules when it is called.
        make = serving.ensure_prometheus_dir
        vars(serving)["ensure_prometheus_dir"] = lambda: make(str(self.begin() / METRICS))
        source = functools.partial(self._source, self._settings)
        vars(circus)["Arbiter"] = functools.partial(ServiceArbiter, self._settings, source)

    def begin(self) -> Path:
        """Check the store, make the service's own folder, log settings without effect, and return the folder.

        Raises:
            BentoMLException: the service cannot start, and waiting would not mend it.
        """
        from bentoml.exceptions import BentoMLException

        self.serves = True
        try:
            places.check_store(bentoml_home(os.environ))
            folder = RuntimeFolder.take(self._settings.runtime_folder)
        except TruelineError as error:
            raise BentoMLException(str(error)) from error
        atexit.register(folder.close)
        if folder.is_temporary:
            # BentoML's own temporary files then lie in this folder. If this process is killed, the next start removes
            # them with it.
            tempfile.tempdir = str(folder.path)
        for sentence in (*Settings.unknown(os.environ), *without_effect.sentences(self._name, os.environ)):
            logger.warning("%s", sentence)
        os.environ.pop(_CONTAINER, None)
        return folder.path
