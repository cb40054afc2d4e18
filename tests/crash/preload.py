# SPDX-License-Identifier: Apache-2.0
"""What the runs' processes have in common, read once, by the process that they are forked from."""

from __future__ import annotations

import tests.crash.driver  # noqa: F401
from tests.servers.seaweedfs import SeaweedServer

SeaweedServer(port=1, pid=0, access_key="", secret_key="").client()  # connects to nothing; reads botocore's models
