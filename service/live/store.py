"""Whether the model store answers this worker: a metric says it, and a sentence in the log where the store hangs."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from service.live.periodic import Periodic

if TYPE_CHECKING:
    # The parent process imports this module, and loads no prometheus_client.
    from service.metrics.metrics import Metrics

logger = logging.getLogger("bentoml.trueline")

_LOOK_SECONDS = 1.0
# A store that needs longer than this for some small files hangs.
HANGS_SECONDS = 5.0


class Access:
    """One way in which a worker uses the store: to read what should be live, or to write what is live.

    The calls are made one after another, in threads: a store on a network may hang.

    Args:
        clock: seconds of any clock that never goes back.

    Attributes:
        problem: why the store could not be used the last time; empty where it could.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.problem = ""
        self._clock = clock
        self._since: float | None = None

    @contextlib.contextmanager
    def call(self) -> Iterator[None]:
        """The block is one call of the store."""
        self._since = self._clock()
        try:
            yield
        finally:
            self._since = None

    @property
    def waiting_seconds(self) -> float:
        """How long a call has been waiting for its answer; 0 where none is waiting."""
        since = self._since
        return 0.0 if since is None else self._clock() - since


class StoreWatch:
    """Looks at all accesses once a second.

    Args:
        accesses: the accesses, by the value of the label in the metric.
        metrics: shows which of them fail.
        hangs_seconds: a store that does not answer for this long hangs. Defaults to 5.

    Attributes:
        looks: calls :meth:`look` again and again.
    """

    def __init__(
        self, accesses: Mapping[str, Access], metrics: Metrics, *, hangs_seconds: float = HANGS_SECONDS
    ) -> None:
        self._accesses = accesses
        self._metrics = metrics
        self._hangs_seconds = hangs_seconds
        self._is_hanging = False
        self.looks = Periodic(self.look, min(_LOOK_SECONDS, hangs_seconds))

    def look(self) -> None:
        """Show which accesses fail; log once when the store begins to hang, and when it answers again."""
        is_hanging = False
        for deed, access in self._accesses.items():
            hangs = access.waiting_seconds >= self._hangs_seconds
            self._metrics.store_failing(deed, hangs or bool(access.problem))
            is_hanging = is_hanging or hangs
        if is_hanging and not self._is_hanging:
            logger.error(
                "Expected the model store to answer within %g s. Received: no answer. What is live keeps serving; "
                "promotions wait until the store answers again.",
                self._hangs_seconds,
            )
        elif self._is_hanging and not is_hanging:
            logger.warning("The model store answers again.")
        self._is_hanging = is_hanging
