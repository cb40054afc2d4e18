# SPDX-License-Identifier: Apache-2.0
"""Every key of the archive, relative to its destination.

Ids come from outside and are never trusted as paths. A plain name stands for itself, everything else is
percent-encoded; two ids never share a key.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from string import Formatter

from airflow_provider_genesys.archive.facts import facts
from airflow_provider_genesys.export.errors import InvalidInput
from airflow_provider_genesys.export.model import ExportWindow, Recording

DEFAULT_KEY_TEMPLATE = "recordings/{recording_id}.{ext}"

_RESERVED = ("manifests", "receipts", "reports", "index")

_LONGEST_NAME = 200
"""Bytes: file systems allow 255 for a name, and an extension and a temporary mark have to fit too."""

_LONGEST_VALUE = 100
"""Bytes of a field that tells no recording from another, so that two of them fit into a name."""

_LONGEST_FIELD = {
    "recording_id": _LONGEST_NAME,
    "ext": 10,
    "date": 10,
    "hour": 2,
    **dict.fromkeys(
        ("conversation_id", "queue_id", "queue_name", "agent_id", "agent_name", "direction", "disposition"),
        _LONGEST_VALUE,
    ),
}

FIELDS = tuple(_LONGEST_FIELD)
"""What a key template may name in braces."""

_FIXED = {"date": r"\d{4}-\d\d-\d\d", "hour": r"\d\d"}
"""Fields of a length that never varies, and never missing: the window's start stands in for the call's."""

_LONGEST_SEGMENT = 255
_LONGEST_KEY = 900
"""Bytes: S3 allows 1,024, and the destination's prefix has to fit too."""

_NOT_PLAIN = re.compile(rb"\A\.|[^A-Za-z0-9_.-]")
_NOT_ALPHANUMERIC = re.compile(rb"[^A-Za-z0-9]")
_FIXED_TEXT = re.compile(r"[A-Za-z0-9_.=-]*")

_SEGMENT = rf"(?:[A-Za-z0-9_.=-]|\{{(?:{'|'.join(FIELDS)})\}})+"
KEY_TEMPLATE_PATTERN = (
    r"^(?=.*\{recording_id\})(?=.*\{ext\})(?!\.)(?!.*/\.)"
    rf"(?!(?:{'|'.join(_RESERVED)})(?:/|$)){_SEGMENT}(?:/{_SEGMENT})*$"
)
"""A regular expression for forms and schemas: what it lets through, :class:`KeyTemplate` may still refuse."""

_Piece = tuple[str, str | None]
"""Fixed text, and the field after it."""


@dataclass(frozen=True)
class KeyTemplate:
    """Where recordings lie: ``recordings/{date}/{queue_id}/{recording_id}.{ext}``.

    Every field is one percent-encoded part of a name, ``unknown`` where the manifest doesn't say it. ``date`` and
    ``hour`` are those of the call's start in UTC, or of its window's. However recordings are described, two ids never
    share a key, and no recording lies among the archive's own documents.

    :raises InvalidInput: for a template that can't promise this.
    """

    text: str = DEFAULT_KEY_TEMPLATE

    def __post_init__(self) -> None:
        if fault := _fault(self.text):
            raise InvalidInput(f"key_template is {self.text!r}, but {fault}")

    def key(self, recording: Recording, extension: str, window: ExportWindow) -> str:
        """Where a recording lies.

        :param extension: ``mp3``, ``wav`` or whatever the platform gave.
        :param window: the one that the recording was exported for.
        """
        known = facts(recording.metadata)
        time = known.started_at or window.start
        fixed = {
            "recording_id": _name(recording.recording_id),
            "ext": _name(extension, not_plain=_NOT_ALPHANUMERIC),
            "date": time.date().isoformat(),
            "hour": f"{time.hour:02}",
        }
        said = {name: _name(getattr(known, name) or "unknown", _LONGEST_VALUE) for name in FIELDS if name not in fixed}
        return self.text.format(**fixed, **said)


def manifest_key(job_id: str) -> str:
    """Where the manifest of a job lies, byte for byte as it came."""
    return f"manifests/job_{_name(job_id)}.json"


def receipt_key(window: ExportWindow) -> str:
    """Where the receipt of a window lies."""
    return f"receipts/{_interval(window)}.jsonl"


def report_key(interval: ExportWindow) -> str:
    """Where the reconciliation of an interval lies."""
    return f"reports/{_interval(interval)}.json"


def index_key(interval: ExportWindow) -> str:
    """Where the receipts of an interval lie as one table."""
    return f"index/{_interval(interval)}.parquet"


def _fault(template: str) -> str | None:
    """What is wrong with a key template."""
    try:
        segments = [_pieces(segment) for segment in template.split("/")]
    except ValueError as error:
        return str(error)
    named = [field for pieces in segments for _, field in pieces]
    if missing := {"recording_id", "ext"}.difference(named):
        return f"it has no {{{min(missing)}}}"
    if not any(_tells_recordings_apart(pieces) for pieces in segments):
        return (
            "two recordings could share a key: in one of its names {recording_id} must stand once, beside {date} and "
            "{hour} at most, and with a '.', '-', '_' or '=' between it and {ext}"
        )
    if reserved := next((name for name in _RESERVED if _matches(segments[0], name)), None):
        return f"its first name may be {reserved!r}, which has other contents: begin it with a name such as recordings"
    if max(map(_longest, segments)) > _LONGEST_SEGMENT or sum(map(_longest, segments)) > _LONGEST_KEY:
        return f"a name could have more than {_LONGEST_SEGMENT} bytes, or the key more than {_LONGEST_KEY}"
    return None


def _pieces(segment: str) -> list[_Piece]:
    """A segment of a template, taken apart.

    :raises ValueError: in words, for one that can't be a name.
    """
    if not segment:
        raise ValueError("it has an empty name: a key neither begins nor ends with a slash, nor has two together")
    if segment.startswith("."):
        raise ValueError("no name in it may begin with a '.'")
    try:
        parsed = list(Formatter().parse(segment))
    except ValueError:
        raise ValueError("its braces don't match") from None
    for text, field, specification, conversion in parsed:
        if not _FIXED_TEXT.fullmatch(text):
            raise ValueError("beside {fields} it may have letters without accents, digits, and _ . = - only")
        if field is not None and (field not in FIELDS or specification or conversion):
            raise ValueError(f"{{{field}}} is none of {', '.join(FIELDS)}, which come without any addition")
    return [(text, field) for text, field, _, _ in parsed]


def _tells_recordings_apart(pieces: list[_Piece]) -> bool:
    """Whether the id can be read back from the name, whatever it is and whatever stands beside it."""
    fields = [field for _, field in pieces if field]
    if fields.count("recording_id") != 1 or not {"recording_id", "ext", *_FIXED}.issuperset(fields):
        return False
    if fields.count("ext") > 1:
        return False
    if "ext" not in fields:
        return True
    spelled = "".join(text + ("-" if field == "date" else f"/{field}/" if field else "") for text, field in pieces)
    between = re.search(r"/recording_id/(.*)/ext/|/ext/(.*)/recording_id/", spelled)
    return between is not None and re.search(r"[._=-]", between[1] or between[2] or "") is not None


def _matches(pieces: list[_Piece], name: str) -> bool:
    """Whether a segment could become a name, on file systems that don't mind case."""
    pattern = "".join(re.escape(text) + (_FIXED.get(field, ".*") if field else "") for text, field in pieces)
    return re.fullmatch(pattern, name, re.IGNORECASE) is not None


def _longest(pieces: list[_Piece]) -> int:
    return sum(len(text) + (_LONGEST_FIELD[field] if field else 0) for text, field in pieces) + len("/")


def _name(text: str, longest: int = _LONGEST_NAME, not_plain: re.Pattern[bytes] = _NOT_PLAIN) -> str:
    """``text`` as one segment of a key. Only a shortened or empty one has a ``~``: it can be no other id's."""
    raw = text.encode("utf-8", "surrogatepass")
    name = not_plain.sub(lambda match: b"%%%02X" % match[0][0], raw).decode("ascii")
    if len(name) <= longest:
        return name or "~"
    digest = hashlib.sha256(raw).hexdigest()
    return f"{name[: longest - len(digest) - 1]}~{digest}"


def _interval(interval: ExportWindow) -> str:
    return f"{_basic(interval.start)}_{_basic(interval.end)}"


def _basic(time: datetime) -> str:
    """Basic ISO 8601 of a time in UTC: extended characters such as ``:`` trouble file systems and URLs."""
    text = time.isoformat(timespec="milliseconds" if time.microsecond else "seconds")
    return text.replace("+00:00", "Z").replace("-", "").replace(":", "")
