# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_genesys.archive.layout import (
    FIELDS,
    KEY_TEMPLATE_PATTERN,
    KeyTemplate,
    index_key,
    manifest_key,
    receipt_key,
    report_key,
)
from airflow_provider_genesys.export.errors import InvalidInput
from airflow_provider_genesys.export.model import ExportWindow, Recording

WINDOW = ExportWindow(datetime(2024, 5, 1, 6, tzinfo=UTC), datetime(2024, 5, 1, 12, tzinfo=UTC))
RESERVED = ("manifests", "receipts", "reports", "index")

ids = st.one_of(
    st.text(st.characters(), max_size=12),
    st.text("aA.%~/2E-_", max_size=8),
    st.text("ab/", min_size=190, max_size=260),
)
FEW = ["".join(letters) for length in range(4) for letters in product("m-0", repeat=length)]
"""So few names that what stands beside an id is easily taken for a piece of it."""
values = st.sampled_from(["", "a", "b-c", "..", "index", "receipts", "a/b", "unknown", "x" * 300]) | st.text(max_size=5)
metadata = st.fixed_dictionaries(
    {},
    optional={
        "startTime": st.sampled_from(
            ["2024-05-01T00:30:00Z", "2024-04-30T23:00:00-03:00", "0001-01-01T00:00:00Z", "?"]
        ),
        **dict.fromkeys(("conversationId", "queueId", "queue_name", "agentId", "agentName", "direction"), values),
    },
)
pieces = st.sampled_from(
    ["", ".", "-", "{queue_id}", "{agent_name}.", "{date}", "m{hour}", "0", "/", "-m/", "{queue_id}/", "=0"]
)
templates = st.tuples(
    st.sampled_from(["recordings/", "recordings/", "{date}/", "in", "{queue_name}/", ""]),
    st.permutations(["{recording_id}", "{ext}"]),
    st.tuples(pieces, pieces, pieces),
).map(lambda drawn: f"{drawn[0]}{drawn[2][0]}{drawn[1][0]}{drawn[2][1]}{drawn[1][1]}{drawn[2][2]}")


def is_accepted(template: str) -> bool:
    try:
        return bool(KeyTemplate(template))
    except InvalidInput:
        return False


def key_of(recording_id: str, text: str | None = None, extension: str = "mp3", **said: Any) -> str:
    template = KeyTemplate(text) if text else KeyTemplate()
    return template.key(Recording(recording_id, None, metadata=said), extension, WINDOW)


@pytest.mark.parametrize(
    ("recording_id", "name"),
    [
        ("0b1ff4a6-7f1c-4c12-9b7e-3f1c2d4e5a6b", "0b1ff4a6-7f1c-4c12-9b7e-3f1c2d4e5a6b"),
        ("REC_1.part-2", "REC_1.part-2"),
        ("a..b", "a..b"),
        ("", "~"),
        (".", "%2E"),
        ("..", "%2E."),
        (".hidden", "%2Ehidden"),
        ("../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"),
        ("%2E", "%252E"),
        ("a/b\\c", "a%2Fb%5Cc"),
        ("a~b c\n\0", "a%7Eb%20c%0A%00"),
        ("ü", "%C3%BC"),
        ("\ud800", "%ED%A0%80"),
    ],
)
def test_an_id_is_a_plain_name_or_percent_encoded(recording_id: str, name: str) -> None:
    assert key_of(recording_id) == f"recordings/{name}.mp3"
    assert manifest_key(recording_id) == f"manifests/job_{name}.json"


@given(st.lists(ids, min_size=2, max_size=6, unique=True))
def test_distinct_ids_have_distinct_keys(recording_ids: list[str]) -> None:
    assert len({key_of(recording_id) for recording_id in recording_ids}) == len(recording_ids)


@given(ids)
def test_a_key_is_one_segment_that_every_file_system_takes(recording_id: str) -> None:
    folder, _, name = key_of(recording_id, extension="wav").partition("/")
    assert folder == "recordings"
    assert "/" not in name
    assert name.isascii()
    assert not name.startswith(".")
    assert len(name) <= 200 + len(".wav")


def test_two_long_ids_that_begin_alike_are_shortened_apart() -> None:
    first, second = key_of("x" * 300 + "1"), key_of("x" * 300 + "2")
    assert first != second
    assert len(first) == len(second) == len("recordings/") + 200 + len(".mp3")


# -- templates -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "key"),
    [
        ("recordings/{date}/{queue_id}/{recording_id}.{ext}", "recordings/2024-05-02/q%2F1/r1.mp3"),
        ("calls/date={date}/hour={hour}/{recording_id}.{ext}", "calls/date=2024-05-02/hour=01/r1.mp3"),
        ("{date}/{recording_id}.{ext}", "2024-05-02/r1.mp3"),
        ("{recording_id}.{ext}", "r1.mp3"),
        ("a/{ext}/{date}{recording_id}", "a/mp3/2024-05-02r1"),
        ("a/{queue_name}-{agent_name}/{recording_id}/audio.{ext}", "a/Billing%20%26%20Co-unknown/r1/audio.mp3"),
        ("a/{conversation_id}/{direction}/{disposition}/{recording_id}.{ext}", "a/c1/inbound/unknown/r1.mp3"),
    ],
)
def test_a_template_says_where_recordings_lie(template: str, key: str) -> None:
    said = {
        "startTime": "2024-05-01T22:30:00-03:00",
        "queueId": "q/1",
        "queueName": "Billing & Co",
        "agentName": None,
        "conversation_id": "c1",
        "direction": "inbound",
        "disposition": "",
    }
    assert key_of("r1", template, **said) == key
    assert re.fullmatch(KEY_TEMPLATE_PATTERN, template)


@pytest.mark.parametrize("start", [{}, {"startTime": "yesterday"}, {"startTime": 1714521600}, {"startTime": None}])
def test_a_call_that_has_no_start_has_its_windows(start: dict[str, Any]) -> None:
    assert key_of("r1", "a/{date}/{hour}/{recording_id}.{ext}", **start) == "a/2024-05-01/06/r1.mp3"


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ("recordings/{date}.{ext}", "it has no {recording_id}"),
        ("recordings/{recording_id}", "it has no {ext}"),
        ("recordings/{recording_id}.{ext}/{colour}", "{colour} is none of recording_id"),
        ("recordings/{recording_id.real}.{ext}", "is none of"),
        ("recordings/{recording_id[0]}.{ext}", "is none of"),
        ("recordings/{recording_id!r}.{ext}", "without any addition"),
        ("recordings/{recording_id:>9}.{ext}", "without any addition"),
        ("recordings/{}{recording_id}.{ext}", "is none of"),
        ("recordings/{{recording_id}}.{ext}", "letters without accents"),
        ("recordings/{recording_id}.{ext", "braces don't match"),
        ("recordings/{recording_id}.{ext}}", "braces don't match"),
        ("/recordings/{recording_id}.{ext}", "an empty name"),
        ("recordings//{recording_id}.{ext}", "an empty name"),
        ("recordings/{recording_id}.{ext}/", "an empty name"),
        ("", "an empty name"),
        ("recordings/../{recording_id}.{ext}", "begin with a '.'"),
        ("./{recording_id}.{ext}", "begin with a '.'"),
        (".incoming/{recording_id}.{ext}", "begin with a '.'"),
        ("recordings/ü{recording_id}.{ext}", "letters without accents"),
        ("record ings/{recording_id}.{ext}", "letters without accents"),
        ("s3:{recording_id}.{ext}", "letters without accents"),
        ("receipts/{recording_id}.{ext}", "may be 'receipts'"),
        ("Index/{recording_id}.{ext}", "may be 'index'"),
        ("{queue_name}/{recording_id}.{ext}", "may be 'manifests'"),
        ("in{agent_id}/{recording_id}.{ext}", "may be 'index'"),
        ("{recording_id}/audio.{ext}", "may be 'manifests'"),
        ("recordings/{recording_id}{ext}", "could share a key"),
        ("recordings/{recording_id}0{ext}", "could share a key"),
        ("recordings/{recording_id}-{agent_id}.{ext}", "could share a key"),
        ("recordings/{recording_id}{recording_id}.{ext}", "could share a key"),
        ("recordings/{ext}.{recording_id}.{ext}", "could share a key"),
        ("recordings/{queue_name}{agent_name}{direction}/{recording_id}.{ext}", "more than 255 bytes"),
        ("recordings" + "/{queue_name}" * 9 + "/{recording_id}.{ext}", "more than 900"),
    ],
)
def test_a_template_that_promises_too_little_is_refused(template: str, complaint: str) -> None:
    with pytest.raises(InvalidInput, match=f"key_template is .*{re.escape(complaint)}"):
        KeyTemplate(template)


@settings(suppress_health_check=[HealthCheck.filter_too_much], deadline=None, max_examples=40)
@given(templates.filter(is_accepted))
def test_no_accepted_template_lets_two_ids_share_a_key(template: str) -> None:
    accepted = KeyTemplate(template)
    said = [{"queueId": one, "agentName": one, "startTime": f"2024-05-0{n}"} for n, one in enumerate(FEW[:7], start=1)]
    owners: dict[str, str] = {}
    for recording_id, extension, metadata in product(FEW, FEW[:13], said):
        key = accepted.key(Recording(recording_id, None, metadata=metadata), extension, WINDOW)
        assert owners.setdefault(key, recording_id) == recording_id


@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(templates.filter(is_accepted), st.lists(ids, min_size=2, max_size=2, unique=True), st.data())
def test_whatever_stands_beside_it_an_id_stays_in_its_place(template: str, two: list[str], data: st.DataObject) -> None:
    accepted = KeyTemplate(template)
    keys = [accepted.key(Recording(one, None, metadata=data.draw(metadata)), "mp3", WINDOW) for one in two]
    assert keys[0] != keys[1]
    for key in keys:
        names = key.split("/")
        assert names[0].lower() not in RESERVED
        assert all(name and not name.startswith(".") and len(name) <= 255 for name in names)
        assert key.isascii()
    assert re.fullmatch(KEY_TEMPLATE_PATTERN, template), "what is accepted passes the schema"


def test_fields_are_what_the_readme_lists() -> None:
    assert set(FIELDS) == {
        *("recording_id", "ext", "date", "hour", "conversation_id", "queue_id", "queue_name", "agent_id", "agent_name"),
        *("direction", "disposition"),
    }


# -- documents -------------------------------------------------------------------------------------------------------


def test_times_are_basic_iso_8601_in_utc() -> None:
    berlin = datetime.fromisoformat("2024-05-01T02:00:00+02:00")
    window = ExportWindow(berlin, berlin + timedelta(days=1))
    assert receipt_key(window) == "receipts/20240501T000000Z_20240502T000000Z.jsonl"
    assert report_key(window) == "reports/20240501T000000Z_20240502T000000Z.json"
    assert index_key(window) == "index/20240501T000000Z_20240502T000000Z.parquet"


def test_a_window_of_less_than_a_second_has_milliseconds() -> None:
    start = datetime(2024, 5, 1, 0, 0, 0, 250_000, tzinfo=UTC)
    window = ExportWindow(start, start + timedelta(milliseconds=750))
    assert receipt_key(window) == "receipts/20240501T000000.250Z_20240501T000001Z.jsonl"
