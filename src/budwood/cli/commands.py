"""Every command: read the arguments, call one function, print. Heavy imports wait until a command needs them."""

# In the order in which `budwood --help` lists their commands.
from budwood.cli import train, predict, explain, evaluate, card, export, serve, data, audit, info  # isort: skip  # noqa: F401
from budwood.cli.options import app

__all__ = ["app"]
