"""``python -m trueline``."""

from trueline.main import main

if __name__ == "__main__":
    main()
