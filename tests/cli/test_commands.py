# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_provider_genesys.export.entry import Entry
from airflow_provider_genesys.export.errors import LeaseLost
from airflow_provider_genesys.export.model import Organisation
from tests.cli.conftest import ARCHIVED, FAILED, ORGANISATION, SPLIT, Desk, attempt
from tests.rig import SECRET

LINE = {
    "key",
    "organisation",
    "start",
    "end",
    "media_format",
    "filters",
    "state",
    "attempts",
    "job_id",
    "job_status",
    "held_by",
    "held_until",
    "held_seconds",
    "error",
}
"""What programs rely on: the README promises these keys."""


def test_windows_are_listed_by_time(desk: Desk) -> None:
    second = desk.put(2, attempt(job_id="job-2"))
    first = desk.put(1, attempt(status="completed", job_id="job-1"), state=ARCHIVED)
    answer = desk.type("windows")
    assert answer.code == 0
    heading, *rows = answer.rows
    assert heading[:6] == ["KEY", "START", "END", "FORMAT", "STATE", "ATTEMPTS"]
    one = [first.request.key[:12], "2024-05-01T00:00:00Z", "2024-05-02T00:00:00Z", "mp3", "archived", "1", "job-1"]
    two = [second.request.key[:12], "2024-05-02T00:00:00Z", "2024-05-03T00:00:00Z", "mp3", "open", "1", "job-2"]
    assert rows == [[*one, "completed", "-", "-"], [*two, "submitted", "-", "-"]]


def test_a_list_says_who_holds_what_and_for_how_long(desk: Desk) -> None:
    desk.hold(desk.put(1), "export/backfill[3]", 300.0)
    assert "export/backfill[3]" in desk.type("windows").out
    (line,) = desk.type("windows", "--output", "json").json
    assert line["held_by"] == "export/backfill[3]"
    assert 290 < line["held_seconds"] <= 300
    assert line["held_until"].endswith("Z")


def test_a_program_gets_whole_keys_and_plain_types(desk: Desk) -> None:
    entry = desk.put(1, attempt(0, "failed", "job-1", error="aborted"), attempt(1, "submitted", "job-2"))
    (line,) = desk.type("windows", "-o", "json").json
    assert line == {
        "key": entry.request.key,
        "organisation": "client@api.mypurecloud.com",
        "start": "2024-05-01T00:00:00Z",
        "end": "2024-05-02T00:00:00Z",
        "media_format": "mp3",
        "filters": {},
        "state": "open",
        "attempts": 2,
        "job_id": "job-2",
        "job_status": "submitted",
        "held_by": None,
        "held_until": None,
        "held_seconds": None,
        "error": None,
    }
    assert set(line) == LINE


@pytest.mark.parametrize(
    ("filters", "days"),
    [
        ((), [1, 2, 3, 4]),
        (("--state", "open"), [1]),
        (("--state", "failed", "--state", "split"), [2, 4]),
        (("--from", "2024-05-03"), [3, 4]),
        (("--to", "2024-05-03"), [1, 2]),
        (("--from", "2024-05-02T12:00:00Z", "--to", "2024-05-03T12:00:00+00:00"), [2, 3]),
        (("--organisation", "client@api.mypurecloud.com"), [1, 2, 4]),
        (("--organisation", "nobody@api.mypurecloud.com"), []),
        (("--state", "archived", "--to", "2024-05-02"), []),
    ],
)
def test_a_list_can_be_narrowed(desk: Desk, filters: tuple[str, ...], days: list[int]) -> None:
    desk.put(1)
    desk.put(2, state=FAILED)
    desk.put(3, state=ARCHIVED, organisation=Organisation("api.mypurecloud.de", "other"))
    desk.put(4, state=SPLIT)
    lines = desk.type("windows", "-o", "json", *filters).json
    assert [int(line["start"][8:10]) for line in lines] == days


def test_organisations_are_told_apart_where_there_are_several(desk: Desk) -> None:
    desk.put(1)
    assert "ORGANISATION" not in desk.type("windows").out
    desk.put(1, organisation=Organisation("api.mypurecloud.de", "other"))
    heading, *rows = desk.type("windows").rows
    assert heading[-1] == "ORGANISATION"
    assert {row[-1] for row in rows} == {"client@api.mypurecloud.com", "other@api.mypurecloud.de"}


def test_an_empty_list_says_so(desk: Desk) -> None:
    assert desk.type("windows").out == "No windows.\n"
    assert desk.type("windows", "-o", "json").json == []


def test_a_key_of_digits_is_not_read_as_a_number(desk: Desk) -> None:
    desk.put(1, attempt(job_id="1e5"))
    assert "1e5" in desk.type("windows").rows[1]


def test_one_window_is_shown_with_its_attempts(desk: Desk) -> None:
    entry = desk.put(
        1,
        attempt(0, "failed", "job-1", error="worker aborted", polls=4, submitted_at=1714608000.0),
        attempt(1, "completed", "job-2", reason="job job-1 failed", replaces="job-1", recordings=202),
        state=ARCHIVED,
        destinations=("s3://calls/genesys",),
        checked_at=1714730400.0,
    )
    answer = desk.type("show", entry.request.key)
    assert "worker aborted" in answer.out
    assert "2024-05-02T00:00:00Z" in answer.out
    assert "s3://calls/genesys" in answer.out
    shown = desk.type("show", entry.request.key, "-o", "json").json
    more = {"generation", "forced_by", "destinations", "children", "parts", "media", "conversations", "checked_at"}
    assert set(shown) == LINE | more
    assert shown["checked_at"] == "2024-05-03T10:00:00Z"
    assert [each["job_id"] for each in shown["attempts"]] == ["job-1", "job-2"]
    assert shown["attempts"][1] == {
        "generation": 0,
        "number": 1,
        "status": "completed",
        "job_id": "job-2",
        "replaces": "job-1",
        "reason": "job job-1 failed",
        "error": None,
        "polls": 0,
        "recordings": 202,
        "submitted_at": None,
        "polled_at": None,
        "ended_at": None,
        "expires_at": None,
    }


def test_a_split_window_shows_what_became_of_it(desk: Desk) -> None:
    child = desk.put(2).request.window
    entry = desk.put(1, state=SPLIT, children=(child,))
    assert desk.type("show", entry.request.key, "-o", "json").json["children"] == [child.to_dict()]
    assert f"{child.to_dict()['start']}/{child.to_dict()['end']}" in desk.type("show", entry.request.key).out


def test_a_lease_is_released_and_its_holder_fenced_off(desk: Desk) -> None:
    entry = desk.put(1, attempt())
    held = desk.ledger.acquire(entry.request, "export/dead[0]", 300.0)
    assert held.lease is not None
    answer = desk.type("release", entry.request.key[:8])
    assert answer.code == 0
    assert "which export/dead[0] held" in answer.out
    assert "submission" not in answer.out
    assert desk.entry(entry.request.key).held_by == ""
    with pytest.raises(LeaseLost):
        desk.ledger.save(held.lease, held)


def test_a_release_in_the_middle_of_a_submission_says_what_may_follow(desk: Desk) -> None:
    entry = desk.put(1, attempt(status="submitting", job_id=None))
    desk.hold(entry)
    assert "its job may exist" in desk.type("release", entry.request.key).out


def test_a_release_for_programs(desk: Desk) -> None:
    entry = desk.put(1)
    desk.hold(entry, "export/dead[0]")
    key = entry.request.key
    assert desk.type("release", key, "-o", "json").json == {"key": key, "released": True, "held_by": "export/dead[0]"}


def test_there_is_nothing_to_release_where_nobody_holds(desk: Desk) -> None:
    answer = desk.type("release", desk.put(1).request.key)
    assert (answer.code, answer.out) == (1, "")
    assert "nobody holds mp3 [2024-05-01T00:00:00Z, 2024-05-02T00:00:00Z)" in answer.err


def test_a_window_is_forgotten(desk: Desk) -> None:
    kept, gone = desk.put(1).request.key, desk.put(2, attempt()).request.key
    answer = desk.type("forget", gone)
    assert answer.code == 0
    assert "and its 1 attempts" in answer.out
    assert desk.ledger.entry(gone) is None
    assert desk.ledger.entry(kept) is not None
    assert desk.type("forget", kept, "-o", "json").json == {"key": kept, "forgotten": True}


def test_what_is_held_is_not_forgotten(desk: Desk) -> None:
    entry = desk.put(1)
    desk.hold(entry, "export/alive[0]")
    answer = desk.type("forget", entry.request.key)
    assert (answer.code, answer.out) == (1, "")
    assert "is held by export/alive[0] for another" in answer.err
    assert f"release {entry.request.key[:12]}" in answer.err
    assert desk.ledger.entry(entry.request.key) is not None


def test_the_budget_is_what_the_connection_allows_less_what_is_spent(desk: Desk) -> None:
    for _ in range(3):
        assert desk.ledger.reserve(str(ORGANISATION), "polls", 10).granted
    assert desk.type("budget", "-o", "json").json == [
        {"organisation": str(ORGANISATION), "budget": "requests", "per_minute": 200, "spent": 0, "left": 200},
        {"organisation": str(ORGANISATION), "budget": "polls", "per_minute": 10, "spent": 3, "left": 7},
    ]
    assert desk.type("budget").rows == [
        ["ORGANISATION", "BUDGET", "PER", "MINUTE", "SPENT", "LEFT"],
        [str(ORGANISATION), "requests", "200", "0", "200"],
        [str(ORGANISATION), "polls", "10", "3", "7"],
    ]


def test_nothing_is_left_of_a_budget_that_is_reserved_ahead(desk: Desk) -> None:
    for _ in range(13):
        assert desk.ledger.reserve(str(ORGANISATION), "polls", 10, within=120.0).granted
    assert [each["left"] for each in desk.type("budget", "-o", "json").json] == [200, 0]


def test_only_what_is_old_is_compacted(desk: Desk) -> None:
    desk.put(1, state=ARCHIVED)
    assert desk.type("compact", "--older-than", "1", "-o", "json").json == {"removed": 0}
    assert "Removed 1 windows" in desk.type("compact", "--older-than", "1e-9").out
    assert desk.type("windows", "-o", "json").json == []


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("window",),
        ("show",),
        ("windows", "--state", "lost"),
        ("windows", "--from", "yesterday"),
        ("windows", "-o", "yaml"),
        ("compact",),
        ("compact", "--older-than", "0"),
        ("compact", "--older-than", "inf"),
        ("compact", "--older-than", "nan"),
    ],
)
def test_wrong_arguments_end_with_2(desk: Desk, words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as end:
        desk.type(*words)
    assert end.value.code == 2


def test_no_command_prints_a_secret(desk: Desk) -> None:
    entry = desk.put(1, attempt())
    desk.hold(entry)
    key = entry.request.key
    commands = (["windows"], ["show", key], ["budget"], ["forget", key], ["release", key], ["forget", key])
    for command in commands:
        for output in ("table", "json"):
            answer = desk.type(*command, "-o", output)
            assert SECRET not in answer.out + answer.err


def test_a_ledger_that_cannot_be_reached_ends_with_1(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_GENESYS_LEDGER", json.dumps({"conn_type": "sqlite", "host": str(tmp_path)}))
    answer = desk.type("windows")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith("genesys: ")


# -- windows in parts ------------------------------------------------------------------------------------------------


def test_a_window_in_parts_is_one_line_and_shows_its_parts(desk: Desk) -> None:
    window, parts = in_parts(desk)
    (line,) = desk.type("windows", "-o", "json").json
    assert line["key"] == window.request.key
    shown = desk.type("show", "2024-05-01T00:00:00Z/2024-05-02T00:00:00Z", "-o", "json").json
    assert [(part["key"], part["job_id"]) for part in shown["parts"]] == [
        (parts[0].request.key, "job-0"),
        (parts[1].request.key, "job-1"),
    ]
    table = desk.type("show", window.request.key[:8]).out
    assert "job-0" in table
    assert "job-1" in table


def test_a_part_is_shown_by_its_job(desk: Desk) -> None:
    _, parts = in_parts(desk)
    shown = desk.type("show", "job-1", "-o", "json").json
    assert (shown["key"], shown["conversations"], shown["parts"]) == (parts[1].request.key, 1, [])


def test_a_window_is_forgotten_with_its_parts(desk: Desk) -> None:
    window, parts = in_parts(desk)
    assert desk.type("forget", window.request.key).code == 0
    assert [desk.ledger.entry(one.request.key) for one in (window, *parts)] == [None, None, None]


def test_a_window_is_not_forgotten_while_a_part_is_held(desk: Desk) -> None:
    window, parts = in_parts(desk)
    desk.hold(parts[1])
    answer = desk.type("forget", window.request.key)
    assert answer.code == 1
    assert f"release {parts[1].request.key[:12]}" in answer.err
    assert desk.ledger.entry(window.request.key) is not None


def in_parts(desk: Desk) -> tuple[Entry, list[Entry]]:
    """A day whose conversations are exported by two jobs."""
    parts = [desk.put(1, attempt(job_id=f"job-{n}"), conversations=(f"conversation-{n}",)) for n in range(2)]
    return desk.put(1, state=SPLIT, parts=tuple(part.request.key for part in parts)), parts
