# SPDX-License-Identifier: Apache-2.0
"""DAGs that show how to use the provider beside the one in ``dags/``."""
