# SPDX-License-Identifier: Apache-2.0
"""A look inside the ledger: ``airflow genesys`` on Airflow 3, ``python -m airflow_provider_genesys`` on both lines."""
