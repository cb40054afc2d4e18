# SPDX-License-Identifier: Apache-2.0
"""Links from a task to its job, and to its documents in the archive. They read what the task has pushed, and look up no
connection.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import BaseOperatorLink, XCom

PAGES = "genesys_pages"
"""The XCom's key: an object of URLs (``job``, ``manifest``, ``receipt``, ``report``), none of them presigned."""


class _DocumentLink(BaseOperatorLink):
    """A link to one of the task's documents; none where the task has not pushed its URL."""

    document = ""

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """The document's URL, or an empty text."""
        pages = XCom.get_value(key=PAGES, ti_key=ti_key)
        return str(pages.get(self.document, "")) if isinstance(pages, dict) else ""


class ManifestLink(_DocumentLink):
    """To the manifest of the task's job; to the folder of all where it has several jobs."""

    name = "Manifest"
    document = "manifest"


class ReceiptLink(_DocumentLink):
    """To the receipt of the task's window."""

    name = "Receipt"
    document = "receipt"


class JobLink(_DocumentLink):
    """To the task's job; to all jobs where it has several. Only a simulator has a page of them."""

    name = "Job"
    document = "job"


class ReportLink(_DocumentLink):
    """To the report of the run's interval."""

    name = "Report"
    document = "report"
