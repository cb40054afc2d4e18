# SPDX-License-Identifier: Apache-2.0
"""Makes the secrets of the system: ``python3 dev/stack/dotenv.py`` writes those of ``docker compose`` into ``.env``.

Needs nothing but Python itself.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent


def fresh(universe: Mapping[str, Any] | None = None) -> dict[str, str]:
    """What ``docker-compose.yaml`` asks for, made anew.

    :param universe: settings of the simulator, its clients apart.
    """
    client_secret = secrets.token_hex(16)
    return {
        **{name: secrets.token_hex(16) for name in ("POSTGRES_PASSWORD", "REDIS_PASSWORD", "S3_SECRET_KEY")},
        **{name: secrets.token_hex(32) for name in ("SECRET_KEY", "JWT_SECRET")},
        "FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "ADMIN_PASSWORD": secrets.token_hex(8),
        "GENESYS_CLIENT_SECRET": client_secret,
        "UNIVERSE": json.dumps({**(universe or {}), "clients": {"demo": client_secret}}),
    }


def write(path: Path) -> bool:
    """Write the file for its owner alone, unless it is there: the data were made with its passwords.

    :return: whether it was written.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(handle, "w") as file:
        file.writelines(f"{name}='{value}'\n" for name, value in fresh().items())
    return True


if __name__ == "__main__":
    target = ROOT / ".env"
    words = "written; the UI's login is admin, with its ADMIN_PASSWORD" if write(target) else "is there already"
    sys.stdout.write(f"{target} {words}\n")
