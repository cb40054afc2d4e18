# SPDX-License-Identifier: Apache-2.0
"""The ways in which a day can be exported, and what each of them must have brought."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from airflow_provider_genesys.simulator import Simulator, Universe
from airflow_provider_genesys.simulator.audio import Body, recording
from airflow_provider_genesys.simulator.conversations import Conversation, Conversations
from airflow_provider_genesys.simulator.platform.media import MediaFile, originals

Files = Iterator[tuple[str, Body]]


@dataclass(frozen=True)
class Way:
    """An API and a format.

    :param export_api: the connection's extra.
    :param media_format: the DAG's param.
    :param files: the names and bytes of all files of a day (days since 1970).
    :param job_ids: of the jobs that the platform has made.
    :param delivers: the platform brings the files into the archive, and nobody downloads any.
    """

    export_api: str
    media_format: str
    files: Callable[[Universe, int], Files]
    job_ids: Callable[[Simulator], set[str]]
    delivers: bool = False

    def jobs(self, simulator: Simulator) -> int:
        """How many jobs the platform has made."""
        return len(self.job_ids(simulator))

    def truth(self, universe: Universe, day: int) -> dict[str, tuple[int, str]]:
        """Size and SHA-256 of every file, by the name under which it is archived."""
        return {name: (body.size, _sha256(body)) for name, body in self.files(universe, day)}


def _calls(universe: Universe, day: int) -> Files:
    start = day * 86_400_000
    for call in universe.calls(start, start + 86_400_000):
        yield call.recording_id, recording("mp3", call.recording_id, call.audio_bytes)


def _recorded(universe: Universe, day: int) -> Iterator[Conversation]:
    conversations = Conversations(universe)
    for position in range(conversations.count(day)):
        conversation = conversations.at(day, position)
        if conversation.shape.recorded:
            yield conversation


def _originals(universe: Universe, day: int, screens: bool = True) -> Files:
    """The files of a batch request: screens too, which come as archives that can't be told from calls."""
    for conversation in _recorded(universe, day):
        for media in (each for each in conversation.recordings if screens or each.media != "screen"):
            files = originals(conversation, media)
            for number, file in enumerate(files):
                yield media.recording_id if len(files) == 1 else f"{media.recording_id}_{number}", file.body()


def _calls_as_recorded(universe: Universe, day: int) -> Files:
    """The files of a bulk job that is not asked for screens."""
    return _originals(universe, day, screens=False)


def _transcoded(universe: Universe, day: int) -> Files:
    for conversation in _recorded(universe, day):
        for media in (each for each in conversation.recordings if each.media == "audio"):
            for channel in media.channels:
                name = media.recording_id if len(media.channels) == 1 else f"{media.recording_id}_{channel}"
                yield name, MediaFile(conversation, media, channel, "mp3").body()


def _sha256(body: Body) -> str:
    digest = hashlib.sha256()
    for chunk in body.chunks(0, body.size):
        digest.update(chunk)
    return digest.hexdigest()


def _bulk_jobs(simulator: Simulator) -> set[str]:
    return {job.job_id for job in simulator.bulk_jobs if job.query["action"] == "EXPORT"}


GUIDE = Way("guide", "mp3", _calls, lambda simulator: {job.job_id for job in simulator.jobs})
BATCH = Way("batch", "auto", _originals, lambda simulator: {batch.batch_id for batch in simulator.batches})
TRANSCODED = Way("batch", "mp3", _transcoded, lambda simulator: set())
BULK = Way("bulk", "auto", _calls_as_recorded, _bulk_jobs, delivers=True)

WAYS = {"guide": GUIDE, "batch": BATCH, "transcoded": TRANSCODED, "bulk": BULK}
