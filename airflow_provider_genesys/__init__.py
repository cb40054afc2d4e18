# SPDX-License-Identifier: Apache-2.0
"""Apache Airflow provider that exports every call recording out of Genesys Cloud into your own object storage."""

__version__ = "0.1.0"
