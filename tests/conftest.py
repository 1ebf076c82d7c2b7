"""What every test shares: shapes checked at run time, a cache of its own, the real photos where they are."""

import gc
import io
import os
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
# oneDNN's own pool never gives memory back, and each network larger than those before it leaves more behind.
os.environ.setdefault("TF_ONEDNN_USE_SYSTEM_ALLOCATOR", "1")
if "PYTEST_XDIST_WORKER" in os.environ:
    # There is a worker for each core: with threads for all cores in each, they wait for one another.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

import hypothesis
import numpy as np
import pytest
from jaxtyping import install_import_hook
from PIL import Image
from scipy.special import log_softmax

# A busy machine is no fault of the code.
untimed = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("full", max_examples=100, **untimed)
hypothesis.settings.register_profile("fast", max_examples=32, **untimed)

# Seconds, about, of two workers on two cores. They begin first, so that no worker is left with a long one at the end.
LONGEST = {
    "backbones/test_backbone.py": 107,
    "docs/test_site.py": 101,
    "test_estimator.py": 88,
    "exporting/test_export.py": 86,
    "pipeline/test_train.py": 77,
    "training/test_loop.py": 62,
    "studies/test_study.py": 42,
    "pipeline/test_budget.py": 41,
    "report/test_page_in_browser.py": 35,
    "page/test_page.py": 35,
    "pipeline/test_several_backbones.py": 34,
    "docs/test_blocks.py": 32,
    "training/test_mirrored.py": 31,
    "cli/test_train.py": 30,
    "cluster/test_pool.py": 28,
    "backbones/test_input_range.py": 27,
    "inference/test_explain.py": 26,
    "pipeline/test_phases.py": 25,
    "pipeline/test_finetune.py": 24,
    "backbones/test_applications.py": 24,
    "cli/test_predict.py": 22,
    "test_imports.py": 22,
    "serving/test_page.py": 21,
    "training/test_linear_probe.py": 18,
    "integrations/test_mlflow.py": 18,
    "auditing/test_engine.py": 17,
    "backbones/test_efficientnet_lite.py": 17,
    "exporting/test_every_backbone.py": 17,
    "studies/report/test_page_in_browser.py": 17,
    "features/engines/test_graphs.py": 16,
    "training/test_diagnose.py": 16,
    "studies/test_results.py": 16,
    "cluster/test_inspections.py": 16,
}


def modules_with_shapes() -> list[str]:
    """The modules whose signatures give shapes. To check the types of all the others too takes a fifth of the time."""
    source = Path(__file__).parents[1] / "src"
    paths = [path for path in source.rglob("*.py") if "from jaxtyping import" in path.read_text("utf-8")]
    return [
        ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__") for path in paths
    ]


# Kept in a variable: the hook lasts as long as the object does.
_shapes = install_import_hook(modules_with_shapes(), "beartype.beartype")


def pytest_configure(config):
    hypothesis.settings.load_profile("fast" if config.option.markexpr == "not slow" else "full")


def pytest_collection_modifyitems(items):
    tests = Path(__file__).parent
    names = {
        path: path.relative_to(tests).as_posix()
        for path in {item.path for item in items}
        if tests in path.parents
    }
    items.sort(key=lambda item: -LONGEST.get(names.get(item.path, ""), 0))


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    # What is imported stays: each full collection of garbage would go through it again, half a second at a time.
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def s3():
    pytest.importorskip("obstore")
    from tests.servers import S3

    server = S3()
    yield server
    server.stop()


@pytest.fixture
def bucket(s3, monkeypatch):
    """The name of an empty bucket, which the environment leads to."""
    from tests.servers import environment

    for name, value in environment(s3.port).items():
        monkeypatch.setenv(name, value)
    return s3.new_bucket()


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch) -> Path:
    """Every test computes into an empty cache, never into the user's."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("BUDWOOD_CACHE", str(folder))
    monkeypatch.delenv("BUDWOOD_STORE", raising=False)
    return folder


@pytest.fixture(scope="session")
def session_cache(tmp_path_factory) -> Path:
    """One cache for the tests that may share what is costly to compute."""
    return tmp_path_factory.mktemp("session-cache")


@pytest.fixture
def shared_cache(session_cache, own_cache, monkeypatch) -> Path:
    """The cache of the session in place of the test's own."""
    monkeypatch.setenv("BUDWOOD_CACHE", str(session_cache))
    return session_cache


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real photos and weights, from BUDWOOD_TEST_DATA."""
    folder = os.environ.get("BUDWOOD_TEST_DATA")
    if not folder or not Path(folder, "datasets").is_dir():
        pytest.skip("BUDWOOD_TEST_DATA does not name the folder of real photos and weights")
    return Path(folder).resolve()


COLOURS = {"blue": (40, 60, 200), "green": (40, 170, 60), "red": (200, 50, 40)}


def write_colours(folder: Path, photos_per_class: int = 14) -> Path:
    """Class folders of noisy pictures of one colour each, a few of them of a colour between two classes."""
    rng = np.random.default_rng(0)
    for label, colour in COLOURS.items():
        (folder / label).mkdir(parents=True)
        for number in range(photos_per_class):
            pixels = rng.normal(colour, 60, size=(48, 64, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{label} {number:02}.jpg")
    return folder


@pytest.fixture
def colours(tmp_path) -> Path:
    """A small data set of three easy classes."""
    return write_colours(tmp_path / "colours")


@pytest.fixture(scope="session")
def session_colours(tmp_path_factory) -> Path:
    """The same data set for tests that do not change it."""
    return write_colours(tmp_path_factory.mktemp("data") / "colours")


def train_on_colours(colours: Path, folder: Path, cache: Path, *settings: str) -> Path:
    from budwood.core.progress.base import SILENT
    from budwood.pipeline.entry import train

    settings = ["data.size=64", "evaluate.resamples=200", *settings]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUDWOOD_CACHE", str(cache))
        return train(colours, folder, recipe="frozen-linear", settings=settings, progress=SILENT).folder


@pytest.fixture(scope="session")
def session_run(session_cache, session_colours, tmp_path_factory) -> Path:
    """A complete run on the colours, for tests that do not change it."""
    return train_on_colours(session_colours, tmp_path_factory.mktemp("runs") / "colours", session_cache)


@pytest.fixture(scope="session")
def known_features(session_run, session_cache) -> None:
    """Where the features of `session_run` lie is written down, so that a study begins no process to compute them."""
    from budwood.core.progress.base import SILENT
    from budwood.features import fingerprint_cache
    from budwood.pipeline.prepare import prepare_networks
    from budwood.run import load

    recipe = load(session_run).recipe
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUDWOOD_CACHE", str(session_cache))
        with prepare_networks(recipe).open_features(SILENT) as features:
            part = features.exact.parts[0]
        where = fingerprint_cache.KnownFeatures(part.fingerprint, part.shape[0], part.size)
        fingerprint_cache.write(recipe, where)


@contextmanager
def with_tiny_backbones():
    from budwood.backbones.registry import BACKBONES
    from tests.tiny import OTHER, TINY

    with pytest.MonkeyPatch.context() as patch:
        for backbone in (TINY, OTHER):
            patch.setitem(BACKBONES, backbone.name, backbone)
        yield


@pytest.fixture(scope="module")
def tiny_backbones():
    """The backbones `tiny` and `tiny_other` beside the real ones, for the tests of one file."""
    with with_tiny_backbones():
        yield


@pytest.fixture(scope="session")
def tiny_run(session_cache, session_colours, tmp_path_factory) -> Path:
    """As `session_run`, of the backbone `tiny`: soon loaded, converted and differentiated."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    with with_tiny_backbones():
        return train_on_colours(session_colours, folder, session_cache, "backbone.name=tiny")


@pytest.fixture(scope="session")
def labels_table(session_colours) -> Path:
    """The colours with several labels a photo, beside their folder: red ones two, green ones one or none, and of some
    blue ones it is unknown whether they are warm."""
    rows = ["path,red,blue,warm,odd"]
    for path in sorted(session_colours.rglob("*.jpg")):
        colour, number = path.parent.name, int(path.stem[-2:])
        warm = "" if colour == "blue" and number % 4 == 0 else int(colour == "red")
        odd = int(colour == "green" and number % 2)
        rows.append(f"{path},{int(colour == 'red')},{int(colour == 'blue')},{warm},{odd}")
    table = session_colours.parent / "labels.csv"
    table.write_text("\n".join(rows))
    return table


@pytest.fixture(scope="session")
def tiny_label_run(session_cache, labels_table, tmp_path_factory) -> Path:
    """As `tiny_run`, with several labels a photo."""
    folder = tmp_path_factory.mktemp("runs") / "labels"
    with with_tiny_backbones():
        return train_on_colours(labels_table, folder, session_cache, "backbone.name=tiny")


@pytest.fixture(scope="session")
def ray_nodes():
    """A Ray cluster of two nodes of one core each on this machine, reachable from it alone, that this process joins."""
    from tests.nodes import two_nodes

    with two_nodes() as nodes:
        yield nodes


@pytest.fixture
def cluster(ray_nodes):
    """The cluster of two nodes, as a command sees it that is given --cluster."""
    from budwood.cluster.connect import connect

    with connect("auto") as found:
        yield found


@pytest.fixture
def call(monkeypatch, capsys):
    """Runs a command in this process: exit status, standard output, standard error."""

    from budwood import cli

    def call(*arguments, stdin: bytes = b""):
        monkeypatch.setattr(sys, "argv", ["budwood", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as stop:
            cli.main()
        captured = capsys.readouterr()
        return stop.value.code, captured.out, captured.err

    return call


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium; skips where there is none."""
    from tests.browser import start_browser

    with start_browser() as started:
        yield started


@pytest.fixture
def open_page(browser):
    """Opens a file in the browser, see `tests.browser.opened`: `open_page(path, size=PHONE, javascript=False)`."""
    from tests.browser import opened

    with ExitStack() as stack:
        yield lambda path, **options: stack.enter_context(opened(browser, path, **options))


@pytest.fixture
def at_temperature():
    """Mean negative log-likelihood of probabilities whose logits are divided by a temperature."""

    def loss(shares, labels, temperature):
        logits = np.log(shares.astype(np.float64)) / temperature
        return -log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean()

    return loss
