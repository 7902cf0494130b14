"""BentoML's command with Trueline's own ``service``, in any folder: ``python -m trueline.serving serve ...``."""

import sys


def main() -> int:
    """Run a BentoML command, see :func:`service.process.command.run`."""
    from service.process.command import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
