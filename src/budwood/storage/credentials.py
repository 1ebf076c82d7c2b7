"""Where access to storage comes from: the environment, and the standard files of AWS. Nothing of it is kept.

Google's and Azure's own variables (GOOGLE_*, AZURE_*) are read by obstore.
"""

import configparser
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from budwood.core.errors import StorageError

ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_KEYS = {
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token",
    "region": "region",
    "endpoint_url": "endpoint",
}
_ELSEWHERE = ("sso_session", "sso_start_url", "role_arn", "credential_process")


def s3_settings() -> dict[str, str]:
    """Return what the environment and ~/.aws say of S3, by obstore's names.

    Raises:
        StorageError: a profile that is not there or needs AWS's own tools; an endpoint over plain http elsewhere than
            on this machine.
    """
    settings = {} if os.environ.get("AWS_ACCESS_KEY_ID") else _of_profile()
    endpoint = next((os.environ[name] for name in ENDPOINTS if os.environ.get(name)), None)
    if endpoint is not None:
        settings["endpoint"] = endpoint
    if region := os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"):
        settings["region"] = region
    settings.setdefault("region", "us-east-1")
    if "endpoint" in settings:
        _refuse_open_http(settings["endpoint"])
    return settings


def allows_http(settings: Mapping[str, str]) -> bool:
    """Return whether the endpoint is plain http, which `s3_settings` has found to be allowed."""
    return settings.get("endpoint", "").lower().startswith("http:")


def endpoint_name(settings: Mapping[str, str]) -> str:
    """Return host and port of the endpoint, empty where it is the usual one.

    >>> endpoint_name({"endpoint": "http://127.0.0.1:9000"})
    '127.0.0.1:9000'
    """
    return urlsplit(settings.get("endpoint", "")).netloc.rpartition("@")[2]


def _refuse_open_http(endpoint: str) -> None:
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise StorageError("AWS_ENDPOINT_URL is no address such as https://storage.example.org", "setting")
    if parts.username or parts.password or parts.query:
        raise StorageError(
            "AWS_ENDPOINT_URL has credentials or a query in it. Give the address alone", "setting"
        )
    loopback = parts.hostname == "localhost" or parts.hostname == "::1" or parts.hostname.startswith("127.")
    allowed = os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true", "yes")
    if parts.scheme == "http" and not (loopback or allowed):
        raise StorageError(
            f"the endpoint {parts.hostname} is plain http, which anyone on the way can read and change. Use https, or "
            "say that this is meant: AWS_ALLOW_HTTP=true",
            "setting",
        )


def _of_profile() -> dict[str, str]:
    asked = os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE")
    profile = asked or "default"
    home = Path("~/.aws").expanduser()
    credentials = _read(Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or home / "credentials"))
    config = _read(Path(os.environ.get("AWS_CONFIG_FILE") or home / "config"))
    sections = [
        config.get("default" if profile == "default" else f"profile {profile}"),
        credentials.get(profile),
    ]
    found: dict[str, str] = {}
    for section in sections:
        found |= section or {}
    if asked and not any(section is not None for section in sections):
        raise StorageError(
            f"AWS_PROFILE names the profile {asked!r}, which is neither in ~/.aws/config nor in ~/.aws/credentials",
            "credentials",
        )
    if "aws_access_key_id" not in found and any(key in found for key in _ELSEWHERE):
        raise StorageError(
            f"the AWS profile {profile!r} gets its keys from elsewhere (SSO, a role or a program), which Budwood does "
            f"not do. Have AWS's own tool do it: eval \"$(aws configure export-credentials --profile {profile} "
            '--format env)"',
            "credentials",
        )
    return {ours: found[theirs] for theirs, ours in _KEYS.items() if found.get(theirs)}


def _read(path: Path) -> dict[str, dict[str, str]]:
    # No interpolation: a secret may hold a percent sign. No section of defaults: "default" is a profile.
    parser = configparser.RawConfigParser(default_section="", strict=False)
    try:
        parser.read(path.expanduser(), encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):
        # The text of the error would quote the line.
        raise StorageError(f"{path} cannot be read as a file of AWS profiles", "credentials") from None
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}", "credentials") from None
    return {name: dict(parser.items(name)) for name in parser.sections()}
