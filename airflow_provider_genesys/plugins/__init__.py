# SPDX-License-Identifier: Apache-2.0
"""What the provider adds to Airflow's own pages: the coverage page."""
