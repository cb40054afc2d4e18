# SPDX-License-Identifier: Apache-2.0
"""A transfer in a process of its own, for tests that kill or measure one: ``python -m tests.archive.process JSON``."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from airflow_provider_genesys.archive.archive import ObjectArchive
from airflow_provider_genesys.archive.download import Downloader
from airflow_provider_genesys.archive.stores import Store
from airflow_provider_genesys.export.model import Recording
from tests.archive.sites import OPENERS, Site


def arguments(site: Site, urls: dict[str, str]) -> list[str]:
    """The command that fetches ``urls`` into a site."""
    return [sys.executable, "-m", "tests.archive.process", json.dumps({"place": site.place(), "urls": urls})]


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
    recordings = [Recording(recording_id, url) for recording_id, url in task["urls"].items()]
    before = peak_memory()
    outcomes = [str(outcome) for _, outcome in archive.fetch(recordings, "wav", overwrite=False, proceed=lambda: None)]
    print(json.dumps({"outcomes": outcomes, "grown": peak_memory() - before}))


if __name__ == "__main__":
    main()
