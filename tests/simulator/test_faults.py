# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_genesys.simulator import Fault, SpecError, gate, storage
from airflow_provider_genesys.simulator.faults import KINDS, SUBMISSIONS, FaultPlan, describe_kinds


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "gremlins"}, "unknown fault kind 'gremlins'. Known are: expired_urls"),
        ({"kind": "html_body", "every": 0}, "every of a fault html_body cannot be 0"),
        ({"kind": "archived_media", "until": -1}, "until of a fault archived_media cannot be -1"),
        ({"kind": "deleted_media", "until": 1}, "a fault deleted_media takes no until"),
        ({"kind": "html_body", "times": -1}, "times of a fault html_body cannot be -1"),
        ({"kind": "html_body", "seconds": 3}, "takes no seconds"),
        ({"kind": "html_body", "route": "poll"}, "route of a fault html_body cannot be 'poll'"),
        ({"kind": "server_errors", "status": 418}, "status of a fault server_errors cannot be 418"),
        ({"kind": "server_errors", "route": "recording"}, "cannot be 'recording'"),
        ({"kind": "rate_limited", "form": "moon"}, "form of a fault rate_limited cannot be 'moon'"),
        ({"kind": "rate_limited", "seconds": "5"}, "seconds of a fault rate_limited cannot be '5'"),
        ({"kind": "failed_jobs", "message": 7}, "message of a fault failed_jobs cannot be 7"),
        ({"kind": "failed_jobs", "often": 7}, "unknown setting of a fault failed_jobs: often"),
    ],
)
def test_a_wrong_fault_is_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        Fault.from_json(arguments)


def test_what_is_not_given_has_the_kinds_default() -> None:
    assert Fault("expired_urls").seconds == 0
    assert Fault("server_errors").status == 503
    assert Fault("volume_down").route == "volume"
    assert Fault("volume_down").times is None


def test_every_second_window_fails_on_its_first_job_only() -> None:
    plan = FaultPlan([Fault("failed_jobs", every=2)])
    struck = [[bool(plan.for_job(window, attempt)) for attempt in range(2)] for window in range(4)]
    assert struck == [[False, False], [True, False], [False, False], [True, False]]


def test_faults_of_recordings_come_with_the_first_jobs_of_their_window() -> None:
    plan = FaultPlan([Fault("null_urls", every=3, times=2)])
    assert [len(plan.for_job(0, attempt)) for attempt in range(3)] == [1, 1, 0]


def test_downloads_are_struck_by_recording_and_counted_by_recording() -> None:
    plan = FaultPlan([Fault("html_body", every=2, times=2)])
    assert [plan.for_download("recording", name, ordinal) is not None for name, ordinal in (("a", 0), ("b", 1))] == [
        False,
        True,
    ]
    assert [plan.for_download("recording", "b", 1) is not None for _ in range(2)] == [True, False]
    assert plan.for_download("manifest", "job", 1) is None


def test_the_first_fault_that_still_lasts_wins() -> None:
    plan = FaultPlan([Fault("html_body"), Fault("empty_body", times=None)])
    strikes = [plan.for_download("recording", "a", 0) for _ in range(3)]
    assert [fault and fault.kind for fault in strikes] == ["html_body", "empty_body", "empty_body"]


def test_each_route_has_a_count_of_its_own() -> None:
    plan = FaultPlan([Fault("server_errors", every=2, times=1)])
    struck = [route for route in ("poll", "submit", "poll", "submit", "poll", "poll") if plan.for_request(route)]
    assert struck == ["poll", "submit"]


def test_a_fault_of_one_route_leaves_the_others_alone() -> None:
    plan = FaultPlan([Fault("server_errors", route="poll", times=None)])
    assert [plan.for_request(route) is not None for route in ("token", "volume", "submit", "poll")] == [
        False,
        False,
        False,
        True,
    ]


def test_a_revoked_token_is_counted_over_all_routes_and_never_on_the_token_route() -> None:
    plan = FaultPlan([Fault("revoked_token", times=2)])
    struck = [plan.for_request(route) is not None for route in ("token", "volume", "token", "poll", "poll")]
    assert struck == [False, True, False, True, False]


def test_every_kind_of_fault_is_acted_upon_and_described() -> None:
    """A kind that nobody looks for would be a fault that never strikes."""
    by_subject = {subject: {n for n, kind in KINDS.items() if kind.subject == subject} for subject in _SUBJECTS}
    assert by_subject["download"] == storage._MISCHIEF.keys()
    assert by_subject["route"] | by_subject["request"] == gate._MISCHIEF.keys()
    assert by_subject["submission"] == SUBMISSIONS.keys()
    assert set().union(*by_subject.values()) == KINDS.keys()
    assert all(name in describe_kinds() for name in KINDS)


_SUBJECTS = (
    *("window", "recording", "download", "route", "request"),
    *("conversation", "media", "submission", "organisation"),
)
