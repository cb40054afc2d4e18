# SPDX-License-Identifier: Apache-2.0
"""What an answer's headers declare of its body's checksums."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping

_MD5 = re.compile(r"[0-9a-f]{32}")
_PLAIN = {"x-amz-server-side-encryption": ("", "AES256"), "x-amz-server-side-encryption-customer-algorithm": ("",)}


def declared_md5(headers: Mapping[str, str]) -> str | None:
    """The body's MD5 in hexadecimal, where the source declares one.

    An ETag of S3 is that for an object that was put in one piece and not encrypted with a key of KMS or the customer
    (Amazon S3 API, Object); other sources make theirs as they like.
    """
    if content_md5 := headers.get("Content-MD5"):
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
