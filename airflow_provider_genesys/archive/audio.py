# SPDX-License-Identifier: Apache-2.0
"""Telling a recording from the page that came in its place: an error, a login, a maintenance notice.

Storages name audio in many ways, and pages in few: the pages are refused.
"""

from __future__ import annotations

import re

from airflow_provider_genesys.archive.download import Body
from airflow_provider_genesys.export.errors import WrongBody

_DOCUMENT_TYPE = re.compile(r"text/|.*\b(xml|json|html)\b")
_DOCUMENT_START = re.compile(rb"\s*<(\?xml|!doctype|html)\b", re.IGNORECASE)
_START = 1024


def refuse_document_type(body: Body, declared: str | None = None) -> None:
    """Refuse a body that is declared to be text.

    :param declared: the media type that the platform gives the recording, where it does: one of a chat is a document.
    :raises WrongBody: for such a one.
    """
    if _DOCUMENT_TYPE.match(body.media_type) and body.media_type != declared:
        raise WrongBody(f"{body.host} sent {body.media_type} in place of a recording")


def refuse_document(start: memoryview, host: str, declared: str | None = None) -> None:
    """Refuse what begins as a page does, or doesn't begin at all.

    :param start: the first bytes of what should be a recording; all of a short one.
    :param declared: as for :func:`refuse_document_type`.
    :raises WrongBody: for a page, and where there is nothing.
    """
    if not start:
        raise WrongBody(f"{host} sent an empty body in place of a recording")
    if not _is_document(declared) and _DOCUMENT_START.match(start[:_START]):
        raise WrongBody(f"{host} sent a page in place of a recording")


def _is_document(declared: str | None) -> bool:
    return declared is not None and _DOCUMENT_TYPE.match(declared) is not None
