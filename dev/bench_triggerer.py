# SPDX-License-Identifier: Apache-2.0
"""``make bench-triggerer``: what thousands of deferred waits cost one triggerer, on the Airflow that runs this.

A real ``airflow triggerer`` on PostgreSQL has that many :class:`ExportJobTrigger` rows to run, each the wait of a task
instance for a job of its own that the simulator never ends. Their ledger is another database of the same server.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
from psycopg2 import sql
from psycopg2.extras import execute_values

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from airflow_provider_genesys.simulator import Simulator, Universe
from tests.servers.local import free_port
from tests.servers.postgres import PostgresServer, postgres_server

DAG_ID = "waits"
DAG = f"""
from airflow.providers.common.compat.sdk import DAG, BaseOperator

class Wait(BaseOperator):
    def execute(self, context):
        return None

with DAG(dag_id="{DAG_ID}", schedule=None):
    Wait(task_id="wait_for_export")
"""
BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
LENGTH = timedelta(minutes=15)
POLLS_PER_MINUTE = 20
JOB_SECONDS = 1e9
"""That a job takes: no wait ends while it is measured."""

START_SECONDS = 600.0


@dataclass(frozen=True)
class Usage:
    """What the triggerer's processes have used so far.

    :param rss: resident bytes of all of them; what they share counts more than once.
    :param largest: resident bytes of the largest, which runs the triggers.
    :param cpu: seconds of all of them.
    :param transactions: of the ledger's database.
    :param writes: rows written there.
    """

    at: float
    rss: int
    largest: int
    cpu: float
    transactions: int
    writes: int


@contextmanager
def airflow(home: Path, server: PostgresServer, simulator: Simulator) -> Iterator[None]:
    """Airflow's environment, its own database migrated, with one finished run of a DAG of one task."""
    server.create_database("airflow")
    ledger = server.create_database("ledger").rsplit("/", 1)[-1]
    dags = home / "dags"
    dags.mkdir()
    (dags / f"{DAG_ID}.py").write_text(DAG)
    organisation = {
        "conn_type": "genesys",
        "host": simulator.url,
        "login": "demo",
        "password": "demo",
        "extra": {
            "allow_private_downloads": True,
            "polls_per_minute": POLLS_PER_MINUTE,
            "requests_per_minute": 600_000,
        },
    }
    record = {
        "conn_type": "postgres",
        "host": "127.0.0.1",
        "port": server.port,
        "login": "postgres",
        "password": server.password,
        "schema": ledger,
    }
    os.environ.update(
        AIRFLOW_HOME=str(home),
        AIRFLOW__CORE__DAGS_FOLDER=str(dags),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=server.url("airflow").replace("postgresql:", "postgresql+psycopg2:", 1),
        AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT=str(free_port()),
        AIRFLOW_CONN_GENESYS_DEFAULT=json.dumps(organisation),
        AIRFLOW_CONN_GENESYS_LEDGER=json.dumps(record),
    )
    for words in (["db", "migrate"], ["dags", "test", DAG_ID, "2024-01-02"]):
        done = subprocess.run([sys.executable, "-m", "airflow", *words], capture_output=True, text=True, timeout=300)
        if done.returncode:
            sys.exit(f"airflow {' '.join(words)} failed:\n{(done.stdout + done.stderr)[-3000:]}")
    yield


def submit(count: int, url: str) -> list[tuple[str, str]]:
    """Submit so many windows, and leave the ledger as their tasks do: the owner and the job's id of each."""
    from airflow_provider_genesys.api.client import ClientSettings, GenesysClient
    from airflow_provider_genesys.api.guide import GuideApi
    from airflow_provider_genesys.api.hosts import resolve_hosts
    from airflow_provider_genesys.export.entry import Attempt, AttemptStatus
    from airflow_provider_genesys.export.leases import Leases
    from airflow_provider_genesys.export.model import ExportRequest, ExportWindow
    from airflow_provider_genesys.hooks.genesys import GenesysHook
    from airflow_provider_genesys.wiring import ledger

    api = GuideApi(GenesysClient(ClientSettings(resolve_hosts(url, None), "demo", "demo")))
    record, organisation = ledger(), GenesysHook().organisation
    jobs = []
    for number in range(count):
        start, owner = BEGIN + number * LENGTH, f"{DAG_ID}/run[{number}]"
        request = ExportRequest(organisation, ExportWindow(start, start + LENGTH), "mp3")
        leases = Leases(record, owner, 300.0)
        entry, job_id = leases.hold(request), api.submit(request)
        attempt = Attempt(0, 0, AttemptStatus.SUBMITTED, job_id, submitted_at=record.now())
        leases.save(replace(entry, attempts=(attempt,)))
        jobs.append((owner, job_id))
    return jobs


def defer(server: PostgresServer, jobs: list[tuple[str, str]]) -> None:
    """Make a deferred task instance of each job's wait: a copy of the finished one, with a trigger."""
    from airflow.models.trigger import Trigger

    from airflow_provider_genesys.triggers.recordings import ExportJobTrigger

    rows = []
    for owner, job_id in jobs:
        trigger = ExportJobTrigger(
            job_ids=[job_id],
            genesys_conn_id="genesys_default",
            ledger_conn_id="genesys_ledger",
            owner=owner,
            poll_interval=15.0,
            max_poll_interval=180.0,
            lease_seconds=300.0,
            deadline=time.time() + 86_400,
        )
        row: Any = Trigger.from_object(trigger)
        rows.append((row.classpath, row.encrypted_kwargs, datetime.now(UTC)))
    with closing(server.connect("airflow")) as connection, connection.cursor() as cursor:
        statement = "INSERT INTO trigger (classpath, kwargs, created_date) VALUES %s"
        execute_values(cursor, statement, rows)
        cursor.execute(
            "SELECT column_name FROM information_schema.columns"
            " WHERE table_name = 'task_instance' AND table_schema = 'public'"
        )
        columns = [name for (name,) in cursor.fetchall()]
        own = {"id": "gen_random_uuid()", "map_index": "waits.number", "state": "'deferred'", "trigger_id": "waits.id"}
        values = [sql.SQL(own[name]) if name in own else sql.Identifier("finished", name) for name in columns]
        copies = sql.SQL(
            "INSERT INTO task_instance ({columns}) SELECT {values} FROM task_instance AS finished,"
            " (SELECT id, row_number() OVER (ORDER BY id) AS number FROM trigger) AS waits"
        )
        cursor.execute(
            copies.format(columns=sql.SQL(", ").join(map(sql.Identifier, columns)), values=sql.SQL(", ").join(values))
        )
        cursor.execute("UPDATE dag_run SET state = 'running'")


@contextmanager
def triggerer(home: Path, count: int) -> Iterator[psutil.Process]:
    """A triggerer with room for all of them; its whole tree is ended by process id."""
    command = [sys.executable, "-m", "airflow", "triggerer", "--capacity", str(count)]
    with (home / "triggerer.log").open("w") as log:
        process = psutil.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            tree = [*process.children(recursive=True), process]
            for each in tree:
                each.terminate()
            for each in psutil.wait_procs(tree, timeout=20)[1]:
                each.kill()


def usage(process: psutil.Process, server: PostgresServer) -> Usage:
    tree = [process, *process.children(recursive=True)]
    resident = [each.memory_info().rss for each in tree]
    times = [each.cpu_times() for each in tree]
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT xact_commit + xact_rollback, tup_inserted + tup_updated FROM pg_stat_database"
            " WHERE datname = 'ledger'"
        )
        transactions, writes = cursor.fetchone()
    cpu = sum(each.user + each.system for each in times)
    return Usage(time.monotonic(), sum(resident), max(resident), cpu, transactions, writes)


def await_all(server: PostgresServer, process: psutil.Process, count: int, home: Path) -> None:
    """Wait until every wait has taken its window's lease anew, which is its first step."""
    deadline = time.monotonic() + START_SECONDS
    with closing(server.connect("ledger")) as connection, connection.cursor() as cursor:
        while time.monotonic() < deadline and process.is_running():
            cursor.execute("SELECT count(*) FROM genesys_request WHERE fence > 1")
            ((taken,),) = cursor.fetchall()
            if taken >= count:
                return
            time.sleep(2)
    sys.exit(f"the triggerer took {taken} of {count} waits:\n{(home / 'triggerer.log').read_text()[-3000:]}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Memory, CPU and the ledger's load of deferred waits in one triggerer")
    parser.add_argument("--waits", type=int, default=5000)
    parser.add_argument("--settle", type=float, default=120.0, help="seconds from the start of the last one (120)")
    parser.add_argument("--seconds", type=float, default=120.0, help="that are measured (120)")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # so that the servers are stopped then, too
    universe = Universe(job_seconds=JOB_SECONDS, requests_per_minute=None, polls_per_minute=POLLS_PER_MINUTE)
    with (
        tempfile.TemporaryDirectory(prefix="genesys-triggerer-") as directory,
        postgres_server() as server,
        Simulator(universe) as simulator,
        airflow(Path(directory), server, simulator),
    ):
        home = Path(directory)
        defer(server, submit(given.waits, simulator.url))
        with triggerer(home, given.waits) as process:
            await_all(server, process, given.waits, home)
            time.sleep(given.settle)
            load, polls, before = os.getloadavg()[0], simulator.stats.requests["poll"], usage(process, server)
            time.sleep(given.seconds)
            after = usage(process, server)
            _print(given.waits, before, after, simulator.stats.requests["poll"] - polls, load)
            print(f"  answers with status 429: {simulator.stats.rate_limited}\n")


def _print(waits: int, before: Usage, after: Usage, polls: int, load: float) -> None:
    from airflow import __version__

    seconds = after.at - before.at
    figures = {
        "resident, all processes": f"{after.rss / 1e6:.0f} MB",
        "resident, the one that runs triggers": f"{after.largest / 1e6:.0f} MB",
        "CPU, of one core": f"{100 * (after.cpu - before.cpu) / seconds:.1f} %",
        "polls a minute": f"{60 * polls / seconds:.1f}",
        "ledger's transactions a second": f"{(after.transactions - before.transactions) / seconds:.1f}",
        "ledger's rows written a second": f"{(after.writes - before.writes) / seconds:.1f}",
    }
    print(f"\n  {waits} waits in one triggerer, Airflow {__version__}, {seconds:.0f} s; load before {load:.1f}\n")
    for name, value in figures.items():
        print(f"  {name:<40}{value:>12}")


if __name__ == "__main__":
    main()
