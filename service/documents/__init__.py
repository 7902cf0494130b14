"""What the service says about itself: /schema, /model, /docs and the OpenAPI document."""
