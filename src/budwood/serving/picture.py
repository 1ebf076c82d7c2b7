"""What is looked for in an upload before it is decoded: whether it is another kind of file as well."""

import struct

from budwood.core.errors import ImageError

_AT_THE_ENDS = (b"<?php", b"<script", b"<html", b"<!doctype html")
_END = 1024
_ZIP_END, _ZIP_END_BYTES = b"PK\x05\x06", 22


def refuse_polyglot(content: bytes) -> None:
    """Raise ImageError for a picture that other programs read as an archive, a document or a script.

    What phones append to a photo, such as a second picture or a film, is no such thing.

    >>> refuse_polyglot(b"GIF89a/*<script>*/")
    Traceback (most recent call last):
    budwood.core.errors.ImageError: it is a script or a page as well as a picture
    """
    start, end = content[:_END].lower(), content[-_END:].lower()
    if any(mark in start or mark in end for mark in _AT_THE_ENDS):
        raise ImageError("it is a script or a page as well as a picture", "not_an_image")
    if b"%pdf-" in start:
        raise ImageError("it is a PDF document as well as a picture", "not_an_image")
    place = content.rfind(_ZIP_END, max(0, len(content) - _ZIP_END_BYTES - 0xFFFF))
    if place >= 0 and len(content) - place >= _ZIP_END_BYTES:
        # By chance the four bytes stand in a photo now and then, with the right length of what follows not.
        (comment,) = struct.unpack_from("<H", content, place + 20)
        if place + _ZIP_END_BYTES + comment == len(content):
            raise ImageError("it is a zip archive as well as a picture", "not_an_image")
