# SPDX-License-Identifier: Apache-2.0
"""One job for each export of somebody's own, by the rules of a recording's window.

The guide, edge case 3, asks for the same guardrail on WFM shift exports. Here are the parts that such an export has no
code of its own for: who may submit, how often, and which job stands for it. Waiting and fetching stay its own.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from airflow_provider_genesys.export.entry import Attempt, AttemptStatus, RequestState
from airflow_provider_genesys.export.errors import InvalidInput, OutcomeUnknown, Passing, Refused
from airflow_provider_genesys.export.leases import Held, Leases
from airflow_provider_genesys.export.model import ExportRequest, ExportWindow, Organisation
from airflow_provider_genesys.export.ports import Ledger, Submitter
from airflow_provider_genesys.export.submission import Submission

OWN = "own/"
"""What the media format of an export of somebody's own begins with."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_MOMENT = 30.0
"""Seconds in which an end is written down; far more than it takes."""
_WORDLESS = "no reason was given"
"""In the place of an empty reason, which means of a recording's job that its window was too large and must be split."""


def request_of(organisation: Organisation, what: Mapping[str, Any]) -> ExportRequest:
    """The request that stands in the ledger for an export of somebody's own.

    Its media format is ``own/{export}``, which none of a recording is: the two never share a key.

    :param what: a JSON object: ``export``, a name; ``start`` and ``end``, ISO 8601 with a zone, as the ledger lists and
        forgets by time; and whatever else tells one job from another.
    :raises InvalidInput: where one of the three is missing or wrong, or the rest is no JSON.
    """
    name = what.get("export")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidInput(f"an export's name is letters, digits, '.', '_' and '-': 'export' can't be {name!r}")
    filters = {key: value for key, value in what.items() if key not in ("export", "start", "end")}
    request = ExportRequest(organisation, ExportWindow.parse(what), f"{OWN}{name}", filters)
    try:
        _ = request.key
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"what tells the jobs of the export {name!r} apart must be JSON: {error}") from error
    return request


def submitted_once(
    ledger: Ledger,
    request: ExportRequest,
    submit: Callable[[], str],
    *,
    owner: str,
    lease_seconds: float = 300.0,
    force_run: str = "",
    sleep: Callable[[float], None] = time.sleep,
) -> str | Held:
    """The id of the request's one job, which ``submit`` makes unless there is one under way or finished.

    The attempt is in the ledger before ``submit`` is called, and the id is stored after. Where the process dies
    between, the request is held until its lease runs out, and the next caller's attempt says what it replaces.

    :param submit: makes a job and returns its id. What :class:`Passing` and :class:`OutcomeUnknown` say is believed,
        and it is tried again; a :class:`Refused` ends this attempt. Whatever else it raises may have made a job: that
        is written down, counts against the budget of three resubmissions, and is raised on, to be repeated by the next
        call only.
    :param owner: names the orchestrator: the same for all tries of one task.
    :param lease_seconds: longer than ``submit`` ever takes.
    :param force_run: names the run that wants a new job and a fresh budget; it gets them once.
    :return: :class:`Held` where another process is in the middle of a submission.
    :raises ExportFailed: where the budget is used up.
    """
    leases = Leases(ledger, owner, lease_seconds)
    submission = Submission(_Submitter(submit), ledger, leases, sleep)
    try:
        outcome = submission.ensure_job(request, force_run)
    except _Raised as error:
        raise error.cause from None
    if isinstance(outcome, Held):
        return outcome
    (entry,) = outcome  # none of these is ever split: an attempt that failed always has a reason here
    leases.release(entry)
    return _job_of(entry.current)


def finished(ledger: Ledger, request: ExportRequest, job_id: str, *, owner: str) -> bool:
    """Tell the ledger that a job has done its work: until the request is forgotten, there will be no other.

    :return: whether the job still stood for the request; False where another has replaced it.
    :raises InvalidInput: for a request that the ledger doesn't know.
    :raises Passing: where another process holds the request at this moment.
    """
    return _ended(ledger, request, job_id, owner, AttemptStatus.COMPLETED, RequestState.ARCHIVED)


def failed(ledger: Ledger, request: ExportRequest, job_id: str, reason: str, *, owner: str) -> bool:
    """Tell the ledger that a job has failed: the next :func:`submitted_once` makes another, within the budget.

    :param reason: the platform's words, without secrets: they are kept.
    :return: whether the job still stood for the request; False where another has replaced it.
    :raises InvalidInput: for a request that the ledger doesn't know.
    :raises Passing: where another process holds the request at this moment.
    """
    return _ended(ledger, request, job_id, owner, AttemptStatus.FAILED, RequestState.OPEN, reason or _WORDLESS)


class _Raised(OutcomeUnknown):
    """What a function that submits has raised, which leaves open whether there is a job."""

    def __init__(self, cause: Exception) -> None:
        # Told by its type only: the words of other people's errors may hold secrets, and these are kept.
        super().__init__(f"{type(cause).__name__} was raised; the job may exist or not", retry_after=math.inf)
        self.cause = cause


@dataclass(frozen=True)
class _Submitter(Submitter):
    """A function that submits, as the submission calls it."""

    function: Callable[[], str]

    def parts(self, request: ExportRequest) -> None:
        return None

    def submit(self, request: ExportRequest) -> str:
        try:
            return _checked(self.function())
        except Passing:
            raise
        except Refused as error:
            raise error if str(error) else Refused(_WORDLESS) from error
        except Exception as error:
            raise _Raised(error) from error


def _checked(job_id: Any) -> str:
    if not isinstance(job_id, str) or not job_id:
        raise InvalidInput(f"what submits an export must return the job's id, not {type(job_id).__name__}")
    return job_id


def _job_of(attempt: Attempt | None) -> str:
    if attempt is None or attempt.job_id is None:
        raise LookupError("an attempt that is under way has no job id")
    return attempt.job_id


def _ended(
    ledger: Ledger,
    request: ExportRequest,
    job_id: str,
    owner: str,
    status: AttemptStatus,
    state: RequestState,
    error: str = "",
) -> bool:
    if ledger.entry(request.key) is None:
        raise InvalidInput(
            f"{request.media_format} {request.window} is not in the ledger: it was submitted as something else, or "
            "with another 'ledger_conn_id'"
        )
    leases = Leases(ledger, owner, _MOMENT)
    entry = leases.hold(request)
    current = entry.current
    if current is None or current.job_id != job_id:
        leases.release(entry)
        return False
    if entry.lease is None:
        held = leases.held_elsewhere(entry)
        raise Passing(f"{request.media_format} {request.window} is held by {held.by} at this moment", held.wait)
    ended = replace(current, status=status, error=error, ended_at=ledger.now())
    leases.release(leases.save(replace(entry, attempts=(*entry.attempts[:-1], ended), state=state)))
    return True
