# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.common.compat.sdk import ParamValidationError

from airflow_provider_genesys.params import export_params, recheck_params

DEFAULTS: dict[str, Any] = {
    "destination": "file:///tmp/genesys-archive",
    "key_template": "recordings/{recording_id}.{ext}",
    "media_format": "auto",
    "media": ["audio"],
    "max_recordings_per_job": 5000,
    "filters": {},
    "poll_interval": 15,
    "max_poll_interval": 180,
    "settle_minutes": 60,
    "on_unavailable": "report",
    "verify": False,
    "start": None,
    "end": None,
    "lease_seconds": 300,
    "force": False,
}


def test_the_params_and_their_defaults_are_those_of_the_contract() -> None:
    assert {name: param.value for name, param in export_params({}).items()} == DEFAULTS


def test_a_rechecks_params_are_an_exports_but_for_force_and_with_days() -> None:
    recheck = {name: param.value for name, param in recheck_params({}).items()}
    assert recheck == {name: value for name, value in {**DEFAULTS, "days": 30}.items() if name != "force"}
    assert recheck_params({"GENESYS_EXPORT_DAYS": "7"})["days"].value == 7
    with pytest.raises(ValueError, match="GENESYS_EXPORT_DAYS is no default for the param 'days'"):
        recheck_params({"GENESYS_EXPORT_DAYS": "0"})


def test_every_param_says_what_it_is_for() -> None:
    for name, param in (*export_params({}).items(), *recheck_params({}).items()):
        assert param.description, name
        assert param.schema["title"].lower().replace(" ", "_") == name


def test_a_choice_is_offered_as_such_and_explained_by_its_own_name() -> None:
    params = export_params({})
    assert params["media"].schema["examples"] == params["media"].schema["items"]["enum"]
    explained = {
        name: param.schema["values_display"] for name, param in params.items() if "values_display" in param.schema
    }
    assert explained.keys() == {"media_format", "on_unavailable"}
    for name, choices in explained.items():
        assert all(choice in params[name].schema["enum"] for choice in choices)
        assert all(shown.startswith(f"{choice}: ") for choice, shown in choices.items())


def test_the_form_folds_what_is_seldom_changed() -> None:
    shown = [(name, param.schema.get("section")) for name, param in export_params({}).items()]
    assert [name for name, section in shown if section is None] == [
        *("destination", "media_format", "media", "filters", "start", "end", "force")
    ]
    assert [section for _, section in shown if section] == ["Archive"] * 3 + ["Jobs"] * 5


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("destination", "s3://aws_archive@calls/genesys", "s3://aws_archive@calls/genesys"),
        ("key_template", "calls/{date}/{recording_id}.{ext}", "calls/{date}/{recording_id}.{ext}"),
        ("destination", "gs://calls", "gs://calls"),
        ("destination", "abfs://wasb_archive@calls/genesys", "abfs://wasb_archive@calls/genesys"),
        ("media_format", "wav", "wav"),
        ("media_format", "original", "original"),
        ("media", '["audio", "screen"]', ["audio", "screen"]),
        ("max_recordings_per_job", "250", 250),
        ("filters", '{"queueId": ["a", "b"]}', {"queueId": ["a", "b"]}),
        ("poll_interval", "2.5", 2.5),
        ("max_poll_interval", "60", 60),
        ("settle_minutes", "0", 0),
        ("on_unavailable", "fail", "fail"),
        ("start", "2024-05-01T00:00:00Z", "2024-05-01T00:00:00Z"),
        ("start", "", None),
        ("end", "2024-05-02T00:00:00+02:00", "2024-05-02T00:00:00+02:00"),
        ("lease_seconds", "30", 30),
        ("verify", "true", True),
        ("force", "true", True),
        ("force", "False", False),
    ],
)
def test_an_environment_variable_sets_a_default(name: str, text: str, value: Any) -> None:
    params = export_params({f"GENESYS_EXPORT_{name.upper()}": text})
    assert {name: param.value for name, param in params.items()} == {**DEFAULTS, name: value}


def test_the_environment_is_read_when_the_dag_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENESYS_EXPORT_MEDIA_FORMAT", "wav")
    assert export_params()["media_format"].value == "wav"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("max_recordings_per_job", "many"),
        ("max_recordings_per_job", ""),
        ("filters", "{queueId: a}"),
        ("media", "audio"),
        ("poll_interval", "2,5"),
        ("force", "perhaps"),
    ],
)
def test_what_is_no_json_is_refused_at_parse_by_the_variables_name(name: str, text: str) -> None:
    variable = f"GENESYS_EXPORT_{name.upper()}"
    with pytest.raises(ValueError, match=f"{variable} must be a JSON"):
        export_params({variable: text})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("destination", ""),
        ("destination", "/var/archive"),
        ("destination", "https://user:secret@host/archive"),
        ("key_template", ""),
        ("key_template", "receipts/{recording_id}.{ext}"),
        ("media_format", "default"),
        ("media_format", ""),
        ("media", '["video"]'),
        ("max_recordings_per_job", "0"),
        ("max_recordings_per_job", "2.5"),
        ("filters", "[]"),
        ("poll_interval", "0"),
        ("max_poll_interval", "-1"),
        ("settle_minutes", "-1"),
        ("on_unavailable", "ignore"),
        ("lease_seconds", "0"),
        ("verify", "1"),
        ("force", "1"),
    ],
)
def test_a_wrong_default_is_refused_at_parse_by_the_variables_name(name: str, text: str) -> None:
    variable = f"GENESYS_EXPORT_{name.upper()}"
    with pytest.raises(ValueError, match=f"{variable} is no default for the param '{name}'") as refused:
        export_params({variable: text})
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("media_format", "default"),
        ("media_format", None),
        ("media", []),
        ("media_format", "ogg"),
        ("destination", "ftp://host/archive"),
        ("key_template", "recordings/{recording_id}"),
        ("key_template", "recordings/{date}.{ext}"),
        ("key_template", "recordings/{colour}/{recording_id}.{ext}"),
        ("key_template", "/recordings/{recording_id}.{ext}"),
        ("key_template", "recordings/../{recording_id}.{ext}"),
        ("key_template", "recordings//{recording_id}.{ext}"),
        ("key_template", "recordings/{recording_id!r}.{ext}"),
        ("max_recordings_per_job", 0),
        ("max_recordings_per_job", "5000"),
        ("filters", "queueId"),
        ("filters", None),
        ("poll_interval", 0),
        ("settle_minutes", -1),
        ("on_unavailable", ""),
        ("force", "true"),
    ],
)
def test_the_schema_refuses_what_a_run_is_given(name: str, value: Any) -> None:
    with pytest.raises(ParamValidationError):
        export_params({})[name].resolve(value)


@pytest.mark.parametrize("value", [None, "2024-05-01T00:00:00Z", "2024-05-01T00:00:00+02:00"])
@pytest.mark.parametrize("name", ["start", "end"])
def test_the_schema_takes_times_and_null(name: str, value: Any) -> None:
    assert export_params({})[name].resolve(value) == value
