# SPDX-License-Identifier: Apache-2.0
"""Presigned URLs: what is signed, how they are written, and which call one stands for."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote

from airflow_provider_genesys.simulator.jobs import Job
from airflow_provider_genesys.simulator.universe import Call

ENDINGS = {"mp3": "mp3", "wav": "wav", "default": "gcenc"}
# Names the call behind a recording's URL, so that storage need not remember a single recording.
CALL = "x-call"


def manifest_url(job: Job, secret: bytes, base_url: str) -> str:
    """The presigned URL of a job's manifest.

    :param secret: what the simulator signs with.
    :param base_url: scheme, host and port under which the client reached the simulator.
    """
    return _url(base_url, f"/storage/{job.job_id}/manifest.json", "", job, secret)


def recording_url(job: Job, call: Call, secret: bytes, base_url: str) -> str:
    """The presigned URL of one of a job's recordings; parameters as with :func:`manifest_url`."""
    return _url(base_url, recording_path(job, call), f"{call.day}.{call.index}", job, secret)


def recording_path(job: Job, call: Call) -> str:
    """The path of a recording's URL, not yet percent-encoded."""
    return f"/storage/{job.job_id}/recordings/{job.listed_id(call)}.{ENDINGS[job.media_format]}"


def signature(path: str, signed_at: str, expires: str, call: str, secret: bytes) -> str:
    """The hexadecimal HMAC-SHA256 of a GET.

    :param path: the URL's path, not percent-encoded.
    :param signed_at: its ``X-Amz-Date``.
    :param expires: its ``X-Amz-Expires``.
    :param call: its ``x-call``; empty for a manifest.
    """
    message = "\n".join(("GET", path, signed_at, expires, call)).encode()
    return hmac.digest(secret, message, "sha256").hex()


def is_genuine(path: str, query: Mapping[str, str], secret: bytes) -> bool:
    """Whether a URL was signed here and nothing in it was changed."""
    expected = signature(path, query.get("X-Amz-Date", ""), query.get("X-Amz-Expires", ""), query.get(CALL, ""), secret)
    return hmac.compare_digest(expected.encode(), query.get("X-Amz-Signature", "").encode())


def call_of(query: Mapping[str, str]) -> tuple[int, int]:
    """``(day, index)`` of the call behind a genuine URL of a recording."""
    day, _, index = query[CALL].partition(".")
    return int(day), int(index)


def signature_of(job: Job, call: Call | None, secret: bytes) -> str:
    """The signature in the URL of a recording, or of the manifest where ``call`` is None."""
    signed_at, expires = _validity(job)
    if call is None:
        return signature(f"/storage/{job.job_id}/manifest.json", signed_at, expires, "", secret)
    return signature(recording_path(job, call), signed_at, expires, f"{call.day}.{call.index}", secret)


def _url(base_url: str, path: str, call: str, job: Job, secret: bytes) -> str:
    signed_at, expires = _validity(job)
    return signed(base_url, path, _encoded(path, job), signed_at, expires, call, secret)


def signed(base_url: str, path: str, encoded: str, signed_at: str, expires: str, call: str, secret: bytes) -> str:
    """A presigned URL; most parameters are those of :func:`signature`.

    :param base_url: scheme, host and port under which the client reached the simulator.
    :param encoded: the path, percent-encoded.
    """
    return (
        f"{base_url}{encoded}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date={signed_at}"
        f"&X-Amz-Expires={expires}&X-Amz-SignedHeaders=host{f'&{CALL}={call}' if call else ''}"
        f"&X-Amz-Signature={signature(path, signed_at, expires, call, secret)}"
    )


def _encoded(path: str, job: Job) -> str:
    """Percent-encode what follows the job's folder as one name each: an id with slashes must not become folders."""
    folder = f"/storage/{job.job_id}/"
    room, slash, name = path.removeprefix(folder).partition("/")
    return folder + room + slash + quote(name, safe="")


def _validity(job: Job) -> tuple[str, str]:
    """``X-Amz-Date`` and ``X-Amz-Expires``, in whole seconds as S3 has them; the job knows the exact end."""
    return amz_date(job.ended_at), str(round(job.url_seconds))


@lru_cache(maxsize=256)
def amz_date(when: float) -> str:
    """A Unix time as ``X-Amz-Date`` has it, in whole seconds."""
    return datetime.fromtimestamp(when, tz=UTC).strftime("%Y%m%dT%H%M%SZ")
