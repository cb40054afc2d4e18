# SPDX-License-Identifier: Apache-2.0
"""The requests that an export costs with each of the APIs, for the estimate of a range."""

from __future__ import annotations

from airflow_provider_genesys.api.analytics import PAGE, QUERY_LIMIT, RESULTS_PAGE
from airflow_provider_genesys.api.batch import LOT
from airflow_provider_genesys.api.bulkjobs import SLOTS
from airflow_provider_genesys.export.estimate import Costs

_POLLS_OF_A_SEARCH = 4
"""How often a details job is asked for until it is done: about."""


def search_requests(conversations: int) -> int:
    """The requests of one search for so many conversations: pages of a query, or a details job and its pages."""
    if conversations <= QUERY_LIMIT:
        return max(1, -(-conversations // PAGE))
    return 1 + _POLLS_OF_A_SEARCH - (-conversations // RESULTS_PAGE)


def _two_searches(conversations: int) -> int:
    return 2 * search_requests(conversations)


GUIDE = Costs()
BATCH = Costs(lot=LOT, search=_two_searches, day=1, window=2)
TRANSCODED = Costs(lot=LOT, submission=0, poll=None, search=_two_searches, day=1, window=2)
"""``batch`` asks for each conversation where it is to be mp3 or wav."""

BULK = Costs(start=1, search=search_requests, day=1, window=2, jobs_at_a_time=SLOTS)


def costs_of(export_api: str, media_format: str) -> Costs:
    """What an export costs by the API of a name.

    :param media_format: as a request has it.
    """
    if export_api == "batch" and media_format in ("mp3", "wav"):
        return TRANSCODED
    return {"guide": GUIDE, "batch": BATCH, "bulk": BULK}[export_api]
