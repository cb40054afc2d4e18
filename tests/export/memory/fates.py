# SPDX-License-Identifier: Apache-2.0
"""What becomes of submissions to the platform in memory."""

from __future__ import annotations

from dataclasses import dataclass, replace

from airflow_provider_genesys.export.errors import ExportError, OutcomeUnknown, Passing
from airflow_provider_genesys.export.model import JobStatus


@dataclass(frozen=True)
class Fate:
    """What becomes of one submission.

    :param ends: the job's end, after ``seconds``; the platform's ``words`` come with it.
    :param raises: what the ``POST`` raises.
    :param makes_job: whether there is a job all the same.
    :param until_then: the job's status before its end.
    :param lives: seconds from its end for which the job's URLs live; None: it doesn't say, they live for ever.
    :param listed: ids of the job's recordings; None: the calls of its window.
    :param unavailable: ids whose URL is null.
    :param manifest: ids that the manifest lists; None: those of the job.
    :param manifest_reads: whether the manifest has a known form.
    :param has_manifest: whether the job has a URL of a manifest at all.
    :param prepares: seconds until a job that waits to be started is ready; its ``seconds`` begin when it is.
    """

    ends: JobStatus = JobStatus.COMPLETED
    seconds: float = 0.0
    words: str | None = None
    raises: ExportError | None = None
    makes_job: bool = True
    until_then: str = "processing"
    lives: float | None = 3600.0
    listed: tuple[str, ...] | None = None
    unavailable: frozenset[str] = frozenset()
    manifest: tuple[str, ...] | None = None
    manifest_reads: bool = True
    has_manifest: bool = True
    prepares: float = 0.0


COMPLETES = Fate()
SLOW = replace(COMPLETES, seconds=600.0)
FAILS = Fate(JobStatus.FAILED, words="worker aborted")
FAILS_SILENTLY = Fate(JobStatus.FAILED)
IS_CANCELED = Fate(JobStatus.CANCELED, words="canceled by an administrator")
LOSES_ITS_ANSWER = Fate(raises=OutcomeUnknown("the connection was lost; the job may exist or not"))


def is_refused(error: ExportError) -> Fate:
    """The ``POST`` is answered, and there is no job."""
    return Fate(raises=error, makes_job=False)


def is_too_busy(retry_after: float | None = None) -> Fate:
    """429."""
    return is_refused(Passing("over the organisation's rate limit", retry_after))
