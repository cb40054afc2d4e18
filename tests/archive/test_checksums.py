# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import hashlib

import pytest
from urllib3 import HTTPHeaderDict

from airflow_provider_genesys.archive.checksums import declared_md5, declared_sha256

BODY = b"a recording"
MD5 = hashlib.md5(BODY)
SHA256 = hashlib.sha256(BODY)
S3 = {"x-amz-request-id": "4442587FB7D0A2F9", "ETag": f'"{MD5.hexdigest()}"'}


@pytest.mark.parametrize(
    "headers",
    [
        S3,
        {**S3, "x-amz-server-side-encryption": "AES256"},
        {"Content-MD5": base64.b64encode(MD5.digest()).decode()},
    ],
)
def test_an_md5_that_is_declared_is_read(headers: dict[str, str]) -> None:
    assert declared_md5(HTTPHeaderDict(headers)) == MD5.hexdigest()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"ETag": S3["ETag"]},
        {**S3, "ETag": f'"{MD5.hexdigest()}-3"'},
        {**S3, "x-amz-server-side-encryption": "aws:kms"},
        {**S3, "x-amz-server-side-encryption-customer-algorithm": "AES256"},
    ],
    ids=["nothing", "another source's ETag", "parts", "KMS", "customer's key"],
)
def test_an_etag_that_is_no_md5_is_let_alone(headers: dict[str, str]) -> None:
    assert declared_md5(HTTPHeaderDict(headers)) is None


def test_a_sha256_is_read_but_not_one_of_parts() -> None:
    declared = base64.b64encode(SHA256.digest()).decode()
    assert declared_sha256(HTTPHeaderDict({"x-amz-checksum-sha256": declared})) == SHA256.hexdigest()
    assert declared_sha256(HTTPHeaderDict({"x-amz-checksum-sha256": f"{declared}-2"})) is None
    assert declared_sha256(HTTPHeaderDict({})) is None


def test_a_checksum_that_cannot_be_read_matches_nothing() -> None:
    assert declared_md5(HTTPHeaderDict({"Content-MD5": "no base64!"})) == "unreadable"
