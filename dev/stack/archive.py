# SPDX-License-Identifier: Apache-2.0
"""``python -m dev.stack.archive > call.mp3``: one recording of the system's archive, to be played."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit


def client(environment: Mapping[str, str] = os.environ) -> Any:
    """A boto3 client of the object store, by the connection ``archive`` in a service's environment."""
    from boto3.session import Session
    from botocore.config import Config

    connection = json.loads(environment["AIRFLOW_CONN_ARCHIVE"])
    return Session().client(
        "s3",
        aws_access_key_id=connection["login"],
        aws_secret_access_key=connection["password"],
        config=Config(retries={"max_attempts": 2}, connect_timeout=5, read_timeout=30),
        **connection["extra"],
    )


def place(environment: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """Bucket and prefix of the destination."""
    destination = urlsplit(environment["GENESYS_EXPORT_DESTINATION"])
    return str(destination.hostname), destination.path.strip("/")


def keys(folder: str, environment: Mapping[str, str] = os.environ) -> Iterator[str]:
    """The keys below a folder of the archive, such as ``recordings``."""
    bucket, prefix = place(environment)
    pages = client(environment).get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=bucket, Prefix=f"{prefix}/{folder}/"):
        yield from (each["Key"] for each in page.get("Contents", []))


def read(key: str, environment: Mapping[str, str] = os.environ) -> bytes:
    """An object's bytes."""
    body: bytes = client(environment).get_object(Bucket=place(environment)[0], Key=key)["Body"].read()
    return body


def main() -> None:
    key = next(keys("recordings"), None)
    if key is None:
        sys.exit("nothing is archived yet: look at the run of genesys_recordings_export in the UI")
    sys.stdout.buffer.write(read(key))


if __name__ == "__main__":
    main()
