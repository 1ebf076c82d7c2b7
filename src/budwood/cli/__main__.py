"""`python -m budwood.cli`."""

from budwood.cli import main

if __name__ == "__main__":
    main()
