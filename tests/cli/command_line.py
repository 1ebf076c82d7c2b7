"""What the tests of commands share."""

SMALL = ["--recipe", "frozen-linear", "--set", "data.size=64", "--set", "evaluate.resamples=200"]


def one_line(text):
    return text.startswith("budwood: error: ") and text.count("\n") == 1
