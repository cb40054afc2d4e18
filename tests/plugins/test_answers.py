# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_genesys.archive.layout import receipt_key
from airflow_provider_genesys.export.entry import RequestState
from airflow_provider_genesys.export.model import ExportWindow, Organisation, RecordingStatus
from airflow_provider_genesys.plugins import answers, windows
from airflow_provider_genesys.wiring import default_ledger_file
from tests.plugins.conftest import Records, asked, attempt, day_of_may

ARCHIVED, FAILED, OPEN, SPLIT = RequestState.ARCHIVED, RequestState.FAILED, RequestState.OPEN, RequestState.SPLIT
NEVER_CHECKED = {"checked_at": None}


def coverage(**query: str) -> Any:
    answer = answers.coverage({"since": "2024", **query})
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def day(number: int, selection: str | None = None) -> Any:
    answer = answers.day({"selection": selection or asked(1).selection_key, "day": f"2024-05-{number:02}"})
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def test_days_are_told_by_how_they_stand(records: Records) -> None:
    records.put(asked(3), ARCHIVED, destinations=("s3://bucket/a",), checked_at=1714867200.5)
    records.ledger.record_volume(asked(3).selection_key, day_of_may(3), 5)
    records.put(asked(5, (0, 12)), FAILED)
    records.put(asked(5, (12, 24)), ARCHIVED, destinations=("s3://bucket/b",))
    records.put(asked(6), OPEN)
    (selection,) = coverage()["selections"]
    assert selection["days"] == {
        "2024-05-03": {
            "status": "archived",
            "count": 1,
            "archived": 1,
            "recordings": 5,
            "checked_at": "2024-05-05T00:00:00Z",
        },
        "2024-05-05": {"status": "failed", "count": 2, "archived": 1, "recordings": 0, **NEVER_CHECKED},
        "2024-05-06": {"status": "incomplete", "count": 1, "archived": 0, "recordings": 0, **NEVER_CHECKED},
    }
    assert (selection["first"], selection["key"]) == ("2024-05-03", asked(1).selection_key)
    assert selection["destinations"] == ["s3://bucket/a", "s3://bucket/b"]
    assert (selection["organisation"], selection["media_format"]) == ("client@api.mypurecloud.com", "mp3")


def test_gaps_reach_from_the_first_year_to_yesterday(records: Records) -> None:
    records.put(asked(3), ARCHIVED)
    records.put(asked(5), ARCHIVED)
    found = coverage(since="2023")
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date()
    assert (found["since"], found["until"]) == (2023, yesterday.isoformat())
    gaps = [(gap["from"], gap["to"], gap["days"], gap["before_first"]) for gap in found["selections"][0]["gaps"]]
    last = (yesterday - datetime(2024, 5, 5).date()).days
    assert gaps == [
        ("2024-01-01", "2024-05-02", 123, True),
        ("2024-05-04", "2024-05-04", 1, False),
        ("2024-05-06", yesterday.isoformat(), last, False),
    ]


def test_the_last_three_years_are_told_unless_others_are_asked_for(records: Records) -> None:
    now = datetime.now(UTC)
    for years in (1, 4):
        start = now.replace(year=now.year - years, month=6, day=1)
        records.put(replace(asked(1), window=ExportWindow(start, start + timedelta(hours=1))), OPEN)
    found = json.loads(answers.coverage({}).body)
    assert found["since"] == now.year - 2
    assert [selection["first"][:4] for selection in found["selections"]] == [str(now.year - 1)]
    (earlier,) = coverage(since=str(now.year - 5))["selections"]
    assert earlier["first"][:4] == str(now.year - 4)


def test_days_are_those_of_the_dags_time_zone(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENESYS_EXPORT_TIMEZONE", "Europe/Berlin")
    start = datetime(2024, 5, 2, 22, tzinfo=UTC)
    records.put(replace(asked(1), window=ExportWindow(start, start + timedelta(days=1))), ARCHIVED)
    found = coverage()
    assert found["timezone"] == "Europe/Berlin"
    assert [(name, each["status"]) for name, each in found["selections"][0]["days"].items()] == [
        ("2024-05-03", "archived")
    ]
    assert day(3)["start"] == "2024-05-02T22:00:00Z"


def test_selections_are_told_apart(records: Records) -> None:
    queue = asked(1, filters={"queueId": "<b>"}, media=("audio", "screen"))
    other = asked(1, organisation=Organisation("host", "another"))
    for request in (queue, other):
        records.put(request, ARCHIVED)
    found = coverage()["selections"]
    assert [each["organisation"] for each in found] == ["another@host", "client@api.mypurecloud.com"]
    assert (found[1]["filters"], found[1]["media"]) == ({"queueId": "<b>"}, ["audio", "screen"])
    assert [each["is_default"] for each in found] == [True, False]
    assert [len(day(1, each["key"])["windows"]) for each in found] == [1, 1]


def test_a_day_tells_its_windows_with_their_attempts(records: Records) -> None:
    records.put(asked(1), SPLIT, children=(day_of_may(1, (0, 12)), day_of_may(1, (12, 24))))
    tried = (attempt(0, "failed", error="no"), attempt(1, "completed", recordings=3, reason="job-0 failed"))
    records.put(asked(1, (0, 12)), ARCHIVED, attempts=tried, destinations=("s3://bucket/a",))
    records.put(asked(1, (12, 24)), FAILED, error="used up")
    records.put(asked(2), ARCHIVED)
    found = day(1)
    assert (found["status"], found["count"], found["archived"]) == ("failed", 2, 1)
    split, archived, failed = sorted(found["windows"], key=lambda each: (each["start"], each["state"] != "split"))
    assert [child["start"] for child in split["children"]] == ["2024-05-01T00:00:00Z", "2024-05-01T12:00:00Z"]
    assert [(one["status"], one["job_id"], one["error"]) for one in archived["attempts"]] == [
        ("failed", "job-0", "no"),
        ("completed", "job-1", None),
    ]
    assert (failed["state"], failed["error"]) == ("failed", "used up")


def test_a_window_in_parts_tells_their_jobs(records: Records) -> None:
    part = asked(1, conversations=("a", "b"))
    records.put(part, ARCHIVED, attempts=(attempt(0, recordings=2),))
    records.put(asked(1), ARCHIVED, parts=(part.key, "1" * 64))
    (window,) = day(1)["windows"]
    assert [[one["job_id"] for one in each["attempts"]] for each in window["parts"]] == [["job-0"]]


def test_what_was_compacted_is_still_archived(records: Records) -> None:
    records.put(asked(1), ARCHIVED, attempts=(attempt(),), destinations=("s3://bucket/a",))
    assert records.ledger.compact(records.ledger.now() + 60) == 1
    assert coverage()["selections"][0]["days"]["2024-05-01"]["status"] == "archived"
    (window,) = day(1)["windows"]
    assert (window["is_compacted"], window["attempts"], window["destinations"]) == (True, [], ["s3://bucket/a"])


def test_a_day_names_what_its_receipts_lack(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "MOST_MISSING", 2)
    records.put(asked(1), OPEN)
    records.put_receipt(
        asked(1),
        a=RecordingStatus.ARCHIVED,
        b=RecordingStatus.UNAVAILABLE,
        c=RecordingStatus.FAILED,
        d=RecordingStatus.MISSING,
    )
    receipt = day(1)["windows"][0]["receipt"]
    assert receipt["counts"] == {"archived": 1, "unavailable": 1, "failed": 1, "missing": 1}
    assert [(each["recording_id"], each["status"], each["reason"]) for each in receipt["missing"]] == [
        ("b", "unavailable", "why b"),
        ("c", "failed", "why c"),
    ]


def test_a_receipt_of_another_selection_is_not_this_ones(records: Records) -> None:
    records.put(asked(1), OPEN)
    records.put_receipt(asked(1, media_format="wav"), a=RecordingStatus.ARCHIVED)
    assert day(1)["windows"][0]["receipt"] == {"unread": "none in the archives that this web server knows"}


def test_receipts_are_looked_for_in_every_archive(
    records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records.put(asked(1), ARCHIVED)
    records.put_receipt(asked(1), a=RecordingStatus.ARCHIVED)
    broken = tmp_path / "broken" / receipt_key(asked(1).window)
    broken.parent.mkdir(parents=True)
    broken.write_text("no receipt\n")
    places = ["gopher://x", (tmp_path / "none").as_uri(), (tmp_path / "broken").as_uri(), records.archive.as_uri()]
    monkeypatch.setenv("GENESYS_COVERAGE_DESTINATIONS", " ".join(places))
    assert day(1)["windows"][0]["receipt"]["counts"]["archived"] == 1
    monkeypatch.setenv("GENESYS_COVERAGE_DESTINATIONS", " ".join(places[:3]))
    unread = day(1)["windows"][0]["receipt"]["unread"]
    assert "'gopher'" in unread
    assert "it is no receipt" in unread


def test_a_day_that_nobody_exported_has_no_windows(records: Records) -> None:
    found = day(9)
    assert (found["status"], found["windows"]) == ("never exported", [])
    assert (found["start"], found["end"]) == ("2024-05-09T00:00:00Z", "2024-05-10T00:00:00Z")


@pytest.mark.parametrize("since", ["now", "20240", "-1", "1969", "٢٠٢٤"])
def test_a_year_that_is_none_is_told(records: Records, since: str) -> None:
    answer = answers.coverage({"since": since})
    assert (answer.status, "since is" in json.loads(answer.body)["error"]) == (400, True)


@pytest.mark.parametrize("text", ["", "2024-13-01", "yesterday"])
def test_a_day_that_is_none_is_told(records: Records, text: str) -> None:
    answer = answers.day({"selection": "x", "day": text})
    assert (answer.status, "day is" in json.loads(answer.body)["error"]) == (400, True)


def test_a_year_to_come_has_nothing(records: Records) -> None:
    records.put(asked(1), ARCHIVED)
    assert coverage(since="9998")["selections"] == []


def test_without_a_ledger_nothing_is_told_and_none_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    assert coverage() == {"selections": []}
    assert not default_ledger_file().exists()


def test_a_ledger_that_is_away_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_GENESYS_LEDGER", json.dumps({"conn_type": "ftp"}))
    answer = answers.coverage({})
    assert (answer.status, "'ftp'" in json.loads(answer.body)["error"]) == (400, True)
