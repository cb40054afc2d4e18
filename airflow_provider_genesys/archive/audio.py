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


def refuse_document_type(body: Body) -> None:
    """Refuse a body that is declared to be text.

    :raises WrongBody: for such a one.
    """
    if _DOCUMENT_TYPE.match(body.media_type):
        raise WrongBody(f"{body.host} sent {body.media_type} in place of a recording")


def refuse_document(start: memoryview, host: str) -> None:
    """Refuse what begins as a page does, or doesn't begin at all.

    :param start: the first bytes of what should be a recording; all of a short one.
    :raises WrongBody: for a page, and where there is nothing.
    """
    if not start:
        raise WrongBody(f"{host} sent an empty body in place of a recording")
    if _DOCUMENT_START.match(start[:_START]):
        raise WrongBody(f"{host} sent a page in place of a recording")
