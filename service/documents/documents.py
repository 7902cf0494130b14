"""Documents in which the service describes itself: ``/schema``, ``/model`` and the page ``/docs``.

:mod:`service.documents.openapi` makes the OpenAPI document behind that page.
"""

from __future__ import annotations

from typing import Any

import orjson

from artifact.errors import ArtifactError
from artifact.registry.base import ALIASES, Registry
from service.live.model import LiveModel

# The files of the page come with BentoML; nothing is loaded from another host.
DOCS_PAGE = b"""<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="UTF-8">
    <title>Trueline</title>
    <link rel="stylesheet" type="text/css" href="./static_content/swagger-ui.css">
    <link rel="stylesheet" type="text/css" href="./static_content/index.css">
    <style>
      /* index.css hides the title, because BentoML's own page shows another one in its place. */
      .swagger-ui .info .main .title { visibility: visible; }
      .swagger-ui .info .main .title span { position: static; }
      #key { font-family: sans-serif; max-width: 40rem; margin: 3rem auto; }
    </style>
    <link rel="icon" type="image/png" href="./static_content/favicon-light-32x32.png" sizes="32x32">
  </head>
  <body>
    <form id="key" hidden>
      <p>This service asks for a key. The page keeps it until it is closed, and sends it to this service alone.</p>
      <label>Key <input name="key" type="password" autocomplete="off" required></label>
      <button>Open</button>
      <p id="said" role="alert"></p>
    </form>
    <div id="swagger-ui"></div>
    <script src="./static_content/swagger-ui-bundle.js" charset="UTF-8"></script>
    <script src="./static_content/swagger-ui-standalone-preset.js" charset="UTF-8"></script>
    <script>
      const form = document.getElementById("key"), said = document.getElementById("said");
      let key = "";
      function withKey(request) {
        if (key && new URL(request.url, location).origin === location.origin) request.headers["X-API-Key"] = key;
        return request;
      }
      async function open_document() {
        const answer = await fetch("./docs.json", { headers: key ? { "X-API-Key": key } : {} });
        form.hidden = answer.status !== 401;
        if (answer.status === 401) said.textContent = key ? "That key is not good. Try another." : "";
        else if (!answer.ok) throw new Error("The service answered with " + answer.status + ".");
        else window.ui = SwaggerUIBundle({
          spec: await answer.json(),
          dom_id: "#swagger-ui",
          deepLinking: true,
          presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
          plugins: [SwaggerUIBundle.plugins.DownloadUrl],
          layout: "StandaloneLayout",
          requestInterceptor: withKey,
        });
      }
      function failed(error) {
        form.hidden = false;
        said.textContent = "The document could not be read. " + error.message;
      }
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        key = form.elements.key.value.trim();
        open_document().catch(failed);
      });
      open_document().catch(failed);
    </script>
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
