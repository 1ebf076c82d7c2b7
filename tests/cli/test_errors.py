import sys

import pytest
import typer

from budwood.cli.errors import run_command


@pytest.fixture
def app():
    app = typer.Typer()

    @app.command()
    def long(resume: bool = False) -> None:
        raise KeyboardInterrupt

    @app.command()
    def short() -> None:
        raise KeyboardInterrupt

    return app


@pytest.mark.parametrize(("command", "named"), [("long", True), ("short", False)])
def test_run_command__interrupted_names_resume_where_the_command_has_it(
    app, command, named, monkeypatch, capsys
):
    monkeypatch.setattr(sys, "argv", ["budwood", command])
    with pytest.raises(SystemExit) as ended:
        run_command(app)
    assert ended.value.code == 130
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("budwood: error: interrupted") and ("--resume" in line) == named
