# SPDX-License-Identifier: Apache-2.0
"""The world that the simulator simulates: which calls were recorded when, and how the platform behaves.

Everything here is a pure function of the universe's settings. A call is computed from (seed, day, index) when somebody
asks for it, and the size of a window is arithmetic, so that a day of a million recordings costs no memory. Nothing
here knows how a call is written on a wire.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from pathlib import Path
from uuid import NAMESPACE_OID, uuid5

from airflow_provider_genesys.simulator.faults import Fault, SpecError
from airflow_provider_genesys.simulator.identity import conversation_id, uuid
from airflow_provider_genesys.simulator.rules import APIS, RULES

MS_PER_DAY = 86_400_000
EPOCH_ORDINAL = date(1970, 1, 1).toordinal()

QUEUES = ("Billing", "Claims", "Customer Care", "Sales", "Technical Support")
AGENTS = (
    *("Ada Novak", "Bruno Keller", "Carla Mendes", "Dmitri Olsen", "Elif Arslan"),
    *("Farid Haddad", "Grace Okafor", "Hana Suzuki", "Ivan Petrov", "Julia Brandt"),
    *("Kofi Mensah", "Lena Fischer", "Marco Rossi", "Nadia Rahman", "Oscar Lind"),
    *("Priya Nair", "Quentin Dubois", "Rosa Alvarez", "Samuel Cohen", "Tess Murphy"),
)
DISPOSITIONS = ("resolved", "callback", "escalated", "voicemail", "abandoned")


# Every ninth call is followed by a conversation that nobody recorded as a call: see conversations.py.
CALLS_PER_GROUP = 9


def identity(name: str) -> str:
    """The id of something that has a name in every universe."""
    return str(uuid5(NAMESPACE_OID, f"simulated.{name}"))


QUEUE_IDS = tuple(identity(name) for name in QUEUES)
AGENT_IDS = tuple(identity(name) for name in AGENTS)


@dataclass(frozen=True, slots=True)
class Call:
    """One recorded call.

    :param day: days since 1970-01-01, UTC.
    :param index: position within the day, from 0, in order of start.
    :param start_ms: start in milliseconds since 1970-01-01 UTC.
    :param audio_bytes: size of the recording; always even, as RIFF wants it.
    """

    day: int
    index: int
    recording_id: str
    conversation_id: str
    start_ms: int
    duration_ms: int
    agent_id: str
    agent_name: str
    queue_id: str
    queue_name: str
    disposition: str
    direction: str
    ani: str
    dnis: str
    audio_bytes: int


@dataclass(frozen=True)
class Selection:
    """Which calls of a window are meant: those of the given queues and agents; None is all of them.

    :param late: which are not there yet: of each UTC day, each k-th of any of these numbers.
    """

    queue_ids: frozenset[str] | None = None
    agent_ids: frozenset[str] | None = None
    late: tuple[int, ...] = ()

    @property
    def seats(self) -> tuple[int, ...]:
        """Positions in the roster that the selection covers. Agents sit at their queue in turn."""
        return tuple(
            seat
            for seat in range(len(AGENTS))
            if (self.queue_ids is None or QUEUE_IDS[seat % len(QUEUES)] in self.queue_ids)
            and (self.agent_ids is None or AGENT_IDS[seat] in self.agent_ids)
        )


EVERYTHING = Selection()


@dataclass(frozen=True, kw_only=True)
class Universe:
    """Settings of a simulated Genesys Cloud organisation. Each can be given in JSON under its own name.

    :param clients: OAuth clients, id to secret.
    :param apis: what is answered: ``guide``, ``platform`` (the published API), or both; the rest is 404.
    :param integration: id of the recording integration.
    :param calls_per_day: recordings of each UTC day; None: 180 to 199 at weekends, 200 to 220 on working days.
    :param volumes: recordings of single days, by ISO date; they win over ``calls_per_day``.
    :param seed: another seed is another set of calls.
    :param record_limit: a job with more recordings fails without a word (the guide's Edge Case 1).
    :param max_window_days: so does a job over a longer window.
    :param silent_failure_seconds: how long such a job pretends to be processing.
    :param job_seconds: time from submission to completion.
    :param url_seconds: life of presigned URLs, from completion.
    :param token_seconds: life of access tokens.
    :param requests_per_minute: budget of an OAuth client over all API routes; None: no limit.
    :param polls_per_minute: budget of an OAuth client for GETs of jobs; None: no limit.
    :param recording_requests_per_minute: budget of an OAuth client for the published API's operations on recordings
        (some 120 were seen in the field); None: no limit of their own.
    :param details_job_seconds: time from submission to completion of a details job.
    :param availability_lag_seconds: how far the data lake of details jobs trails.
    :param query_age_days: how long ago the interval of a details query may begin; None: no limit.
    :param query_records: conversations of which the pages of one details query show no more.
    :param recording_lag_seconds: how long after its end a conversation's recordings appear in the published API; 0:
        they are there whatever the time.
    :param batch_seconds: time from submission to completion of a batch request.
    :param batch_url_minutes: life of a batch request's URLs, from the moment at which each is there.
    :param playback_url_minutes: life of the URLs of a conversation's recordings.
    :param transcode_seconds: how long a conversation's recordings are transcoded when they are first asked for.
    :param integration_active: whether bulk jobs can export through the integration.
    :param bulk_pending_seconds: time from a bulk job's creation until it is ready.
    :param bulk_processing_seconds: time from its execution until it is fulfilled.
    :param delivery_seconds: time from then until its objects arrive.
    :param deliver_to: where they arrive: a directory, as a path or ``file://`` URI, or an object with the ``endpoint``,
        ``bucket``, ``access_key`` and ``secret_key`` of an S3 store; None: nowhere, though they count as exported.
    :param foreign_bulk_jobs: bulk jobs of administrators that are processing when the simulator starts.
    :param foreign_bulk_seconds: for how long.
    :param audio_bytes: mean size of a recording; single ones have 50 to 150 percent of it.
    :param large_recordings: sizes in bytes of single recordings, by ``"{ISO date}/{index}"``.
    :param faults: what goes wrong; see :mod:`airflow_provider_genesys.simulator.faults`.
    :raises SpecError: a setting has the wrong type or an impossible value.
    """

    clients: Mapping[str, str] = field(default_factory=lambda: {"demo": "demo"}, repr=False)
    apis: Sequence[str] = APIS
    integration: str = "simulated-integration"
    calls_per_day: int | None = None
    volumes: Mapping[str, int] = field(default_factory=dict)
    seed: int = 0
    record_limit: int = 10_000
    max_window_days: int = 31
    silent_failure_seconds: float = 3.0
    job_seconds: float = 2.0
    url_seconds: float = 3600.0
    token_seconds: float = 86_400.0
    requests_per_minute: int | None = 300
    polls_per_minute: int | None = 20
    recording_requests_per_minute: int | None = None
    details_job_seconds: float = 1.0
    availability_lag_seconds: float = 0.0
    query_age_days: int | None = None
    query_records: int = 10_000
    recording_lag_seconds: float = 0.0
    batch_seconds: float = 2.0
    batch_url_minutes: int = 60
    playback_url_minutes: int = 60
    transcode_seconds: float = 0.0
    integration_active: bool = True
    bulk_pending_seconds: float = 1.0
    bulk_processing_seconds: float = 1.0
    delivery_seconds: float = 1.0
    deliver_to: str | Mapping[str, str] | None = field(default=None, repr=False)
    foreign_bulk_jobs: int = 0
    foreign_bulk_seconds: float = 60.0
    audio_bytes: int = 24_000
    large_recordings: Mapping[str, int] = field(default_factory=dict)
    faults: Sequence[Fault] = ()

    def __post_init__(self) -> None:
        for each in fields(self):
            wanted, holds = RULES[each.name]
            value = getattr(self, each.name)
            if not holds(value):
                raise SpecError(f"{each.name} must be {wanted}{f', not {value!r}' if each.repr else ''}")

    def volume(self, day: int) -> int:
        """Number of calls that start on a UTC day."""
        when = date.fromordinal(day + EPOCH_ORDINAL)
        override = self.volumes.get(when.isoformat(), self.calls_per_day)
        if override is not None:
            return override
        spread = self._digest("volume", day)[0]
        return 180 + spread % 20 if when.weekday() >= 5 else 200 + spread % 21

    def count(self, start_ms: int, end_ms: int, selection: Selection = EVERYTHING) -> int:
        """Number of calls that start in ``[start_ms, end_ms)``: arithmetic, not a scan, unless some are late."""
        seats = selection.seats
        if selection.late:
            return sum(1 for _ in self.positions(start_ms, end_ms, selection))
        if len(seats) == len(AGENTS):
            return sum(last - first for _, first, last in self._ranges(start_ms, end_ms))
        return sum(
            _count_of_remainder(first + day, last + day, seat, len(AGENTS))
            for day, first, last in self._ranges(start_ms, end_ms)
            for seat in seats
        )

    def positions(self, start_ms: int, end_ms: int, selection: Selection = EVERYTHING) -> Iterator[tuple[int, int]]:
        """``(day, index)`` of the calls that start in ``[start_ms, end_ms)``, in order."""
        seats = frozenset(selection.seats)
        for day, first, last in self._ranges(start_ms, end_ms):
            for index in range(first, last):
                if seat_of(day, index) in seats and not is_late(index, selection.late):
                    yield day, index

    def calls(self, start_ms: int, end_ms: int, selection: Selection = EVERYTHING) -> Iterator[Call]:
        """The calls that start in ``[start_ms, end_ms)``, in order, made one by one."""
        return (self.call(day, index) for day, index in self.positions(start_ms, end_ms, selection))

    def slot_end(self, day: int, index: int) -> int:
        """The last ms, since 1970-01-01 UTC, before the slot of a day's next call."""
        return day * MS_PER_DAY + (index + 1) * MS_PER_DAY // self.volume(day) - 1

    def call(self, day: int, index: int) -> Call:
        """The ``index``-th call of a UTC day.

        :raises LookupError: the day has fewer calls.
        """
        volume = self.volume(day)
        if not 0 <= index < volume:
            raise LookupError(f"day {day} has {volume} calls, not {index + 1}")
        digest = self._digest("call", day, index)
        seat = seat_of(day, index)
        numbers = int.from_bytes(digest[44:64], "big")
        return Call(
            day=day,
            index=index,
            recording_id=uuid(digest[0:16]),
            conversation_id=conversation_id(self.seed, day, position_of(index)),
            start_ms=day * MS_PER_DAY + _offset(digest, index, volume),
            duration_ms=15_000 + numbers % 585_000,
            agent_id=AGENT_IDS[seat],
            agent_name=AGENTS[seat],
            queue_id=QUEUE_IDS[seat % len(QUEUES)],
            queue_name=QUEUES[seat % len(QUEUES)],
            disposition=DISPOSITIONS[digest[40] % len(DISPOSITIONS)],
            direction="outbound" if digest[41] % 4 == 0 else "inbound",
            ani=f"+1202555{numbers // 585_000 % 10_000:04d}",
            dnis=f"+1303555{seat % len(QUEUES):04d}",
            audio_bytes=self._audio_bytes(day, index, digest[42:44]),
        )

    def _audio_bytes(self, day: int, index: int, noise: bytes) -> int:
        if self.large_recordings:
            size = self.large_recordings.get(f"{date.fromordinal(day + EPOCH_ORDINAL).isoformat()}/{index}")
            if size is not None:
                return size & ~1
        return self.audio_bytes * (32_768 + int.from_bytes(noise, "big")) // 65_536 & ~1

    def _ranges(self, start_ms: int, end_ms: int) -> Iterator[tuple[int, int, int]]:
        """``(day, first index, last index + 1)`` for each day that the window touches."""
        for day in range(start_ms // MS_PER_DAY, -(-end_ms // MS_PER_DAY)):
            opening = day * MS_PER_DAY
            first = self._calls_before(day, max(start_ms - opening, 0))
            last = self._calls_before(day, min(end_ms - opening, MS_PER_DAY))
            if first < last:
                yield day, first, last

    def _calls_before(self, day: int, offset: int) -> int:
        """Number of the day's calls that start before ``offset`` ms of it.

        The day is cut into one slot per call and each call starts within its slot, so only the slot that contains
        ``offset`` needs looking at.
        """
        volume = self.volume(day)
        if volume == 0 or offset >= MS_PER_DAY:
            return volume
        slot = ((offset + 1) * volume - 1) // MS_PER_DAY
        return slot + (_offset(self._digest("call", day, slot), slot, volume) < offset)

    def _digest(self, *subject: object) -> bytes:
        return hashlib.blake2b(repr((self.seed, *subject)).encode()).digest()


def read_universe(spec: str) -> Universe:
    """Read a universe from a JSON file, or from JSON itself where the text begins with ``{``.

    :raises SpecError: not JSON, an unknown key, a wrong type, an unknown fault.
    """
    try:
        text = spec if spec.lstrip().startswith("{") else Path(spec).read_text(encoding="utf-8")
        settings = json.loads(text)
    except OSError as error:
        raise SpecError(f"cannot read the universe {spec}: {error.strerror}") from error
    except ValueError as error:
        raise SpecError(f"the universe is not JSON: {error}") from error
    return universe_from(settings)


def universe_from(settings: object) -> Universe:
    """Make a universe of a JSON object.

    :raises SpecError: an unknown key, a wrong type, an unknown fault.
    """
    if not isinstance(settings, dict):
        raise SpecError(f"a universe must be a JSON object, not {settings!r}")
    names = sorted(each.name for each in fields(Universe))
    unknown = sorted(settings.keys() - set(names))
    if unknown:
        raise SpecError(f"unknown setting of a universe: {', '.join(unknown)}. Known are: {', '.join(names)}")
    faults = settings.get("faults", [])
    if not isinstance(faults, list):
        raise SpecError(f"faults must be a list of faults, not {faults!r}")
    return Universe(**{**settings, "faults": tuple(Fault.from_json(fault) for fault in faults)})


def is_late(index: int, late: Sequence[int]) -> bool:
    """Whether a day's ``index``-th call is not there yet; see :class:`Selection`."""
    return any((index + 1) % every == 0 for every in late)


def position_of(index: int) -> int:
    """Position among a day's conversations of its ``index``-th call."""
    return index + index // CALLS_PER_GROUP


def _offset(digest: bytes, index: int, volume: int) -> int:
    """Start of a call within its day in ms: somewhere in the call's own slot."""
    opening = index * MS_PER_DAY // volume
    width = (index + 1) * MS_PER_DAY // volume - opening
    return opening + int.from_bytes(digest[32:40], "big") % width


def seat_of(day: int, index: int) -> int:
    """Position in the roster of the agent who takes a day's ``index``-th call."""
    return (day + index) % len(AGENTS)


def _count_of_remainder(first: int, last: int, remainder: int, modulus: int) -> int:
    """How many numbers of ``[first, last)`` leave the remainder."""
    return (last - 1 - remainder) // modulus - (first - 1 - remainder) // modulus
