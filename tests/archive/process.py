# SPDX-License-Identifier: Apache-2.0
"""An archive in a process of its own, for tests that kill or measure one: ``python -m tests.archive.process JSON``."""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow_provider_genesys.archive.archive import ObjectArchive
from airflow_provider_genesys.archive.download import Downloader
from airflow_provider_genesys.archive.stores import Store
from airflow_provider_genesys.export.model import ExportWindow, Recording
from tests.archive.sites import OPENERS, Site

DAY = ExportWindow(datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 2, tzinfo=UTC))


def arguments(site: Site, urls: dict[str, str] | None = None, manifest: str | None = None) -> list[str]:
    """The command that fetches recordings, or a manifest, into a site."""
    task = {"place": site.place(), "urls": urls, "manifest": manifest}
    return [sys.executable, "-m", "tests.archive.process", json.dumps(task)]


def store_at(place: dict[str, Any]) -> Store:
    """A store at what :meth:`~tests.archive.sites.Site.place` tells of it; it has loaded what each loads once."""
    store = OPENERS[place["scheme"]](place)
    store.find("nothing")
    return store


def peak_memory() -> int:
    """Bytes: the most that was resident so far."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024


def main() -> None:
    task = json.loads(sys.argv[1])
    archive = ObjectArchive(store_at(task["place"]), Downloader(allow_private=True))
    before = peak_memory()
    if task["manifest"]:
        outcomes = [str(sum(1 for _ in archive.fetch_manifest("j1", task["manifest"]).recordings or ()))]
    else:
        recordings = [Recording(recording_id, url) for recording_id, url in task["urls"].items()]
        fetched = archive.fetch(recordings, DAY, "wav", overwrite=False, proceed=lambda: None)
        outcomes = [str(outcome) for _, outcome in fetched]
    print(json.dumps({"outcomes": outcomes, "grown": peak_memory() - before}))


if __name__ == "__main__":
    main()
