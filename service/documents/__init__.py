"""The documents in which the service describes itself: /schema, /model, /docs and the OpenAPI document."""
