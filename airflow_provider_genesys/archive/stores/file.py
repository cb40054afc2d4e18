# SPDX-License-Identifier: Apache-2.0
"""A directory as a store."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import time
import uuid
from collections.abc import Collection, Iterator
from pathlib import Path

from airflow_provider_genesys.archive.stores import PART, Attributes, Bytes, Content, Overwrite, Upload
from airflow_provider_genesys.export.errors import ExportFailed, Passing
from airflow_provider_genesys.export.model import StoredObject, Version

_CHUNK = 1024 * 1024
_LOCK_TRIES, _LOCK_PAUSE = 500, 0.02
"""Ten seconds: who holds a lock does so for a comparison and a renaming, unless it is stopped meanwhile."""
_NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_PERMANENT = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG}


class FileStore:
    """Objects as files below ``root``, which is created with the first of them.

    A body is written to a file of its own in ``root/.incoming``, flushed to the disk, and only then linked to its key.
    Its writer holds a lock on it meanwhile: an unlocked file in there is a killed writer's. A version is a file's
    number, size and time; who replaces one holds a lock on it meanwhile.
    """

    parts_in_order = False

    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / ".incoming"

    @property
    def destination(self) -> str:
        return self._root.absolute().as_uri()

    def find(self, key: str) -> StoredObject | None:
        with self._told(key):
            try:
                found = self._path(key).stat()
                return StoredObject(key, found.st_size, version=_version(found))
            except FileNotFoundError:
                return None

    def read(self, key: str) -> Content | None:
        with self._told(key):
            try:
                file = self._path(key).open("rb")
            except FileNotFoundError:
                return None

        def chunks() -> Iterator[bytes]:
            with file, self._told(key):
                while chunk := file.read(_CHUNK):
                    yield chunk

        return Content(_version(os.fstat(file.fileno())), chunks())

    def find_all(self, keys: Collection[str]) -> dict[str, StoredObject]:
        return {key: found for key in keys if (found := self.find(key))}

    def folders(self) -> Iterator[str]:
        with self._told(""):
            if self._root.is_dir():
                yield from (entry.name for entry in self._root.iterdir() if entry.is_dir() and entry.name[0] != ".")

    def browse(self, prefix: str) -> Iterator[StoredObject]:
        with self._told(prefix):
            for folder, _, names in os.walk(self._root / prefix):
                for name in names:
                    path = Path(folder, name)
                    try:
                        told = path.stat()
                    except FileNotFoundError:  # renamed or deleted since its folder was read
                        continue
                    key = path.relative_to(self._root).as_posix()
                    yield StoredObject(key, told.st_size, stored_at=told.st_mtime)

    def put(
        self, key: str, body: Bytes, attributes: Attributes, *, sha256: str, overwrite: Overwrite = False
    ) -> StoredObject | None:
        upload = self.begin(key, attributes, size=len(body), overwrite=overwrite)
        try:
            upload.put_part(1, body)
            return upload.complete(sha256)
        finally:
            upload.abort()

    def begin(
        self, key: str, attributes: Attributes, *, size: int | None = None, overwrite: Overwrite = False
    ) -> Upload:
        path = self._path(key)
        incoming = self._incoming / f"{_mark(key)}.{uuid.uuid4().hex}"
        with self._told(key):
            descriptor = self._create(incoming)
        return _FileUpload(self, key, path, incoming, descriptor, overwrite)

    def remove_unfinished(self, keys: Collection[str]) -> None:
        marks = {_mark(key) for key in keys}
        with self._told("unfinished files"):
            for file in self._incoming.glob("*.*"):
                if file.name.partition(".")[0] in marks and not _is_being_written(file):
                    file.unlink(missing_ok=True)
        self._tidy()

    def _create(self, incoming: Path) -> int:
        """Create and lock a file. Whoever finishes just then may take the empty directory away under it."""
        _make(self._root)
        while True:
            with contextlib.suppress(FileExistsError):  # exist_ok would look again, and raise where it is gone by then
                incoming.parent.mkdir()
            with contextlib.suppress(FileNotFoundError):
                descriptor = os.open(incoming, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
                with contextlib.suppress(OSError):  # a file system without locks
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return descriptor

    def _path(self, key: str) -> Path:
        parts = key.split("/")
        if any(part in ("", ".", "..") for part in parts):
            raise ValueError(f"not a key: {key!r}")
        return self._root.joinpath(*parts)

    def _tidy(self) -> None:
        with contextlib.suppress(OSError):
            self._incoming.rmdir()

    @contextlib.contextmanager
    def _told(self, key: str) -> Iterator[None]:
        """Tell an error of the operating system in words."""
        try:
            yield
        except OSError as error:
            kind = ExportFailed if error.errno in _PERMANENT else Passing
            raise kind(f"{key} in {self.destination}: {error.strerror or type(error).__name__}") from None


class _FileUpload:
    """A file that is being written, and locked meanwhile."""

    part_size = PART

    def __init__(
        self, store: FileStore, key: str, path: Path, incoming: Path, descriptor: int, overwrite: Overwrite
    ) -> None:
        self._store = store
        self._key = key
        self._path = path
        self._incoming = incoming
        self._descriptor: int | None = descriptor
        self._overwrite = overwrite
        self._sizes: dict[int, int] = {}

    def put_part(self, number: int, body: Bytes) -> None:
        rest, at = memoryview(body), (number - 1) * PART
        with self._store._told(self._key):
            while rest:
                written = os.pwrite(self._opened, rest, at)
                rest, at = rest[written:], at + written
        self._sizes[number] = len(body)

    def complete(self, sha256: str) -> StoredObject | None:
        written = sum(self._sizes.values())
        try:
            with self._store._told(self._key):
                os.fsync(self._opened)
                arrived = os.fstat(self._opened)
                if arrived.st_size != written:
                    raise Passing(
                        f"{written} bytes were written to {self._store.destination}, and {arrived.st_size} arrived"
                    )
                _make(self._path.parent)
                created = _place(self._incoming, self._path, overwrite=self._overwrite)
                _flush_directory(self._path.parent)
        finally:
            self.abort()
        checksum, version = f"sha256:{sha256}", _version(arrived)
        return StoredObject(self._key, written, sha256, checksum=checksum, version=version) if created else None

    def abort(self) -> None:
        with contextlib.suppress(OSError):
            self._incoming.unlink()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        self._store._tidy()

    @property
    def _opened(self) -> int:
        if self._descriptor is None:
            raise ValueError(f"the upload of {self._key} is over")
        return self._descriptor


def _mark(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def _make(directory: Path) -> None:
    """Make a directory that stays: each new one is an entry of its parent, which has to be on the disk as well."""
    new = []
    while not directory.exists():
        new.append(directory)
        directory = directory.parent
    for one in reversed(new):
        one.mkdir(exist_ok=True)
        _flush_directory(one.parent)


def _version(file: os.stat_result) -> Version:
    return Version(f"{file.st_ino}-{file.st_size}-{file.st_mtime_ns}")


def _place(incoming: Path, path: Path, *, overwrite: Overwrite) -> bool:
    """Give a finished file its name in one step; linking, unlike renaming, never replaces."""
    if isinstance(overwrite, str):
        return _replace(incoming, path, overwrite)
    if overwrite:
        incoming.replace(path)
        return True
    try:
        os.link(incoming, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        # SMB and FUSE have no conditional step: of two writers at one moment the last one stays, whole
        if path.exists():
            return False
        incoming.replace(path)
    return True


def _replace(incoming: Path, path: Path, version: Version) -> bool:
    """Rename over one version of a file, which is locked meanwhile. Who waits for the lock finds another file there."""
    try:
        descriptor = _open_to_lock(path)
    except FileNotFoundError:
        return False
    try:
        _lock(descriptor, path)
        there = os.fstat(descriptor)
        if _version(there) != version or not _is_at(path, there):
            return False
        incoming.replace(path)
    finally:
        os.close(descriptor)
    return True


def _open_to_lock(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR)  # NFS locks no file that is open for reading only
    except PermissionError:
        return os.open(path, os.O_RDONLY)


def _lock(descriptor: int, path: Path) -> None:
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOCK_PAUSE)
        except OSError:  # a file system without locks: of two writers at one moment the last one stays, whole
            return
        else:
            return
    raise Passing(f"{path.name} has been locked for {_LOCK_TRIES * _LOCK_PAUSE:.0f} s by another writer of it")


def _is_at(path: Path, file: os.stat_result) -> bool:
    try:
        return os.path.samestat(path.stat(), file)
    except FileNotFoundError:
        return False


def _flush_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_being_written(file: Path) -> bool:
    try:
        with file.open("r+b") as opened:  # NFS locks no file that is open for reading only
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
