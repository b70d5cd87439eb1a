"""Prints what an image holds as a CycloneDX 1.6 document: CPython, packages, Debian's libraries.

    python sbom.py SITE-PACKAGES... STATUS.D

Needs nothing but CPython, and gives the same text for the same content.
"""

import json
import platform
import sys
from collections.abc import Iterator
from email.parser import Parser
from importlib.metadata import Distribution, distributions
from pathlib import Path
from urllib.parse import quote

Component = dict[str, object]


def packages(folders: list[str]) -> Iterator[Component]:
    """Describe each Python package that is installed in one of some folders."""
    for found in distributions(path=folders):
        name = found.metadata["Name"].lower().replace("_", "-")
        yield {
            **component(name, found.version, f"pkg:pypi/{name}@{found.version}"),
            **licences(found),
        }


def licences(found: Distribution) -> Component:
    """Give a package's licence, if its metadata has it as an SPDX expression or in a few words."""
    expression = found.metadata.get("License-Expression")
    if expression:
        return {"licenses": [{"expression": expression}]}
    said = (found.metadata.get("License") or "").strip()
    short = said and "\n" not in said
    return {"licenses": [{"license": {"name": said}}]} if short else {}


def libraries(folder: Path) -> Iterator[Component]:
    """Describe each of Debian's packages of which the image holds a library."""
    for path in folder.iterdir():
        status = Parser().parsestr(path.read_text())
        name, version, processor = status["Package"], status["Version"], status["Architecture"]
        purl = f"pkg:deb/debian/{name}@{quote(version, safe='')}?arch={processor}"
        yield component(name, version, purl)


def component(name: str, version: str, purl: str) -> Component:
    """Describe one piece of software."""
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def document(parts: list[Component]) -> Component:
    """Put the parts of an image together, with the image's own software at the head."""
    (itself,) = (part for part in parts if part["name"] == "goodserve")
    others = [part for part in parts if part is not itself]
    others.sort(key=lambda part: str(part["purl"]))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**itself, "type": "application"}},
        "components": others,
        "dependencies": [
            {"ref": itself["bom-ref"], "dependsOn": [part["bom-ref"] for part in others]}
        ],
    }


def main() -> None:
    """Describe the folders that the command line names."""
    *folders, debian = sys.argv[1:]
    python = platform.python_version()
    itself = component("python", python, f"pkg:generic/python@{python}")
    parts = [itself, *packages(folders), *libraries(Path(debian))]
    json.dump(document(parts), sys.stdout, indent=1, sort_keys=True)


if __name__ == "__main__":
    main()
