# SPDX-License-Identifier: Apache-2.0
"""Telling a recording from the page that came in its place: an error, a login, a maintenance notice."""

from __future__ import annotations

import re
from collections.abc import Iterator

from airflow_provider_genesys.archive.download import Body
from airflow_provider_genesys.export.errors import WrongBody

_DOCUMENT_TYPE = re.compile(r"text/|.*\b(xml|json|html)\b")
_DOCUMENT_START = re.compile(rb"\s*<(\?xml|!doctype|html)\b", re.IGNORECASE)


def audio(body: Body, declared: str | None = None) -> Iterator[bytes]:
    """The body's chunks, for a body that can be a recording. Storages name audio in many ways, and pages in few:
    the pages are refused.

    :param declared: the media type that the platform gives the recording, where it does: one of a chat is a document.
    :raises WrongBody: for a document of text that is not declared as such, and for an empty body.
    """
    is_document = bool(declared and _DOCUMENT_TYPE.match(declared))
    if _DOCUMENT_TYPE.match(body.media_type) and body.media_type != declared:
        raise WrongBody(f"{body.host} sent {body.media_type} in place of a recording")
    for chunk in body:
        if not is_document and body.received == len(chunk) and _DOCUMENT_START.match(chunk):
            raise WrongBody(f"{body.host} sent a page in place of a recording")
        yield chunk
    if not body.received:
        raise WrongBody(f"{body.host} sent an empty body in place of a recording")
