"""`python -m nexus` is the `nexus` command."""

from nexus.cli.entry import main

if __name__ == "__main__":
    main()
