"""``python -m tsseq``."""

from tsseq.cli import main

if __name__ == "__main__":
    main()
