# SPDX-License-Identifier: Apache-2.0
"""Bulk jobs: queries whose recordings Genesys Cloud itself exports, into the bucket of an integration.

The same endpoint deletes and archives recordings. Here a job's query is put together from fixed words, of which the
action is one: there is no argument that could say anything but EXPORT.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from airflow_provider_genesys.api.client import GenesysClient
from airflow_provider_genesys.api.errors import ApiPassing, ApiRefused, Call, without_secrets
from airflow_provider_genesys.api.selection import query_of
from airflow_provider_genesys.export.errors import NotYet, OutcomeUnknown, Passing
from airflow_provider_genesys.export.model import ExportJob, ExportRequest, JobStatus

SLOTS = 2
"""Jobs of an organisation that may be pending or processing together, those of its administrators included."""

_PATH = "/api/v2/recording/jobs"
SUBMIT = Call("POST", _PATH, "Recording > Job > Add", repeatable=False)
JOBS = Call("GET", _PATH, "Recording > Job > View")
JOB = Call("GET", f"{_PATH}/{{job_id}}", "Recording > Job > View")
START = Call(
    "PUT",
    f"{_PATH}/{{job_id}}",
    "Recording > Job > Edit, may edit the retention of recordings, and is the client that made the job",
)
DISCARD = Call("DELETE", f"{_PATH}/{{job_id}}", "Recording > Job > Delete")
FAILED = Call("GET", f"{_PATH}/{{job_id}}/failedrecordings", "Recording > Job > View")

PAGE = 100
"""Entries of a page: the most that the list of failed recordings gives."""

_BUSY = ("PENDING", "PROCESSING")
_STATUSES = {
    "READY": JobStatus.READY,
    "FULFILLED": JobStatus.COMPLETED,
    "FAILED": JobStatus.FAILED,
    "CANCELLED": JobStatus.CANCELED,
}
_OVER = ("FAILED", "CANCELLED")
_TOO_LARGE = re.compile(r"tim(ed|e).?out", re.IGNORECASE)
"""What a job fails with whose query found too much in its time: the SDK's advice is to query smaller periods."""

T = TypeVar("T")

_WRONG_STATE = (400, 404, 409)
"""What a call may be answered that comes too early or too late for the job: its state says which."""


@dataclass(frozen=True)
class Totals:
    """What a job says of itself.

    :param made_at: epoch seconds.
    :param recordings: all that its query found.
    :param skipped: those of them that had been exported before.
    :param failed: those that could not be exported.
    """

    made_at: float
    recordings: int
    skipped: int
    failed: int


@dataclass(frozen=True)
class BulkJobs:
    """The export jobs of one integration.

    :param integration_id: of the integration whose bucket receives the recordings.
    """

    client: GenesysClient
    integration_id: str
    clock: Callable[[], float] = time.time

    def submit(self, request: ExportRequest, *, rehearsal: bool = False) -> str:
        """Make a job, which then waits to be started, and return its id.

        :param rehearsal: it is one that nobody will start.
        :raises NotYet: where as many jobs as may be are pending or processing.
        """
        body = {**self._query(request, rehearsal), "actionDate": _iso(self.clock())}
        what = f"the job for window {request}"
        answer = self._with_slot(what, lambda: self.client.call(SUBMIT, body=body), (400, 409, 429))
        if not answer.get("id"):
            raise OutcomeUnknown(f"{SUBMIT}: the answer for window {request} has no id")
        return str(answer["id"])

    def job(self, job_id: str) -> ExportJob:
        """Ask for a job once. One that the platform doesn't know any more has failed in its words; one whose query
        timed out, without a word: it was too large.
        """
        try:
            answer = self.client.call(JOB, ids={"job_id": job_id})
        except ApiRefused as refused:
            if refused.body.status != 404:
                raise
            return ExportJob(job_id, JobStatus.FAILED, "not found", error=str(refused.body))
        word = str(answer.get("state") or "missing")
        error = without_secrets(str(answer.get("errorMessage") or ""))
        return ExportJob(
            job_id,
            _STATUSES.get(word.upper(), JobStatus.RUNNING),
            word,
            error=None if not error or _TOO_LARGE.search(error) else error,
            size=_count(answer, "totalRecordings"),
        )

    def totals(self, job_id: str) -> Totals:
        """What a job that has ended counts."""
        answer = self.client.call(JOB, ids={"job_id": job_id})
        made_at = _epoch(answer.get("dateCreated"))
        if made_at is None:
            raise Passing(f"{JOB}: job {job_id} has no 'dateCreated'")
        return Totals(
            made_at,
            recordings=_count(answer, "totalRecordings"),
            skipped=_count(answer, "totalSkippedRecordings"),
            failed=_count(answer, "totalFailedRecordings"),
        )

    def start(self, job_id: str) -> None:
        """Have a job that is ready export what it found; to whoever started it before, nothing happens.

        :raises NotYet: where as many jobs as may be are pending or processing.
        """

        def tell() -> None:
            try:
                self.client.tell(START, ids={"job_id": job_id}, body={"state": "PROCESSING"})
            except ApiRefused as error:
                if error.body.status not in _WRONG_STATE or self.job(job_id).status is JobStatus.READY:
                    raise

        self._with_slot(f"job {job_id}", tell, (*_WRONG_STATE, 429))

    def discard(self, job_id: str) -> None:
        """Cancel a job; one that is gone, or over, is left alone."""
        try:
            self.client.tell(DISCARD, ids={"job_id": job_id})
        except ApiRefused as refused:
            if refused.body.status not in _WRONG_STATE:
                raise
            if self.job(job_id).status in (JobStatus.READY, JobStatus.RUNNING):
                raise

    def orphan(self, request: ExportRequest, known: Collection[str], *, rehearsal: bool = False) -> str | None:
        """The newest job of this client's that asks what a request asks, and is neither known nor over."""
        query = self._query(request, rehearsal)
        found = [
            job
            for job in self._listed(showOnlyMyJobs="true", jobType="EXPORT")
            if str(job.get("id")) not in known and str(job.get("state")).upper() not in _OVER
            if _is_the_same(query, {**(job.get("recordingJobsQuery") or {}), "actionDate": None})
        ]
        newest = max(found, key=lambda job: _epoch(job.get("dateCreated")) or 0.0, default=None)
        return None if newest is None else str(newest["id"])

    def ready(self) -> list[str]:
        """The ids of this client's jobs that wait to be started."""
        return [str(job["id"]) for job in self._listed(state="READY", showOnlyMyJobs="true", jobType="EXPORT")]

    def busy(self) -> int:
        """How many of the organisation's jobs are pending or processing, whoever made them."""
        return sum(1 for state in _BUSY for _ in self._listed(state=state))

    def failed(self, job_id: str) -> list[tuple[str, str]]:
        """Conversation and recording ids of what a job could not export."""
        pairs = [
            (str((one.get("conversation") or {}).get("id") or ""), str((one.get("recording") or {}).get("id") or ""))
            for one in self._pages(FAILED, {"job_id": job_id})
        ]
        if any(not recording_id for _, recording_id in pairs):
            raise Passing(f"{FAILED}: job {job_id} lists a recording without an id")
        return pairs

    def probe(self) -> None:
        """Try to start and to discard a job that there is none of: whoever may is told that it isn't found.

        :raises Refused: for whoever may not.
        """
        nobodys = {"job_id": str(UUID(int=0))}
        for call, body in ((START, {"state": "PROCESSING"}), (DISCARD, None)):
            try:
                self.client.tell(call, ids=nobodys, body=body)
            except ApiRefused as refused:
                if refused.body.status not in _WRONG_STATE:
                    raise

    def _query(self, request: ExportRequest, rehearsal: bool) -> dict[str, Any]:
        """What a job is asked, but for the moment at which it is. A rehearsal asks in the other order, which changes
        nothing but that no export takes it for its own.
        """
        return {
            "action": "EXPORT",
            "integrationId": self.integration_id,
            "includeRecordingsWithSensitiveData": False,
            "includeScreenRecordings": "screen" in request.media,
            "includePolicyBasedRecordings": True,
            "includeSnippetRecordings": "audio" in request.media,
            "conversationQuery": {**query_of(request), "order": "desc" if rehearsal else "asc"},
        }

    def _with_slot(self, what: str, ask: Callable[[], T], refusals: Collection[int], looks: int = 3) -> T:
        """Ask for what needs a slot. A refusal doesn't say that there is none, and one may come free before the jobs
        are looked at: who finds room asks again, and takes the last refusal for what it says.

        :raises NotYet: where as many jobs as may be are pending or processing.
        """
        try:
            return ask()
        except (ApiRefused, ApiPassing) as error:
            if error.body.status not in refusals:
                raise
            self._refuse_without_slot(what)
            if looks == 1 or isinstance(error, ApiPassing):
                raise
        return self._with_slot(what, ask, refusals, looks - 1)

    def _refuse_without_slot(self, what: str) -> None:
        """How the platform words the refusal of a third job is not known: whether that is the cause, its list says."""
        busy = self.busy()
        if busy >= SLOTS:
            raise NotYet(
                f"Genesys Cloud runs {SLOTS} bulk jobs of an organisation at a time, and {busy} are pending or "
                f"processing, perhaps an administrator's: {what} waits"
            )

    def _listed(self, **filters: str) -> Iterator[Mapping[str, Any]]:
        return self._pages(JOBS, {}, filters)

    def _pages(
        self, call: Call, ids: Mapping[str, str], filters: Mapping[str, str] | None = None
    ) -> Iterator[Mapping[str, Any]]:
        """The entries of all pages, by cursor, which is found in the URI of the next one."""
        params = {**(filters or {}), "pageSize": PAGE, "includeTotal": "false"}
        seen: set[str] = set()
        while True:
            answer = self.client.call(call, ids=ids, params=params)
            yield from answer.get("entities") or ()
            cursor = parse_qs(urlsplit(str(answer.get("nextUri") or "")).query).get("cursor", [""])[0]
            if not cursor:
                return
            if cursor in seen:
                raise Passing(f"{call}: the cursor leads in a circle")
            seen.add(cursor)
            params = {**params, "cursor": cursor}


def _is_the_same(sent: Any, kept: Any) -> bool:
    """Whether the platform's record of a query is that of the one that was sent.

    It may write the same time another way, and have fields more, as long as they say nothing.
    """
    if isinstance(sent, Mapping):
        return (
            isinstance(kept, Mapping)
            and all(_is_the_same(value, kept.get(name)) for name, value in sent.items())
            and not any(value for name, value in kept.items() if name not in sent)
        )
    if isinstance(sent, list):
        return (
            isinstance(kept, list)
            and len(sent) == len(kept)
            and all(_is_the_same(*pair) for pair in zip(sent, kept, strict=True))
        )
    if isinstance(sent, str) and isinstance(kept, str):
        return bool(_times(sent) == _times(kept))
    return bool(sent == kept or not (sent or kept))


def _times(text: str) -> Any:
    """The times of an interval; a text that is none stands for itself."""
    times = [_epoch(part) for part in text.split("/")]
    return text.lower() if None in times else times


def _count(answer: Mapping[str, Any], name: str) -> int:
    count = answer.get(name)
    return count if isinstance(count, int) else 0


def _epoch(text: object) -> float | None:
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
