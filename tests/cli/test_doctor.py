import pytest

from budwood.cli import doctor
from budwood.core import threads


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch):
    """No cluster is named."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


def by_name():
    return {finding.what: finding for finding in doctor.examine()}


def test_examine__all_is_well_here(own_cache):
    findings = by_name()
    assert all(finding.ok for finding in findings.values()), findings
    assert "efficientnet_lite0" in findings["weights"].detail
    assert findings["cache"].detail.startswith(str(own_cache))
    assert "none looked at" in findings["cluster"].detail


def test_examine__what_is_broken_is_told(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BUDWOOD_CACHE", str(tmp_path / "file"))
    real = doctor.importlib.import_module

    def broken(name):
        if name in ("tensorflow", "openvino", "budwood.backbones.registry"):
            raise ImportError(f"{name} is\nbroken")
        return real(name)

    monkeypatch.setattr(doctor.importlib, "import_module", broken)
    findings = by_name()
    assert not findings["tensorflow"].ok and findings["tensorflow"].detail == "ImportError: tensorflow is"
    assert findings["openvino"].ok and "Keras runs the feature extractor" in findings["openvino"].detail
    assert not findings["weights"].ok and not findings["cache"].ok
    assert findings["keras"].ok


@pytest.mark.parametrize(
    ("quota", "asked", "ok", "words"),
    [
        (None, "", True, ", 8 cores"),
        (1.5, "", True, "8 cores, a quota of 1.5: 2 threads"),
        (None, "3", True, "8 cores, BUDWOOD_THREADS=3: 3 threads"),
        (2.0, "no", False, "BUDWOOD_THREADS='no' is no number of threads"),
    ],
)
def test_examine__threads(monkeypatch, quota, asked, ok, words):
    monkeypatch.setattr(threads, "usable_cores", lambda: list(range(8)))
    monkeypatch.setattr(threads, "cpu_quota", lambda: quota)
    monkeypatch.setenv("BUDWOOD_THREADS", asked)
    monkeypatch.setattr(doctor, "_tensorflow", lambda: "")
    found = by_name()["machine"]
    assert found.ok == ok and words in found.detail and ("thread" in found.detail or not (quota or asked))


@pytest.mark.parametrize(
    ("version", "ok"), [("3.10.9", False), ("3.11.0", True), ("3.13.1", True), ("3.14.0rc1", False)]
)
def test_examine__python(version, ok, monkeypatch):
    monkeypatch.setattr(doctor, "_look", lambda what, find, needed=True: doctor.Finding(what, True, ""))
    monkeypatch.setattr(doctor.platform, "python_version_tuple", lambda: version.split("."))
    assert by_name()["python"].ok is ok


def test_store__is_looked_at_where_it_is_set(bucket, monkeypatch):
    monkeypatch.setenv("BUDWOOD_STORE", f"s3://{bucket}/lab")
    found = doctor._store()
    assert found.ok and found.detail == f"s3://{bucket}/lab, listed, written and removed, conditional put"


@pytest.mark.parametrize(
    ("skew", "said"), [(90.0, "90 s ahead of its own"), (-7200.0, "7,200 s behind its own")]
)
def test_store__clocks_that_are_apart_are_told(tmp_path, monkeypatch, skew, said):
    monkeypatch.setenv("BUDWOOD_STORE", str(tmp_path))
    monkeypatch.setattr("budwood.storage.clock.ServerClock.skew", lambda self: skew)
    found = doctor._store()
    assert found.ok and said in found.detail


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("s3://key:hidden@bucket/lab", "BUDWOOD_STORE: the s3:// address has credentials in it"),
        ("ftp://lab", "cannot be used here"),
    ],
)
def test_store__that_cannot_be_used(monkeypatch, place, said):
    monkeypatch.setenv("BUDWOOD_STORE", place)
    found = doctor._store()
    assert not found.ok and said in found.detail and "hidden" not in found.detail


def test_store__that_overwrites_is_bad(tmp_path, monkeypatch):
    monkeypatch.setenv("BUDWOOD_STORE", str(tmp_path))
    monkeypatch.setattr("budwood.storage.objects.Storage.put_if_absent", lambda self, key, data: True)
    found = doctor._store()
    assert not found.ok and "conditional put" in found.detail


def test_cluster__that_answers(cluster):
    found = doctor._cluster("auto")
    assert found.ok and found.detail.startswith("Ray cluster auto: 2 nodes, 2 cores; Python 3.")
    assert f"Budwood {doctor.__version__} and Ray " in found.detail


def test_examine__the_cluster_that_the_environment_names(monkeypatch):
    asked = []
    monkeypatch.setattr(doctor, "_look", lambda what, find, needed=True: doctor.Finding(what, True, ""))
    monkeypatch.setattr(
        doctor, "_cluster", lambda address: asked.append(address) or doctor.Finding("", True, "")
    )
    doctor.examine()
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    doctor.examine()
    doctor.examine("10.0.0.2:6379")
    assert asked == [None, "auto", "10.0.0.2:6379"]


@pytest.mark.parametrize(("address", "said"), [("ray://lab:10001", "ray job submit"), ("lab", "HOST:PORT")])
def test_cluster__that_cannot_be_joined(address, said, monkeypatch):
    monkeypatch.setattr("budwood.cluster.connect.is_joined", lambda: False)
    monkeypatch.setattr(
        "budwood.cluster.connect.need_ray", lambda: pytest.fail("its address is refused first")
    )
    found = doctor._cluster(address)
    assert not found.ok and said in found.detail


@pytest.mark.parametrize(("address", "ok"), [(None, True), ("local", False)])
def test_cluster__without_ray(address, ok, monkeypatch):
    def absent(package):
        raise doctor.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(doctor.metadata, "version", absent)
    found = doctor._cluster(address)
    assert found.ok is ok and "pip install 'budwood[ray]'" in found.detail


@pytest.mark.parametrize(("address", "said"), [(None, "names one"), ("local", "begins one of its own")])
def test_cluster__none_is_looked_at_where_there_is_none_to_look_at(address, said, monkeypatch):
    monkeypatch.setattr(doctor.metadata, "version", lambda package: "2.60.0")
    found = doctor._cluster(address)
    assert found.ok and said in found.detail
