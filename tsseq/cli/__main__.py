"""``python -m tsseq.cli``."""

from tsseq.cli.commands import main

if __name__ == "__main__":
    main()
