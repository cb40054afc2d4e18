# SPDX-License-Identifier: Apache-2.0
"""The recordings of a conversation: transcoded on demand, each channel a file of its own; and what is known of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import islice
from typing import Any

from aiohttp import web

from airflow_provider_genesys.simulator.conversations import Conversation, Media
from airflow_provider_genesys.simulator.errors import ApiError
from airflow_provider_genesys.simulator.platform.media import (
    ORIGINALS,
    STATES,
    MediaFile,
    appeared,
    unavailable,
    url_of,
)
from airflow_provider_genesys.simulator.platform.paging import cursor_at, cursor_of, uri_of
from airflow_provider_genesys.simulator.platform.reading import number_of
from airflow_provider_genesys.simulator.platform.search import EVERYTHING
from airflow_provider_genesys.simulator.rules import MAX_VOLUME
from airflow_provider_genesys.simulator.simulation import SIMULATION, Simulation
from airflow_provider_genesys.simulator.times import to_iso
from airflow_provider_genesys.simulator.universe import MS_PER_DAY, identity

FORMATS = {"MP3": "mp3", "WAV": "wav", "OGG_OPUS": "ogg", "NONE": "ogg"}
"""``formatId`` and the container that it gives. The platform has more; the simulator has no encoder for them."""
TRANSCODED_MS = 1_840
KEPT_DAYS = 3_650
MAX_WAIT_MS = 20_000
# More conversations than any day has, for cursors that name a day and a place in it.
_PER_DAY = 2 * MAX_VOLUME
_TRANSCRIPTS = {"chat": "transcript", "email": "emailTranscript", "message": "messagingTranscript"}


def add_routes(app: web.Application) -> None:
    """Add the routes, named as the stats and faults name them."""
    path = "/api/v2/conversations/{conversation_id}"
    app.router.add_get(f"{path}/recordings", recordings, name="recordings", allow_head=False)
    app.router.add_get(f"{path}/recordingmetadata", metadata, name="metadata", allow_head=False)
    app.router.add_get("/api/v2/recordings/retention/query", retention, name="retention", allow_head=False)


async def recordings(request: web.Request) -> web.Response:
    """``GET …/recordings``: the recordings with their media; 202 while they are being transcoded."""
    simulation = request.app[SIMULATION]
    wait = number_of(request.query.get("maxWaitMs"), "maxWaitMs", 5_000)
    await simulation.holds.at("transcoding")
    container = _container(request)
    conversation = _conversation(request, simulation)
    fault = simulation.plan.for_conversation(
        conversation.conversation_id, conversation.index, ("transcoding", "transcoding_empty")
    )
    if fault is not None and fault.kind == "transcoding_empty":
        return web.Response(status=202)
    remaining = _transcoding_seconds(simulation, conversation, container)
    if remaining > 0:
        await asyncio.sleep(min(remaining, wait / 1000, MAX_WAIT_MS / 1000))
        remaining = _transcoding_seconds(simulation, conversation, container)
    ready = fault is None and remaining <= 0
    base_url = f"{request.scheme}://{request.host}"
    found = [
        _recording(conversation, media, container, simulation, base_url, ready)
        for media in _visible(conversation, simulation)
    ]
    return web.json_response(found, status=200 if ready else 202)


async def metadata(request: web.Request) -> web.Response:
    """``GET …/recordingmetadata``: what is known of each recording; no media."""
    simulation = request.app[SIMULATION]
    conversation = _conversation(request, simulation)
    found = [_metadata(conversation, media, simulation) for media in _visible(conversation, simulation)]
    return web.json_response(found)


async def retention(request: web.Request) -> web.Response:
    """``GET …/retention/query``: recordings kept for more days than ``retentionThresholdDays``, newest day first."""
    simulation = request.app[SIMULATION]
    if "retentionThresholdDays" not in request.query:
        raise ApiError(400, "retentionThresholdDays is required")
    days = number_of(request.query["retentionThresholdDays"], "retentionThresholdDays", 1)
    size = number_of(request.query.get("pageSize"), "pageSize", 25, 500)
    newest = int(simulation.clock() * 1000) - days * MS_PER_DAY
    kept = _kept(simulation, newest, cursor_of(request.query.get("cursor")))
    page = list(islice(kept, size + 1))
    entities = [
        _retention(conversation, media, simulation)
        for _, conversation in page[:size]
        for media in _visible(conversation, simulation)
    ]
    answer: dict[str, Any] = {"entities": entities, "selfUri": request.path_qs}
    if len(page) > size:
        answer["nextUri"] = uri_of(request, cursor=cursor_at(page[size][0]))
    return web.json_response(answer)


def _kept(simulation: Simulation, newest_ms: int, start: int) -> Iterator[tuple[int, Conversation]]:
    """Conversations that started before a time, newest first, with where each is found again.

    :param start: where to begin, as an earlier call has given it; 0: at the newest.
    """
    search, hidden = simulation.platform.search, simulation.hidden_divisions
    ago, offset = divmod(start, _PER_DAY)
    for days in range(ago, KEPT_DAYS):
        day = newest_ms // MS_PER_DAY - days
        end_ms = min((day + 1) * MS_PER_DAY, newest_ms)
        found = search.started(day * MS_PER_DAY, end_ms, EVERYTHING, hidden)
        places = found.places(offset, len(found), descending=True)
        yield from enumerate(search.conversations(places), days * _PER_DAY + offset)
        offset = 0


def _conversation(request: web.Request, simulation: Simulation) -> Conversation:
    conversation_id = request.match_info["conversation_id"]
    conversation = simulation.platform.conversations.find(conversation_id)
    if conversation is None or conversation.shape.divisions <= simulation.hidden_divisions:
        raise ApiError(404, "Conversation {id} not found.", id=conversation_id)
    return conversation


def _container(request: web.Request) -> str:
    wanted = request.query.getall("mediaFormats", [])
    name = wanted[0].split(",")[0] if wanted else request.query.get("formatId", "NONE")
    if name not in FORMATS:
        raise ApiError(400, f"formatId {name!r} is not simulated; {', '.join(FORMATS)} are")
    return FORMATS[name]


def _transcoding_seconds(simulation: Simulation, conversation: Conversation, container: str) -> float:
    """How long the transcoding, which the first request for it starts, still takes."""
    seconds = simulation.universe.transcode_seconds
    if seconds == 0:
        return 0.0
    key = (conversation.conversation_id, container)
    started = simulation.platform.transcodings.setdefault(key, simulation.clock())
    return started + seconds - simulation.clock()


def _visible(conversation: Conversation, simulation: Simulation) -> tuple[Media, ...]:
    struck = simulation.media_faults(conversation.index)
    there = appeared(conversation, simulation) and "sensitive_recordings" not in struck
    return conversation.recordings if there else ()


def _recording(
    conversation: Conversation, media: Media, container: str, simulation: Simulation, base_url: str, ready: bool
) -> dict[str, Any]:
    """A ``Recording``: its facts, and its media where there are any."""
    answer = {
        **_facts(conversation, media, simulation),
        "estimatedTranscodeTimeMs": 0 if ready else TRANSCODED_MS,
        "creationTime": to_iso(media.end_ms + 60_000),
    }
    if media.media == "audio":
        answer["recordingFileRole"] = "CUSTOMER_EXPERIENCE"
    if not ready or answer["fileState"] != "AVAILABLE":
        return answer
    if media.media in _TRANSCRIPTS:
        return {**answer, _TRANSCRIPTS[media.media]: list(_transcript(conversation, media))}
    kept = container if media.media == "audio" else ORIGINALS[media.media]
    files = {channel: MediaFile(conversation, media, channel, kept) for channel in media.channels}
    uris = {channel: _uri(file, simulation, base_url) for channel, file in files.items()}
    return {
        **answer,
        "mediaUris": {channel: {"mediaUri": uri} for channel, uri in uris.items()},
        "actualTranscodeTimeMs": TRANSCODED_MS,
        "outputDurationMs": media.end_ms - media.start_ms,
        "outputSizeInBytes": media.size,
    }


def _uri(file: MediaFile, simulation: Simulation, base_url: str) -> str:
    life = simulation.universe.playback_url_minutes * 60.0
    url = url_of(file, simulation, base_url, simulation.clock(), life)
    simulation.issued_signatures.append(url.rpartition("X-Amz-Signature=")[2])
    return url


def _transcript(conversation: Conversation, media: Media) -> Iterator[dict[str, Any]]:
    words = f"Hello, this is about {media.recording_id}."
    identifier = identity(f"{media.recording_id} first message")
    if media.media == "chat":
        yield {"id": identifier, "body": words, "from": "customer", "utc": to_iso(media.start_ms), "type": "message"}
    elif media.media == "email":
        sender = {"email": "customer@example.com", "name": "Customer"}
        yield {"id": identifier, "textBody": words, "from": sender, "subject": "Hello", "time": to_iso(media.start_ms)}
    else:
        yield {"id": identifier, "messageText": words, "from": conversation.ani, "timestamp": to_iso(media.start_ms)}


def _metadata(conversation: Conversation, media: Media, simulation: Simulation) -> dict[str, Any]:
    """A ``RecordingMetadata``."""
    return {**_facts(conversation, media, simulation), "region": "us-east-1"}


def _facts(conversation: Conversation, media: Media, simulation: Simulation) -> dict[str, Any]:
    """What a recording and its metadata have in common."""
    kind = unavailable(simulation.media_faults(conversation.index))
    facts: dict[str, Any] = {
        "id": media.recording_id,
        "conversationId": conversation.conversation_id,
        "startTime": to_iso(media.start_ms),
        "endTime": to_iso(media.end_ms),
        "media": media.media,
        "annotations": [],
        "fileState": "AVAILABLE" if kind is None else STATES[kind],
        "deleteDate": _delete_date(media),
        "sessionId": identity(f"{conversation.conversation_id} agent 0 session"),
        "selfUri": f"/api/v2/conversations/{conversation.conversation_id}/recordings/{media.recording_id}",
        **simulation.platform.export_dates(media.recording_id),
    }
    if media.subtype is not None:
        facts["mediaSubtype"] = media.subtype
    if kind == "archived_media":
        facts["archiveMedium"] = "CLOUDARCHIVE"
        facts["archiveDate"] = to_iso(media.end_ms + MS_PER_DAY)
    return facts


def _retention(conversation: Conversation, media: Media, simulation: Simulation) -> dict[str, Any]:
    """A ``RecordingRetention``."""
    return {
        "conversationId": conversation.conversation_id,
        "recordingId": media.recording_id,
        "deleteDate": _delete_date(media),
        "creationTime": to_iso(media.end_ms + 60_000),
        **simulation.platform.export_dates(media.recording_id),
    }


def _delete_date(media: Media) -> str:
    return to_iso(media.end_ms + KEPT_DAYS * MS_PER_DAY)
