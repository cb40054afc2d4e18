# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from pathlib import Path

import pytest

from airflow_provider_genesys.archive.stores import PART, Attributes
from airflow_provider_genesys.archive.stores import file as module
from airflow_provider_genesys.archive.stores.file import FileStore
from airflow_provider_genesys.archive.writing import write_object
from airflow_provider_genesys.export.errors import ExportFailed, Passing
from tests.archive.sites import FileSite, put

MINE, OTHER = "recordings/mine.mp3", "recordings/other.mp3"


def test_the_destination_is_a_file_uri(tmp_path: Path) -> None:
    assert FileStore(tmp_path / "calls 2024").destination == f"file://{tmp_path.as_posix()}/calls%202024"


def test_a_key_never_leaves_the_root(file_site: FileSite) -> None:
    for key in ("../outside", "recordings/../../outside", "/etc/passwd", "recordings//x", "."):
        with pytest.raises(ValueError, match="not a key"):
            put(file_site.store(), key, [b"x"])


def test_a_live_writer_keeps_its_file_while_another_cleans_up(file_site: FileSite) -> None:
    upload = file_site.store().begin(MINE, Attributes())
    upload.put_part(1, b"first ")
    file_site.store().remove_unfinished([MINE, OTHER])
    assert file_site.underway()
    assert upload.complete(hashlib.sha256(b"first ").hexdigest())
    assert file_site.objects() == {MINE: b"first "}
    assert file_site.unfinished() == []


def test_a_dead_writers_file_is_removed_by_whoever_fetches_that_recording(file_site: FileSite) -> None:
    upload = file_site.store().begin(MINE, Attributes())
    (file,) = (file_site.root / ".incoming").iterdir()
    file.with_suffix(".dead").write_bytes(b"first ")
    upload.abort()
    assert len(file_site.unfinished()) == 2
    file_site.store().remove_unfinished([OTHER])
    assert len(file_site.unfinished()) == 2
    file_site.store().remove_unfinished([MINE])
    assert file_site.unfinished() == []


def test_a_writer_whose_file_was_taken_away_may_try_again(file_site: FileSite) -> None:
    upload = file_site.store().begin(MINE, Attributes())
    upload.put_part(1, b"first ")
    for file in (file_site.root / ".incoming").iterdir():
        file.unlink()
    with pytest.raises(Passing, match=MINE):
        upload.complete(hashlib.sha256(b"first ").hexdigest())
    assert file_site.objects() == {}


def test_a_part_that_is_missing_is_noticed(file_site: FileSite) -> None:
    upload = file_site.store().begin(MINE, Attributes())
    upload.put_part(2, b"second")
    with pytest.raises(Passing, match=f"6 bytes were written .* {PART + 6} arrived"):
        upload.complete(hashlib.sha256(b"second").hexdigest())
    assert file_site.objects() == {}
    assert file_site.unfinished() == []


def test_a_writer_that_is_stopped_before_it_replaces_a_file_holds_others_up_for_a_while(
    file_site: FileSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LOCK_PAUSE", 0.0)
    first = put(file_site.store(), MINE, [b"before"])
    assert first
    assert first.version
    with (file_site.root / MINE).open("r+b") as stopped:
        fcntl.flock(stopped, fcntl.LOCK_EX)
        with pytest.raises(Passing, match=r"mine\.mp3 has been locked"):
            write_object(file_site.store(), MINE, [b"after"], Attributes(), first.version)
    assert file_site.objects() == {MINE: b"before"}
    assert write_object(file_site.store(), MINE, [b"after"], Attributes(), first.version)
    assert file_site.objects() == {MINE: b"after"}
    assert file_site.unfinished() == []


def test_a_file_that_was_replaced_while_its_lock_was_awaited_is_left_alone(
    file_site: FileSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = put(file_site.store(), MINE, [b"before"])
    assert first
    assert first.version
    with (file_site.root / MINE).open("r+b") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        def replaced(_: float) -> None:
            put(file_site.store(), MINE, [b"theirs"], overwrite=True)
            fcntl.flock(other, fcntl.LOCK_UN)

        monkeypatch.setattr(module.time, "sleep", replaced)
        assert write_object(file_site.store(), MINE, [b"ours"], Attributes(), first.version) is None
    assert file_site.objects() == {MINE: b"theirs"}


def test_a_file_system_without_locks_will_do(file_site: FileSite, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refused)
    first = put(file_site.store(), MINE, [b"before"])
    assert first
    assert first.version
    assert write_object(file_site.store(), MINE, [b"after"], Attributes(), first.version)
    assert write_object(file_site.store(), MINE, [b"stale"], Attributes(), first.version) is None
    assert file_site.objects() == {MINE: b"after"}


@pytest.mark.parametrize("there", [False, True])
def test_a_file_system_without_hard_links_will_do(
    file_site: FileSite, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    if there:
        put(file_site.store(), MINE, [b"before"])
    monkeypatch.setattr(os, "link", refused)
    assert (put(file_site.store(), MINE, [b"after"]) is None) is there
    assert file_site.objects() == {MINE: b"before" if there else b"after"}
    assert file_site.unfinished() == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file, no directory")
    with pytest.raises(ExportFailed, match=r"recordings/mine\.mp3 in file://.*/taken/archive: Not a directory"):
        put(FileStore(tmp_path / "taken" / "archive"), MINE, [b"x"])


def test_a_file_is_on_the_disk_with_every_directory_that_leads_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed, flush = [], os.fsync

    def flushing(descriptor: int) -> None:
        flush(descriptor)
        flushed.append(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "fsync", flushing)
    put(FileStore(tmp_path / "new" / "archive"), "a/b/mine.mp3", [b"x"])
    leading = [tmp_path, *(tmp_path / path for path in ("new", "new/archive", "new/archive/a", "new/archive/a/b"))]
    assert {path.stat().st_ino for path in (*leading, tmp_path / "new/archive/a/b/mine.mp3")} == set(flushed)

    flushed.clear()
    put(FileStore(tmp_path / "new" / "archive"), "a/b/other.mp3", [b"x"])
    assert len(flushed) == 2, "the file, and its entry"


def test_a_full_disk_may_pass(file_site: FileSite, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Passing, match="No space left on device"):
        put(file_site.store(), MINE, [b"x"])
    monkeypatch.undo()
    assert file_site.objects() == {}
    assert file_site.unfinished() == []


def test_a_file_that_goes_while_its_folder_is_read_is_not_told(file_site: FileSite) -> None:
    store = file_site.store()
    put(store, MINE, [b"mine"])
    put(store, OTHER, [b"other"])
    listing = store.browse("recordings/")
    first = next(listing).key
    (file_site.root / (OTHER if first == MINE else MINE)).unlink()
    assert list(listing) == []
