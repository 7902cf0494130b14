"""Trueline's changes to a BentoML service: the app that answers, and the models that a build packs."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from _bentoml_sdk.models import BentoModel, Model  # type: ignore[import-untyped]
from bentoml import Service
from bentoml.exceptions import BentoMLConfigException, BentoMLException, InvalidArgument, ServiceUnavailable

from artifact.errors import DataError, TruelineError
from artifact.registry.choose import open_registry
from artifact.registry.local import bentoml_home
from service.bento.parent import Parent
from service.live.source import Source, bundled_models
from service.process import places
from service.settings.settings import Settings
from service.wire.errors import CANNOT_START

if TYPE_CHECKING:
    from service.app.app import App
    from service.live.choice import Choice
    from service.wire.http import ASGIApp


logger = logging.getLogger("bentoml.trueline")


class TruelineService(Service[Any]):  # type: ignore[misc]
    """A BentoML service whose worker answers with Trueline's own app.

    The declaration reads nothing. The model store is read when BentoML asks for ``models`` (to build, and to serve).
    The environment is read when a worker calls :meth:`to_asgi`.

    Attributes:
        app: the app of this worker; None before :meth:`to_asgi`.
        parent: the parent process of the workers; None in a worker, and before :meth:`inject_config`.
    """

    app: App | None = None
    parent: Parent | None = None

    @property
    def models(self) -> list[Model[Any]]:
        """The models that ``bentoml build`` packs: the version that would serve. A running service finds its own.

        Raises:
            BentoMLException: the named model has no version to pack, or no model is named and several could serve.
        """
        if (self.parent is not None and self.parent.serves) or self.bento is not None or _is_worker():
            return []
        try:
            versions = Source(open_registry(os.environ), _settings().model).to_pack()
        except TruelineError as error:
            raise BentoMLException(f"{error} A Bento serves the one model that it was built for.") from error
        if not versions:
            logger.warning("The Bento carries no model: it will serve the only model with a champion that it finds.")
        return [BentoModel(f"{version.name}:{version.version}") for version in versions]

    @models.setter
    def models(self, value: list[Model[Any]]) -> None:
        """Ignore the empty list that BentoML's own initialiser sets."""

    def on_load_bento(self, bento: Any) -> None:
        """Set ``bento`` before BentoML reads ``models``: they are then empty, and BentoML changes no packed model."""
        self.bento = bento
        super().on_load_bento(bento)

    def inject_config(self) -> None:
        """Put BentoML's configuration of this service in force, with the number of workers from the environment.

        BentoML calls this to serve, in the parent process and in each worker, and to build.

        Raises:
            BentoMLException: the service cannot start. BentoML's command prints the message and exits with 1.
        """
        if not _is_worker():
            os.environ.update(places.resolved(os.environ))
        settings = _settings()
        if settings.workers is not None:
            self.config["workers"] = settings.workers
        try:
            super().inject_config()
        except (OSError, BentoMLException) as error:
            raise BentoMLException(" ".join(str(error).split())) from error
        if self.parent is None and not _is_worker():
            self.parent = Parent(self.name, settings, self.source_for)
            try:
                self.parent.prepare()
            except TruelineError as error:
                raise BentoMLException(str(error)) from error

    def _workers(self) -> int:
        """The number of workers that BentoML starts, by its configuration."""
        from bentoml._internal.configuration.containers import BentoMLContainer
        from bentoml._internal.resource import system_resources

        workers = BentoMLContainer.config.services.get()[self.name].get("workers") or 1
        return (int(system_resources()["cpu"]) or 1) if workers == "cpu_count" else int(workers)

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """The app of one worker, on top of BentoML's."""
        try:
            Settings.from_environment(os.environ)
            return self._app(is_main)
        except TruelineError as error:
            if not _is_worker():
                raise
            # The fault arose after the parent's checks. The exit status tells the parent, the line tells the operator.
            logger.error("This worker cannot start. %s", error)  # noqa: TRY400
            raise SystemExit(CANNOT_START) from None

    def _app(self, is_main: bool) -> ASGIApp:
        # Imported here, so that the parent process stays small: it answers no requests.
        from bentoml._internal.configuration.containers import BentoMLContainer

        from service.app import front
        from service.app.app import App
        from service.metrics import reserved
        from service.process import logs, memory
        from service.worker import Worker

        memory.give_back()
        reserved.install()
        inner: Any = super().to_asgi(is_main=is_main)
        worker = Worker.from_environment(os.environ, self.source_for, expected_workers=self._workers())
        logs.configure(worker.settings.log_format)
        mounts = [route.path for route in inner.routes if not hasattr(route, "methods")]
        paths = [route.path for route in inner.routes if hasattr(route, "methods")]
        self.app = App(worker, inner, inner_paths=paths, inner_mounts=mounts)
        provider = BentoMLContainer.tracer_provider.get() if worker.settings.tracing else None
        return front.build(self.app, worker, provider)

    async def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer a call that BentoML makes inside the process; the app itself answers calls over HTTP.

        Raises:
            ServiceUnavailable: the service is not being served here.
            InvalidArgument: the request cannot be answered.
        """
        from service.wire.errors import ApiError

        if self.app is None:
            raise ServiceUnavailable("Expected a served service. Received: one that was only declared.")
        try:
            answer: dict[str, Any] = orjson.loads(await self.app.worker.predict(orjson.dumps(request)))
        except ApiError as error:
            raise InvalidArgument(error.message) from error
        return answer

    def source_for(self, settings: Settings, choice: Choice) -> Source:
        """Make the source that finds the version to serve, of the model in the settings, or else of the Bento's."""
        registry = open_registry(os.environ)
        tags = self._tags()
        stores = () if self.bento is None else (Path(self.bento.path) / "models", bentoml_home(os.environ) / "models")
        names = [name for name, _ in tags]
        return Source(registry, settings.model, bundled_models(stores, tags), built_for=names, choice=choice)

    def _tags(self) -> list[tuple[str, str]]:
        """Name and version of each model that the running Bento was built with."""
        if self.bento is None:
            return []
        return [(info.tag.name, info.tag.version or "") for info in self.bento.info.all_models]


def _is_worker() -> bool:
    from bentoml._internal.context import server_context

    return server_context.worker_index is not None


def _settings() -> Settings:
    """The settings of this process.

    Raises:
        BentoMLConfigException: a value is not allowed. BentoML's command prints the message and ends.
    """
    try:
        return Settings.from_environment(os.environ)
    except DataError as error:
        raise BentoMLConfigException(str(error)) from error
