# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_genesys.archive.stores.file import FileStore
from airflow_provider_genesys.export.errors import ExportFailed, Passing
from tests.archive.sites import FileSite

MINE, OTHER = "recordings/mine.mp3", "recordings/other.mp3"


def test_the_destination_is_a_file_uri(tmp_path: Path) -> None:
    assert FileStore(tmp_path / "calls 2024").destination == f"file://{tmp_path.as_posix()}/calls%202024"


def test_a_key_never_leaves_the_root(file_site: FileSite) -> None:
    for key in ("../outside", "recordings/../../outside", "/etc/passwd", "recordings//x", "."):
        with pytest.raises(ValueError, match="not a key"):
            file_site.store().put(key, [b"x"])


def test_a_live_writer_keeps_its_file_while_another_cleans_up(file_site: FileSite) -> None:
    def interrupted() -> Iterator[bytes]:
        yield b"first "
        file_site.store().remove_unfinished([MINE, OTHER])
        yield b"second"

    assert file_site.store().put(MINE, interrupted())
    assert file_site.objects() == {MINE: b"first second"}
    assert file_site.unfinished() == []


def test_a_dead_writers_file_is_removed_by_whoever_fetches_that_recording(file_site: FileSite) -> None:
    def killed() -> Iterator[bytes]:
        yield b"first "
        (remains,) = (file_site.root / ".incoming").iterdir()
        remains.with_suffix(".dead").write_bytes(b"first ")

    file_site.store().put(MINE, killed())
    assert len(file_site.unfinished()) == 2
    file_site.store().remove_unfinished([OTHER])
    assert len(file_site.unfinished()) == 2
    file_site.store().remove_unfinished([MINE])
    assert file_site.unfinished() == []


def test_a_writer_whose_file_was_taken_away_may_try_again(file_site: FileSite) -> None:
    def robbed() -> Iterator[bytes]:
        yield b"first "
        for file in (file_site.root / ".incoming").iterdir():
            file.unlink()

    with pytest.raises(Passing, match=MINE):
        file_site.store().put(MINE, robbed())
    assert file_site.objects() == {}


@pytest.mark.parametrize("there", [False, True])
def test_a_file_system_without_hard_links_will_do(
    file_site: FileSite, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    if there:
        file_site.store().put(MINE, [b"before"])
    monkeypatch.setattr(os, "link", refused)
    assert file_site.store().put(MINE, [b"after"]) is not there
    assert file_site.objects() == {MINE: b"before" if there else b"after"}
    assert file_site.unfinished() == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file, no directory")
    with pytest.raises(ExportFailed, match=r"recordings/mine\.mp3 in file://.*/taken/archive: Not a directory"):
        FileStore(tmp_path / "taken" / "archive").put(MINE, [b"x"])


def test_a_full_disk_may_pass(file_site: FileSite, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Passing, match="No space left on device"):
        file_site.store().put(MINE, [b"x"])
    monkeypatch.undo()
    assert file_site.objects() == {}
    assert file_site.unfinished() == []
