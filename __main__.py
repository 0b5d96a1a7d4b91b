"""`python -m edgec` is the command line."""

from .compiler.cli.app import main

if __name__ == "__main__":
    main()
