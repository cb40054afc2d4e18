# SPDX-License-Identifier: Apache-2.0
"""What an answer's headers declare of a recording's checksums, and whether the bytes that came bear it out."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping

from airflow_provider_genesys.export.errors import WrongBody

_MD5 = re.compile(r"[0-9a-f]{32}")
_PLAIN = {"x-amz-server-side-encryption": ("", "AES256"), "x-amz-server-side-encryption-customer-algorithm": ("",)}


class Digest:
    """Hashes of a recording's bytes, which pass in their order: its SHA-256, and its MD5 where that is declared.

    :param headers: the answer's that began the recording.
    :param partial: its body is a part of the recording only, which no checksum of a body is then.
    """

    def __init__(self, headers: Mapping[str, str], *, partial: bool = False) -> None:
        self._expected_md5 = declared_md5(headers, partial=partial)
        self._expected_sha256 = None if partial else declared_sha256(headers)
        self._md5 = hashlib.md5(usedforsecurity=False) if self._expected_md5 else None
        self._sha256 = hashlib.sha256()

    def update(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes in."""
        self._sha256.update(chunk)
        if self._md5:
            self._md5.update(chunk)

    @property
    def sha256(self) -> str:
        """Hexadecimal, of the bytes so far."""
        return self._sha256.hexdigest()

    def check(self, host: str) -> None:
        """Hold the bytes, now that all have come, against what was declared.

        :param host: whom they come from.
        :raises WrongBody: where they are others.
        """
        if self._md5 and self._md5.hexdigest() != self._expected_md5:
            raise WrongBody(f"{host} sent bytes that don't match their MD5")
        if self._expected_sha256 not in (None, self.sha256):
            raise WrongBody(f"{host} sent bytes that don't match their SHA-256")


def declared_md5(headers: Mapping[str, str], *, partial: bool = False) -> str | None:
    """The recording's MD5 in hexadecimal, where the source declares one.

    ``Content-MD5`` is the body's, and so the recording's only where the body is the whole of it. An ETag of S3 is the
    recording's where it was put in one piece and not encrypted with a key of KMS or the customer
    (Amazon S3 API, Object); other sources make theirs as they like.
    """
    if (content_md5 := headers.get("Content-MD5")) and not partial:
        return _hexadecimal(content_md5)
    if "x-amz-request-id" not in headers or any(headers.get(name, "") not in plain for name, plain in _PLAIN.items()):
        return None
    etag = headers.get("ETag", "").strip('"').lower()
    return etag if _MD5.fullmatch(etag) else None


def declared_sha256(headers: Mapping[str, str]) -> str | None:
    """``checksum-N`` is the checksum of N parts' checksums, not of the bytes."""
    declared = headers.get("x-amz-checksum-sha256")
    return None if declared is None or "-" in declared else _hexadecimal(declared)


def _hexadecimal(base64_text: str) -> str:
    try:
        return base64.b64decode(base64_text, validate=True).hex()
    except ValueError:
        return "unreadable"
