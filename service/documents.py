"""What the service says about itself: ``/schema``, ``/model`` and the page ``/docs``.

The OpenAPI document behind that page is :mod:`service.openapi`'s.
"""

from __future__ import annotations

from typing import Any

import orjson

from artifact.errors import ArtifactError
from artifact.registry import ALIASES, Registry
from service.live import LiveModel

# The page's own parts come with BentoML; nothing is loaded from another host.
DOCS_PAGE = b"""<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="UTF-8">
    <title>Trueline</title>
    <link rel="stylesheet" type="text/css" href="./static_content/swagger-ui.css">
    <link rel="stylesheet" type="text/css" href="./static_content/index.css">
    <style>
      /* index.css hides the title for one of BentoML's own, which this page does not have. */
      .swagger-ui .info .main .title { visibility: visible; }
      .swagger-ui .info .main .title span { position: static; }
    </style>
    <link rel="icon" type="image/png" href="./static_content/favicon-light-32x32.png" sizes="32x32">
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="./static_content/swagger-ui-bundle.js" charset="UTF-8"></script>
    <script src="./static_content/swagger-ui-standalone-preset.js" charset="UTF-8"></script>
    <script src="./static_content/swagger-initializer.js" charset="UTF-8"></script>
  </body>
</html>
"""


def schema_document(model: LiveModel) -> bytes:
    """``GET /schema``: JSON Schema of one row."""
    return orjson.dumps(model.predictor.schema.json_schema())


def model_document(model: LiveModel, registry: Registry) -> bytes:
    """``GET /model``: the live version, where it came from, how good it was, and the model's aliases."""
    manifest = model.predictor.manifest.model_dump(mode="json")
    aliases: dict[str, Any] = {}
    for name in ALIASES:
        try:
            alias = registry.alias(model.name, name)
        except ArtifactError:
            alias = None
        aliases[name] = None if alias is None else alias.model_dump(mode="json")
    targets = [target.model_dump(mode="json", exclude={"offset"}) for target in model.predictor.schema.targets]
    head = {"model_name": model.name, "model_version": model.version, "loaded_at": model.loaded_at}
    runtime = model.predictor.runtime
    head.update(runtime=runtime.name, device=runtime.device)
    return orjson.dumps({**head, "targets": targets, "aliases": aliases, **manifest})
