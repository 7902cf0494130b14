"""TabM: an ensemble in one network, whose members share its layers (Gorishniy et al. 2024)."""

from __future__ import annotations

from training.families import mlp
from training.families.family import Family

FAMILY = Family(
    name="tabm",
    summary="An ensemble in one network (Gorishniy et al. 2024, TabM-mini): each member looks at the features through "
    "a scale of its own and has a head of its own; they share the layers between. The members' mean answers.",
    rank=10,
    build=mlp.build,
    defaults={**mlp.DEFAULTS, "members": 4, "learning_rate": 1.2e-2},
    sized=mlp.by_size,
    settings=("members", *mlp.SETTINGS),
    shape="mlp",
)
