# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import resource
from collections.abc import Callable
from xml.etree import ElementTree

import pytest
import requests

from airflow_provider_genesys.simulator import Fault, Simulator

from .conftest import Caller, Clock

Simulate = Callable[..., Simulator]
Calling = Callable[..., Caller]


def assert_refused(answer: requests.Response, status: int, code: str) -> str:
    error = ElementTree.fromstring(answer.text)
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("application/xml")
    assert (error.tag, error.findtext("Code")) == ("Error", code)
    return error.findtext("Message") or ""


def test_the_manifest_describes_what_the_job_lists(simulate: Simulate, calling: Calling) -> None:
    job = calling(simulate()).export()
    answer = requests.get(job["url"])
    content = answer.json()
    assert answer.headers["Content-Type"] == "application/json"
    assert (content["jobId"], content["format"], content["total"]) == (job["id"], "mp3", 7)
    assert (content["dateFrom"], content["dateTo"]) == (job["dateFrom"], job["dateTo"])
    assert [entry["id"] for entry in content["recordings"]] == [detail["id"] for detail in job["jobDetails"]]
    keys = "id conversationId startTime durationMs agentId agentName queueId queueName disposition direction ani dnis"
    assert all(entry.keys() == set(keys.split()) for entry in content["recordings"])


@pytest.mark.parametrize(("media_format", "media_type"), [("mp3", "audio/mpeg"), ("wav", "audio/wav")])
def test_a_recording_comes_with_its_length_type_and_md5(
    simulate: Simulate, calling: Calling, media_format: str, media_type: str
) -> None:
    simulator = simulate()
    details = calling(simulator).export(media_format=media_format)["jobDetails"]
    checksums = set()
    for detail in details:
        answer = requests.get(detail["url"])
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == media_type
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert int(answer.headers["Content-Length"]) == len(answer.content) == detail["sizeBytes"]
        assert answer.headers["ETag"] == f'"{hashlib.md5(answer.content).hexdigest()}"'
        assert f"/{detail['id']}.{media_format}?" in detail["url"]
        checksums.add(answer.headers["ETag"])
    assert len(checksums) == 7
    assert simulator.stats.begun == simulator.stats.completed == {detail["id"]: 1 for detail in details}


def test_the_default_format_is_the_trap_of_the_guide(simulate: Simulate, calling: Calling) -> None:
    job = calling(simulate()).export(media_format="default")
    answer = requests.get(job["jobDetails"][0]["url"])
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.content.startswith(b"GCENC")


def test_two_jobs_give_the_same_recordings_under_other_urls(simulate: Simulate, calling: Calling) -> None:
    caller = calling(simulate())
    first, second = (caller.export()["jobDetails"][0] for _ in range(2))
    assert first["id"] == second["id"]
    assert first["url"] != second["url"]
    assert requests.get(first["url"]).content == requests.get(second["url"]).content


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("X-Amz-Expires=3600", "X-Amz-Expires=9999"),
        ("X-Amz-Date=2024", "X-Amz-Date=2034"),
        ("x-call=19844.0", "x-call=19844.1"),
        (".mp3?", ".wav?"),
        ("X-Amz-Signature=", "X-Amz-Signature=0"),
        ("X-Amz-Signature=", "X-Other="),
    ],
)
def test_a_url_that_was_changed_is_refused(simulate: Simulate, calling: Calling, old: str, new: str) -> None:
    url = calling(simulate()).export()["jobDetails"][0]["url"]
    assert old in url
    assert_refused(requests.get(url.replace(old, new)), 403, "SignatureDoesNotMatch")
    assert requests.get(url).status_code == 200


def test_a_presigned_get_is_no_head(simulate: Simulate, calling: Calling) -> None:
    assert requests.head(calling(simulate()).export()["url"]).status_code == 403


def test_urls_end_when_the_job_says_so(simulate: Simulate, calling: Calling, clock: Clock) -> None:
    simulator = simulate(url_seconds=600)
    job = calling(simulator).export()
    clock.tick(599.9)
    assert requests.get(job["url"]).status_code == 200
    clock.tick(0.1)
    for url in (job["url"], job["jobDetails"][0]["url"]):
        assert assert_refused(requests.get(url), 403, "AccessDenied") == "Request has expired"
    assert simulator.stats.expired_on_storage == 2
    assert simulator.stats.begun == {}


def test_an_authorization_header_is_refused_as_s3_does_and_counted(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate()
    caller = calling(simulator)
    job = caller.export()
    message = assert_refused(caller.session.get(job["jobDetails"][0]["url"]), 400, "InvalidArgument")
    assert "Only one auth mechanism allowed" in message
    assert simulator.stats.authorization_on_storage == 1


def test_after_a_reset_the_objects_are_gone(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate()
    url = calling(simulator).export()["url"]
    simulator.reset()
    assert_refused(requests.get(url), 404, "NoSuchKey")


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-99", slice(0, 100)),
        ("bytes=100-", slice(100, None)),
        ("bytes=-50", slice(-50, None)),
        ("bytes=10-9999999", slice(10, None)),
    ],
)
def test_ranges_are_parts_of_the_whole(simulate: Simulate, calling: Calling, header: str, part: slice) -> None:
    url = calling(simulate()).export()["jobDetails"][0]["url"]
    whole = requests.get(url)
    answer = requests.get(url, headers={"Range": header})
    first, last, _ = part.indices(len(whole.content))
    assert answer.status_code == 206
    assert answer.content == whole.content[part]
    assert answer.headers["Content-Range"] == f"bytes {first}-{last - 1}/{len(whole.content)}"
    assert answer.headers["ETag"] == whole.headers["ETag"]


@pytest.mark.parametrize("header", ["bytes=5-2", "lines=1-2", "bytes=-", "bytes=1-2,5-6"])
def test_a_range_that_is_not_understood_is_ignored(simulate: Simulate, calling: Calling, header: str) -> None:
    detail = calling(simulate()).export()["jobDetails"][0]
    answer = requests.get(detail["url"], headers={"Range": header})
    assert (answer.status_code, len(answer.content)) == (200, detail["sizeBytes"])


@pytest.mark.parametrize("header", ["bytes=9999999-", "bytes=-0"])
def test_a_range_outside_is_416(simulate: Simulate, calling: Calling, header: str) -> None:
    detail = calling(simulate()).export()["jobDetails"][0]
    answer = requests.get(detail["url"], headers={"Range": header})
    assert_refused(answer, 416, "InvalidRange")
    assert answer.headers["Content-Range"] == f"bytes */{detail['sizeBytes']}"


def test_if_match_holds_a_range_to_its_object(simulate: Simulate, calling: Calling) -> None:
    url = calling(simulate()).export()["jobDetails"][0]["url"]
    etag = requests.get(url).headers["ETag"]
    assert requests.get(url, headers={"If-Match": etag, "Range": "bytes=0-9"}).status_code == 206
    assert_refused(requests.get(url, headers={"If-Match": '"other"'}), 412, "PreconditionFailed")


def test_two_gigabytes_are_streamed_from_little_memory(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate(large_recordings={"2024-05-01/0": 2_000_000_000}, calls_per_day=1)
    detail = calling(simulator).export()["jobDetails"][0]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with requests.get(detail["url"], stream=True) as answer:
        assert int(answer.headers["Content-Length"]) == detail["sizeBytes"] == 2_000_000_000
        received = 0
        while received < 64_000_000:
            received += len(answer.raw.read(1_000_000))
    end = requests.get(detail["url"], headers={"Range": "bytes=-1000"})
    assert len(end.content) == 1000
    assert end.headers["ETag"] == answer.headers["ETag"]
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) < 32 * 1024, "KiB"
    assert simulator.stats.begun == {detail["id"]: 1}
    assert simulator.stats.completed == {detail["id"]: 1}, "the one that was broken off is not complete"


def test_a_download_in_ranges_counts_once(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate()
    detail = calling(simulator).export()["jobDetails"][0]
    whole = b"".join(
        requests.get(detail["url"], headers={"Range": f"bytes={start}-{start + 999}"}).content
        for start in range(0, detail["sizeBytes"], 1000)
    )
    assert len(whole) == detail["sizeBytes"]
    assert simulator.stats.begun == simulator.stats.completed == {detail["id"]: 1}


def test_a_source_may_serve_no_ranges_or_another_object(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate()
    url = calling(simulator).export()["jobDetails"][0]["url"]
    etag = requests.get(url).headers["ETag"]
    simulator.faults = [Fault("no_ranges")]
    plain = requests.get(url, headers={"Range": "bytes=0-9", "If-Match": etag})
    assert (plain.status_code, plain.headers["ETag"], "Accept-Ranges" in plain.headers) == (200, etag, False)
    simulator.faults = [Fault("changed_object", times=2)]
    assert requests.get(url, headers={"Range": "bytes=0-9"}).headers["ETag"] != etag
    assert requests.get(url, headers={"If-Match": etag}).status_code == 412
    assert requests.get(url, headers={"If-Match": etag}).status_code == 200


def test_an_id_that_is_a_path_stays_one_name(simulate: Simulate, calling: Calling) -> None:
    detail = calling(simulate(faults=[Fault("hostile_ids")])).export()["jobDetails"][0]
    assert detail["id"] == "../../etc/passwd-19844-0"
    assert "/recordings/..%2F..%2Fetc%2Fpasswd-19844-0.mp3?" in detail["url"]
    assert len(requests.get(detail["url"]).content) == detail["sizeBytes"]
