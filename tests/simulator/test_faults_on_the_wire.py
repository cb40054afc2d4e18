# SPDX-License-Identifier: Apache-2.0
"""Every kind of fault, as a client meets it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests

from airflow_provider_genesys.simulator import Fault, Simulator

from .conftest import Caller, Clock

Simulate = Callable[..., Simulator]
Calling = Callable[..., Caller]


def first_and_second_download(simulate: Simulate, calling: Calling, fault: Fault) -> Any:
    """One job of two recordings with a fault on the second; its two GETs are yours."""
    caller = calling(simulate(calls_per_day=2, faults=[fault]))
    spared, struck = caller.export()["jobDetails"]
    assert len(requests.get(spared["url"]).content) == spared["sizeBytes"]
    return struck


# the life of a job


def test_expired_urls(simulate: Simulate, calling: Calling) -> None:
    caller = calling(simulate(faults=[Fault("expired_urls", times=2)]))
    statuses = [requests.get(caller.export()["url"]).status_code for _ in range(3)]
    assert statuses == [403, 403, 200]


def test_expired_urls_after_a_while(simulate: Simulate, calling: Calling, clock: Clock) -> None:
    job = calling(simulate(faults=[Fault("expired_urls", seconds=5)])).export()
    assert requests.get(job["url"]).status_code == 200
    clock.tick(5)
    assert requests.get(job["url"]).status_code == 403


@pytest.mark.parametrize(
    ("fault", "status", "error"),
    [
        (Fault("failed_jobs", message="disk full"), "failed", "disk full"),
        (Fault("silent_failures"), "failed", None),
        (Fault("canceled_jobs"), "canceled", None),
    ],
)
def test_jobs_that_end_badly(
    simulate: Simulate, calling: Calling, fault: Fault, status: str, error: str | None
) -> None:
    caller = calling(simulate(faults=[fault]))
    bad, good = caller.export(), caller.export()
    assert (bad["status"], bad.get("error"), bad["url"], bad["jobDetails"]) == (status, error, None, [])
    assert ("error" in bad) == (error is not None)
    assert good["status"] == "completed"


def test_every_second_window_fails(simulate: Simulate, calling: Calling) -> None:
    caller = calling(simulate(faults=[Fault("failed_jobs", every=2, times=None)]))
    windows = [{"dateTo": f"2024-05-01T{hour:02}:59:59.999Z"} for hour in (1, 2, 3, 4)]
    assert [caller.export(**window)["status"] for window in windows] == ["completed", "failed"] * 2
    assert caller.export(**windows[1])["status"] == "failed"


def test_leaky_error(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate(faults=[Fault("leaky_error")])
    job = calling(simulator).export()
    signature = job["error"].rpartition("X-Amz-Signature=")[2]
    assert job["status"] == "failed"
    assert signature in simulator.issued["signatures"]


def test_slow_jobs(simulate: Simulate, calling: Calling, clock: Clock) -> None:
    caller = calling(simulate(faults=[Fault("slow_jobs", seconds=100)]))
    job_id = caller.submit().json()["jobId"]
    clock.tick(99)
    assert caller.poll(job_id).json()["status"] == "processing"
    clock.tick(1)
    assert caller.poll(job_id).json()["status"] == "completed"


def test_unknown_status(simulate: Simulate, calling: Calling, clock: Clock) -> None:
    caller = calling(simulate(faults=[Fault("unknown_status", seconds=10)]))
    job_id = caller.submit().json()["jobId"]
    job = caller.poll(job_id).json()
    assert (job["status"], job["url"]) == ("transcoding", None)
    clock.tick(10)
    assert caller.poll(job_id).json()["status"] == "completed"


# the answers about a job


def test_submit_lost(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate(faults=[Fault("submit_lost")])
    caller = calling(simulator)
    with pytest.raises(requests.ConnectionError):
        caller.submit()
    assert len(simulator.jobs) == 1
    assert caller.submit().status_code == 202


def test_submit_error_after(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate(faults=[Fault("submit_error_after")])
    assert calling(simulator).submit().status_code == 504
    assert len(simulator.jobs) == 1


@pytest.mark.parametrize(("kind", "there", "gone"), [("id_only", "id", "jobId"), ("job_id_only", "jobId", "id")])
def test_an_answer_with_one_id_only(simulate: Simulate, calling: Calling, kind: str, there: str, gone: str) -> None:
    simulator = simulate(faults=[Fault(kind)])
    answer = calling(simulator).submit().json()
    assert answer[there] == simulator.jobs[0].job_id
    assert gone not in answer


def test_missing_expires_at(simulate: Simulate, calling: Calling) -> None:
    job = calling(simulate(faults=[Fault("missing_expires_at")])).export()
    assert job["status"] == "completed"
    assert "expiresAt" not in job


def test_offset_times(simulate: Simulate, calling: Calling) -> None:
    job = calling(simulate(faults=[Fault("offset_times")])).export()
    assert all(job[name].endswith("+00:00") for name in ("dateFrom", "dateTo", "expiresAt"))


# what a job lists


def test_null_urls(simulate: Simulate, calling: Calling) -> None:
    job = calling(simulate(faults=[Fault("null_urls", every=3)])).export()
    assert [detail["url"] is None for detail in job["jobDetails"]] == [False, False, True, False, False, True, False]
    assert requests.get(job["url"]).json()["total"] == 7


@pytest.mark.parametrize(
    ("kind", "in_manifest", "in_details"),
    [("missing_details", 7, 5), ("extra_details", 5, 7), ("duplicate_ids", 9, 9)],
)
def test_manifest_and_details_disagree_or_repeat(
    simulate: Simulate, calling: Calling, kind: str, in_manifest: int, in_details: int
) -> None:
    job = calling(simulate(faults=[Fault(kind, every=3)])).export()
    manifest = requests.get(job["url"]).json()
    assert len(manifest["recordings"]) == manifest["total"] == in_manifest
    assert len(job["jobDetails"]) == in_details
    everything = {entry["id"] for entry in (*manifest["recordings"], *job["jobDetails"])}
    assert len(everything) == 7


def test_faults_of_recordings_pass_with_the_first_job(simulate: Simulate, calling: Calling) -> None:
    caller = calling(simulate(faults=[Fault("null_urls")]))
    assert all(detail["url"] is None for detail in caller.export()["jobDetails"])
    assert all(detail["url"] for detail in caller.export()["jobDetails"])


def test_hostile_ids_are_the_same_in_manifest_and_details(simulate: Simulate, calling: Calling) -> None:
    job = calling(simulate(faults=[Fault("hostile_ids", every=7)])).export()
    last = job["jobDetails"][-1]["id"]
    assert last.startswith("../../etc/passwd-")
    assert requests.get(job["url"]).json()["recordings"][-1]["id"] == last
    assert requests.get(job["jobDetails"][-1]["url"]).status_code == 200


def test_hostile_urls(simulate: Simulate, calling: Calling) -> None:
    job = calling(simulate(faults=[Fault("hostile_urls", every=7)])).export()
    assert job["jobDetails"][-1]["url"] == "http://169.254.169.254/latest/meta-data/"
    assert job["jobDetails"][0]["url"].startswith("http://127.0.0.1")


# downloads


def test_truncated_body(simulate: Simulate, calling: Calling) -> None:
    detail = first_and_second_download(simulate, calling, Fault("truncated_body", every=2))
    answer = requests.get(detail["url"], stream=True)
    assert int(answer.headers["Content-Length"]) == detail["sizeBytes"]
    pieces: list[bytes] = []
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        pieces.extend(answer.iter_content(1000))
    assert len(b"".join(pieces)) <= detail["sizeBytes"] // 2
    assert len(requests.get(detail["url"]).content) == detail["sizeBytes"]


def test_wrong_length(simulate: Simulate, calling: Calling) -> None:
    detail = first_and_second_download(simulate, calling, Fault("wrong_length", every=2))
    short, right = requests.get(detail["url"]), requests.get(detail["url"])
    assert int(short.headers["Content-Length"]) == len(short.content) == detail["sizeBytes"] // 2
    assert short.headers["ETag"] == right.headers["ETag"]


def test_chunked_body(simulate: Simulate, calling: Calling) -> None:
    detail = first_and_second_download(simulate, calling, Fault("chunked_body", every=2))
    chunked, right = requests.get(detail["url"]), requests.get(detail["url"])
    assert "Content-Length" not in chunked.headers
    assert chunked.content == right.content


def test_corrupt_body(simulate: Simulate, calling: Calling) -> None:
    detail = first_and_second_download(simulate, calling, Fault("corrupt_body", every=2))
    corrupt, right = requests.get(detail["url"]), requests.get(detail["url"])
    assert len(corrupt.content) == len(right.content)
    assert sum(a != b for a, b in zip(corrupt.content, right.content, strict=True)) == 1
    assert corrupt.headers["ETag"] == right.headers["ETag"] == f'"{hashlib.md5(right.content).hexdigest()}"'


def test_html_body(simulate: Simulate, calling: Calling) -> None:
    detail = first_and_second_download(simulate, calling, Fault("html_body", every=2))
    page = requests.get(detail["url"])
    assert (page.status_code, page.headers["Content-Type"].partition(";")[0]) == (200, "text/html")


def test_empty_body(simulate: Simulate, calling: Calling) -> None:
    detail = first_and_second_download(simulate, calling, Fault("empty_body", every=2))
    empty = requests.get(detail["url"])
    assert (empty.status_code, empty.headers["Content-Length"], empty.content) == (200, "0", b"")


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("storage_errors", 503, "SlowDown"),
        ("storage_forbidden", 403, "AccessDenied"),
        ("storage_gone", 404, "NoSuchKey"),
    ],
)
def test_storage_refuses(simulate: Simulate, calling: Calling, kind: str, status: int, code: str) -> None:
    detail = first_and_second_download(simulate, calling, Fault(kind, every=2, times=2))
    answers = [requests.get(detail["url"]) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [status, status, 200]
    assert f"<Code>{code}</Code>" in answers[0].text


def test_slow_storage(simulate: Simulate, calling: Calling) -> None:
    detail = first_and_second_download(simulate, calling, Fault("slow_storage", every=2, seconds=0.3))
    began = time.perf_counter()
    assert requests.get(detail["url"]).status_code == 200
    assert time.perf_counter() - began >= 0.3


def test_a_broken_download_is_begun_and_not_completed(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate(calls_per_day=1, faults=[Fault("html_body")])
    detail = calling(simulator).export()["jobDetails"][0]
    requests.get(detail["url"])
    assert (simulator.stats.begun[detail["id"]], simulator.stats.completed[detail["id"]]) == (1, 0)


def test_a_manifest_can_break_too(simulate: Simulate, calling: Calling) -> None:
    job = calling(simulate(faults=[Fault("truncated_body", route="manifest")])).export()
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        requests.get(job["url"])
    assert requests.get(job["url"]).json()["total"] == 7
    assert requests.get(job["jobDetails"][0]["url"]).status_code == 200


# API requests


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_server_errors(simulate: Simulate, calling: Calling, status: int) -> None:
    simulator = simulate(faults=[Fault("server_errors", times=2, status=status, route="submit")])
    caller = calling(simulator)
    assert [caller.submit().status_code for _ in range(3)] == [status, status, 202]
    assert len(simulator.jobs) == 1
    assert caller.volume().status_code == 200


def test_server_errors_on_every_route_once(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate()
    caller = calling(simulator)
    simulator.faults = [Fault("server_errors")]
    calls: list[Callable[[], requests.Response]] = [
        caller.sign_in,
        caller.volume,
        caller.submit,
        lambda: caller.poll("x"),
    ]
    assert [(call().status_code, call().status_code) for call in calls] == [
        (503, 200),
        (503, 200),
        (503, 202),
        (503, 404),
    ]


def test_volume_down(simulate: Simulate, calling: Calling) -> None:
    caller = calling(simulate(faults=[Fault("volume_down")]))
    assert {caller.volume().status_code for _ in range(5)} == {503}
    assert caller.submit().status_code == 202


def test_rate_limited_in_seconds(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate(faults=[Fault("rate_limited", route="poll", seconds=90)])
    answer = calling(simulator).poll("x")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "90")
    assert simulator.stats.rate_limited == 1


def test_rate_limited_as_a_date(simulate: Simulate, calling: Calling, clock: Clock) -> None:
    caller = calling(simulate(faults=[Fault("rate_limited", route="poll", seconds=90, form="date")]))
    retry_after = parsedate_to_datetime(caller.poll("x").headers["Retry-After"])
    assert retry_after.timestamp() == clock.now + 90


def test_rate_limited_without_retry_after(simulate: Simulate, calling: Calling) -> None:
    caller = calling(simulate(faults=[Fault("rate_limited", seconds=7, form="absent", route="volume")]))
    refused = caller.volume()
    assert refused.status_code == 429
    assert "Retry-After" not in refused.headers
    assert refused.headers["inin-ratelimit-reset"] == "7"
    assert refused.json()["limit"]["value"] == 300


def test_daily_limits(simulate: Simulate, calling: Calling) -> None:
    refused = calling(simulate(faults=[Fault("daily_limits", route="volume")])).volume()
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "7200")
    assert not [name for name in refused.headers if name.lower().startswith("inin-ratelimit")]


def test_dropped_connection(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate(faults=[Fault("dropped_connection", route="submit")])
    caller = calling(simulator)
    with pytest.raises(requests.ConnectionError):
        caller.submit()
    assert simulator.jobs == ()
    assert caller.submit().status_code == 202


def test_invalid_json(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate(faults=[Fault("invalid_json", route="submit")])
    answer = calling(simulator).submit()
    assert answer.status_code == 202
    with pytest.raises(requests.JSONDecodeError):
        answer.json()
    assert len(simulator.jobs) == 1


def test_forbidden(simulate: Simulate, calling: Calling) -> None:
    answer = calling(simulate(faults=[Fault("forbidden", route="submit")])).submit()
    assert (answer.status_code, answer.json()["code"]) == (403, "missing.any.permissions")


def test_revoked_token(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate(faults=[Fault("revoked_token")])
    caller = calling(simulator)
    assert [caller.volume().status_code, caller.volume().status_code] == [401, 401], "the old token stays dead"
    assert calling(simulator).volume().status_code == 200
