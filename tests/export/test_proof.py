# SPDX-License-Identifier: Apache-2.0
"""What a receipt proves, and of which request."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_genesys.export.entry import Entry, RequestState
from airflow_provider_genesys.export.errors import ExportError, InvalidInput, Refused
from airflow_provider_genesys.export.submission import Submission
from tests.export.memory.archive import MemoryArchive, moved
from tests.export.memory.fates import COMPLETES
from tests.export.retriever import CALLS, REQUEST, Ann

# -- proof -----------------------------------------------------------------------------------------------------------


def test_a_whole_receipt_is_proof_whatever_the_ledger_knows(ann: Ann) -> None:
    receipt = ann.retrieve(*ann.completed(fate=replace(COMPLETES, unavailable=frozenset({"call-2"}))))
    assert ann.proof(REQUEST, ann.world.entry(REQUEST)) == receipt
    assert ann.proof(REQUEST, Entry(REQUEST)) == receipt
    assert ann.proof(REQUEST, None) == receipt


def test_without_a_receipt_there_is_no_proof_whatever_the_ledger_knows(ann: Ann) -> None:
    ann.retrieve(*ann.completed())
    ann.archive.empty()
    assert ann.proof(REQUEST, ann.world.entry(REQUEST)) is None


def test_a_receipt_with_a_failed_line_is_no_proof(ann: Ann) -> None:
    ann.archive.faults["call-1"].append(Refused("404"))
    with pytest.raises(ExportError):
        ann.retrieve(*ann.completed())
    assert ann.proof(REQUEST, ann.world.entry(REQUEST)) is None


def test_another_destination_proves_nothing(ann: Ann) -> None:
    ann.retrieve(*ann.completed())
    elsewhere = MemoryArchive(ann.world.api, "s3://elsewhere")
    assert replace(ann.retrieval, archive=elsewhere).proof(REQUEST, ann.world.entry(REQUEST), []) is None


def test_an_empty_receipt_names_no_request_and_so_needs_the_ledgers_word(ann: Ann) -> None:
    ann.retrieve(*ann.completed(fate=replace(COMPLETES, listed=())))
    entry = ann.world.entry(REQUEST)
    assert ann.proof(REQUEST, entry) == ()
    assert ann.proof(REQUEST, None) is None
    assert ann.proof(REQUEST, replace(entry, destinations=("s3://elsewhere",))) is None
    assert ann.proof(REQUEST, replace(entry, state=RequestState.OPEN)) is None


def test_a_receipt_from_before_force_proves_nothing_of_the_forced_generation(ann: Ann) -> None:
    ann.retrieve(*ann.completed())
    submission = Submission(ann.world.api, ann.world.ledger, ann.leases, ann.world.clock.sleep)
    submission.ensure_job(REQUEST, "run 1")
    assert ann.proof(REQUEST, ann.world.entry(REQUEST)) is None
    entry, job = ann.completed()
    assert job.job_id == "job-2"
    ann.archive.fetched.clear()
    receipt = ann.retrieve(entry, job)
    assert ann.archive.fetched == CALLS, "what is there is fetched again and overwritten"
    assert ann.proof(REQUEST, ann.world.entry(REQUEST)) == receipt
    assert {line.job_id for line in receipt} == {"job-2"}


# -- receipts of others ----------------------------------------------------------------------------------------------


def test_a_receipt_of_another_selection_is_refused_before_anything_is_fetched(ann: Ann) -> None:
    ann.retrieve(*ann.completed())
    wav = replace(REQUEST, media_format="wav")
    with pytest.raises(InvalidInput, match=r"s3://calls already holds the receipt of window .* for another"):
        ann.proof(wav, None)
    ann.archive.fetched.clear()
    with pytest.raises(InvalidInput, match="give every selection a destination of its own"):
        ann.retrieve(*ann.completed(wav))
    assert ann.archive.fetched == []
    assert {line.request_key for line in ann.receipt()} == {REQUEST.key}


def test_a_foreign_line_among_ones_own_is_foreign(ann: Ann) -> None:
    ann.retrieve(*ann.completed())
    own = ann.receipt()
    ann.archive.receipts[REQUEST.window] = (*own[:-1], *moved(own[-1:], "another request"))
    with pytest.raises(InvalidInput):
        ann.proof(REQUEST, ann.world.entry(REQUEST))
