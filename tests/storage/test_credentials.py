import pytest

from budwood.core.errors import StorageError
from budwood.storage.credentials import allows_http, s3_settings


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    import os

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".aws").mkdir()
    return tmp_path / ".aws"


def test_s3_settings__of_a_profile(home, monkeypatch):
    (home / "credentials").write_text(
        "[default]\naws_access_key_id=D\n[lab]\naws_access_key_id = L\naws_secret_access_key = a%b\n"
    )
    (home / "config").write_text("[profile lab]\nregion = eu-west-1\nendpoint_url = http://localhost:9000\n")
    assert s3_settings() == {"access_key_id": "D", "region": "us-east-1"}
    monkeypatch.setenv("AWS_PROFILE", "lab")
    found = s3_settings()
    assert found == {
        "access_key_id": "L",
        "secret_access_key": "a%b",
        "region": "eu-west-1",
        "endpoint": "http://localhost:9000",
    }
    assert allows_http(found)


def test_s3_settings__keys_of_the_environment_are_left_to_it(home, monkeypatch):
    (home / "credentials").write_text("[default]\naws_access_key_id=D\n")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "E")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    assert s3_settings() == {"region": "eu-north-1"}


@pytest.mark.parametrize(
    ("files", "profile", "match"),
    [
        ({}, "lab", "names the profile 'lab'"),
        ({"config": "[profile lab]\nsso_session = x\n"}, "lab", "export-credentials --profile lab"),
        (
            {"credentials": "aws_secret_access_key = hidden\n"},
            None,
            "cannot be read as a file of AWS profiles",
        ),
    ],
)
def test_s3_settings__a_profile_that_cannot_be_used(home, monkeypatch, files, profile, match):
    for name, text in files.items():
        (home / name).write_text(text)
    if profile:
        monkeypatch.setenv("AWS_PROFILE", profile)
    with pytest.raises(StorageError, match=match) as error:
        s3_settings()
    assert "hidden" not in str(error.value)


@pytest.mark.parametrize(
    ("endpoint", "match"),
    [
        ("http://storage.example.org", "plain http"),
        ("https://key:hidden@storage.example.org", "credentials"),
        ("storage.example.org", "no address"),
    ],
)
def test_s3_settings__refuses_endpoints(monkeypatch, endpoint, match):
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(StorageError, match=match) as error:
        s3_settings()
    assert "hidden" not in str(error.value)


def test_s3_settings__http_where_it_is_meant(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://storage.example.org")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    assert allows_http(s3_settings())
