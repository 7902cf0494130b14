"""BentoML's command, with a message for each fault that comes before the command runs.

BentoML reads its configuration and makes its folders when it is imported; a fault there would end in a traceback.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


def run(arguments: Sequence[str]) -> int:
    """Run a BentoML command, which ends the process; return 1 where BentoML cannot be imported."""
    try:
        from bentoml_cli.cli import cli
    except Exception as error:  # noqa: BLE001 - whatever its kind, the operator has to mend it
        reason = " ".join(line.strip() for line in str(error).splitlines() if line.strip())
        sys.stderr.write(
            "Error: Expected settings that BentoML can start with (BENTOML_HOME, BENTOML_CONFIG, "
            f"BENTOML_CONFIG_OPTIONS). Received: {reason or repr(error)}.\n"
        )
        return 1
    cli(list(arguments), prog_name="bentoml")
    return 0
