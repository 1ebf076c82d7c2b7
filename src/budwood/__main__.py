"""`python -m budwood`: the command, also where its folder is not on the PATH."""

from budwood.cli import main

if __name__ == "__main__":
    main()
