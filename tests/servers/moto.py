# SPDX-License-Identifier: Apache-2.0
"""moto's server, for what SeaweedFS has not of AWS: encryption, tags and storage classes in name, and STS and IAM.

It checks signatures and policies once it is told to, and roles' trust as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests

REGION = "us-east-1"


@dataclass(frozen=True)
class MotoServer:
    """A running server, in threads of this process."""

    port: int

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, service: str, access_key: str = "test", secret_key: str = "test") -> Any:
        """A boto3 client."""
        from boto3.session import Session

        return Session(access_key, secret_key, region_name=REGION).client(service, endpoint_url=self.endpoint)

    def user(self, name: str, *actions: str) -> tuple[str, str]:
        """Make a user who may do these actions.

        :return: access key id and secret key.
        """
        iam = self.client("iam")
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=_policy(actions, Resource="*"))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return key["AccessKeyId"], key["SecretAccessKey"]

    def role(self, name: str, *actions: str) -> str:
        """Make a role that may do these actions, and that everybody may assume who may assume roles; its ARN."""
        iam = self.client("iam")
        trust = _policy(["sts:AssumeRole"], Principal={"AWS": "*"})
        arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=_policy(actions, Resource="*"))
        return arn

    def enforce(self) -> None:
        """From here on every request needs a signature, and a policy that allows it."""
        self._control("reset-auth", "0")

    def forget(self) -> None:
        """Be as new."""
        self._control("reset-auth", "inf")
        self._control("reset")

    def _control(self, what: str, body: str = "") -> None:
        requests.post(f"{self.endpoint}/moto-api/{what}", data=body, timeout=10).raise_for_status()


@contextmanager
def moto_server() -> Iterator[MotoServer]:
    """A server on a free loopback port, for as long as the block lasts. What moto knows, all of its servers know."""
    from moto.server import ThreadedMotoServer

    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    server = MotoServer(running.get_host_and_port()[1])
    try:
        yield server
    finally:
        server.forget()
        running.stop()


def _policy(actions: tuple[str, ...] | list[str], **who_or_what: Any) -> str:
    statement = {"Effect": "Allow", "Action": list(actions), **who_or_what}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
