"""What Trueline sets right in BentoML's parent process, before it starts the workers.

What cannot mend itself (a port, a setting, a file, a store that can never be one) ends the command here with one
sentence; the workers never see it.
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
from service.process import passed_by, places, tls
from service.process.runtime_folder import METRICS, RuntimeFolder
from service.settings.settings import Settings

logger = logging.getLogger("bentoml.trueline")

_CONTAINER = "BENTOML_CONTAINERIZED"


class Parent:
    """The parent of one service's workers, from BentoML's configuration on.

    Args:
        name: the service's, as BentoML's configuration has it.
        settings: the service's; every path is absolute already.
        source: makes what finds the model.

    Attributes:
        serves: whether BentoML serves; until then it may as well build a Bento.
    """

    def __init__(self, name: str, settings: Settings, source: Callable[[Settings, Choice], Source]) -> None:
        self.serves = False
        self._name = name
        self._settings = settings
        self._source = source

    def prepare(self) -> None:
        """Have BentoML begin to serve by :meth:`begin`, and start workers by :class:`ServiceArbiter`.

        BentoML keeps metrics in one folder for every service of a ``BENTOML_HOME`` and empties it whenever one of them
        starts. In its own images it leaves a dead worker dead, for the platform to restart the container, although its
        health check does not notice; a container of several workers would go on with fewer and fewer.

        Raises:
            StartError: a certificate is set and does not serve.
        """
        from bentoml import serving
        from bentoml._internal.utils import circus

        from service.process.arbiter import ServiceArbiter

        tls.prepare()
        # BentoML has no setting for either; serve_http() takes both from their modules when it is called.
        make = serving.ensure_prometheus_dir
        vars(serving)["ensure_prometheus_dir"] = lambda: make(str(self.begin() / METRICS))
        source = functools.partial(self._source, self._settings)
        vars(circus)["Arbiter"] = functools.partial(ServiceArbiter, self._settings, source)

    def begin(self) -> Path:
        """Check what can be checked, and give this service a folder of its own, which comes back.

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
            # What BentoML puts among the temporary files is left behind with it, where this process is killed.
            tempfile.tempdir = str(folder.path)
        for sentence in (*Settings.unknown(os.environ), *passed_by.sentences(self._name, os.environ)):
            logger.warning("%s", sentence)
        os.environ.pop(_CONTAINER, None)
        return folder.path
