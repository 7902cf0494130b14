"""The deployment of this worker: it says which loaded version answers a request."""

from __future__ import annotations

from service.live.model import LiveModel
from service.wire.errors import NotReadyError


class Deployment:
    """The versions that answer in this worker. :class:`service.live.live.Live` keeps it up to date.

    Attributes:
        champion: the version that answers, or None where none is live.
        problem: why the version that should be live is not; empty where it is.
        number: number of the deployment log's entry that is in force here; 0 where none is.
        refused: number of the last entry that could not be followed; 0 where there was none.
    """

    def __init__(self) -> None:
        self.champion: LiveModel | None = None
        self.number = 0
        self.refused = 0
        self.problem = "No model is live yet: the service is starting."

    def route(self, _key: str | None = None) -> LiveModel:
        """The version that answers a request.

        Args:
            _key: identifies a caller. Unused while only one version can be live. Defaults to None.

        Raises:
            NotReadyError: no version is live; the message says what to do.
        """
        if self.champion is None:
            raise NotReadyError(self.problem)
        return self.champion
