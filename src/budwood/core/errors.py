"""Budwood's own exceptions. Each message says what happened, what was expected and how to fix it."""

import difflib
from collections.abc import Iterable
from numbers import Real
from typing import Literal


class BudwoodError(Exception):
    """Base of everything that Budwood raises on purpose; the command line prints it as one line."""


class Terminated(KeyboardInterrupt):
    """SIGTERM was heard: what runs ends as at Ctrl-C."""


class RecipeError(BudwoodError):
    """A recipe that cannot be read, has an unknown key, or asks for something impossible."""


class SettingError(BudwoodError):
    """An environment variable, or a setting of Keras, with which nothing can be computed as asked."""


class DataError(BudwoodError):
    """A folder of photos from which nothing can be learned."""


class ImageError(BudwoodError):
    """One picture that cannot be decoded: `fault` says why, `kind` in one word, such as "truncated"."""

    def __init__(self, fault: str, kind: str = "unreadable", path: object = None):
        super().__init__(fault if path is None else f"{path}: {fault}")
        self.fault, self.kind = fault, kind


class PictureError(BudwoodError, ValueError):
    """A program gave something as a picture that is none, or may be read in two ways."""


class MachineError(BudwoodError):
    """Memory, a disk or the network failed while a picture was read; the picture may be in order."""


class BackboneError(BudwoodError):
    """An unknown backbone, or a size that it cannot take."""


class WeightsError(BudwoodError):
    """Weights that are missing, damaged, or made for another network."""


class MissingWeightsError(WeightsError):
    """Weights that are not on this machine and could not be fetched."""


class StoreError(BudwoodError):
    """The feature store cannot be written."""


StorageFault = Literal[
    "unreachable",
    "credentials",  # none, or wrong ones
    "permission",
    "no_bucket",
    "region",  # the bucket lies in another one
    "clock",  # this machine's is so wrong that requests are refused
    "full",
    "busy",  # it refuses for now
    "gone",  # an object that was there
    "changed",  # an object that is another one now
    "name",  # an object's name that cannot be used
    "setting",  # an address or an environment variable that cannot be used
    "fault",  # anything else
]


class StorageError(BudwoodError):
    """Object storage that cannot be used as asked: `kind` says why in one word. Never holds a credential."""

    def __init__(self, text: str, kind: StorageFault = "fault"):
        super().__init__(text)
        self.kind: StorageFault = kind


class RunError(BudwoodError):
    """A run directory that cannot be used as asked."""


class ClusterError(BudwoodError):
    """A cluster that cannot be reached, or whose nodes cannot do what is asked."""


class CacheWarning(UserWarning):
    """Warns that the cache cannot be written, so that results are computed again by the next process."""


class FewPhotosWarning(UserWarning):
    """What a run says rests on few photos."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the nearest known word as a half sentence, or an empty string.

    >>> did_you_mean("mobilnet_v2", ["mobilenet", "mobilenet_v2"])
    ' Did you mean mobilenet_v2?'
    """
    nearest = difflib.get_close_matches(word, list(known), n=1)
    return f" Did you mean {nearest[0]}?" if nearest else ""


def refuse_bad_share(name: str, share: float, such_as: float) -> None:
    """Raise RunError for what is no share above 0.

    >>> refuse_bad_share("precision", 98.0, 0.98)
    Traceback (most recent call last):
    budwood.core.errors.RunError: a precision of 98 is no share. Give one above 0 and up to 1, such as 0.98
    """
    is_number = isinstance(share, Real)
    if not (is_number and 0 < share <= 1):
        article = "an" if name[0] in "aeiou" else "a"
        given = f"{share:g}" if is_number else repr(share)
        raise RunError(
            f"{article} {name} of {given} is no share. Give one above 0 and up to 1, such as {such_as}"
        )
