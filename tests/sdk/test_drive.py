# SPDX-License-Identifier: Apache-2.0
"""The official SDK, unchanged, drives the simulator from the token to the results."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from PureCloudPlatformClientV2 import models
from PureCloudPlatformClientV2.api_client import ApiClient
from PureCloudPlatformClientV2.apis.analytics_api import AnalyticsApi
from PureCloudPlatformClientV2.apis.authorization_api import AuthorizationApi
from PureCloudPlatformClientV2.apis.integrations_api import IntegrationsApi
from PureCloudPlatformClientV2.apis.o_auth_api import OAuthApi
from PureCloudPlatformClientV2.apis.organization_api import OrganizationApi
from PureCloudPlatformClientV2.apis.recording_api import RecordingApi
from PureCloudPlatformClientV2.apis.routing_api import RoutingApi
from PureCloudPlatformClientV2.apis.users_api import UsersApi
from PureCloudPlatformClientV2.rest import ApiException

from airflow_provider_genesys.simulator import Fault, Simulator
from airflow_provider_genesys.simulator.universe import AGENT_IDS, QUEUE_IDS
from tests.simulator.platform.worlds import DAY, conversations_of


def model(name: str, **values: Any) -> Any:
    """One of the SDK's models with some of its attributes set."""
    made = getattr(models, name)()
    for attribute, value in values.items():
        setattr(made, attribute, value)
    return made


def recorded_calls() -> list[Any]:
    voice = model("SegmentDetailQueryPredicate", type="dimension", dimension="mediaType", operator="matches")
    voice.value = "voice"
    recorded = model("SegmentDetailQueryPredicate", type="dimension", dimension="recording", operator="exists")
    return [model("SegmentDetailQueryFilter", type="and", predicates=[voice, recorded])]


def test_the_token_is_refused_with_a_wrong_secret(simulator: Simulator) -> None:
    with pytest.raises(ApiException) as error:
        ApiClient(host=simulator.url).get_client_credentials_token("demo", "wrong")
    assert error.value.status == 401


def test_from_the_details_query_by_a_batch_to_the_files(client: ApiClient, simulator: Simulator) -> None:
    query = model("ConversationQuery", interval=DAY, segment_filters=recorded_calls(), order="asc")
    query.paging = model("PagingSpec", page_size=100, page_number=1)
    found = AnalyticsApi(client).post_analytics_conversations_details_query(query)
    assert found.total_hits == len(found.conversations) == 54
    assert found.conversations[0].conversation_start.tzinfo is not None
    agents = [each for each in found.conversations[0].participants if each.purpose == "agent"]
    assert agents[0].user_id in AGENT_IDS
    assert agents[0].sessions[0].recording is True

    api = RecordingApi(client)
    wanted = [model("BatchDownloadRequest", conversation_id=each.conversation_id) for each in found.conversations]
    submission = model("BatchDownloadJobSubmission", batch_download_request_list=wanted)
    status = api.get_recording_batchrequest(api.post_recording_batchrequests(submission).id)
    assert status.status == "Completed"
    assert status.result_count == len(status.results) > 54
    for result in status.results[:5]:
        answer = requests.get(result.result_url)
        assert answer.headers["Content-Type"] == result.content_type
    assert api.get_recording_settings().recording_batch_download_url_ttl == 60


def test_a_details_job_to_its_last_page(client: ApiClient) -> None:
    api = AnalyticsApi(client)
    query = model("AsyncConversationQuery", interval=DAY, start_of_day_interval_matching=True)
    job_id = api.post_analytics_conversations_details_jobs(query).job_id
    assert api.get_analytics_conversations_details_job(job_id).state == "FULFILLED"
    page = api.get_analytics_conversations_details_job_results(job_id, page_size=25)
    ids = [each.conversation_id for each in page.conversations]
    while page.cursor is not None:
        page = api.get_analytics_conversations_details_job_results(job_id, page_size=25, cursor=page.cursor)
        ids += [each.conversation_id for each in page.conversations]
    assert len(set(ids)) == len(ids) == 60
    available = api.get_analytics_conversations_details_jobs_availability().data_availability_date
    assert abs(available.timestamp() - datetime.now(UTC).timestamp()) < 60
    assert page.data_availability_date <= available


def test_the_media_of_a_conversation(client: ApiClient, simulator: Simulator) -> None:
    api = RecordingApi(client)
    conversation = conversations_of(simulator, 1)[0]
    (recording,) = api.get_conversation_recordings(conversation.conversation_id, format_id="WAV", max_wait_ms=5000)
    assert set(recording.media_uris) == {"0", "1"}
    assert requests.get(recording.media_uris["1"].media_uri).content.startswith(b"RIFF")
    (metadata,) = api.get_conversation_recordingmetadata(conversation.conversation_id)
    assert (metadata.id, metadata.file_state) == (recording.id, "AVAILABLE")


def test_the_sdk_takes_still_transcoding_for_no_recordings(client: ApiClient, simulator: Simulator) -> None:
    """Why the provider does not use it: an empty 202 becomes an empty answer."""
    simulator.faults = [Fault("transcoding_empty")]
    conversation = conversations_of(simulator, 1)[0]
    assert not RecordingApi(client).get_conversation_recordings(conversation.conversation_id)


def test_a_bulk_job_to_its_delivery(client: ApiClient, simulator: Simulator) -> None:
    api = RecordingApi(client)
    query = model(
        "RecordingJobsQuery",
        action="EXPORT",
        action_date=datetime.now(UTC),
        integration_id="simulated-integration",
        conversation_query=model("AsyncConversationQuery", interval=DAY, start_of_day_interval_matching=True),
    )
    job = api.post_recording_jobs(query)
    listed = api.get_recording_jobs(state="READY", show_only_my_jobs=True, job_type="EXPORT", include_total=False)
    assert [each.id for each in listed.entities] == [job.id]
    ready = api.get_recording_job(job.id)
    assert (ready.state, ready.total_conversations) == ("READY", 60)
    api.put_recording_job(job.id, model("ExecuteRecordingJobsQuery", state="PROCESSING"))
    done = api.get_recording_job(job.id)
    assert (done.state, done.total_processed_recordings) == ("FULFILLED", done.total_recordings)
    assert api.get_recording_job_failedrecordings(job.id, page_size=100).total == 0
    dry = api.post_recording_jobs(query)
    api.delete_recording_job(dry.id)
    assert api.get_recording_job(dry.id).state == "CANCELLED"
    retained = api.get_recordings_retention_query(1, page_size=10)
    assert retained.entities
    assert retained.next_uri


def test_names_and_what_the_client_may(client: ApiClient) -> None:
    queues = RoutingApi(client).get_routing_queues(id=list(QUEUE_IDS[:2]), page_size=100)
    assert {each.id for each in queues.entities} == set(QUEUE_IDS[:2])
    users = UsersApi(client).get_users(id=list(AGENT_IDS[:3]), page_size=100)
    assert {each.id for each in users.entities} == set(AGENT_IDS[:3])
    assert UsersApi(client).get_user(AGENT_IDS[0]).name == "Ada Novak"
    assert RoutingApi(client).get_routing_queue(QUEUE_IDS[0]).name == "Billing"
    codes = RoutingApi(client).get_routing_wrapupcodes(page_size=100).entities
    assert RoutingApi(client).get_routing_wrapupcode(codes[0].id).name == codes[0].name
    integration = IntegrationsApi(client).get_integration("simulated-integration")
    assert integration.reported_state.code == "ACTIVE"
    assert IntegrationsApi(client).get_integrations().entities[0].id == integration.id
    oauth_client = OAuthApi(client).get_oauth_client("demo")
    role = AuthorizationApi(client).get_authorization_role(oauth_client.role_ids[0])
    assert "recording:job:add" in role.permissions
    assert len(AuthorizationApi(client).get_authorization_divisions().entities) == len(oauth_client.role_divisions)
    assert OrganizationApi(client).get_organizations_me().state == "active"


def test_an_error_is_the_platforms(client: ApiClient) -> None:
    with pytest.raises(ApiException) as error:
        RecordingApi(client).get_recording_job("nobody")
    assert error.value.status == 404
    assert "nobody" in error.value.body
