# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_genesys.api.client import GenesysClient
from airflow_provider_genesys.api.guide import GuideApi
from airflow_provider_genesys.api.hosts import Hosts
from airflow_provider_genesys.export.errors import InvalidInput, Passing
from airflow_provider_genesys.export.model import ExportRequest, ExportWindow, Organisation
from airflow_provider_genesys.hooks import genesys as hook_module
from airflow_provider_genesys.hooks.genesys import GenesysHook, Limits
from airflow_provider_genesys.simulator import Fault, Simulator, Universe
from airflow_provider_genesys.simulator.conversations import DIVISION_IDS
from tests.api.rude import Answer, rude_platform
from tests.hooks.conftest import SECRET

US_WEST = Hosts("https://api.usw2.pure.cloud", "https://login.usw2.pure.cloud")
LOCAL = Hosts("http://127.0.0.1:8080", "http://127.0.0.1:8080")

HookOf = Callable[..., GenesysHook]
HookOfUri = Callable[[str], GenesysHook]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(Universe(clients={"client": SECRET})) as simulator:
        yield simulator


# -- who and where ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "hosts"),
    [
        ({"host": "api.usw2.pure.cloud"}, US_WEST),
        ({"host": "usw2.pure.cloud"}, US_WEST),
        ({"host": "https://api.usw2.pure.cloud"}, US_WEST),
        ({"host": "api.usw2.pure.cloud", "schema": "https"}, US_WEST),
        ({"host": "http://127.0.0.1:8080"}, LOCAL),
        ({"host": "http://127.0.0.1", "port": 8080}, LOCAL),
        ({"host": "127.0.0.1", "port": 8080, "schema": "http"}, LOCAL),
        ({"host": "127.0.0.1", "port": 8080}, LOCAL),
    ],
)
def test_a_host_may_be_given_in_every_form_that_airflow_knows(
    hook_of: HookOf, fields: dict[str, Any], hosts: Hosts
) -> None:
    assert hook_of(**fields).settings.hosts == hosts


@pytest.mark.parametrize(
    ("uri", "hosts"),
    [
        ("genesys://client:secret@api.usw2.pure.cloud", US_WEST),
        ("genesys://client:secret@https%3A%2F%2Fapi.usw2.pure.cloud", US_WEST),
        ("genesys://client:secret@127.0.0.1:8080/http", LOCAL),
        ("genesys://client:secret@http%3A%2F%2F127.0.0.1%3A8080/", LOCAL),
        (
            "genesys://client:secret@usw2.pure.cloud/?login_url=https%3A%2F%2Fsso.example",
            Hosts("https://api.usw2.pure.cloud", "https://sso.example"),
        ),
    ],
)
def test_a_host_may_be_given_as_a_uri(hook_of_uri: HookOfUri, uri: str, hosts: Hosts) -> None:
    settings = hook_of_uri(uri).settings
    assert settings.hosts == hosts
    assert (settings.client_id, settings.client_secret) == ("client", "secret")


def test_a_secret_with_special_characters_comes_through_a_uri(hook_of_uri: HookOfUri) -> None:
    assert hook_of_uri("genesys://client:a%2Fb%40c%3A%25@usw2.pure.cloud").settings.client_secret == "a/b@c:%"


def test_extras_come_through_a_uri(hook_of_uri: HookOfUri) -> None:
    hook = hook_of_uri(
        "genesys://client:secret@usw2.pure.cloud/?timeout=7.5&verify=false&polls_per_minute=5&"
        "allow_private_downloads=true&proxy=http%3A%2F%2Fproxy.example%3A3128"
    )
    assert (hook.settings.timeout, hook.settings.verify, hook.limits.polls_per_minute) == (7.5, False, 5)
    assert (hook.settings.proxy, hook.allow_private_downloads) == ("http://proxy.example:3128", True)


def test_an_organisation_is_a_host_and_a_client(hook_of: HookOf) -> None:
    assert hook_of(host="usw2.pure.cloud").organisation == Organisation("api.usw2.pure.cloud", "client")
    assert str(hook_of(host="http://127.0.0.1:8080").organisation) == "client@127.0.0.1:8080"


def test_without_extras_all_is_as_documented(hook_of: HookOf) -> None:
    hook = hook_of()
    settings = hook.settings
    assert (settings.proxy, settings.verify, settings.timeout) == (None, True, 60.0)
    assert hook.limits == Limits(requests_per_minute=300, polls_per_minute=20)
    assert hook.allow_private_downloads is False
    assert isinstance(hook.get_api(), GuideApi)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"host": ""}, "has no host: give the API host"),
        ({"host": None}, "has no host: give the API host"),
        ({"login": ""}, r"connection 'genesys_test' has no login \(the OAuth client id\)"),
        ({"login": None}, "has no login"),
        ({"password": ""}, r"connection 'genesys_test' has no password \(the OAuth client secret\)"),
        ({"password": None}, "has no password"),
        ({"host": "http://api.mypurecloud.com"}, "must use https"),
        ({"host": "api.mypurecloud.com", "schema": "http"}, "must use https"),
        ({"host": "api.mypurecloud.com", "schema": "ftp"}, "scheme 'ftp'"),
        ({"extra": {"login_url": "http://sso.example"}}, "login_url 'http://sso.example' must use https"),
    ],
)
def test_a_connection_that_cannot_work_is_refused_in_words(hook_of: HookOf, fields: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidInput, match=why) as refusal:
        _ = hook_of(**fields).settings
    assert SECRET not in str(refusal.value)


# -- extras ----------------------------------------------------------------------------------------------------------


def test_extras_that_are_not_in_the_form_are_left_aside(hook_of: HookOf) -> None:
    hook = hook_of({"X-Header": "x", "headers": {"a": "b"}, "polls_per_minute": 7, "client_secret": "other"})
    assert hook._extras == {"polls_per_minute": 7}
    assert hook.settings.client_secret == SECRET


@pytest.mark.parametrize("empty", ["", None])
def test_an_extra_that_a_form_left_empty_is_not_there(hook_of: HookOf, empty: str | None) -> None:
    names = ("export_api", "login_url", "proxy", "verify", "timeout", "polls_per_minute", "allow_private_downloads")
    hook = hook_of(dict.fromkeys(names, empty))
    assert (hook.settings, hook.limits) == (hook_of().settings, hook_of().limits)
    assert hook.allow_private_downloads is False
    assert isinstance(hook.get_api(), GuideApi)


@pytest.mark.parametrize(
    ("given", "number"), [(5, 5.0), (2.5, 2.5), ("5", 5.0), ("2.5", 2.5), (" 7 ", 7.0), (0.1, 0.1)]
)
def test_a_number_may_be_a_forms_text(hook_of: HookOf, given: Any, number: float) -> None:
    assert hook_of({"timeout": given}).settings.timeout == number


@pytest.mark.parametrize("given", ["soon", 0, -1, "nan", "inf", [], {"a": 1}, 0.09])
def test_what_is_no_timeout_is_refused(hook_of: HookOf, given: Any) -> None:
    with pytest.raises(
        InvalidInput, match=r"extra 'timeout' of connection 'genesys_test' must be a number of at least"
    ):
        _ = hook_of({"timeout": given}).settings


@pytest.mark.parametrize("name", ["requests_per_minute", "polls_per_minute"])
@pytest.mark.parametrize("given", ["many", 0, -5, 0.5, "nan", "inf"])
def test_what_is_no_budget_is_refused(hook_of: HookOf, name: str, given: Any) -> None:
    with pytest.raises(
        InvalidInput, match=f"extra '{name}' of connection 'genesys_test' must be a number of at least 1"
    ):
        _ = hook_of({name: given}).limits


def test_budgets_are_whole_numbers(hook_of: HookOf) -> None:
    hook = hook_of({"requests_per_minute": "600", "polls_per_minute": 40})
    assert hook.limits == Limits(600, 40)


@pytest.mark.parametrize(
    ("given", "flag"), [(True, True), (False, False), ("true", True), ("False", False), ("TRUE", True)]
)
def test_a_flag_may_be_a_forms_text(hook_of: HookOf, given: Any, flag: bool) -> None:
    assert hook_of({"allow_private_downloads": given}).allow_private_downloads is flag
    assert hook_of({"verify": given}).settings.verify is flag


@pytest.mark.parametrize("given", ["yes", 1, "0"])
def test_what_is_no_flag_is_refused(hook_of: HookOf, given: Any) -> None:
    with pytest.raises(InvalidInput, match=r"extra 'allow_private_downloads' .* must be true or false"):
        _ = hook_of({"allow_private_downloads": given}).allow_private_downloads


def test_verification_may_name_a_bundle(hook_of: HookOf, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.touch()
    assert hook_of({"verify": str(bundle)}).settings.verify == str(bundle)


@pytest.mark.parametrize("given", ["/nowhere/bundle.pem", "yes", 1])
def test_a_bundle_that_is_not_there_is_refused_and_verification_never_just_off(hook_of: HookOf, given: Any) -> None:
    with pytest.raises(InvalidInput, match=r"extra 'verify' .* must be true, false or the path of a CA bundle"):
        _ = hook_of({"verify": given}).settings


# -- which API -------------------------------------------------------------------------------------------------------


def test_the_guides_api_may_be_named(hook_of: HookOf) -> None:
    assert isinstance(hook_of({"export_api": "guide"}).get_api(), GuideApi)


def test_an_api_that_is_not_there_is_refused_in_words(hook_of: HookOf) -> None:
    with pytest.raises(
        InvalidInput,
        match="'export_api' of connection 'genesys_test' says 'soap', which is unknown: use one of guide, batch, bulk",
    ):
        hook_of({"export_api": "soap"}).get_api()


@pytest.mark.parametrize("given", [{}, {"integration_id": ""}, {"integration_id": "  "}])
def test_bulk_jobs_need_an_integration_before_any_request(hook_of: HookOf, given: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="connection 'genesys_test' has no extra 'integration_id', which bulk jobs"):
        hook_of({"export_api": "bulk", **given}).get_api()


# -- at work ---------------------------------------------------------------------------------------------------------


def test_a_client_speaks_to_the_connections_organisation(hook_of: HookOf, simulator: Simulator) -> None:
    client = hook_of(host=simulator.url).get_conn()
    assert isinstance(client, GenesysClient)
    client.login()
    assert simulator.stats.requests["token"] == 1


def test_tries_and_the_budget_are_handed_on(hook_of: HookOf, simulator: Simulator) -> None:
    announced: list[int] = []
    simulator.faults = [Fault("volume_down")]
    hook = hook_of(host=simulator.url)
    window = ExportWindow(datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 2, tzinfo=UTC))
    api = hook.get_api(tries=1, before_request=lambda: announced.append(1))
    with pytest.raises(Passing):
        api.volume(ExportRequest(hook.organisation, window, "mp3"))
    assert (simulator.stats.requests["volume"], announced) == (1, [1])


def test_a_token_is_masked_as_soon_as_it_is_there(
    hook_of: HookOf, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    masked: list[str] = []
    monkeypatch.setattr(hook_module, "mask_secret", masked.append)
    hook_of(host=simulator.url).get_conn().login()
    assert masked == list(simulator.issued["tokens"])


def test_a_hook_reads_its_connection_without_blocking_an_event_loop(hook_of: HookOf) -> None:
    hook_of(host="usw2.pure.cloud")
    hook = asyncio.run(GenesysHook.looked_up("genesys_test"))
    assert hook.settings.hosts == US_WEST


# -- the Test button -------------------------------------------------------------------------------------------------


def test_a_connection_that_works_says_so(hook_of: HookOf, simulator: Simulator) -> None:
    is_good, said = hook_of(host=simulator.url).test_connection()
    assert is_good, said
    assert said.startswith(f"Logged in at {simulator.url.removeprefix('http://')}; ")
    assert said.endswith("recordings in the last hour")


def test_a_refused_login_says_where_to_look(
    hook_of: HookOf, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    is_good, said = hook_of(host=simulator.url, password="a wrong secret").test_connection()
    assert not is_good
    assert "Check the connection's login (client id), password (client secret) and region" in said
    assert "a wrong secret" not in said + caplog.text


def test_a_missing_permission_is_named(hook_of: HookOf, simulator: Simulator) -> None:
    simulator.faults = [Fault("forbidden", route="volume")]
    is_good, said = hook_of(host=simulator.url).test_connection()
    assert not is_good
    assert "the permission Recording > Recording > View and the scope recording:view" in said


def test_the_published_api_says_what_it_answers(hook_of: HookOf, simulator: Simulator) -> None:
    is_good, said = hook_of({"export_api": "batch"}, host=simulator.url).test_connection()
    assert is_good, said
    assert "recorded conversations yesterday and today, the first of them in 3 divisions; analytics reaches" in said
    assert "batch requests may be read; URLs live 60 minutes (60 for mp3 and wav)" in said
    assert simulator.stats.batches == 0


@pytest.mark.parametrize(
    ("route", "permission"),
    [
        ("details_query", "Analytics > Conversation Detail > View, in the divisions that are exported"),
        ("availability", "Analytics > Conversation Detail > View"),
        ("batch_poll", "Recording > Recording > View"),
    ],
)
def test_a_permission_that_the_published_api_wants_is_named(
    hook_of: HookOf, simulator: Simulator, route: str, permission: str
) -> None:
    simulator.faults = [Fault("forbidden", route=route)]
    is_good, said = hook_of({"export_api": "batch"}, host=simulator.url).test_connection()
    assert not is_good
    assert permission in said


BULK = {"export_api": "bulk", "integration_id": "simulated-integration"}


def test_an_integration_that_works_is_named(hook_of: HookOf, simulator: Simulator) -> None:
    is_good, said = hook_of(BULK, host=simulator.url).test_connection()
    assert is_good, said
    assert "is active; 0 of 2 bulk jobs are under way" in said
    assert simulator.stats.bulk_jobs == 0


def test_a_permission_that_bulk_jobs_want_is_named(hook_of: HookOf, simulator: Simulator) -> None:
    simulator.faults = [Fault("forbidden", route="bulk_execute")]
    is_good, said = hook_of(BULK, host=simulator.url).test_connection()
    assert not is_good
    assert "Recording > Job > Edit" in said


@pytest.mark.parametrize("extra", [{"export_api": "batch"}, BULK], ids=["batch", "bulk"])
def test_the_clients_roles_and_their_divisions_are_told(
    hook_of: HookOf, simulator: Simulator, extra: dict[str, Any]
) -> None:
    simulator.faults = [Fault("hidden_division", message="North")]
    is_good, said = hook_of(extra, host=simulator.url).test_connection()
    assert is_good, said
    seen = f"{DIVISION_IDS[0]}, {DIVISION_IDS[2]}"
    assert said.endswith(f"; the OAuth client has the role 'Recording Export' in the divisions {seen}")


@pytest.mark.parametrize("extra", [{"export_api": "batch"}, BULK], ids=["batch", "bulk"])
@pytest.mark.parametrize(
    ("route", "told"),
    [
        ("oauth_client", "the OAuth client's roles are not readable without the permission OAuth > Client > View"),
        ("role", "(its name is not readable without the permission Authorization > Role > View) in the divisions"),
    ],
)
def test_roles_that_cannot_be_read_fail_no_test(
    hook_of: HookOf, simulator: Simulator, extra: dict[str, Any], route: str, told: str
) -> None:
    simulator.faults = [Fault("forbidden", route=route)]
    is_good, said = hook_of(extra, host=simulator.url).test_connection()
    assert is_good, said
    assert told in said


def test_an_organisation_without_the_guides_api_hears_which_setting_is_wrong(hook_of: HookOf) -> None:
    with rude_platform() as real:
        real.will(Answer(404, {"message": "not found", "code": "not.found", "status": 404, "contextId": "c"}))
        is_good, said = hook_of(host=real.url).test_connection()
    assert not is_good
    assert "'export_api' names the wrong API" in said


def test_a_host_that_is_away_is_told_at_once(hook_of: HookOf) -> None:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    is_good, said = hook_of(host=f"http://127.0.0.1:{port}").test_connection()
    assert not is_good
    assert f"no connection to 127.0.0.1:{port}" in said


def test_a_platform_that_is_down_is_asked_once(hook_of: HookOf, simulator: Simulator) -> None:
    simulator.faults = [Fault("volume_down")]
    is_good, said = hook_of(host=simulator.url).test_connection()
    assert (is_good, simulator.stats.requests["volume"]) == (False, 1)
    assert "status 503" in said


@pytest.mark.parametrize(
    ("fields", "said"),
    [({"host": ""}, "has no host"), ({"extra": {"export_api": "bulk"}}, "has no extra 'integration_id'")],
)
def test_a_connection_that_cannot_work_fails_the_test_in_words(
    hook_of: HookOf, fields: dict[str, Any], said: str
) -> None:
    is_good, words = hook_of(**fields).test_connection()
    assert not is_good
    assert said in words


def test_the_default_connection_is_genesys_default(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = {"conn_type": "genesys", "host": "usw2.pure.cloud", "login": "client", "password": SECRET}
    monkeypatch.setenv("AIRFLOW_CONN_GENESYS_DEFAULT", json.dumps(connection))
    assert GenesysHook().settings.hosts == US_WEST
