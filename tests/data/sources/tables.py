"""A table that is written and read in the folder of a test, and the pictures that it may name."""

from pathlib import Path

from budwood.config.data import Data
from budwood.data.sources import read_source

PICTURES = ("a/1.png", "a/2.png", "b/3.png", "b/4.png")


def read(content: str | bytes, name: str = "photos.csv", **settings):
    Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    return read_source(name, Data(**settings))
