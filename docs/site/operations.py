"""Reference pages made of what the service says of itself: operations, commands, settings."""

import json
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

from cyclopts import App

from service.__main__ import app as goodserve
from service.app import create_app
from service.settings import PREFIX, Settings
from training.command_line import app as goodserve_train

_CONTENTS = re.compile(r"^## Table of Contents\n.*?(?=^## )", re.MULTILINE | re.DOTALL)
_TO_COMMAND = re.compile(r"\[(`[^`]+`)\]\(#[^)]+\)")


def operations_page() -> str:
    """Write every operation of `/openapi.json`: where, what it takes, what it answers."""
    document = create_app(Settings(device="cpu", repository=_bundled())).framework.openapi()
    by_tag: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            text = "\n".join(_operation(path, method, operation))
            by_tag.setdefault(operation["tags"][0], []).append(text)
    parts = ["# HTTP operations", f"Version {document['info']['version']}, from `/openapi.json`."]
    for tag, texts in by_tag.items():
        parts += [f"## {tag}", *texts]
    schemas = document["components"]["schemas"]
    parts += ["## Schemas", *("\n".join(_schema(name, schemas[name])) for name in sorted(schemas))]
    return "\n\n".join(parts)


def _bundled() -> Path:
    path: Path = Settings.model_fields["repository"].default
    return path


def _operation(path: str, method: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"### {method.upper()} {path}"
    yield f"\n{operation.get('description', operation['summary'])}\n"
    parameters = operation.get("parameters", ())
    if parameters:
        yield "| parameter | in | type | |\n|---|---|---|---|"
    for each in parameters:
        about = " ".join(each.get("description", "").split())
        yield f"| `{each['name']}` | {each['in']} | {_type(each['schema'])} | {about} |"
    body = operation.get("requestBody", {}).get("content", {})
    if body:
        yield f"\nTakes {', '.join(f'`{kind}`' for kind in body)}.\n"
    yield "\n| status | answers |\n|---|---|"
    for status, answer in sorted(operation["responses"].items()):
        kinds = answer.get("content", {})
        gives = ", ".join(_type(each.get("schema", {})) for each in kinds.values()) or "nothing"
        yield f"| {status} {HTTPStatus(int(status)).phrase} | {gives} |"


def _schema(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f"### {name}"
    yield f"\n{schema.get('description', '')}\n"
    properties = schema.get("properties", {})
    if properties:
        yield "| field | type | |\n|---|---|---|"
    for field, each in properties.items():
        about = " ".join(each.get("description", "").split())
        needed = "" if field in schema.get("required", ()) else " *(may be missing)*"
        yield f"| `{field}` | {_type(each)} | {about}{needed} |"


def _type(schema: dict[str, Any]) -> str:
    """Word a schema in a few words, with links to those that have a name."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f"`{json.dumps(each)}`" for each in schema["enum"])
    if schema.get("type") == "array":
        return f"array of {_type(schema.get('items', {}))}"
    return str(schema.get("type", "any"))


def commands_page(root: Path) -> str:
    """Write the help of both command lines."""
    parts = ["# Commands", "What `--help` prints, from the code."]
    parts += [_help(app, root) for app in (goodserve, goodserve_train)]
    return "\n\n".join(parts)


def _help(app: App, root: Path) -> str:
    text = app.generate_docs(heading_level=2, max_heading_level=4, usage_name=app.name[0])
    text = re.sub(r"^#+ Table of Contents\n.*?(?=^\*\*)", "", text, flags=re.MULTILINE | re.DOTALL)
    return _TO_COMMAND.sub(r"\1", text).replace(f"{root}/", "")


def settings_page(root: Path) -> str:
    """Write every setting of the service: flag, variable, default, meaning."""
    lines = [
        "# Settings",
        "What `goodserve serve` takes; [how they act together](../service.md#settings).\n",
        "| flag | variable | default | |\n|---|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        if name == "metrics_folder":  # set by the supervisor alone
            continue
        default = "" if field.default is None else str(field.default).replace(f"{root}/", "")
        flag, variable = f"--{name.replace('_', '-')}", f"{PREFIX}{name.upper()}"
        shown = f"`{default}`" if default else ""
        lines.append(f"| `{flag}` | `{variable}` | {shown} | {field.description} |")
    return "\n".join(lines)
