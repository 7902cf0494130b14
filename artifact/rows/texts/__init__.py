"""The one set of rules by which training, ``evaluate``, ``predict`` and the service's CSV read texts as values."""
