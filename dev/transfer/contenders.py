# SPDX-License-Identifier: Apache-2.0
"""Those who carry recordings, each in a process of its own: ``python -m dev.transfer.contenders NAME < TASK``.

A contender first loads what it needs and returns what is to be timed.
"""

from __future__ import annotations

import csv
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dev.transfer.task import Effort, Task

Work = Callable[[], None]

OURS, LOOP, RAW = "ours", "guide's loop", "raw copy"


def ours(task: Task, *, absent: int = 0) -> Work:
    """The product: see :mod:`.ours`.

    :param absent: how many recordings the source does not have, so that the window is incomplete in the end.
    """
    from dev.transfer.ours import define_connections, retrieval

    define_connections(task)
    return retrieval(task, absent)


def guide(task: Task) -> Work:
    """The guide's section 3: one after the other, a new connection each, the raw stream into the storage's upload."""
    import requests

    client = _client(task)

    def work() -> None:
        for source in task.sources:
            response = requests.get(source.url, stream=True)  # noqa: S113 - the guide has no timeout
            response.raise_for_status()
            client.upload_fileobj(response.raw, task.bucket, _key(source.recording_id))

    return work


def http_to_s3(task: Task) -> Work:
    """The HTTP provider's operator, one instance after the other, as a list of endpoints makes them."""
    from airflow.providers.amazon.aws.transfers.http_to_s3 import HttpToS3Operator

    from dev.transfer.ours import define_connections

    define_connections(task)
    os.environ.update(_aws_environment(task))
    host = "/".join(task.sources[0].url.split("/")[:3])
    os.environ["AIRFLOW_CONN_BENCH_HTTP"] = json.dumps({"conn_type": "http", "host": host})

    def work() -> None:
        for source in task.sources:
            HttpToS3Operator(
                task_id="fetch",
                endpoint=source.url.removeprefix(host),
                http_conn_id="bench_http",
                aws_conn_id="aws_default",
                s3_bucket=task.bucket,
                s3_key=_key(source.recording_id),
            ).execute({})

    return work


def rclone(task: Task) -> Work:
    """``rclone copyurl`` with a list of URLs, and without its looks before and after."""
    urls = Path(task.scratch) / "urls.csv"
    with urls.open("w", newline="") as file:
        csv.writer(file).writerows((source.url, f"{source.recording_id}.mp3") for source in task.sources)
    command = [_program("rclone"), "copyurl", "--urls", str(urls), f":s3:{task.bucket}/recordings", "--config", ""]
    flags = ["--transfers", str(task.in_flight), "--ca-cert", task.certificates, "--s3-no-check-bucket", "--s3-no-head"]
    environment = {
        "RCLONE_S3_PROVIDER": "Other",
        "RCLONE_S3_ENDPOINT": task.endpoint,
        "RCLONE_S3_ACCESS_KEY_ID": task.access_key,
        "RCLONE_S3_SECRET_ACCESS_KEY": task.secret_key,
        "RCLONE_S3_REGION": "us-east-1",
        "RCLONE_S3_UPLOAD_CONCURRENCY": "8",
    }
    return lambda: _run([*command, *flags], environment)


def aria2c_s5cmd(task: Task) -> Work:
    """Two plain tools, one after the other, with all recordings in files between them."""
    files, listed = Path(task.scratch) / "files", Path(task.scratch) / "urls.txt"
    lines = (f"{source.url}\n  out={source.recording_id}.mp3\n" for source in task.sources)
    listed.write_text("".join(lines))
    few = len(task.sources) < task.in_flight
    download = [_program("aria2c"), "--input-file", str(listed), "--dir", str(files), "--file-allocation=none"]
    download += [f"--max-concurrent-downloads={task.in_flight}", f"--ca-certificate={task.certificates}", "--quiet"]
    download += ["--max-connection-per-server=8", f"--split={8 if few else 1}", "--min-split-size=8M"]
    upload = [_program("s5cmd"), "--numworkers", str(task.in_flight), "cp", "--concurrency", "8", "--part-size", "8"]
    upload += [f"{files}/", f"s3://{task.bucket}/recordings/"]
    environment = {"S3_ENDPOINT_URL": task.endpoint, **_aws_environment(task)}

    def work() -> None:
        _run(download, {})
        _run(upload, environment)

    return work


def raw(task: Task) -> Work:
    """The machine's limit: see :mod:`.raw`."""
    from dev.transfer.raw import copy

    return lambda: copy(task.pieces, task.certificates, task.in_flight)


@dataclass(frozen=True)
class Contender:
    """One who carries.

    :param prepare: loads what is needed, and returns the work.
    :param keeps: what it makes sure of.
    :param sequential: takes one recording after the other, so that a sample of them tells its pace.
    :param slow: needs so long to begin with a recording that a tenth of the sample has to do, in the first round only.
    :param tool: a program that anybody can have.
    :param apart: works in processes that it starts.
    """

    name: str
    prepare: Callable[[Task], Work]
    keeps: str
    sequential: bool = False
    slow: bool = False
    tool: bool = False
    apart: bool = False


CONTENDERS = {
    contender.name: contender
    for contender in (
        Contender(
            OURS, ours, "length, media type, SHA-256 of the whole, checksum that the store verifies, create only"
        ),
        Contender(LOOP, guide, "length, checksum that the store may verify (boto3's default)", sequential=True),
        Contender(
            "HttpToS3Operator", http_to_s3, "the same, and a look for an object first", sequential=True, slow=True
        ),
        Contender("rclone copyurl", rclone, "length, checksum of parts; overwrites", tool=True, apart=True),
        Contender("aria2c, s5cmd", aria2c_s5cmd, "length, checksum; overwrites; through files", tool=True, apart=True),
        Contender(RAW, raw, "nothing", apart=True),
    )
}
INCOMPLETE = Contender("ours, incomplete", partial(ours, absent=10), CONTENDERS[OURS].keeps)
"""Not compared: what it needs is counted."""


def _client(task: Task) -> Any:
    from boto3.session import Session

    return Session().client(
        "s3",
        endpoint_url=task.endpoint,
        aws_access_key_id=task.access_key,
        aws_secret_access_key=task.secret_key,
        region_name="us-east-1",
        verify=task.certificates,
    )


def _aws_environment(task: Task) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": task.access_key,
        "AWS_SECRET_ACCESS_KEY": task.secret_key,
        "AWS_REGION": "us-east-1",
        "AWS_CA_BUNDLE": task.certificates,
    }


def _key(recording_id: str) -> str:
    return f"recordings/{recording_id}.mp3"


def _program(name: str) -> str:
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else name


def _run(command: list[str], environment: dict[str, str]) -> None:
    subprocess.run(command, env={**os.environ, **environment}, check=True, stdout=sys.stderr)


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _resident(field: str) -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{field}:")[2].split()[0]) * 1024


def measured(work: Work, *, apart: bool) -> Effort:
    """Do the work, and measure it.

    :param apart: the memory that counts is that of its processes.
    """
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here, proc(5)
    before, cpu, began = _resident("VmRSS"), _cpu(), time.perf_counter()
    work()
    seconds, cpu = time.perf_counter() - began, _cpu() - cpu
    of_children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return Effort(seconds, cpu, of_children if apart else _resident("VmHWM") - before)


def main() -> None:
    contender = {**CONTENDERS, INCOMPLETE.name: INCOMPLETE}[sys.argv[1]]
    work = contender.prepare(Task.read(json.load(sys.stdin)))
    print(json.dumps(asdict(measured(work, apart=contender.apart))))


if __name__ == "__main__":
    main()
