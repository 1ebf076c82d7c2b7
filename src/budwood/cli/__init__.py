"""The command line: `budwood.cli.commands` has the commands, this module what the installed command calls."""

from budwood.cli.start import begin, open_missing_streams, quit_when_ended
from budwood.core.garbage import freeze_imports
from budwood.core.home import leave_home_alone


def main() -> None:
    """Run the `budwood` command. Exit status 0; 1 for what went wrong; 2 for a wrong command; 130 for
    Ctrl-C, 143 for SIGTERM."""
    begin()
    open_missing_streams()
    leave_home_alone()
    freeze_imports()
    with quit_when_ended():
        from budwood.cli.commands import app
        from budwood.cli.errors import run_command
    run_command(app)
