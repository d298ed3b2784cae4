"""`python -m agglo`: the command line."""

from agglo.cli.console import main

if __name__ == "__main__":
    main()
