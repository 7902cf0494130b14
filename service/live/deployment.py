"""What is deployed in this worker: which loaded version answers a request."""

from __future__ import annotations

from service.live.model import LiveModel
from service.wire.errors import NotReadyError


class Deployment:
    """The versions that answer here, and which of them answers whom. :class:`service.live.live.Live` keeps it true.

    Attributes:
        champion: the version that answers, or None where none is live.
        problem: why another version, or any, is not live; empty where all is well.
    """

    def __init__(self) -> None:
        self.champion: LiveModel | None = None
        self.problem = "No model is live yet: the service is starting."

    def route(self, _key: str | None = None) -> LiveModel:
        """The version that answers a request.

        Args:
            _key: what stays the same for one caller. Nothing depends on it while one version is live. Defaults to None.

        Raises:
            NotReadyError: no version is live; the message says what to do.
        """
        if self.champion is None:
            raise NotReadyError(self.problem)
        return self.champion
