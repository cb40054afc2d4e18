# SPDX-License-Identifier: Apache-2.0
"""The files behind the published Platform API's media: their bytes, their presigned URLs, and who asks for them.

A URL says all that is needed to serve it, its end included: X-Amz-Date and X-Amz-Expires, as S3 has them.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from aiohttp import web

from airflow_provider_genesys.simulator import audio
from airflow_provider_genesys.simulator.audio import Body
from airflow_provider_genesys.simulator.conversations import Conversation, Media
from airflow_provider_genesys.simulator.ogg import opus
from airflow_provider_genesys.simulator.presigned import CALL, amz_date, signed
from airflow_provider_genesys.simulator.simulation import Simulation
from airflow_provider_genesys.simulator.storage import Stored, expired, served
from airflow_provider_genesys.simulator.times import to_iso

ORIGINALS = {"audio": "ogg", "screen": "zip", "chat": "json", "email": "json", "message": "json"}
"""How the platform keeps each media, if it is not asked to transcode it."""
CONTENT_TYPES = {
    "ogg": "audio/ogg",
    "zip": "application/zip",
    "json": "application/json",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
}
STATES = {"archived_media": "ARCHIVED", "restoring_media": "RESTORING", "deleted_media": "DELETED"}
"""``fileState`` of a recording that a fault strikes; AVAILABLE otherwise."""
ERRORS = {
    "archived_media": "Recording is archived",
    "restoring_media": "Recording is being restored",
    "deleted_media": "Recording is deleted",
}
"""``errorMsg`` of such a recording in a batch request."""


def unavailable(struck: frozenset[str]) -> str | None:
    """Of the faults that strike a recording, the one that takes its media away."""
    return next((kind for kind in STATES if kind in struck), None)


@dataclass(frozen=True)
class MediaFile:
    """One file of a recording.

    :param part: which of its results or channels; empty where there is one only.
    :param container: a key of :data:`CONTENT_TYPES`.
    """

    conversation: Conversation
    media: Media
    part: str
    container: str

    @property
    def stem(self) -> str:
        """Its name without an ending: unique among the files of all recordings."""
        return f"{self.media.recording_id}-{self.part}" if self.part else self.media.recording_id

    @property
    def name(self) -> str:
        """Its name."""
        return f"{self.stem}.{self.container}"

    @property
    def content_type(self) -> str:
        """Its Content-Type."""
        return CONTENT_TYPES[self.container]

    def body(self) -> Body:
        """Its content."""
        if self.container == "ogg":
            return opus(self.stem, self.media.size)
        if self.container in ("zip", "json"):
            content = _zipped(self) if self.container == "zip" else _transcript(self)
            return Body(self.content_type, len(content), content)
        return audio.recording(self.container, self.stem, self.media.size)


def appeared(conversation: Conversation, simulation: Simulation) -> bool:
    """Whether a conversation's recordings are there yet: that takes the platform a while after hang-up."""
    if "late_recordings" in simulation.media_faults(conversation.index):
        return False
    lag = simulation.universe.recording_lag_seconds
    return lag == 0 or simulation.clock() >= conversation.end_ms / 1000 + lag


def originals(conversation: Conversation, media: Media) -> list[MediaFile]:
    """The files of a recording as the platform keeps it."""
    parts = [""] if media.results == 1 else [str(number) for number in range(media.results)]
    return [MediaFile(conversation, media, part, ORIGINALS[media.media]) for part in parts]


def url_of(file: MediaFile, simulation: Simulation, base_url: str, signed_at: float, seconds: float) -> str:
    """A file's presigned URL.

    :param base_url: scheme, host and port under which the client reached the simulator.
    :param signed_at: Unix time from which it lives.
    :param seconds: for how long.
    """
    path = f"/storage/media/{file.name}"
    number = file.conversation.recordings.index(file.media)
    subject = f"{file.conversation.day}.{file.conversation.position}.{number}.{file.part}.{file.container}"
    date, life = amz_date(signed_at), str(round(seconds))
    return signed(base_url, path, quote(path), date, life, subject, simulation.signing_secret)


def add_routes(app: web.Application) -> None:
    """Add the route of the files; the stats and faults name it ``recording``, as they do the guide's."""
    app.router.add_route("*", "/storage/media/{name}", download)


async def download(request: web.Request) -> web.StreamResponse:
    """Serve a presigned URL of a file, or say in XML why not."""
    return await served(request, "recording", _stored)


def _stored(request: web.Request, simulation: Simulation, route: str) -> Stored:
    query = request.query
    signed_at = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if simulation.clock() >= signed_at.timestamp() + int(query["X-Amz-Expires"]):
        raise expired(simulation)
    day, position, number, part, container = query[CALL].split(".")
    conversation = simulation.platform.conversations.at(int(day), int(position))
    file = MediaFile(conversation, conversation.recordings[int(number)], part, container)
    return Stored(route, file.stem, conversation.index, file.body())


def _zipped(file: MediaFile) -> bytes:
    """A screen recording's archive. It holds sound: the simulator makes no pictures."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        member = zipfile.ZipInfo(f"{file.stem}.ogg")
        archive.writestr(member, opus(file.stem, file.media.size).read(0, file.media.size))
    return packed.getvalue()


def _transcript(file: MediaFile) -> bytes:
    """What was written, by whom."""
    lines = [
        {"time": to_iso(file.media.start_ms), "from": "customer", "body": f"Hello, this is about {file.stem}."},
        {"time": to_iso(file.media.end_ms), "from": file.conversation.legs[0].agent_name, "body": "Done."},
    ]
    return json.dumps({"recordingId": file.media.recording_id, "media": file.media.media, "lines": lines}).encode()
