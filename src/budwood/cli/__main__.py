"""As `python -m budwood`."""

from budwood.cli import main

if __name__ == "__main__":
    main()
