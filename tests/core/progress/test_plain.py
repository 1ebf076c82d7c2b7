import io

from budwood.core.progress.plain import Plain


def test_plain__says_when_a_stage_ends():
    stream = io.StringIO()
    progress = Plain(stream)
    with progress.stage("features", total=3) as stage:
        stage.advance(3)
    progress.say("a line")
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("features: done in") and "3 photos" in lines[0]
    assert lines[1] == "a line"


def test_plain__a_log_that_takes_no_more_ends_nothing():
    class Full(io.StringIO):
        def write(self, text):
            raise OSError(28, "No space left on device")

    progress = Plain(Full())
    with progress.stage("features", total=3) as stage:
        stage.advance(3)
    progress.say("a line")


def test_plain__long_stage_shows_rate_and_time_left(monkeypatch):
    stream = io.StringIO()
    with Plain(stream).stage("features", total=30) as stage:
        stage.advance(1)
        stage.started_stepping -= 20
        stage.printed -= 20
        stage.advance(9)
    first = stream.getvalue().splitlines()[0]
    assert first.startswith("features: 10 of 30 photos, ") and first.endswith(" s left")


def test_plain__a_stage_is_named_with_its_step():
    stream = io.StringIO()
    progress = Plain(stream)
    progress.announce(["features", "evaluate"])
    with progress.step("features"), progress.stage("features"):
        pass
    with progress.step("evaluate"), progress.stage("features (vgg16)"):
        pass
    starts = [line.partition(": done")[0] for line in stream.getvalue().splitlines()]
    assert starts == ["features", "evaluate: features (vgg16)"]
