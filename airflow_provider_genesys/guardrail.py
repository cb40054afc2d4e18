# SPDX-License-Identifier: Apache-2.0
"""The guardrail for exports of your own: a task that submits one gets the same job id however often it runs.

Genesys Cloud's export endpoints make another job of every ``POST``, WFM shift exports among them. These three functions
let a task of yours claim an export in the provider's ledger, as the operators do with a window of recordings. Retries,
cleared tasks, other DAG runs and other machines then share one job, and three resubmissions.

.. code-block:: python

    what = {"export": "wfm_shifts", "start": "2024-05-01T00:00:00Z", "end": "2024-05-02T00:00:00Z"}
    job_id = submitted_once(what, submit, context=context)  # submit() is called unless there is a job
    ...  # wait for the job, fetch what it made
    finished(what, job_id, context=context)  # or: failed(what, job_id, "its words", context=context)

``what`` is a JSON object that says which job is meant: ``export``, a name of yours; ``start`` and ``end``, ISO 8601
with a zone; and whatever else tells one job from another, such as a business unit's id. It is kept in the ledger and
shown by ``python -m airflow_provider_genesys windows``, so that it is no place for secrets. A finished export is
remembered until ``compact`` or ``forget`` removes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_genesys.export import guardrail
from airflow_provider_genesys.export.leases import Held
from airflow_provider_genesys.hooks.genesys import GenesysHook
from airflow_provider_genesys.operators.base import airflow_errors, owner_of, run_of
from airflow_provider_genesys.wiring import DEFAULT_LEDGER, ledger

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_genesys.export.model import ExportRequest

__all__ = ["failed", "finished", "submitted_once"]


def submitted_once(
    what: Mapping[str, Any],
    submit: Callable[[], str],
    *,
    context: Context,
    genesys_conn_id: str = GenesysHook.default_conn_name,
    ledger_conn_id: str = DEFAULT_LEDGER,
    lease_seconds: float = 300.0,
    force: bool = False,
) -> str:
    """The id of the one job for ``what``, which ``submit`` makes unless there is one under way or finished.

    :param what: says which job is meant; see above.
    :param submit: makes a job and returns its id. What it raises decides about the next attempt:
        :class:`~airflow_provider_genesys.export.errors.Passing` made no job and is tried again here,
        :class:`~airflow_provider_genesys.export.errors.Refused` is a final no. Any other exception may have come after
        the job was made: it is raised on, and the task's retry makes a new attempt, tagged as such.
        ``GenesysHook().get_conn().call(…)`` raises these of its own.
    :param context: the task's context.
    :param genesys_conn_id: the organisation that the job belongs to.
    :param lease_seconds: for how long a process that dies in ``submit`` keeps others waiting; longer than that takes.
    :param force: begin the budget afresh and make a new job, once for this DAG run.
    :raises AirflowFailException: where the three resubmissions are used up, or the job is refused.
    :raises AirflowException: where another process is in the middle of submitting it: a retry gets the same id.
    """
    with airflow_errors():
        outcome = guardrail.submitted_once(
            ledger(ledger_conn_id),
            _request(genesys_conn_id, what),
            submit,
            owner=owner_of(context),
            lease_seconds=lease_seconds,
            force_run=run_of(context) if force else "",
        )
    if isinstance(outcome, Held):
        raise AirflowException(
            f"export {what['export']!r} is being submitted by {outcome.by}, or was when that died: try again in "
            f"{outcome.wait:.0f} s"
        )
    return outcome


def finished(
    what: Mapping[str, Any],
    job_id: str,
    *,
    context: Context,
    genesys_conn_id: str = GenesysHook.default_conn_name,
    ledger_conn_id: str = DEFAULT_LEDGER,
) -> bool:
    """Say that a job has done its work: there will be no other, unless by ``force``.

    :return: whether the job still stood for ``what``; False where another has replaced it.
    :raises AirflowFailException: for what was never submitted with this ledger.
    """
    with airflow_errors():
        request = _request(genesys_conn_id, what)
        return guardrail.finished(ledger(ledger_conn_id), request, job_id, owner=owner_of(context))


def failed(
    what: Mapping[str, Any],
    job_id: str,
    reason: str,
    *,
    context: Context,
    genesys_conn_id: str = GenesysHook.default_conn_name,
    ledger_conn_id: str = DEFAULT_LEDGER,
) -> bool:
    """Say that a job has failed: the next :func:`submitted_once` makes another, three times at most.

    :param reason: the platform's words; they are kept, so that they must hold no secret.
    :return: whether the job still stood for ``what``; False where another has replaced it.
    :raises AirflowFailException: for what was never submitted with this ledger.
    """
    with airflow_errors():
        request = _request(genesys_conn_id, what)
        return guardrail.failed(ledger(ledger_conn_id), request, job_id, reason, owner=owner_of(context))


def _request(genesys_conn_id: str, what: Mapping[str, Any]) -> ExportRequest:
    return guardrail.request_of(GenesysHook(genesys_conn_id).organisation, what)
