import pytest

from budwood.storage.faults import in_words, kind_of, storage_error


class PreconditionError(Exception):
    pass


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (FileNotFoundError("x"), "gone"),
        (PreconditionError("x"), "changed"),
        (
            Exception(
                "Server returned non-2xx status code: 403 Forbidden: <Code>SignatureDoesNotMatch</Code>"
            ),
            "credentials",
        ),
        (Exception("Server returned non-2xx status code: 500 Internal"), "unreachable"),
        (
            Exception("Error performing PUT http://169.254.169.254/latest/api/token - HTTP error: timed out"),
            "credentials",
        ),
        (
            Exception("Error performing GET http://x/ in 2s - HTTP error: error sending request"),
            "unreachable",
        ),
        (Exception("Generic LocalFileSystem error: No space left on device (os error 28)"), "full"),
        (Exception("something else"), "fault"),
    ],
)
def test_kind_of(error, kind):
    assert kind_of(error) == kind


def test_storage_error__says_nothing_of_the_text():
    error = storage_error(Exception("https://x/?sig=hidden HTTP error"), "az://box/a", "read")
    assert "hidden" not in str(error) and "az://box/a" in str(error)


def test_in_words__each_says_how_to_mend_it():
    for kind in ("unreachable", "credentials", "permission", "no_bucket", "region", "full", "busy"):
        assert ". " in in_words(kind, "s3://bucket", "write")
