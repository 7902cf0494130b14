"""From text to value: the one set of rules by which training, ``evaluate``, ``predict`` and the service's CSV read."""
