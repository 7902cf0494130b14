"""What Trueline changes in a BentoML service: the app that serves it, and the models that a build packs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from _bentoml_sdk.models import BentoModel, Model  # type: ignore[import-untyped]
from bentoml import Service
from bentoml.exceptions import BentoMLConfigException, InvalidArgument, ServiceUnavailable

from artifact.errors import DataError
from artifact.registry import Reference, Registry
from service import parent

if TYPE_CHECKING:
    from service.app import App
    from service.http import ASGIApp
    from service.settings import Settings


class TruelineService(Service[Any]):  # type: ignore[misc]
    """A BentoML service whose worker answers with Trueline's own app.

    Nothing is read when it is declared: the model store is asked when BentoML asks for ``models`` (to build, and to
    serve), the environment when a worker calls :meth:`to_asgi`.
    """

    app: App | None = None
    _prepared = False

    @property
    def models(self) -> list[Model[Any]]:
        """What ``bentoml build`` packs: the version that would serve, or the champion of every model."""
        from service.source import Source

        source = Source(Registry.from_environment(os.environ), _settings().model)
        return [BentoModel(f"{found.name}:{found.version}") for found in source.packed()]

    @models.setter
    def models(self, value: list[Model[Any]]) -> None:
        """BentoML's own initialiser sets an empty list; there is nothing to keep."""

    def inject_config(self) -> None:
        """BentoML's configuration of this service, with the number of workers that the environment asks for."""
        from bentoml._internal.context import server_context

        settings = _settings()
        if settings.workers is not None:
            self.config["workers"] = settings.workers
        super().inject_config()
        if server_context.worker_index is None and not self._prepared:
            self._prepared = True
            parent.prepare(settings.runtime_folder)

    def _workers(self) -> int:
        """How many workers BentoML starts, by its configuration."""
        from bentoml._internal.configuration.containers import BentoMLContainer
        from bentoml._internal.resource import system_resources

        asked = BentoMLContainer.config.services.get()[self.name].get("workers") or 1
        return (int(system_resources()["cpu"]) or 1) if asked == "cpu_count" else int(asked)

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """The app of one worker, on top of BentoML's."""
        # Imported here, so that the parent process, which serves nothing, stays small.
        from bentoml._internal.configuration.containers import BentoMLContainer

        from service import front, logs, memory, reserved
        from service.app import App
        from service.worker import Worker

        memory.give_back()
        reserved.install()
        inner: Any = super().to_asgi(is_main=is_main)
        worker = Worker.from_environment(os.environ, self._bundled(), expected_workers=self._workers())
        logs.configure(worker.settings.log_format)
        mounts = [route.path for route in inner.routes if not hasattr(route, "methods")]
        paths = [route.path for route in inner.routes if hasattr(route, "methods")]
        self.app = App(worker, inner, inner_paths=paths, inner_mounts=mounts)
        provider = BentoMLContainer.tracer_provider.get() if worker.settings.tracing else None
        return front.build(self.app, worker, provider)

    async def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer a call that BentoML makes inside the process; one over HTTP is answered by the app itself.

        Raises:
            ServiceUnavailable: the service is not being served here.
            InvalidArgument: the request cannot be answered.
        """
        from service.errors import ApiError

        if self.app is None:
            raise ServiceUnavailable("Expected a served service. Received: one that was only declared.")
        try:
            answer: dict[str, Any] = orjson.loads(await self.app.worker.predict(orjson.dumps(request)))
        except ApiError as error:
            raise InvalidArgument(error.message) from error
        return answer

    def _bundled(self) -> dict[str, Reference]:
        from service.source import bundled_models

        if self.bento is None:
            return {}
        stores = (Path(self.bento.path) / "models", Registry.from_environment(os.environ).models)
        tags = [(info.tag.name, info.tag.version or "") for info in self.bento.info.all_models]
        return bundled_models(stores, tags)


def _settings() -> Settings:
    """The settings of this process.

    Raises:
        BentoMLConfigException: a value that is not allowed; BentoML's command prints the sentence and ends.
    """
    from service.settings import Settings

    try:
        return Settings.from_environment(os.environ)
    except DataError as error:
        raise BentoMLConfigException(str(error)) from error
