# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from typing import Any

import jinja2
import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_genesys.export.errors import (
    ExportFailed,
    InvalidInput,
    LeaseLost,
    OutcomeUnknown,
    Passing,
    Refused,
    UrlsExpired,
)
from airflow_provider_genesys.operators.arguments import filters_of, flag, job_ids_of, media_format_of, media_of, number
from airflow_provider_genesys.operators.base import airflow_errors, outcome_of, owner_of
from airflow_provider_genesys.operators.recordings import (
    PlanExportOperator,
    ReconcileExportOperator,
    RetrieveRecordingsOperator,
    SubmitExportOperator,
)
from airflow_provider_genesys.sensors.recordings import ExportJobSensor
from tests.airflow_versions import MissingArgument
from tests.rig import context_of

OPERATORS = [
    PlanExportOperator,
    SubmitExportOperator,
    ExportJobSensor,
    RetrieveRecordingsOperator,
    ReconcileExportOperator,
]
SETTINGS_OF_THE_TASK = {"index", "concurrency", "timezone", "deferrable", "poke_interval", "timeout"}
"""What shapes a task itself and never comes from another task."""


RENAMED = {"is_dry_run": "dry_run"}
"""Arguments whose own name is that of a method of every operator's."""


class LazySequence(Sequence[Any]):
    """An XCom of several tasks as Airflow hands it on: a sequence, but no list."""

    def __init__(self, *values: Any) -> None:
        self.values = values

    def __getitem__(self, index: Any) -> Any:
        return self.values[index]

    def __len__(self) -> int:
        return len(self.values)


@pytest.mark.parametrize("operator", OPERATORS)
def test_whatever_another_task_may_feed_is_a_template_field(operator: type) -> None:
    arguments = {
        name
        for cls in operator.__mro__
        if cls.__module__.startswith("airflow_provider_genesys.") and "__init__" in cls.__dict__
        for name, parameter in inspect.signature(cls.__init__).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    fields: tuple[str, ...] = operator.template_fields
    assert {RENAMED.get(name, name) for name in fields} == arguments - SETTINGS_OF_THE_TASK


@pytest.mark.parametrize("operator", OPERATORS)
def test_templates_are_kept_as_they_are(operator: type) -> None:
    templates = {name: f"{{{{ params.{name} }}}}" for name in operator.template_fields}
    task = operator(task_id="task", **{RENAMED.get(name, name): value for name, value in templates.items()})
    assert {name: getattr(task, name) for name in templates} == templates


@pytest.mark.parametrize("operator", [one for one in OPERATORS if one is not PlanExportOperator])
def test_an_argument_that_is_needed_is_asked_for_by_name(operator: type) -> None:
    with pytest.raises(MissingArgument, match="missing keyword argument"):
        operator(task_id="task")


def test_the_owner_is_the_same_for_all_tasks_of_a_window_in_a_run() -> None:
    context = context_of("manual__2024")
    context["ti"].map_index = 3
    assert owner_of(context) == "export/manual__2024[3]"


@pytest.mark.parametrize("error", [Passing("later"), OutcomeUnknown("who knows"), LeaseLost("taken over")])
def test_what_may_pass_is_left_to_airflows_retries(error: Exception) -> None:
    with pytest.raises(AirflowException, match=str(error)) as raised, airflow_errors():
        raise error
    assert type(raised.value) is AirflowException


@pytest.mark.parametrize("error", [InvalidInput("no"), ExportFailed("over"), Refused("403"), UrlsExpired("late")])
def test_what_no_retry_can_mend_ends_the_task(error: Exception) -> None:
    with pytest.raises(AirflowFailException, match=str(error)), airflow_errors():
        raise error


def test_an_error_of_somebody_else_is_left_alone() -> None:
    with pytest.raises(ZeroDivisionError), airflow_errors():
        raise ZeroDivisionError


@pytest.mark.parametrize("value", ["auto", "mp3", "wav", "original", ""])
def test_a_media_format_is_one_that_is_known_or_none(value: str) -> None:
    assert media_format_of(value) == value
    assert media_format_of(None) == ""


@pytest.mark.parametrize("value", ["default", "MP3", "ogg", ["mp3"]])
def test_any_other_media_format_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInput, match="say mp3 or wav explicitly"):
        media_format_of(value)


@pytest.mark.parametrize("value", [None, "", {}, "{}", "null"])
def test_no_filters(value: Any) -> None:
    assert filters_of(value) == {}


def test_filters_survive_the_template_filter_that_makes_html_safe() -> None:
    filters = {"queueId": ["<a>", "b & c"], "agentId": 'it\'s "me"', "note": "ü\u2028"}
    rendered = jinja2.Environment(autoescape=True).from_string("{{ filters | tojson }}").render(filters=filters)
    assert "<" not in rendered
    assert filters_of(rendered) == filters == filters_of(filters) == filters_of(json.dumps(filters))


@pytest.mark.parametrize("value", ["{", "[]", "text", 5, ["a"], '"text"'])
def test_filters_that_are_no_object_are_refused(value: Any) -> None:
    with pytest.raises(InvalidInput, match="must be a JSON object"):
        filters_of(value)


@pytest.mark.parametrize("value", [None, "", "audio", ["audio"], '["audio"]', ["audio", "audio"]])
def test_audio_is_the_usual_medium(value: Any) -> None:
    assert media_of(value) == ("audio",)


@pytest.mark.parametrize("value", [["screen", "audio"], ["audio", "screen"], '["screen", "audio"]'])
def test_media_in_whatever_order_are_the_same_request(value: Any) -> None:
    assert media_of(value) == ("audio", "screen")


@pytest.mark.parametrize("value", ["[audio", [], "[]", [1], {"audio": True}, 5])
def test_media_that_are_no_list_of_names_are_refused(value: Any) -> None:
    with pytest.raises(InvalidInput, match="media must be a list"):
        media_of(value)


@pytest.mark.parametrize("value", [15, 15.0, "15", " 15.0 "])
def test_a_number_may_come_as_text(value: Any) -> None:
    assert number("poll_interval", value) == 15


@pytest.mark.parametrize("value", [None, "", "soon", "nan", "inf", {}])
def test_what_is_no_number_is_refused_by_name(value: Any) -> None:
    with pytest.raises(InvalidInput, match="poll_interval must be a number"):
        number("poll_interval", value)


@pytest.mark.parametrize("value", [True, "true", "True", "TRUE"])
def test_a_flag_may_come_as_text(value: Any) -> None:
    assert flag("force", value) is True


@pytest.mark.parametrize("value", [False, "false", "False"])
def test_a_flag_that_says_no(value: Any) -> None:
    assert flag("force", value) is False


@pytest.mark.parametrize("value", [None, "", "yes", 1])
def test_what_is_no_flag_is_refused_by_name(value: Any) -> None:
    with pytest.raises(InvalidInput, match="force must be true or false"):
        flag("force", value)


@pytest.mark.parametrize("value", [["a", "b"], ("a", "b"), LazySequence("a", "b")])
def test_job_ids_come_as_any_sequence(value: Any) -> None:
    assert job_ids_of(value) == ["a", "b"]


def test_a_single_job_id_may_come_as_text() -> None:
    assert job_ids_of("a") == ["a"]


@pytest.mark.parametrize("value", [None, "", [""], [None], {"a": 1}, 5, [["a"]]])
def test_what_is_no_job_id_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInput, match="job_ids must be"):
        job_ids_of(value)


@pytest.mark.parametrize("status", ["completed", "attention", "refused", "timeout"])
def test_an_event_says_a_status_and_job_ids(status: str) -> None:
    assert outcome_of({"status": status, "job_ids": ["a"]}) == (status, ["a"])


@pytest.mark.parametrize("event", [None, {}, "completed", {"job_ids": ["a"]}, {"status": "success", "job_ids": ["a"]}])
def test_a_missing_or_unknown_event_is_never_taken_for_success(event: Any) -> None:
    with pytest.raises(InvalidInput, match="the trigger came back with status"):
        outcome_of(event)


def test_an_event_without_job_ids_is_an_error() -> None:
    with pytest.raises(InvalidInput, match="job_ids must be"):
        outcome_of({"status": "completed"})
