"""BentoML's command with Trueline's own ``service``, in any folder: ``python -m trueline.serving serve ...``."""

import sys

from service.process.command import run

if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
