import io

import pytest

from budwood.core.progress.bars import Bars


@pytest.fixture
def bars() -> Bars:
    made = Bars()
    made.console.file = io.StringIO()
    made.console._force_terminal = True
    made.console.is_interactive = True
    made.console._width = 200
    return made


def test_bars__draw_in_a_terminal(bars):
    with bars.stage("features", total=2) as stage:
        stage.advance(2)
        bars._bars.refresh()
    bars.say("[not markup]")
    text = bars.console.file.getvalue()
    assert "2 of 2 photos" in text and "features: done in" in text and "(2 photos)" in text
    assert "[not markup]" in text


def test_bars__one_display_shows_the_step_of_the_whole_beside_the_stage(bars):
    bars.announce(["check", "features"])
    with bars.step("features"):
        with bars.stage("features (vgg16)", total=3) as stage:
            stage.advance()
            bars._bars.refresh()
            shown = [task.description for task in bars._bars.tasks]
        left = [task.description for task in bars._bars.tasks]
    assert shown == ["step 2 of 2: features", "features (vgg16)"] and left == shown[:1]
    text = bars.console.file.getvalue()
    assert "step 2 of 2: features" in text and "elapsed" in text and "1 of 3 photos" in text


def test_bars__an_error_leaves_no_display_on(bars):
    with pytest.raises(KeyboardInterrupt), bars.step("features"), bars.stage("features"):
        raise KeyboardInterrupt
    assert bars._bars is None and "done in" not in bars.console.file.getvalue()
    with bars.stage("check"):
        assert bars._bars is not None
    assert bars._bars is None
