# SPDX-License-Identifier: Apache-2.0
"""A transfer's process: what it leaves behind when it is killed, and how much memory it takes."""

from __future__ import annotations

import hashlib
import json
import subprocess
import threading
import time
from collections.abc import Callable

import pytest

from airflow_provider_genesys.archive.archive import ObjectArchive
from airflow_provider_genesys.archive.stores import PART
from airflow_provider_genesys.export.model import Recording, StoredObject
from tests.archive.process import DAY, arguments
from tests.archive.sites import FileSite, Site
from tests.archive.source import Source, endless, held, listing, ok

MB = 1_000_000


def test_a_killed_transfer_leaves_nothing_over_after_the_next_one(
    site: Site, source: Source, archive_over: Callable[..., ObjectArchive]
) -> None:
    body = bytes(range(256)) * (10 * PART // 256 // 4)
    release = threading.Event()
    urls = {name: source.set(f"/{name}", held(body, release, at=len(body) - 1)) for name in ("r1", "r2")}
    process = subprocess.Popen(arguments(site, urls))
    try:
        deadline = time.monotonic() + 20
        while site.underway() < 2:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
        release.set()
    assert site.objects() == {}
    assert all(site.store().find(f"recordings/{name}.wav") is None for name in urls)

    recordings = [Recording(name, source.set(f"/{name}", ok(body))) for name in urls]
    outcomes = list(archive_over(site.store()).fetch(recordings, DAY, "wav", overwrite=False, proceed=lambda: None))
    assert all(isinstance(outcome, StoredObject) for _, outcome in outcomes)
    assert {key: hashlib.sha256(found).digest() for key, found in site.objects().items()} == {
        f"recordings/{name}.wav": hashlib.sha256(body).digest() for name in urls
    }
    assert site.unfinished() == []


@pytest.mark.parametrize(
    ("count", "size", "ranges", "most"),
    [
        (300, MB // 2, True, 60 * MB),
        (24, 7 * MB, True, 150 * MB),
        (1, 160 * MB, True, 150 * MB),
        (8, 20 * MB, True, 150 * MB),
        (8, 20 * MB, False, 150 * MB),
    ],
)
def test_memory_is_bounded_whatever_comes_and_however_much(
    site: Site, source: Source, count: int, size: int, ranges: bool, most: int
) -> None:
    urls = {f"r{number}": source.set(f"/{number}", endless(size, ranges=ranges)) for number in range(count)}
    done = subprocess.run(arguments(site, urls), capture_output=True, check=True, timeout=60)
    result = json.loads(done.stdout)
    assert len([outcome for outcome in result["outcomes"] if f"size={size}" in outcome]) == count
    assert result["grown"] < most, f"grown by {result['grown'] / MB:.0f} MB"


def test_a_manifest_of_a_million_recordings_is_archived_and_read_as_a_stream(
    file_site: FileSite, source: Source
) -> None:
    url = source.set("/m", listing(1_000_000))
    done = subprocess.run(arguments(file_site, manifest=url), capture_output=True, check=True, timeout=300)
    result = json.loads(done.stdout)
    assert result["outcomes"] == ["1000000"]
    assert (file_site.root / "manifests/job_j1.json").stat().st_size > 300 * MB
    assert result["grown"] < 100 * MB, f"grown by {result['grown'] / MB:.0f} MB"
