"""`python -m tacita`, the same as the `tacita` command."""

from tacita.cli import main

if __name__ == "__main__":
    main()
