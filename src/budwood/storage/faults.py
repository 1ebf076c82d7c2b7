"""What went wrong with storage, as one kind and one sentence. Never the text of the error itself, which may hold
addresses that are signed."""

import errno
import re
from typing import Literal

from budwood.core.errors import StorageError, StorageFault

Doing = Literal["list", "read", "write"]

_CODES: dict[str, StorageFault] = {
    "NoSuchBucket": "no_bucket",
    "ContainerNotFound": "no_bucket",
    "InvalidAccessKeyId": "credentials",
    "SignatureDoesNotMatch": "credentials",
    "InvalidToken": "credentials",
    "ExpiredToken": "credentials",
    "AuthenticationFailed": "credentials",
    "InvalidAuthenticationInfo": "credentials",
    "RequestTimeTooSkewed": "clock",
    "PermanentRedirect": "region",
    "AuthorizationHeaderMalformed": "region",
    "XMinioStorageFull": "full",
    "QuotaExceeded": "full",
    "SlowDown": "busy",
}
_CLASSES: dict[str, StorageFault] = {
    "FileNotFoundError": "gone",
    "PreconditionError": "changed",
    "UnauthenticatedError": "credentials",
    "PermissionDeniedError": "permission",
    "InvalidPathError": "name",
    "ValueError": "name",
}
_STATUSES: dict[int, StorageFault] = {
    301: "region",
    307: "region",
    401: "credentials",
    403: "permission",
    404: "no_bucket",
    429: "busy",
    503: "busy",
    507: "full",
}
_ERRNOS: dict[int, StorageFault] = {
    errno.ENOSPC: "full",
    getattr(errno, "EDQUOT", errno.ENOSPC): "full",
    errno.EACCES: "permission",
    errno.EPERM: "permission",
    errno.EROFS: "permission",
}
# The service that gives keys to machines of Amazon: whoever asks there has found none elsewhere.
_KEY_SERVICE = ("169.254.169.254", "169.254.170.2", "metadata.google.internal")


def kind_of(error: BaseException) -> StorageFault:
    """Return the kind of an error that obstore raised, by its class and the codes that the service answered with."""
    text = str(error)
    code = re.search(r"<Code>(\w+)</Code>", text)
    if code and code[1] in _CODES:
        return _CODES[code[1]]
    for one in type(error).__mro__:
        if one.__name__ in _CLASSES:
            return _CLASSES[one.__name__]
    if any(address in text.partition("\n")[0] for address in _KEY_SERVICE):
        return "credentials"
    number = re.search(r"\(os error (\d+)\)", text.partition("\n")[0])
    if number and int(number[1]) in _ERRNOS:
        return _ERRNOS[int(number[1])]
    if "redirect without LOCATION" in text:
        return "region"
    status = re.search(r"status code: (\d{3})", text)
    if status:
        return _STATUSES.get(int(status[1]), "unreachable" if status[1].startswith("5") else "fault")
    return "unreachable" if "error sending request" in text or "HTTP error" in text else "fault"


def storage_error(error: BaseException, place: object, doing: Doing, endpoint: str = "") -> StorageError:
    """Return what to say of an error that obstore raised at a place. Raise it `from None`."""
    kind = kind_of(error)
    status = re.search(r"status code: (\d{3})", str(error))
    return StorageError(
        in_words(kind, place, doing, endpoint, status[1] if status else type(error).__name__), kind
    )


def in_words(kind: StorageFault, place: object, doing: Doing, endpoint: str = "", detail: str = "") -> str:
    """Return one sentence on what happened, and how to mend it."""
    at = f" at {endpoint}" if endpoint else ""
    sentences: dict[StorageFault, str] = {
        "unreachable": f"{place} cannot be reached{at}. Look at the network and at the address (for S3-compatible "
        "servers AWS_ENDPOINT_URL)",
        "credentials": f"the credentials for {place} are missing, wrong or expired. Set AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE (Google: GOOGLE_APPLICATION_CREDENTIALS; Azure: AZURE_STORAGE_*)",
        "permission": f"there is no permission to {doing} {place}. Ask whoever owns it for that right, or give another "
        "place",
        "no_bucket": f"there is no such bucket: {place}{at}. Make it, or look at its name and the address",
        "region": f"the bucket of {place} lies in another region. Set AWS_REGION to that",
        "clock": f"{place}{at} refuses requests because this machine's clock is minutes wrong. Set it right",
        "full": f"the storage of {place} is full. Make room, or give another place",
        "busy": f"{place}{at} refuses requests for now, it has too many. Try again later",
        "gone": f"{place} is not there",
        "changed": f"{place} has changed since it was listed",
        "name": f"{place}: an object there has a name that cannot be used (an empty part, '.', '..' or a control "
        "character). Rename it",
        "setting": f"{place} cannot be used",
        "fault": f"{place} cannot be used{at} ({detail or 'an unknown answer'})",
    }
    return sentences[kind]
