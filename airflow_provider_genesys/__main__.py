# SPDX-License-Identifier: Apache-2.0
"""``python -m airflow_provider_genesys``: the commands of ``airflow genesys``, for both lines of Airflow."""

from __future__ import annotations

from airflow_provider_genesys.cli.definition import parser


def main() -> None:
    """Run the command that the command line names."""
    arguments = parser("python -m airflow_provider_genesys").parse_args()
    arguments.func(arguments)


if __name__ == "__main__":
    main()
