"""Writes docker/requirements/: what the images install, each file with its version and its hashes.

`make lock` runs it. pip itself decides on the versions, within constraints.txt, once for each
processor; the hash of every wheel that it would take is written down, and no index is named.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docker" / "requirements"
PYTHON = "3.11"
# A file for each: what it needs beside the service itself and a runtime.
EXTRAS = ("signing", "grpc", "s3")
PROCESSORS = ("x86_64", "aarch64")
# pip takes the tags that are named and no older ones.
TAGS = ("manylinux1", "manylinux2010", "manylinux2014", "manylinux_2_5", "manylinux_2_12")
TAGS += ("manylinux_2_17", "manylinux_2_24", "manylinux_2_26", "manylinux_2_27", "manylinux_2_28")
TAGS += ("manylinux_2_31", "manylinux_2_34", "manylinux_2_35", "manylinux_2_36")
# torch comes by its version alone: builds for CPUs and for CUDA share it and not their hashes.
UNLOCKED = ("torch", "triton", "nvidia-", "cuda-")
HEADER = "# Written by `make lock`. Wheels for Python {} on Linux, {}.\n"

Locked = dict[str, tuple[str, set[str]]]


def locked(requirements: list[str], processor: str) -> Locked:
    """Give the version and hashes of each package that pip would install for a processor."""
    platforms = [f"--platform={tag}_{processor}" for tag in TAGS]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--report=-"]
    command += ["--ignore-installed", "--only-binary=:all:", f"--python-version={PYTHON}"]
    command += [*platforms, f"--constraint={ROOT / 'constraints.txt'}"]
    with tempfile.TemporaryDirectory() as target:
        found = subprocess.run(  # noqa: S603
            [*command, f"--target={target}", *requirements], stdout=subprocess.PIPE, check=True
        )
    return {name(item): described(item) for item in json.loads(found.stdout)["install"]}


def name(item: dict[str, Any]) -> str:
    """Give a package's name as indexes spell it."""
    return str(item["metadata"]["name"]).lower().replace("_", "-").replace(".", "-")


def described(item: dict[str, Any]) -> tuple[str, set[str]]:
    """Give the version of a package in pip's report, and its wheel's hash."""
    sha256 = item["download_info"]["archive_info"]["hashes"]["sha256"]
    return item["metadata"]["version"], {sha256}


def merged(parts: list[Locked]) -> Locked:
    """Put processors together; a package that differs between them in version is an error."""
    whole: Locked = {}
    for part in parts:
        for package, (version, hashes) in part.items():
            before, known = whole.get(package, (version, set()))
            if before != version:
                sys.exit(f"{package} is {before} and {version}: name one in constraints.txt")
            whole[package] = version, known | hashes
    return whole


def write(file: str, packages: Locked, processors: tuple[str, ...]) -> None:
    """Write one file of requirements, sorted, so that changes are seen."""
    lines = [HEADER.format(PYTHON, " and ".join(processors))]
    for package, (version, hashes) in sorted(packages.items()):
        pinned = " \\\n".join(f"    --hash=sha256:{value}" for value in sorted(hashes))
        lines.append(f"{package}=={version} \\\n{pinned}\n")
    (FOLDER / file).write_text("".join(lines))


def main() -> None:
    """Lock the service on CPU and GPU, each extra's own packages, and what builds the wheel."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed, extras = project["project"]["dependencies"], project["project"]["optional-dependencies"]
    FOLDER.mkdir(exist_ok=True)

    def lock(processors: tuple[str, ...], *requirements: str) -> Locked:
        return merged([locked(list(requirements), processor) for processor in processors])

    cpu = lock(PROCESSORS, *needed, *extras["cpu"])
    write("cpu.txt", cpu, PROCESSORS)
    # There is no onnxruntime-gpu for other processors.
    write("gpu.txt", lock(("x86_64",), *needed, *extras["gpu"]), ("x86_64",))
    for extra in (*EXTRAS, "train"):
        both = lock(PROCESSORS, *needed, *extras["cpu"], *extras[extra])
        added = {k: v for k, v in both.items() if k not in cpu and not k.startswith(UNLOCKED)}
        write(f"{extra}.txt", added, PROCESSORS)
    build = lock(PROCESSORS, *project["build-system"]["requires"])
    write("build.txt", build, PROCESSORS)


if __name__ == "__main__":
    main()
