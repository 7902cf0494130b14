"""``python -m docs.reference``: write the lists and tables of the pages anew.

``--check``: write nothing, and say which page is stale. ``--run [PAGE...]``: also run the commands of these pages, or
of all, and write what the commands print.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from cogapp import Cog

from docs.reference import transcripts

ROOT = Path(__file__).parents[2]
PAGES = (*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md")
_PROLOGUE = "from docs.reference import alerts, commands, rooms, service, training, transcripts"
_OPTIONS = ("-P", "-U", "-n", "utf-8", "--verbosity=1", "--markers=<!--cog --> <!--end-->", "-p", _PROLOGUE)
_STALE = "A page does not say what the code says. Run: make docs"


def write(*pages: Path, check: bool = False) -> int:
    """Write the texts that the pages' calls return, in place.

    Args:
        pages: the pages; without any, all.
        check: write nothing; where a page would change, print the difference and what to run.

    Returns:
        The exit code: 0, or another one where a page is stale.
    """
    how = ("--check", "--diff", f"--check-fail-msg={_STALE}") if check else ("-r",)
    code: int = Cog().main(["cog", *_OPTIONS, "-I", str(ROOT), *how, *map(str, pages or PAGES)])
    return code


if __name__ == "__main__":
    if "--run" in sys.argv[1:]:
        # When a signal ends this process, the services of the pages must end too.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        transcripts.run_commands()
    sys.exit(write(*map(Path, (word for word in sys.argv[1:] if word[0] != "-")), check="--check" in sys.argv[1:]))
