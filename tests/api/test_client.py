# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pickle
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from threading import Barrier

import pytest

from airflow_provider_genesys.api.client import ClientSettings, GenesysClient
from airflow_provider_genesys.api.errors import Call
from airflow_provider_genesys.api.guide import VOLUME
from airflow_provider_genesys.api.hosts import resolve_hosts
from airflow_provider_genesys.export.errors import ExportError, NoAccess, OutcomeUnknown, Passing, Refused
from airflow_provider_genesys.simulator import Fault, Simulator
from tests.api.conftest import SECRET
from tests.api.rude import TOKEN, Answer, Dropped, RudePlatform, rude_platform
from tests.archive.certificate import self_signed

READ = Call("GET", "/api/v2/things/{thing}", "Thing > View", "thing:view")
MAKE = Call("POST", "/api/v2/things", "Thing > Create", "thing:create", repeatable=False)
THING = {"thing": "one"}

Simulate = Callable[..., Simulator]
Connect = Callable[..., GenesysClient]


def volume(client: GenesysClient) -> int:
    day = {"dateFrom": "2024-05-01T00:00:00.000Z", "dateTo": "2024-05-01T23:59:59.999Z", "pageSize": 1}
    total = client.call(VOLUME, params=day)["total"]
    assert isinstance(total, int)
    return total


def unused_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        assert isinstance(port, int)
        return port


# -- the token -------------------------------------------------------------------------------------------------------


def test_one_login_serves_every_client_of_the_process_for_the_tokens_life(simulate: Simulate, connect: Connect) -> None:
    simulator = simulate()
    for _ in range(3):
        client = connect(simulator.url)
        assert (volume(client), volume(client)) == (7, 7)
    assert simulator.stats.requests["token"] == 1


def test_many_threads_at_once_log_in_once(simulate: Simulate, connect: Connect) -> None:
    simulator, line = simulate(), Barrier(8)
    client = connect(simulator.url)

    def ask() -> int:
        line.wait()
        return volume(client)

    with ThreadPoolExecutor(8) as threads:
        assert [future.result() for future in [threads.submit(ask) for _ in range(8)]] == [7] * 8
    assert simulator.stats.requests["token"] == 1


def test_many_threads_whose_token_ran_out_at_the_platform_log_in_again_once(
    simulate: Simulate, connect: Connect
) -> None:
    """The platform's clock is ahead, so that the client does not know."""
    ahead, line = [0.0], Barrier(8)
    simulator = simulate(clock=lambda: time.time() + ahead[0], token_seconds=1000)
    client = connect(simulator.url)
    client.login()
    ahead[0] = 2000.0

    def ask() -> int:
        line.wait()
        return volume(client)

    with ThreadPoolExecutor(8) as threads:
        assert [future.result() for future in [threads.submit(ask) for _ in range(8)]] == [7] * 8
    assert simulator.stats.requests["token"] == 2


def test_another_secret_is_another_token(simulate: Simulate, connect: Connect) -> None:
    simulator = simulate(clients={"demo": SECRET, "other": "other secret"})
    volume(connect(simulator.url))
    volume(connect(simulator.url, client_id="other", client_secret="other secret"))
    assert simulator.stats.requests["token"] == 2


def test_a_token_is_renewed_before_its_life_is_over(rude: RudePlatform, connect: Connect) -> None:
    rude.login = Answer(200, {"access_token": TOKEN, "expires_in": 1})
    client = connect(rude.url)
    client.login()
    client.login()
    assert rude.logins == 1
    time.sleep(0.95)
    client.login()
    assert rude.logins == 2


def test_every_new_token_is_told_so_that_logs_can_mask_it(simulate: Simulate, connect: Connect) -> None:
    simulator, told = simulate(), list[str]()
    client = connect(simulator.url, on_token=told.append)
    volume(client)
    volume(client)
    assert told == list(simulator.issued["tokens"])


def test_a_revoked_token_is_renewed_once(simulate: Simulate, connect: Connect) -> None:
    simulator = simulate(faults=[Fault("revoked_token")])
    assert volume(connect(simulator.url)) == 7
    assert simulator.stats.requests["token"] == 2


def test_a_second_refusal_of_the_token_is_final_and_says_so(
    simulate: Simulate, connect: Connect, slept: list[float]
) -> None:
    simulator = simulate(faults=[Fault("revoked_token", times=None)])
    with pytest.raises(Refused, match=r"status 401, .*The token was refused twice: check the OAuth client"):
        volume(connect(simulator.url))
    assert (simulator.stats.requests["token"], simulator.stats.requests["volume"], slept) == (2, 2, [])


def test_a_post_is_made_again_after_a_401_which_did_nothing(rude: RudePlatform, connect: Connect) -> None:
    rude.will(Answer(401, {}), Answer(202, {"id": "job"}))
    assert connect(rude.url).call(MAKE, body={}) == {"id": "job"}
    assert [request.method for request in rude.requests] == ["POST", "POST"]


def test_a_wrong_secret_is_no_access_and_says_where_to_look(
    simulate: Simulate, connect: Connect, slept: list[float]
) -> None:
    simulator = simulate()
    with pytest.raises(NoAccess) as refusal:
        connect(simulator.url, client_secret="a wrong secret").login()
    said = str(refusal.value)
    assert "was refused: client not found or secret wrong (status 401, code invalid_client" in said
    assert "Check the connection's login (client id), password (client secret) and region" in said
    assert "wrong secret." not in said
    assert slept == []


def test_a_login_that_is_down_for_a_moment_is_tried_again(
    simulate: Simulate, connect: Connect, slept: list[float]
) -> None:
    simulator = simulate(faults=[Fault("server_errors", route="token", times=2)])
    assert volume(connect(simulator.url)) == 7
    assert len(slept) == 2


@pytest.mark.parametrize(
    "answer",
    [Answer(200, b"<html>portal</html>"), Answer(200, []), Answer(200, {"token": "x"}), Answer(302, b"")],
)
def test_an_answer_without_a_token_names_the_login_host(rude: RudePlatform, connect: Connect, answer: Answer) -> None:
    rude.login = answer
    with pytest.raises(ExportError, match=r"POST /oauth/token: .*(holds no token; is 127.0.0.1:\d+ the login|302)"):
        connect(rude.url, tries=1).login()


def test_a_login_is_no_job_whose_answer_may_be_lost(rude: RudePlatform, connect: Connect) -> None:
    """A POST of a job fails before it is made."""
    rude.login = Dropped()
    with pytest.raises(Passing) as fault:
        connect(rude.url).call(MAKE, body={})
    assert not isinstance(fault.value, OutcomeUnknown)
    assert rude.requests == []


def test_the_token_is_sent_even_where_a_netrc_knows_the_host(
    rude: RudePlatform, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password something\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    connect(rude.url).call(READ, ids=THING)
    assert rude.requests[0].headers["authorization"] == f"Bearer {TOKEN}"


# -- faults that pass ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_get_is_tried_again_on_a_server_error(
    simulate: Simulate, connect: Connect, slept: list[float], status: int
) -> None:
    simulator = simulate(faults=[Fault("server_errors", status=status, route="volume", times=4)])
    assert volume(connect(simulator.url)) == 7
    assert simulator.stats.requests["volume"] == 5
    assert len(slept) == 4
    assert all(0 <= pause <= 20 for pause in slept)


def test_tries_are_bounded_and_the_last_fault_is_told(simulate: Simulate, connect: Connect) -> None:
    simulator = simulate(faults=[Fault("volume_down")])
    with pytest.raises(Passing, match=r"GET /api/v2/recordings: The request could not be .* .status 503"):
        volume(connect(simulator.url))
    assert simulator.stats.requests["volume"] == 5


def test_one_try_leaves_the_waiting_to_the_caller(simulate: Simulate, connect: Connect, slept: list[float]) -> None:
    simulator = simulate(faults=[Fault("rate_limited", seconds=30)])
    with pytest.raises(Passing) as busy:
        connect(simulator.url, tries=1).login()
    assert (busy.value.retry_after, slept) == (30.0, [])


def test_a_lost_answer_to_a_get_is_asked_for_again(simulate: Simulate, connect: Connect) -> None:
    simulator = simulate(faults=[Fault("dropped_connection", route="volume", times=2)])
    assert volume(connect(simulator.url)) == 7
    assert simulator.stats.requests["volume"] == 3


def test_a_get_whose_json_is_cut_off_is_asked_again(simulate: Simulate, connect: Connect) -> None:
    simulator = simulate(faults=[Fault("invalid_json", route="volume", times=2)])
    assert volume(connect(simulator.url)) == 7
    assert simulator.stats.requests["volume"] == 3


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_honoured(simulate: Simulate, connect: Connect, slept: list[float], form: str) -> None:
    simulator = simulate(faults=[Fault("rate_limited", seconds=40, form=form, route="volume", times=2)])
    assert volume(connect(simulator.url)) == 7
    assert len(slept) == 2
    assert all(39.0 <= pause <= 43.0 for pause in slept)


def test_the_longest_retry_after_that_is_slept_is_three_minutes(
    rude: RudePlatform, connect: Connect, slept: list[float]
) -> None:
    rude.will(Answer(429, {}, (("Retry-After", "180"),)), Answer(429, {}, (("Retry-After", "181"),)))
    with pytest.raises(Passing, match="over the organisation's rate limit") as busy:
        connect(rude.url).call(READ, ids=THING)
    assert busy.value.retry_after == 181.0
    assert len(slept) == 1
    assert 180.0 <= slept[0] < 183.0


def test_a_far_date_is_raised_and_not_slept(rude: RudePlatform, connect: Connect, slept: list[float]) -> None:
    midnight = format_datetime(datetime.now(UTC) + timedelta(hours=8), usegmt=True)
    rude.will(Answer(429, {}, (("Retry-After", midnight),)))
    with pytest.raises(Passing) as busy:
        connect(rude.url).call(READ, ids=THING)
    assert busy.value.retry_after == pytest.approx(8 * 3600, abs=5)
    assert slept == []


# -- a POST that makes something -------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_post_is_never_repeated_on_a_server_error(rude: RudePlatform, connect: Connect, status: int) -> None:
    rude.will(Answer(status, {"message": "Timed out.", "contextId": "ctx-9"}, (("Retry-After", "5"),)))
    with pytest.raises(OutcomeUnknown, match=r"ctx-9.*the job may exist or not") as unknown:
        connect(rude.url).call(MAKE, body={})
    assert unknown.value.retry_after == 5.0
    assert len(rude.requests) == 1


@pytest.mark.parametrize("answer", [Dropped(), Answer(202, b"{"), Answer(202, b""), Answer(200, ["job"])])
def test_a_post_whose_answer_is_lost_or_broken_is_never_repeated(
    rude: RudePlatform, connect: Connect, answer: Answer
) -> None:
    rude.will(answer)
    with pytest.raises(OutcomeUnknown, match="the job may exist or not"):
        connect(rude.url).call(MAKE, body={})
    assert len(rude.requests) == 1


def test_a_post_that_times_out_may_have_made_its_job(connect: Connect, rude: RudePlatform) -> None:
    class Silent(Answer):
        def send(self, handler: object) -> None:
            time.sleep(0.5)

    client = connect(rude.url, timeout=0.1)
    client.login()
    rude.will(Silent())
    with pytest.raises(OutcomeUnknown, match="ReadTimeout"):
        client.call(MAKE, body={})


@pytest.mark.parametrize("call", [READ, MAKE])
def test_a_refused_connection_never_left(connect: Connect, rude: RudePlatform, call: Call) -> None:
    """The login host answers, the API's doesn't."""
    settings = ClientSettings(resolve_hosts(f"http://127.0.0.1:{unused_port()}", rude.url), "demo", SECRET)
    with pytest.raises(Passing, match=r"no connection to 127.0.0.1:\d+: NewConnectionError") as fault:
        GenesysClient(settings, tries=2, sleep=lambda _: None).call(call, ids=THING)
    assert not isinstance(fault.value, OutcomeUnknown)


def test_a_proxy_that_is_away_let_nothing_leave(connect: Connect, rude: RudePlatform) -> None:
    client = connect(rude.url)
    client.login()
    proxied = connect(rude.url, proxy=f"http://127.0.0.1:{unused_port()}")
    with pytest.raises(Passing) as fault:
        proxied.call(MAKE, body={})
    assert not isinstance(fault.value, OutcomeUnknown)
    assert rude.requests == []


def test_a_429_of_a_post_is_passing_and_left_to_the_caller(rude: RudePlatform, connect: Connect) -> None:
    rude.will(Answer(429, {}, (("Retry-After", "9"),)))
    with pytest.raises(Passing) as busy:
        connect(rude.url).call(MAKE, body={})
    assert not isinstance(busy.value, OutcomeUnknown)
    assert (busy.value.retry_after, len(rude.requests)) == (9.0, 1)


# -- refusals --------------------------------------------------------------------------------------------------------


def test_a_forbidden_call_names_the_permission_and_the_scope(simulate: Simulate, connect: Connect) -> None:
    simulator = simulate(faults=[Fault("forbidden", route="volume", times=None)])
    with pytest.raises(
        Refused, match="needs the permission Recording > Recording > View and the scope recording:view"
    ) as refusal:
        volume(connect(simulator.url))
    assert "You are missing the permission" in str(refusal.value)
    assert simulator.stats.requests["volume"] == 1


def test_a_page_in_place_of_an_error_is_told_by_its_status(rude: RudePlatform, connect: Connect) -> None:
    rude.will(Answer(403, b"<html><h1>Corporate proxy</h1></html>", (("ININ-Correlation-Id", "corr-3"),)))
    with pytest.raises(Refused, match=r"GET /api/v2/things/\{thing\}: Forbidden .status 403, .*contextId corr-3"):
        connect(rude.url).call(READ, ids=THING)


@pytest.mark.parametrize("call", [READ, MAKE])
def test_a_redirect_is_not_followed_with_the_token(rude: RudePlatform, connect: Connect, call: Call) -> None:
    rude.will(Answer(302, b"", (("Location", "https://elsewhere.example/login"),)))
    with pytest.raises(Refused, match=r"Found \(status 302"):
        connect(rude.url).call(call, ids=THING)
    assert len(rude.requests) == 1


def test_an_id_stands_in_the_path_as_it_is_given(rude: RudePlatform, connect: Connect) -> None:
    connect(rude.url).call(READ, ids={"thing": "a/b"})
    assert rude.requests[0].path == "/api/v2/things/a%2Fb"


# -- TLS -------------------------------------------------------------------------------------------------------------


def test_a_certificate_that_nobody_knows_is_no_access(tmp_path: Path, connect: Connect, slept: list[float]) -> None:
    with rude_platform(self_signed(tmp_path)) as platform:
        with pytest.raises(NoAccess, match=r"TLS with 127.0.0.1:\d+ failed: .*; see the extra 'verify'"):
            connect(platform.url).login()
        assert (platform.logins, slept) == (0, [])


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_a_bundle_or_none_may_be_named(tmp_path: Path, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where the environment names another bundle."""
    certificate = self_signed(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "nowhere.pem"))
    with rude_platform(certificate) as platform:
        assert connect(platform.url, verify=str(certificate)).call(READ, ids=THING) == {}
        assert connect(platform.url, verify=False).call(READ, ids=THING) == {}


# -- the budget ------------------------------------------------------------------------------------------------------


def test_every_request_is_announced_and_the_repeated_ones_too(rude: RudePlatform) -> None:
    announced: list[int] = []
    rude.will(Answer(401, {}), Answer(503, {}), Answer(200, {}))
    settings = ClientSettings(resolve_hosts(rude.url), "demo", SECRET)
    client = GenesysClient(settings, before_request=lambda: announced.append(len(rude.requests)), sleep=lambda _: None)
    assert client.call(READ, ids=THING) == {}
    assert announced == [0, 1, 2]


def test_a_budget_that_is_spent_for_minutes_keeps_a_post_from_being_made(rude: RudePlatform) -> None:
    def spent() -> None:
        raise Passing("the budget is reserved for minutes ahead", 200.0)

    settings = ClientSettings(resolve_hosts(rude.url), "demo", SECRET)
    with pytest.raises(Passing) as fault:
        GenesysClient(settings, before_request=spent).call(MAKE, body={})
    assert not isinstance(fault.value, OutcomeUnknown)
    assert rude.requests == []


# -- secrets ---------------------------------------------------------------------------------------------------------

ILLS: dict[str, list[Answer]] = {
    "the token is refused": [Answer(401, {"message": "Invalid login credentials."})],
    "forbidden": [Answer(403, {"message": "no"})],
    "a server error": [Answer(503, {"message": "down"})],
    "a lost answer": [Dropped()],
    "broken JSON": [Answer(200, b"{")],
    "a redirect": [Answer(302, b"", (("Location", "https://elsewhere.example/?token=secret"),))],
}


@pytest.mark.parametrize("call", [READ, MAKE], ids=["GET", "POST"])
@pytest.mark.parametrize("ill", ILLS)
def test_no_secret_is_in_an_error_or_a_log(
    rude: RudePlatform, connect: Connect, caplog: pytest.LogCaptureFixture, ill: str, call: Call
) -> None:
    caplog.set_level("DEBUG")
    rude.will(*ILLS[ill])
    client = connect(rude.url, tries=2)
    with pytest.raises(ExportError) as fault:
        client.call(call, ids=THING, body={})
    chain = [error for error in (fault.value, fault.value.__cause__) if error is not None]
    told = "".join(str(error) + repr(error) + repr(vars(error)) for error in chain)
    told += caplog.text + repr(client.settings) + repr(vars(client))
    assert TOKEN not in told
    assert SECRET not in told
    assert TOKEN in str(rude.requests[0].headers), "the test would not see a leak otherwise"


def test_no_proxys_password_is_in_an_error_or_a_log(
    rude: RudePlatform, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    client = connect(rude.url, tries=2, proxy=f"http://user:proxypass@127.0.0.1:{unused_port()}")
    with pytest.raises(Passing) as fault:
        client.login()
    assert "proxypass" not in str(fault.value) + repr(fault.value) + caplog.text + repr(client.settings)


def test_errors_of_the_wire_cross_processes(rude: RudePlatform, connect: Connect) -> None:
    for answers in ILLS.values():
        rude.will(*answers)
        with pytest.raises(ExportError) as fault:
            connect(rude.url, tries=1).call(READ, ids=THING)
        again = pickle.loads(pickle.dumps(fault.value))
        assert (type(again), str(again)) == (type(fault.value), str(fault.value))


def test_a_client_may_be_shared_by_threads(rude: RudePlatform, connect: Connect) -> None:
    client = connect(rude.url)
    rude.will(Answer(200, {"good": True}))
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: client.call(READ, ids=THING), range(64)))
    assert answers == [{"good": True}] * 64
    assert threading.active_count() < 50
