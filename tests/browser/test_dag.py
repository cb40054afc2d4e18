# SPDX-License-Identifier: Apache-2.0
"""The DAG and a day of it that was exported: its documentation, the names of its tasks, and where their links lead."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.world import QUARTERS, World


@pytest.fixture(scope="module")
def run_id(world: World) -> str:
    """The run that has exported 1 May."""
    ended = [run_id for run_id, state in world.runs().items() if state == "success"]
    assert len(ended) == 1
    return ended[0]


def test_the_dag_says_what_it_does(page: Page, world: World) -> None:
    page.goto(world.path())
    page.get_by_role("button", name="Dag Docs").click()
    docs = page.get_by_role("dialog")
    expect(docs.get_by_role("heading", name="Every call recording of the day, in your own storage")).to_be_visible()
    for task in ("plan_windows", "submit_export", "wait_for_export", "retrieve_recordings", "reconcile"):
        expect(docs.get_by_text(task, exact=True)).to_be_visible()


@pytest.mark.parametrize("step", ["submit_export", "wait_for_export", "retrieve_recordings"])
def test_mapped_tasks_are_named_by_their_windows(page: Page, world: World, run_id: str, step: str) -> None:
    page.goto(world.path(run_id, f"export_window.{step}/mapped"))
    for quarter in QUARTERS:
        expect(page.get_by_role("link", name=f"2024-05-01 {quarter}", exact=True)).to_be_visible()
    expect(page.get_by_text("4 Task Instances")).to_be_visible()


def test_a_task_is_titled_by_its_window(page: Page, world: World, run_id: str) -> None:
    page.goto(world.path(run_id, "export_window.retrieve_recordings", 1))
    expect(
        page.get_by_role("heading", name="export_window.retrieve_recordings [2024-05-01 06:00–12:00]")
    ).to_be_visible()


def test_a_task_leads_to_its_manifest_and_receipt(page: Page, world: World, run_id: str) -> None:
    page.goto(world.path(run_id, "export_window.retrieve_recordings", 1, "details"))
    receipt = world.holds(linked(page, "Receipt"))
    lines = [json.loads(line) for line in receipt.splitlines()]
    assert lines
    assert {line["status"] for line in lines} == {"archived"}
    manifest = json.loads(world.holds(linked(page, "Manifest")))
    assert manifest["dateFrom"] == "2024-05-01T06:00:00.000Z"
    assert {line["job_id"] for line in lines} == {manifest["jobId"]}


@pytest.mark.parametrize("step", ["submit_export", "wait_for_export", "retrieve_recordings"])
def test_a_task_leads_to_its_job(page: Page, world: World, run_id: str, step: str) -> None:
    page.goto(world.path(run_id, f"export_window.{step}", 1, "details"))
    url = linked(page, "Job")
    page.goto(url)
    row = page.locator(f"[id='{urlsplit(url).fragment}']")
    expect(row).to_contain_text("2024-05-01T06:00:00.000Z")
    expect(row).to_contain_text("completed")


def test_the_run_leads_to_its_report(page: Page, world: World, run_id: str) -> None:
    page.goto(world.path(run_id, "reconcile", tab="details"))
    report = json.loads(world.holds(linked(page, "Report")))
    assert (report["expected"], report["archived"], report["complete"]) == (72, 72, True)


def linked(page: Page, name: str) -> str:
    """Where one of the task's links leads."""
    link = page.get_by_role("link", name=name, exact=True)
    expect(link).to_be_visible()
    return str(link.get_attribute("href"))
