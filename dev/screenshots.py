# SPDX-License-Identifier: Apache-2.0
"""``make screenshots``: what the README shows of Airflow's UI, photographed in a headless Chromium.

A day is exported by a real scheduler and triggerer; another one waits for its jobs. A new picture is a line in
:func:`pictures`.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

from airflow_provider_genesys.plugins.coverage import ROUTE
from airflow_provider_genesys.simulator import Fault
from tests.browser.chromium import chromium
from tests.browser.forms import connection_form, trigger_form, unfold
from tests.browser.world import BUCKET, World, world
from tests.conftest import ROOT
from tests.servers.postgres import postgres_server
from tests.servers.seaweedfs import seaweedfs_server

FOLDER = ROOT / "docs" / "screenshots"
COLOURS = 128
WAIT = "export_window.wait_for_export"


@dataclass(frozen=True)
class Picture:
    """One picture.

    :param name: its file's, without the ending.
    :param path: the page's, below Airflow's URL; or a URL.
    :param shows: a text that is there once the page is complete.
    :param prepare: what a person does before it is shown, where opening the page is not enough.
    :param height: of the browser's window, in pixels.
    """

    name: str
    path: str
    shows: str
    prepare: Callable[[Page], object] = lambda page: None
    height: int = 800


def pictures(site: World, exported: str, waiting: str) -> Iterator[Picture]:
    """Every picture.

    :param exported: id of a run that is over.
    :param waiting: id of a run whose tasks wait for their jobs.
    """
    job = f"{site.simulator.url}/_simulator/jobs.html#{site.simulator.jobs[-1].job_id}"
    yield Picture("windows", site.path(waiting, f"{WAIT}/mapped"), "Deferred")
    yield Picture("links", site.path(exported, "export_window.retrieve_recordings", 1, "details"), "Manifest")
    yield Picture("connection", "/connections", "Export API", _choosing_the_api)
    yield Picture("trigger", site.path(), "Media format", lambda page: trigger_form(page, site.path()), 1100)
    yield Picture("docs", site.path(), "Dag Documentation", lambda page: page.get_by_label("Dag Docs").click())
    yield Picture("coverage", f"/{ROUTE}/#2024-05-02", "4 of 4 archived")
    yield Picture("job", job, "Jobs of the simulated Genesys Cloud")


def _choosing_the_api(page: Page) -> None:
    form = connection_form(page)
    form.locator("[name=connection_id]").fill("genesys_default")
    unfold(form, "Extra Fields")
    form.get_by_text("Login URL").wait_for()
    form.locator("#element_export_api").click()
    page.get_by_role("option", name="batch").hover()


def run(site: World, logical_date: str, task: str, states: list[str]) -> str:
    """Have the DAG run for the day before a date, until a task's instances are where they should be; the run's id."""
    started: str = site.call("/dagRuns", "POST", {"logical_date": logical_date})["dag_run_id"]
    site.wait_until(task, started, states, seconds=900)
    return started


def photograph(page: Page, picture: Picture) -> None:
    """Take a picture, in as few colours as an interface has."""
    page.set_viewport_size({"width": 1280, "height": picture.height})
    page.goto(picture.path)
    picture.prepare(page)
    page.get_by_text(picture.shows).first.wait_for()
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(1000)  # what is folded open still moves
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    file = FOLDER / f"{picture.name}.png"
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
    print(f"{file.relative_to(ROOT)}: {file.stat().st_size // 1024} kB")


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as home, postgres_server() as postgres, seaweedfs_server() as store:
        store.create_bucket(BUCKET)
        with world(Path(home), postgres, store) as site:
            for tested in site.runs():  # its times are not those of a run of a scheduler's
                site.call(f"/dagRuns/{tested}", "DELETE")
            site.call("", "PATCH", {"is_paused": False})
            with site.airflow.service("scheduler"), site.airflow.service("triggerer"):
                exported = run(site, "2024-05-03T00:00:00Z", "reconcile", ["success"])
                site.simulator.faults = (Fault("slow_jobs", seconds=3600.0),)
                waiting = run(site, "2024-05-04T00:00:00Z", WAIT, ["deferred"] * 4)
                with chromium(site.airflow.url) as browser:
                    for picture in pictures(site, exported, waiting):
                        page = browser.new_page()
                        photograph(page, picture)
                        page.close()


if __name__ == "__main__":
    main()
