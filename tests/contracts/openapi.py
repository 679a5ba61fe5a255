"""A request against an OpenAPI description: its path, its parameters and its body."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import jsonschema


def problems(
    spec: Mapping[str, Any], method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
) -> list[str]:
    """What is wrong with a request; "unknown" for a path that the description does not have. Names of headers are in
    small letters."""
    for template, operations in spec["paths"].items():
        found = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template), path)
        if found and method.lower() in operations:
            operation = operations[method.lower()]
            given = {"path": found.groupdict(), "query": dict(query), "header": dict(headers)}
            return [*_parameters(operation.get("parameters", []), given), *_body(operation.get("requestBody"), body)]
    return ["unknown"]


def _parameters(declared: list[dict[str, Any]], given: dict[str, dict[str, str]]) -> list[str]:
    found = []
    for one in declared:
        values, name = given[one["in"]], one["name"]
        value = values.get(name.lower() if one["in"] == "header" else name)
        if value is None:
            found += [f"{name} is missing"] if one.get("required") else []
        elif not _fits(value, one["schema"]):
            found.append(f"{name}={value} is not {one['schema']}")
    known = {one["name"] for one in declared if one["in"] == "query"}
    return found + [f"{name} is no parameter" for name in given["query"] if name not in known]


def _fits(value: str, schema: dict[str, Any]) -> bool:
    types = schema.get("type")
    types = types if isinstance(types, list) else [types]
    if types == ["boolean"]:
        return value in {"true", "false"}
    if types == ["integer"]:
        return value.isdigit()
    if "enum" in schema:
        return value in schema["enum"]
    return re.fullmatch(schema.get("pattern", ".*"), value) is not None


def _body(declared: dict[str, Any] | None, body: bytes) -> list[str]:
    if declared is None:
        return ["a body that nobody asked for"] if body else []
    schema = declared["content"]["application/json"]["schema"]
    try:
        data = json.loads(body)
    except ValueError:
        return ["no JSON"]
    errors = jsonschema.Draft202012Validator(schema).iter_errors(data)
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in errors]
