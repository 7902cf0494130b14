"""The declaration of the service for BentoML. Requests over HTTP never come here, see :mod:`service.app.app`."""

from __future__ import annotations

from typing import Any

import bentoml

from service.bento.serving import TruelineService


@bentoml.service(name="trueline", service_class=TruelineService)
class RegressionService:
    """Predictions of the live model, with intervals."""

    bento_service: TruelineService

    @bentoml.api  # type: ignore[untyped-decorator]
    async def predict(
        self,
        rows: list[dict[str, Any]] | None = None,
        columns: dict[str, list[Any]] | None = None,
        interval: float | None = None,
    ) -> dict[str, Any]:
        """Predict rows (a list of objects) or columns (an object of lists); ``GET /schema`` says what a row holds."""
        return await self.bento_service.answer({"rows": rows, "columns": columns, "interval": interval})
