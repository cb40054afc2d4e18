# SPDX-License-Identifier: Apache-2.0
"""Where a person looks at an object of the archive: a page of the store's console. Never a presigned URL."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote


def page_of(scheme: str, place: str, prefix: str, key: str, endpoint: str | None = None) -> str:
    """The URL of an object's page, or of a folder's where ``key`` ends with a slash.

    Amazon's and Google's consoles find an object by its bucket and key. Azure's portal wants the subscription, which
    nobody knows here: an object there has its URI, which Azure's own tools take.

    :param place: the bucket or container; empty for ``file``.
    :param prefix: what all keys begin with; the directory for ``file``.
    :param endpoint: base URL of a store that speaks S3 and is not Amazon's: it has the object, and no such console.
    """
    if scheme == "file":
        return (Path(prefix) / key).as_uri()
    path = f"{prefix}/{key}" if prefix else key
    is_folder = key.endswith("/")
    if scheme == "s3" and endpoint:
        return f"{endpoint.rstrip('/')}/{quote(place)}/{quote(path)}"
    if scheme == "s3":
        what = "buckets" if is_folder else "object"
        return f"https://console.aws.amazon.com/s3/{what}/{quote(place)}?prefix={quote(path, safe='')}"
    if scheme == "gs":
        details = "" if is_folder else "_details/"
        return f"https://console.cloud.google.com/storage/browser/{details}{quote(place)}/{quote(path)}"
    return f"{scheme}://{place}/{quote(path)}"
