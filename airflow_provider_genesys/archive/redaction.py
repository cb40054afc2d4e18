# SPDX-License-Identifier: Apache-2.0
"""Keeps presigned URLs out of logs: their query is the secret."""

from __future__ import annotations

import logging
import re

_QUERY = re.compile(r"\?[^\s\"')>]+")

_LOGGERS = (
    "urllib3.connection",
    "urllib3.connectionpool",
    "urllib3.poolmanager",
    "urllib3.response",
    "urllib3.util.retry",
)


def redact_urllib3() -> None:
    """Take the query out of every request line that urllib3 logs, at whatever level and for whomever."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_without_query)


def _without_query(record: logging.LogRecord) -> bool:
    message = record.getMessage()
    if "?" in message:
        record.msg, record.args = _QUERY.sub("?...", message), ()
    return True
