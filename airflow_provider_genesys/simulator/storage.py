# SPDX-License-Identifier: Apache-2.0
"""Storage behind presigned URLs: an S3 that expires, streams, serves ranges, and speaks XML when it refuses."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import unquote
from xml.sax.saxutils import escape

from aiohttp import web

from airflow_provider_genesys.simulator import audio
from airflow_provider_genesys.simulator.audio import Body
from airflow_provider_genesys.simulator.errors import drop_connection
from airflow_provider_genesys.simulator.faults import Fault
from airflow_provider_genesys.simulator.listing import manifest
from airflow_provider_genesys.simulator.presigned import call_of, is_genuine
from airflow_provider_genesys.simulator.simulation import SIMULATION, Simulation

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class Refusal(Exception):
    """A request that storage refuses.

    :param status: HTTP status.
    :param code: S3's error code.
    :param message: S3's words.
    :param headers: headers of the answer.
    """

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}


@dataclass(frozen=True)
class Stored:
    """An object in storage.

    :param route: manifest or recording.
    :param name: the recording's id as listed; the job's id for a manifest.
    :param ordinal: the recording's position in its day, from 0.
    :param body: its content.
    """

    route: str
    name: str
    ordinal: int
    body: Body


@dataclass(frozen=True)
class Delivery:
    """One GET of an object that has been accepted.

    :param start: first byte asked for.
    :param stop: last byte asked for, and one.
    :param status: 200, or 206 for a range.
    """

    request: web.Request
    simulation: Simulation
    stored: Stored
    start: int
    stop: int
    status: int
    headers: dict[str, str]

    @property
    def length(self) -> int:
        """Number of bytes asked for."""
        return self.stop - self.start


def add_routes(app: web.Application) -> None:
    """Add the routes of storage, named as the stats and faults name them."""
    app.router.add_route("*", "/storage/{job_id}/manifest.json", download, name="manifest")
    app.router.add_route("*", "/storage/{job_id}/recordings/{name:.+}", download, name="recording")


async def download(request: web.Request) -> web.StreamResponse:
    """Serve a presigned URL of a job, or say in XML why not."""
    return await served(request, request.match_info.route.name or "", _of_a_job)


async def served(
    request: web.Request, route: str, find: Callable[[web.Request, Simulation, str], Stored]
) -> web.StreamResponse:
    """Serve a presigned URL, or say in XML why not.

    :param route: manifest or recording, as the stats and faults name it.
    :param find: the object behind a genuine URL; it raises :class:`Refusal` where that has ended.
    """
    simulation = request.app[SIMULATION]
    simulation.stats.requests[route] += 1
    try:
        _check_signature(request, simulation)
        stored = find(request, simulation, route)
        fault = simulation.plan.for_download(route, stored.name, stored.ordinal)
        delivery = _delivery(request, stored, simulation, fault.kind if fault else "")
        simulation.stats.begun.update([stored.name] if route == "recording" and not delivery.start else [])
        return await (_MISCHIEF[fault.kind](delivery, fault) if fault else _deliver(delivery))
    except Refusal as refusal:
        return _xml(request, refusal)
    except ConnectionResetError:  # the client went away
        return web.Response()


def _check_signature(request: web.Request, simulation: Simulation) -> None:
    """Let genuine URLs pass that come alone."""
    if "Authorization" in request.headers:
        simulation.stats.authorization_on_storage += 1
        raise Refusal(400, "InvalidArgument", "Only one auth mechanism allowed")
    path = unquote(request.rel_url.raw_path)
    if request.method != "GET" or not is_genuine(path, request.query, simulation.signing_secret):
        raise Refusal(403, "SignatureDoesNotMatch", "The request signature we calculated does not match.")


def expired(simulation: Simulation) -> Refusal:
    """The refusal of a URL that has ended, which is counted."""
    simulation.stats.expired_on_storage += 1
    return Refusal(403, "AccessDenied", "Request has expired")


def _of_a_job(request: web.Request, simulation: Simulation, route: str) -> Stored:
    """The manifest or recording of a job."""
    job = simulation.jobs.get(request.match_info["job_id"])
    if job is None:
        raise _no_such_key()
    if simulation.clock() >= job.expires_at:
        raise expired(simulation)
    if route == "manifest":
        content = manifest(job, simulation.universe)
        return Stored(route, job.job_id, 0, Body("application/json", len(content), content))
    call = simulation.universe.call(*call_of(request.query))
    body = audio.recording(job.media_format, call.recording_id, call.audio_bytes)
    return Stored(route, job.listed_id(call), call.index, body)


def _delivery(request: web.Request, stored: Stored, simulation: Simulation, fault: str) -> Delivery:
    """What exactly is asked for.

    :param fault: the kind of one that changes this: ``no_ranges``, ``changed_object``.
    :raises Refusal: 412 where If-Match names another ETag, 416 where the range lies outside.
    """
    size = stored.body.size
    etag = f'"{uuid.uuid4().hex}-1"' if fault == "changed_object" else stored.body.etag
    wanted = request.headers.get("If-Match", "*")
    if wanted != "*" and etag not in (each.strip() for each in wanted.split(",")):
        raise Refusal(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
    headers = {
        "Content-Type": stored.body.media_type,
        "ETag": etag,
        **({} if fault == "no_ranges" else {"Accept-Ranges": "bytes"}),
        "x-amz-request-id": _request_id(),
    }
    span = None if fault == "no_ranges" else _span(request.headers.get("Range", ""), size)
    if span is None:
        return Delivery(request, simulation, stored, 0, size, 200, headers)
    start, stop = span
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    return Delivery(request, simulation, stored, start, stop, 206, headers)


def _span(header: str, size: int) -> tuple[int, int] | None:
    """``[start, stop)`` of a Range header; None for the whole, also where the header is not understood."""
    match = _RANGE.fullmatch(header)
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        start, stop = max(size - int(match[2]), 0), size
    else:
        start, stop = int(match[1]), min(int(match[2]) + 1, size) if match[2] else size
    if match[1] and match[2] and int(match[2]) < int(match[1]):
        return None
    if start >= size:
        outside = {"Content-Range": f"bytes */{size}"}
        raise Refusal(416, "InvalidRange", "The requested range is not satisfiable", outside)
    return start, stop


async def _deliver(delivery: Delivery) -> web.StreamResponse:
    """Send what was asked for, with a stop halfway if the test wants one."""
    route, holds = delivery.stored.route, delivery.simulation.holds
    response = await _opened(delivery, delivery.length)
    middle = delivery.start + delivery.length // 2
    if holds.catches(route):
        await _write(response, delivery, delivery.start, middle)
        await holds.wait(route)
        await _write(response, delivery, middle, delivery.stop)
    else:
        await _write(response, delivery, delivery.start, delivery.stop)
    await response.write_eof()
    _completed(delivery)
    return response


async def _opened(delivery: Delivery, length: int | None) -> web.StreamResponse:
    """A response of which the headers are sent; ``length`` None: chunked."""
    response = web.StreamResponse(status=delivery.status, headers=delivery.headers)
    response.content_length = length
    if length is None:
        response.enable_chunked_encoding()
    await response.prepare(delivery.request)
    return response


async def _write(response: web.StreamResponse, delivery: Delivery, start: int, stop: int) -> None:
    for chunk in delivery.stored.body.chunks(start, stop):
        await response.write(chunk)


def _completed(delivery: Delivery) -> None:
    if delivery.stored.route == "recording" and delivery.stop == delivery.stored.body.size:
        delivery.simulation.stats.completed[delivery.stored.name] += 1


def _no_such_key() -> Refusal:
    return Refusal(404, "NoSuchKey", "The specified key does not exist.")


def _request_id() -> str:
    return uuid.uuid4().hex[:16].upper()


def _xml(request: web.Request, refusal: Refusal) -> web.Response:
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{refusal.code}</Code><Message>{escape(refusal.message)}</Message>"
        f"<Resource>{escape(request.path)}</Resource><RequestId>{_request_id()}</RequestId></Error>"
    )
    return web.Response(text=text, status=refusal.status, content_type="application/xml", headers=refusal.headers)


async def _truncated(delivery: Delivery, fault: Fault) -> web.StreamResponse:
    response = await _opened(delivery, delivery.length)
    await _write(response, delivery, delivery.start, delivery.start + delivery.length // 2)
    drop_connection(delivery.request)
    return response


async def _wrong_length(delivery: Delivery, fault: Fault) -> web.StreamResponse:
    half = delivery.length // 2
    response = await _opened(delivery, half)
    await _write(response, delivery, delivery.start, delivery.start + half)
    return response


async def _chunked(delivery: Delivery, fault: Fault) -> web.StreamResponse:
    response = await _opened(delivery, None)
    await _write(response, delivery, delivery.start, delivery.stop)
    await response.write_eof()
    _completed(delivery)
    return response


async def _corrupt(delivery: Delivery, fault: Fault) -> web.StreamResponse:
    response = await _opened(delivery, delivery.length)
    await _write(response, delivery, delivery.start, delivery.stop - 1)
    last = delivery.stored.body.read(delivery.stop - 1, delivery.stop)[0]
    await response.write(bytes([last ^ 0x01]))
    return response


async def _html(delivery: Delivery, fault: Fault) -> web.StreamResponse:
    return web.Response(text="<html><body>Please sign in to continue.</body></html>", content_type="text/html")


async def _xml_in_place(delivery: Delivery, fault: Fault) -> web.StreamResponse:
    text = "<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>"
    return web.Response(text=text, content_type="application/xml")


async def _json_in_place(delivery: Delivery, fault: Fault) -> web.StreamResponse:
    return web.json_response({"message": "The recording could not be read.", "code": "internal.error", "status": 500})


async def _empty(delivery: Delivery, fault: Fault) -> web.StreamResponse:
    headers = {name: value for name, value in delivery.headers.items() if name != "Content-Range"}
    return web.Response(body=b"", headers=headers)


async def _plain(delivery: Delivery, fault: Fault) -> web.StreamResponse:
    """Nothing more: what is wrong is in the delivery itself."""
    return await _deliver(delivery)


async def _slow(delivery: Delivery, fault: Fault) -> web.StreamResponse:
    await asyncio.sleep(fault.seconds or 0)
    return await _deliver(delivery)


async def _slow_down(delivery: Delivery, fault: Fault) -> web.StreamResponse:
    raise Refusal(503, "SlowDown", "Please reduce your request rate.")


async def _access_denied(delivery: Delivery, fault: Fault) -> web.StreamResponse:
    raise Refusal(403, "AccessDenied", "Access Denied")


async def _gone(delivery: Delivery, fault: Fault) -> web.StreamResponse:
    raise _no_such_key()


_MISCHIEF: dict[str, Callable[[Delivery, Fault], Awaitable[web.StreamResponse]]] = {
    "truncated_body": _truncated,
    "wrong_length": _wrong_length,
    "chunked_body": _chunked,
    "corrupt_body": _corrupt,
    "html_body": _html,
    "xml_body": _xml_in_place,
    "json_body": _json_in_place,
    "empty_body": _empty,
    "no_ranges": _plain,
    "changed_object": _plain,
    "slow_storage": _slow,
    "storage_errors": _slow_down,
    "storage_forbidden": _access_denied,
    "storage_gone": _gone,
}
