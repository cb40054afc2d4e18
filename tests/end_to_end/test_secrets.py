# SPDX-License-Identifier: Apache-2.0
"""No secret, token or presigned URL is written down anywhere, not even at log level DEBUG and when things go wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_provider_genesys.simulator import Fault
from tests.conftest import AIRFLOW_HOME
from tests.end_to_end.stage import SECRET, Stage
from tests.end_to_end.ways import BATCH, GUIDE, Way

LEAK = "Cannot read https://storage.example/1?X-Amz-Date=20240501T000000Z&X-Amz-Signature=0123456789abcdef"


@pytest.mark.parametrize(
    ("way", "leak", "jobs", "archived"),
    [
        (GUIDE, Fault("leaky_error"), 2, 9),
        (BATCH, Fault("batch_errors", every=5, times=None, message=LEAK), 1, 9),
    ],
    ids=lambda value: getattr(value, "export_api", ""),
)
def test_nothing_secret_is_written_down(
    stage: Callable[..., Stage],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    way: Way,
    leak: Fault,
    jobs: int,
    archived: int,
) -> None:
    monkeypatch.setenv("AIRFLOW__LOGGING__LOGGING_LEVEL", "DEBUG")
    world = stage(way)
    world.fail(
        leak,
        Fault("truncated_body", every=3),
        Fault("storage_gone", every=4, times=None),
        Fault("revoked_token", every=3, times=2),
        Fault("dropped_connection", route="poll" if way is GUIDE else "batch_poll"),
    )

    with world.process() as process:
        process.wait(180)
    assert world.jobs == jobs
    assert world.run() == "failed"
    assert world.report()["archived"] == archived

    issued = {secret for secrets in world.simulator.issued.values() for secret in secrets}
    assert SECRET in issued
    assert len(issued) > 15
    written = {str(path): path.read_bytes() for path in _files(AIRFLOW_HOME, world.archive.parent)}
    written["output"] = "".join(capfd.readouterr()).encode()
    assert sum(map(len, written.values())) > 100_000
    leaks = {(name, secret) for name, text in written.items() for secret in issued if secret.encode() in text}
    assert leaks == set()
    assert not [name for name, text in written.items() if b"X-Amz-Signature=" in text]


def _files(*folders: Path) -> list[Path]:
    return [path for folder in folders for path in folder.rglob("*") if path.is_file()]
