"""Does a request keep to a vendor's description of its API? OpenAPI 2 (Slack) and 3 (Intercom), as far as ours need
it."""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema


@dataclass(frozen=True)
class Request:
    """One call as it came."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def data(self) -> dict[str, Any]:
        found = json.loads(self.body or b"{}")
        assert isinstance(found, dict)
        return found


@dataclass(frozen=True)
class Slack:
    """`later` are arguments that the published description is too old for, each with where it is described."""

    spec: Mapping[str, Any]
    later: Mapping[str, str]

    def problems(self, request: Request) -> list[str]:
        path = request.path.removeprefix("/api")
        operation = self.spec["paths"].get(path, {}).get(request.method.lower())
        if operation is None:
            return [f"no such operation: {request.method} {request.path}"]
        token = re.fullmatch(r"Bearer (\S+)", request.headers.get("authorization", ""))
        given = {**request.query, **(request.data() if request.body else {})}
        if "token" in given:
            return ["the token stands in the address or the body"]
        if token:
            given["token"] = token[1]
        known = {parameter["name"]: parameter for parameter in operation["parameters"]}
        found = [f"missing: {name}" for name, one in known.items() if one.get("required") and not given.get(name)]
        found += [f"unknown: {name}" for name in given if name not in known and name not in self.later]
        kinds = [
            (name, known[name]["type"], value, name in request.query) for name, value in given.items() if name in known
        ]
        found += [
            f"{name} is no {kind}: {value!r}" for name, kind, value, in_query in kinds if not _is(kind, value, in_query)
        ]
        if request.body and not request.headers.get("content-type", "").startswith(tuple(operation["consumes"])):
            found.append(f"not taken: {request.headers.get('content-type')}")
        return found

    def example(self, path: str) -> dict[str, Any]:
        [operation] = self.spec["paths"][path].values()
        return json.loads(json.dumps(operation["responses"]["200"]["examples"]["application/json"]))


def _is(kind: str, value: Any, in_query: bool) -> bool:
    if in_query:
        patterns = {"boolean": "true|false", "integer": r"-?\d+", "number": r"-?\d+(\.\d+)?", "string": r"(?s).*"}
        return re.fullmatch(patterns[kind], value) is not None
    types: dict[str, Any] = {"boolean": bool, "integer": int, "number": (int, float), "string": str}
    return isinstance(value, types[kind]) and (kind == "boolean" or not isinstance(value, bool))


@dataclass(frozen=True)
class OpenApi3:
    spec: Mapping[str, Any]

    def problems(self, request: Request) -> list[str]:
        template, names = self._path(request.path)
        operation = self.spec["paths"].get(template, {}).get(request.method.lower())
        if operation is None:
            return [f"no such operation: {request.method} {request.path}"]
        found = []
        sources = {"path": names, "query": request.query, "header": request.headers}
        for parameter in operation.get("parameters", ()):
            name, place = parameter["name"], parameter["in"]
            value = sources[place].get(name.lower() if place == "header" else name)
            if value is None:
                found += [f"missing: {name}"] if parameter.get("required") else []
            else:
                found += self._wrong(parameter["schema"], _read(value, self._schema(parameter["schema"])), name)
        known = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"}
        found += [f"unknown: {name}" for name in request.query if name not in known]
        wanted = operation.get("requestBody")
        if wanted is None:
            return found + (["a body that nobody reads"] if request.body else [])
        schema = wanted["content"]["application/json"]["schema"]
        if not request.headers.get("content-type", "").startswith("application/json"):
            found.append(f"not taken: {request.headers.get('content-type')}")
        return found + self._wrong(schema, request.data(), "body")

    def example(self, method: str, path: str, status: str = "200") -> Any:
        content = self.spec["paths"][path][method]["responses"][status]["content"]["application/json"]
        examples = content.get("examples") or {}
        return json.loads(
            json.dumps(next(iter(examples.values()))["value"] if examples else content["example"], default=str)
        )

    def _path(self, path: str) -> tuple[str, dict[str, str]]:
        for template in self.spec["paths"]:
            pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(template))
            if match := re.fullmatch(pattern, path):
                return template, {name: urllib.parse.unquote(value) for name, value in match.groupdict().items()}
        return "", {}

    def _schema(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in schema:
            schema = self.spec["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return schema

    def _wrong(self, schema: Mapping[str, Any], value: Any, name: str) -> list[str]:
        whole = {**schema, "components": self.spec.get("components", {})}
        validator = jsonschema.Draft202012Validator(whole)
        return [f"{name}: {error.message}"[:300] for error in validator.iter_errors(value)]


def _read(value: str, schema: Mapping[str, Any]) -> Any:
    if schema.get("type") == "integer" and re.fullmatch(r"-?\d+", value):
        return int(value)
    if schema.get("type") == "boolean" and value in {"true", "false"}:
        return value == "true"
    return value
