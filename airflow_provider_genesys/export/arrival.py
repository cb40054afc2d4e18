# SPDX-License-Identifier: Apache-2.0
"""What has arrived of a job whose recordings the platform delivers by itself.

That a job is done says that recordings were marked for export, not that they are there. One listing of the bucket
tells what is; only what it lacks is asked of the platform, conversation by conversation.

A job counts recordings, and nobody says how many files one of them has. So a delivery counts as over once nothing has
come for a while, and what comes later still is found when the bucket is held against the receipt.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from airflow_provider_genesys.export.errors import NotYet
from airflow_provider_genesys.export.model import Delivery, ExportRequest, Recording
from airflow_provider_genesys.export.ports import Archive, ExportApi

logger = logging.getLogger(__name__)

PATIENCE = 48 * 3600.0
"""Seconds after a job's end until what has not arrived counts as lost."""

_LONGEST_PAUSE = 1800.0


def arrived(
    request: ExportRequest,
    delivery: Delivery,
    api: ExportApi,
    archive: Archive,
    now: float,
    ended_at: float,
    quiet: float,
) -> tuple[Recording, ...]:
    """The recordings of the window's own conversations: stored, unavailable, or overdue.

    The job counts what it looked at; what the bucket has of that, and what failed, is told from it. As long as more is
    open than was skipped, a delivery is under way, and nothing is asked.

    :param now: epoch seconds, as ``ended_at``, the job's end.
    :param quiet: seconds for which nothing has come when a delivery is over.
    :raises NotYet: while something may still arrive.
    """
    files = list(archive.delivered(delivery.conversations))
    there = {file.recording_id for file in files}
    failed = [one for one in delivery.failed if one.recording_id not in there]
    open_ = delivery.recordings - len(there) - len({one.recording_id for one in failed})
    waited = now - ended_at
    is_over = waited >= PATIENCE
    if open_ > delivery.skipped and not is_over:
        raise _not_yet(request, delivery, open_ - delivery.skipped, waited)
    own = set(delivery.own)
    known = {one.conversation_id for one in (*files, *failed)}
    absent = _absent(request, delivery, api, [one for one in delivery.own if one not in known], there)
    if open_ > len(absent):  # of a conversation that is there, a part is not
        absent |= _absent(request, delivery, api, [one for one in delivery.own if one in known], there)
    awaited = [one for one in absent.values() if one.reason is None]
    if awaited and not is_over:
        raise _not_yet(request, delivery, len(awaited), waited)
    newest = max((file.stored.stored_at or 0.0 for file in files if file.stored), default=0.0)
    if now - newest < quiet and not is_over:
        raise NotYet(f"window {request}: files have arrived in the bucket just now", quiet - max(now - newest, 0.0))
    settled = {one.recording_id: _overdue(one, delivery) for one in absent.values()}
    settled |= {one.recording_id: one for one in failed if one.conversation_id in own}
    return (*_named(file for file in files if file.conversation_id in own), *settled.values())


def _absent(
    request: ExportRequest, delivery: Delivery, api: ExportApi, conversations: list[str], there: set[str]
) -> dict[str, Recording]:
    """What the platform says of the recordings of these conversations that did not arrive, by id."""
    if not conversations:
        return {}
    logger.info("%d conversations of %s are looked up one by one", len(conversations), request)
    found = api.absent(request, delivery, conversations)
    return {one.recording_id: one for one in found if one.recording_id not in there}


def _overdue(one: Recording, delivery: Delivery) -> Recording:
    """Something that will not come says so itself; the rest should have come by now."""
    if one.reason is not None:
        return one
    reason = f"job {delivery.job_id} is done since {PATIENCE / 3600:.0f} hours, and it is not in the bucket"
    return replace(one, reason=reason, overdue=True)


def _not_yet(request: ExportRequest, delivery: Delivery, recordings: int, waited: float) -> NotYet:
    return NotYet(
        f"window {request}: {recordings} of {delivery.recordings} recordings of job {delivery.job_id} have not arrived "
        "in the bucket yet",
        min(waited / 4, _LONGEST_PAUSE),
    )


def _named(files: Iterable[Recording]) -> list[Recording]:
    """Files under names of their own: the recording's id, and a number after it where a recording has several."""
    by_recording: Mapping[str, list[Recording]] = defaultdict(list)
    for file in files:
        by_recording[file.recording_id].append(file)
    return [
        file if len(same) == 1 else replace(file, recording_id=f"{recording_id}_{number}")
        for recording_id, same in by_recording.items()
        for number, file in enumerate(sorted(same, key=lambda one: one.stored.key if one.stored else ""))
    ]
