"""Examine whether this machine has what Budwood needs."""

import importlib
import os
import platform
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata

from budwood._version import __version__
from budwood.core.cache import cache_dir
from budwood.core.errors import BudwoodError, SettingError, StorageError
from budwood.core.text import count
from budwood.core.threads import SETTING, cores
from budwood.storage.place import SETTING as STORE
from budwood.storage.place import store_place


@dataclass(frozen=True)
class Finding:
    """One thing looked at: whether it will do, and what was found."""

    what: str
    ok: bool
    detail: str


def examine(cluster: str | None = None) -> list[Finding]:
    """Look at Python, the packages, the processor, the disk, the embedded weights, and a Ray cluster; change nothing.

    Args:
        cluster: its address, see `cluster.connect.connect`; by default that of RAY_ADDRESS, where it is set.
    """
    return [
        Finding(
            "python",
            (3, 11) <= _python() <= (3, 13),
            f"{platform.python_version()} (3.11 to 3.13 are supported)",
        ),
        _look("machine", _machine),
        _look("tensorflow", _tensorflow),
        _look("keras", _keras),
        _look("openvino", _openvino, needed=False),
        _look("weights", _weights),
        _look("cache", _cache),
        *([_store()] if os.environ.get(STORE) else []),
        _cluster(cluster or ("auto" if os.environ.get("RAY_ADDRESS") else None)),
    ]


def _look(what: str, find: Callable[[], str], needed: bool = True) -> Finding:
    try:
        return Finding(what, True, find())
    except Exception as error:
        # Whatever is broken in somebody's installation is the finding.
        detail = f"{type(error).__name__}: {error}".splitlines()[0]
        if isinstance(error, SettingError):
            return Finding(what, False, str(error))
        return Finding(
            what,
            not needed,
            detail if needed else f"absent, so Keras runs the feature extractor, slower ({detail})",
        )


def _python() -> tuple[int, int]:
    major, minor, _ = platform.python_version_tuple()
    return int(major), int(minor)


def _machine() -> str:
    found = cores()
    limits = [
        *([f"a quota of {found.quota:g}"] if found.quota is not None else []),
        *([f"{SETTING}={found.asked}"] if found.asked is not None else []),
    ]
    words = f"{platform.system()} {platform.machine()}, {count(found.usable, 'core')}"
    return f"{words}, {', '.join(limits)}: {count(found.threads, 'thread')}" if limits else words


def _tensorflow() -> str:
    tensorflow = importlib.import_module("tensorflow")
    accelerators = tensorflow.config.list_physical_devices("GPU")
    return f"{tensorflow.__version__}, {len(accelerators) or 'no'} accelerator{'s' if len(accelerators) > 1 else ''}"


def _keras() -> str:
    keras = importlib.import_module("keras")
    return f"{keras.__version__} on {keras.backend.backend()}"


def _openvino() -> str:
    importlib.import_module("openvino")
    from budwood.features.engines.graphs import has_bf16

    speed = "with" if has_bf16() else "without"
    return f"{metadata.version('openvino')}, {speed} fast bf16"


def _weights() -> str:
    backbone = importlib.import_module("budwood.backbones.registry").get_backbone("efficientnet_lite0")
    backbone.build(size=32)
    return f"{backbone.name}: {backbone.where()}"


def _cache() -> str:
    folder = cache_dir()
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"room")
    return f"{folder}, {shutil.disk_usage(folder).free / 1e9:.0f} GB free"


def _store() -> Finding:
    """Look at the shared store: whether it answers, and does what machines that share it go by."""
    from budwood.storage.probe import probe

    try:
        place = store_place()
        assert place is not None
        found = probe(place)
    except StorageError as error:
        return Finding("store", False, str(error))
    if not found.is_conditional:
        return Finding(
            "store",
            False,
            f"{place} overwrites what is there although it is asked not to (conditional put, If-None-Match): machines "
            "that share it would compute the same twice. Give a storage that has it",
        )
    apart = (
        ""
        if abs(found.skew) < 5
        else f", this machine's clock {_apart(found.skew)} its own, which does no harm"
    )
    return Finding("store", True, f"{place}, listed, written and removed, conditional put{apart}")


def _apart(skew: float) -> str:
    return f"{abs(skew):,.0f} s {'ahead of' if skew > 0 else 'behind'}"


def _cluster(address: str | None) -> Finding:
    """Look at Ray, and at the cluster of an address: whether it answers, and its nodes compute what this machine does.

    None is started.
    """
    from budwood.cluster.connect import connect
    from budwood.cluster.nodes import in_words

    try:
        version = metadata.version("ray")
    except metadata.PackageNotFoundError:
        version = None
    if address in (None, "local"):
        if version is None:
            words = "Ray is not installed, which --cluster alone needs: pip install 'budwood[ray]'"
            return Finding("cluster", address is None, words)
        none = (
            "none looked at, for neither --cluster nor RAY_ADDRESS names one"
            if address is None
            else "each command with --cluster local begins one of its own on this machine, so none is looked at"
        )
        return Finding("cluster", True, f"Ray {version}; {none}")
    try:
        with connect(address) as found:
            words = in_words(found)
    except BudwoodError as error:
        return Finding("cluster", False, str(error))
    alike = f"Python {platform.python_version()}, Budwood {__version__} and Ray {version}"
    return Finding("cluster", True, f"{words}; {alike} on every node as here, and what they share is reached")
