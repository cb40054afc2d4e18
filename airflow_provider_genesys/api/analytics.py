# SPDX-License-Identifier: Apache-2.0
"""Finding what was recorded: the details query of conversations, and the details job where a query is too small.

Both take an ``interval``, and mean different things by it: the query finds what started on a day that the interval
touches, the job what was active within it. Here a conversation belongs to the window in which it started, once.
"""

from __future__ import annotations

import logging
import math
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_genesys.api.client import GenesysClient
from airflow_provider_genesys.api.details import Conversation
from airflow_provider_genesys.api.errors import Call
from airflow_provider_genesys.api.selection import SHORTEST, query_of
from airflow_provider_genesys.export.errors import Passing
from airflow_provider_genesys.export.model import ExportRequest, ExportWindow

logger = logging.getLogger(__name__)

_VIEW = "Analytics > Conversation Detail > View"
_PATH = "/api/v2/analytics/conversations/details"
QUERY = Call("POST", f"{_PATH}/query", _VIEW)
SUBMIT = Call("POST", f"{_PATH}/jobs", _VIEW)
"""Repeatable: a second job of this kind costs a query, and exports nothing."""
JOB = Call("GET", f"{_PATH}/jobs/{{job_id}}", _VIEW)
RESULTS = Call("GET", f"{_PATH}/jobs/{{job_id}}/results", _VIEW)
AVAILABILITY = Call("GET", f"{_PATH}/jobs/availability", _VIEW)

PAGE = 100
"""Conversations on a page of a query: the platform's most. Its default would be 25."""

QUERY_LIMIT = 1000
"""A query that finds more is made by a job, whose pages are ten times as large; the platform's own limit is 10,000."""

QUERY_AGE, QUERY_LENGTH = timedelta(days=35), timedelta(days=7)
"""What a query may look at: intervals that began so long ago at most, and are so long."""

RESULTS_PAGE = 1000

_JOB_SECONDS = 900.0
_LONGEST_PAUSE = 15.0


@dataclass
class Analytics:
    """What was recorded in an organisation. What was found is kept for as long as the object lives.

    :param clock: this machine's, epoch seconds.
    :param sleep: waits for a details job.
    """

    client: GenesysClient
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    _found: dict[str, tuple[ExportWindow, dict[str, Conversation]]] = field(default_factory=dict)
    _days: dict[str, ExportWindow] = field(default_factory=dict)
    _starts: dict[str, list[float]] = field(default_factory=dict)

    def available_until(self) -> float:
        """Until when the data lake knows of conversations, epoch seconds."""
        answer = self.client.call(AVAILABILITY)
        try:
            return datetime.fromisoformat(str(answer.get("dataAvailabilityDate"))).timestamp()
        except ValueError:
            raise Passing(f"{AVAILABILITY}: the answer has no 'dataAvailabilityDate'") from None

    def count(self, request: ExportRequest) -> int:
        """How many conversations of a window were recorded.

        One request for a day. What is smaller is counted among the day's conversations, since a query counts those
        of whole days; they are searched once, and so is a day that is too old for a query.
        """
        selection, window = request.selection_key, request.window
        day = self._days.get(selection)
        if day is None or not _contains(day, window):
            self._days[selection] = day = window
            self._starts.pop(selection, None)
            if self._may_be_queried(window):
                return self._hits(self._query(query_of(request), 1, size=1))
        if selection not in self._starts:
            self._starts[selection] = sorted(one.start for one in self._wanted(replace(request, window=day)))
        starts = self._starts[selection]
        return bisect_left(starts, window.end.timestamp()) - bisect_left(starts, window.start.timestamp())

    def countable_since(self) -> float:
        """Since when a day is counted by one query, epoch seconds; an hour less than that, since time passes."""
        return self.clock() - QUERY_AGE.total_seconds() + 3600.0

    def recorded(self, request: ExportRequest) -> dict[str, Conversation]:
        """The recorded conversations that started in a window, by id, in order of their start."""
        selection, window = request.selection_key, request.window
        known, conversations = self._found.get(selection, (None, {}))
        if known != window:
            found = sorted(self._wanted(request), key=lambda one: (one.start, one.conversation_id))
            conversations = {one.conversation_id: one for one in found}
            self._found[selection] = (window, conversations)
            logger.info("%d conversations of %s were recorded", len(conversations), window)
        return conversations

    def active(self, request: ExportRequest) -> dict[str, Conversation]:
        """The conversations that were going on in a window, by id: those that a job finds that is given the request's
        query, whether it looks for details or exports recordings.
        """
        return {one.conversation_id: one for one in map(_conversation, self._results(query_of(request)))}

    def glance(self, request: ExportRequest) -> tuple[int, list[Conversation]]:
        """How many recorded conversations a query finds, and the first hundred of them: one request."""
        answer = self._query(query_of(request), 1)
        return self._hits(answer), [_conversation(one) for one in _conversations(answer)]

    def _wanted(self, request: ExportRequest) -> Iterator[Conversation]:
        return (one for one in map(_conversation, self._searched(request)) if is_wanted(one, request))

    def _searched(self, request: ExportRequest) -> Iterator[Any]:
        query = query_of(request)
        if self._may_be_queried(request.window):
            first = self._query(query, 1)
            hits = self._hits(first)
            if hits <= QUERY_LIMIT:
                yield from _conversations(first)
                for page in range(2, -(-hits // PAGE) + 1):
                    yield from _conversations(self._query(query, page))
                return
        yield from self._results(query)

    def _may_be_queried(self, window: ExportWindow) -> bool:
        oldest = self.clock() - QUERY_AGE.total_seconds()
        return window.length <= QUERY_LENGTH and window.start.timestamp() > oldest

    def _query(self, query: dict[str, Any], page: int, size: int = PAGE) -> dict[str, Any]:
        return self.client.call(QUERY, body={**query, "paging": {"pageSize": size, "pageNumber": page}})

    def _hits(self, answer: dict[str, Any]) -> int:
        """How many conversations a query found in all. An answer without conversations may leave the number out."""
        hits = answer.get("totalHits", 0 if not answer.get("conversations") else None)
        if not isinstance(hits, int) or hits < 0:
            raise Passing(f"{QUERY}: the answer has no 'totalHits'")
        return hits

    def _results(self, query: dict[str, Any]) -> Iterator[Any]:
        """What a details job finds, all its pages."""
        job_id = str(self.client.call(SUBMIT, body=query).get("jobId") or "")
        if not job_id:
            raise Passing(f"{SUBMIT}: the answer has no 'jobId'")
        self._await(job_id)
        cursor: dict[str, str] = {}
        while True:
            answer = self.client.call(RESULTS, ids={"job_id": job_id}, params={"pageSize": RESULTS_PAGE, **cursor})
            yield from _conversations(answer)
            following = answer.get("cursor")
            if not following:
                return
            if following == cursor.get("cursor"):
                raise Passing(f"{RESULTS}: the cursor of details job {job_id} leads in a circle")
            cursor = {"cursor": str(following)}

    def _await(self, job_id: str) -> None:
        """Wait until a details job has its results, which takes seconds to minutes."""
        deadline, pause = self.clock() + _JOB_SECONDS, 1.0
        while True:
            state = str(self.client.call(JOB, ids={"job_id": job_id}).get("state") or "").upper()
            if state == "FULFILLED":
                return
            if state in ("FAILED", "CANCELLED", "EXPIRED"):
                raise Passing(f"the details job {job_id}, which looks for recorded conversations, is {state}")
            if self.clock() > deadline:
                raise Passing(f"the details job {job_id} is still {state or 'without a state'} after minutes")
            self.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


def _contains(outer: ExportWindow, window: ExportWindow) -> bool:
    return outer.start <= window.start and window.end <= outer.end


def _conversations(answer: dict[str, Any]) -> list[Any]:
    return list(answer.get("conversations") or ())


def _conversation(answer: Any) -> Conversation:
    try:
        return Conversation.of(answer)
    except (ValueError, AttributeError, TypeError) as error:
        raise Passing(f"analytics gave a conversation that can't be read: {error}") from None


def is_wanted(one: Conversation, request: ExportRequest) -> bool:
    """Whether a conversation that was found is one of the request's: what was asked of the platform, held once more."""
    start, end = request.window.start.timestamp(), request.window.end.timestamp()
    lasted = math.inf if one.end is None else one.end - one.start
    return (
        start <= one.start < end
        and not (one.recorded | one.written).isdisjoint(request.media)
        and lasted >= request.filters.get(SHORTEST, 0)
    )
