# SPDX-License-Identifier: Apache-2.0
"""Batch requests of the published Platform API: up to a hundred conversations, their recordings as presigned URLs."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator
from typing import Any

from aiohttp import web

from airflow_provider_genesys.simulator.errors import ApiError, drop_connection
from airflow_provider_genesys.simulator.gate import client_of
from airflow_provider_genesys.simulator.guide import json_object
from airflow_provider_genesys.simulator.platform.media import (
    ERRORS,
    MediaFile,
    appeared,
    originals,
    unavailable,
    url_of,
)
from airflow_provider_genesys.simulator.platform.state import Batch
from airflow_provider_genesys.simulator.simulation import SIMULATION, Simulation

MAX_REQUESTS = 100
# Fractions of a batch's time at which recordings begin to be found, and at which all of them are.
_DISCOVERY, _DISCOVERED = 0.25, 0.75


def add_routes(app: web.Application) -> None:
    """Add the routes, named as the stats and faults name them."""
    path = "/api/v2/recording/batchrequests"
    app.router.add_post(path, submit, name="batch_submit")
    app.router.add_get(f"{path}/{{job_id}}", poll, name="batch_poll", allow_head=False)


async def submit(request: web.Request) -> web.StreamResponse:
    """``POST /api/v2/recording/batchrequests``: not idempotent."""
    simulation = request.app[SIMULATION]
    asked = _asked((await json_object(request)).get("batchDownloadRequestList"))
    await simulation.holds.at("submit:before")
    if request.transport is None:  # the client died while it was held: as if its request had never arrived
        return drop_connection(request)
    batch = _batch(simulation, client_of(request), asked)
    simulation.platform.batches[batch.batch_id] = batch
    simulation.issued_batches.append(batch)
    simulation.stats.batches += 1
    await simulation.holds.at("submit:after")
    if batch.fault is not None and batch.fault.kind == "batch_lost":
        return drop_connection(request)
    return web.json_response({"id": batch.batch_id, "selfUri": f"{request.path}/{batch.batch_id}"})


async def poll(request: web.Request) -> web.Response:
    """``GET /api/v2/recording/batchrequests/{jobId}``: its status, and the results that there are so far."""
    simulation = request.app[SIMULATION]
    await simulation.holds.at("poll")
    batch_id = request.match_info["job_id"]
    batch = simulation.platform.batches.get(batch_id)
    if batch is None:
        raise ApiError(404, "Batch request {id} not found.", id=batch_id)
    if batch.client != client_of(request) or (batch.fault is not None and batch.fault.kind == "foreign_batches"):
        raise ApiError(403, "Only the user that submitted the job may retrieve its results.")
    return web.json_response(_status(batch, simulation, f"{request.scheme}://{request.host}"))


def _asked(requests: Any) -> tuple[tuple[str, str | None], ...]:
    if not isinstance(requests, list) or not 1 <= len(requests) <= MAX_REQUESTS:
        raise ApiError(400, f"batchDownloadRequestList must be a list of 1 to {MAX_REQUESTS} requests")
    for each in requests:
        if not isinstance(each, dict) or not isinstance(each.get("conversationId"), str):
            raise ApiError(400, "Each request must be an object with a conversationId, and perhaps a recordingId")
        if not isinstance(each.get("recordingId"), str | None):
            raise ApiError(400, f"recordingId must be an id, not {each['recordingId']!r}")
    return tuple((each["conversationId"], each.get("recordingId")) for each in requests)


def _batch(simulation: Simulation, client: str, asked: tuple[tuple[str, str | None], ...]) -> Batch:
    """A new batch request, with what goes wrong for its conversations settled."""
    verdicts = {number: _verdict(conversation_id, simulation) for number, (conversation_id, _) in enumerate(asked)}
    return Batch(
        batch_id=str(uuid.uuid4()),
        client=client,
        asked=asked,
        submitted_at=simulation.clock(),
        fault=simulation.plan.for_submission("batch", client),
        verdicts={number: verdict for number, verdict in verdicts.items() if verdict is not None},
    )


def _verdict(conversation_id: str, simulation: Simulation) -> str | None:
    """What the recordings of a conversation end with: an error's words, empty for silence; None: all is well."""
    conversation = simulation.platform.conversations.find(conversation_id)
    if conversation is None or conversation.shape.divisions <= simulation.hidden_divisions:
        return ""
    if not appeared(conversation, simulation):
        return ""
    fault = simulation.plan.for_conversation(conversation_id, conversation.index, ("nothing_comes", "batch_errors"))
    if fault is not None:
        return fault.message or ""
    struck = simulation.media_faults(conversation.index)
    if "sensitive_recordings" in struck:
        return ""
    kind = unavailable(struck)
    return None if kind is None else ERRORS[kind]


def _status(batch: Batch, simulation: Simulation, base_url: str) -> dict[str, Any]:
    results = list(results_of(batch, simulation, base_url))
    share = _share(batch, simulation)
    done = _so_many(len(results), (share - _DISCOVERY) / (1 - _DISCOVERY))
    found = _so_many(len(results), (share - _DISCOVERY) / (_DISCOVERED - _DISCOVERY))
    if batch.fault is not None and share < 1:
        found, done = _disguised(batch.fault.kind, found, done)
    shown = results[:done]
    return {
        "id": batch.batch_id,
        "jobId": batch.batch_id,
        "expectedResultCount": found,
        "resultCount": done,
        "errorCount": sum("errorMsg" in result for result in shown),
        "status": status_of(batch, simulation),
        "results": shown,
        "selfUri": f"/api/v2/recording/batchrequests/{batch.batch_id}",
    }


def status_of(batch: Batch, simulation: Simulation) -> str:
    """A batch request's status now."""
    return "Completed" if _share(batch, simulation) >= 1 else "InProgress"


def _disguised(kind: str, found: int, done: int) -> tuple[int, int]:
    """What a fault makes of the counts of a batch that is not completed."""
    if kind == "empty_discovery":
        return 0, 0
    return (done, done) if kind == "growing_discovery" else (found, done)


def _share(batch: Batch, simulation: Simulation) -> float:
    """How much of a batch's time has gone; from 1 on it is completed."""
    if batch.fault is not None and batch.fault.kind == "stuck_batches":
        return 0.0
    elapsed, seconds = simulation.clock() - batch.submitted_at, _seconds(batch, simulation)
    return elapsed / seconds if elapsed < seconds else 1.0


def _seconds(batch: Batch, simulation: Simulation) -> float:
    """Time from a batch's submission to its completion."""
    seconds = simulation.universe.batch_seconds
    if batch.fault is not None and batch.fault.kind in ("empty_discovery", "growing_discovery"):
        return seconds + (batch.fault.seconds or 0.0)
    return seconds


def _so_many(total: int, share: float) -> int:
    return min(max(math.floor(total * share), 0), total)


def results_of(batch: Batch, simulation: Simulation, base_url: str) -> Iterator[dict[str, Any]]:
    """Everything that a batch will have found, in the order in which it was asked for (``BatchDownloadJobResult``).

    :param base_url: scheme, host and port under which the client reached the simulator.
    """
    found = list(_found(batch, simulation))
    seconds, life = _seconds(batch, simulation), simulation.universe.batch_url_minutes * 60.0
    if batch.fault is not None and batch.fault.kind == "expired_results":
        life = batch.fault.seconds or 0.0
    for number, (conversation_id, recording_id, outcome) in enumerate(found, 1):
        result: dict[str, Any] = {"conversationId": conversation_id, "recordingId": recording_id}
        if isinstance(outcome, str):
            yield {**result, "errorMsg": outcome}
            continue
        # A URL lives from the moment at which its result is there.
        share = _DISCOVERY + (1 - _DISCOVERY) * number / len(found)
        url = url_of(outcome, simulation, base_url, batch.submitted_at + seconds * share, life)
        yield {**result, "resultUrl": url, "contentType": outcome.content_type}


def _found(batch: Batch, simulation: Simulation) -> Iterator[tuple[str, str, MediaFile | str]]:
    """Conversation id, recording id, and a file or an error's words."""
    for number, (conversation_id, recording_id) in enumerate(batch.asked):
        verdict = batch.verdicts.get(number)
        conversation = simulation.platform.conversations.find(conversation_id)
        if conversation is None or verdict == "":
            continue
        for media in conversation.recordings:
            if recording_id not in (None, media.recording_id):
                continue
            for outcome in originals(conversation, media) if verdict is None else (verdict,):
                yield conversation_id, media.recording_id, outcome
