# SPDX-License-Identifier: Apache-2.0
"""What the official SDK knows of the platform's operations and models, read from its own source."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import PureCloudPlatformClientV2
from PureCloudPlatformClientV2 import models

_APIS = (
    *("analytics_api", "authorization_api", "integrations_api", "o_auth_api", "organization_api"),
    *("recording_api", "routing_api", "users_api"),
)
_PLAIN: dict[str, type | tuple[type, ...]] = {"str": str, "int": int, "float": (int, float), "bool": bool}


@dataclass(frozen=True)
class Operation:
    """One operation of the platform.

    :param name: the SDK's method.
    :param queries: names of its query parameters.
    :param body: type of its body; None: it has none.
    :param answer: type of its answer; None: it has none.
    """

    name: str
    queries: frozenset[str]
    body: str | None
    answer: str | None


@cache
def operations() -> dict[tuple[str, str], Operation]:
    """The operations of the APIs that the export needs, by method and path, whose parameters are all called ``{}``."""
    found = {}
    for name in _APIS:
        source = inspect.getsource(importlib.import_module(f"PureCloudPlatformClientV2.apis.{name}"))
        for text in re.split(r"\n    def ", source)[1:]:
            path = re.search(r"resource_path = '([^']+)'", text)
            method = re.search(r"call_api\(resource_path, '(\w+)'", text)
            if path is None or method is None:
                continue
            body = re.search(r"\bbody: '?(\w+|List\['?\w+'?\])'?", text.splitlines()[0])
            answer = re.search(r"response_type='([^']+)'", text)
            found[method[1], nameless(path[1])] = Operation(
                name=text.partition("(")[0],
                queries=frozenset(re.findall(r"query_params\['(\w+)'\]", text)),
                body=body[1] if body else None,
                answer=answer[1] if answer else None,
            )
    return found


def nameless(path: str) -> str:
    """A path whose parameters have no names."""
    return re.sub(r"\{\w+\}", "{}", path)


def operation(method: str, path: str) -> Operation:
    """The operation of a request.

    :param path: as it is sent, without a query.
    :raises AssertionError: the SDK knows none.
    """
    # A path without parameters goes before one that has some: .../jobs/availability is no job.
    for (known, pattern), found in sorted(operations().items(), key=lambda item: item[0][1].count("{}")):
        if known == method and re.fullmatch(re.escape(pattern).replace(r"\{\}", "[^/]+"), path):
            return found
    raise AssertionError(f"the SDK {PureCloudPlatformClientV2.__name__} knows no {method} {path}")


def problems(value: Any, kind: str, where: str = "$") -> Iterator[str]:
    """What is wrong with a JSON value that should be of one of the SDK's types, recursively.

    :param kind: as the SDK's ``swagger_types`` write it: ``str``, ``list[Recording]``, ``dict(str, MediaResult)``.
    :param where: path of the value, for messages.
    """
    if match := re.fullmatch(r"list\[(.+)\]", kind):
        yield from _items(value, list, where, lambda: [(f"[{n}]", each, match[1]) for n, each in enumerate(value)])
    elif match := re.fullmatch(r"dict\(str, (.+)\)", kind):
        yield from _items(value, dict, where, lambda: [(f".{key}", each, match[1]) for key, each in value.items()])
    elif kind in ("datetime", "date"):
        if not _is_time(value):
            yield f"{where}: {value!r} is no {kind} in UTC"
    elif kind in _PLAIN:
        if not isinstance(value, _PLAIN[kind]) or (kind != "bool" and isinstance(value, bool)):
            yield f"{where}: {value!r} is no {kind}"
    elif kind != "object":
        yield from _items(value, dict, where, lambda: [])
        if isinstance(value, dict):
            yield from _of_a_model(value, kind, where)


def _items(value: Any, wanted: type, where: str, parts: Any) -> Iterator[str]:
    if not isinstance(value, wanted):
        yield f"{where}: {value!r} is no {wanted.__name__}"
        return
    for suffix, part, kind in parts():
        yield from problems(part, kind, where + suffix)


def _of_a_model(value: dict[str, Any], name: str, where: str) -> Iterator[str]:
    model = getattr(models, name)()
    attributes = {key: attribute for attribute, key in model.attribute_map.items()}
    for key, each in value.items():
        if key not in attributes:
            yield f"{where}.{key}: {name} has no such key"
            continue
        yield from problems(each, model.swagger_types[attributes[key]], f"{where}.{key}")
        allowed = _allowed(name, attributes[key])
        for text in each if isinstance(each, list) else [each]:
            if allowed is not None and text not in allowed:
                yield f"{where}.{key}: {text!r} is none of {', '.join(allowed)}"


@cache
def _allowed(name: str, attribute: str) -> tuple[str, ...] | None:
    """The values of an enumeration; None: the attribute is none."""
    source = inspect.getsource(getattr(getattr(models, name), attribute).fset)
    match = re.search(r"allowed_values = (\[.*?\])", source, re.DOTALL)
    return tuple(ast.literal_eval(match[1])) if match else None


def _is_time(value: Any) -> bool:
    try:
        return isinstance(value, str) and value.endswith("Z") and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False
