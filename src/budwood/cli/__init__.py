"""Every command: read the arguments, call one function, print. Heavy imports wait until a command needs them."""

# In the order in which `budwood --help` lists their commands.
from budwood.cli import train, predict, evaluate, data, audit, info  # isort: skip  # noqa: F401
from budwood.cli.errors import run_command
from budwood.cli.options import app

__all__ = ["app", "main"]


def main() -> None:
    """The `budwood` command. Exit status 0; 1 for what went wrong; 2 for a wrong command; 130 for Ctrl-C."""
    run_command(app)
