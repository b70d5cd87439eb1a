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
EXTRAS = ("signing", "grpc", "s3", "otel")
PROCESSORS = ("x86_64", "aarch64")
# pip takes the tags that are named and no older ones.
TAGS = ("manylinux1", "manylinux2010", "manylinux2014", "manylinux_2_5", "manylinux_2_12")
TAGS += ("manylinux_2_17", "manylinux_2_24", "manylinux_2_26", "manylinux_2_27", "manylinux_2_28")
TAGS += ("manylinux_2_31", "manylinux_2_34", "manylinux_2_35", "manylinux_2_36")
# torch comes by its version alone, as its builds for CPUs and for CUDA share that and no hash; what
# both of them need is written down.
TORCH_NEEDS = ("filelock", "fsspec", "networkx", "setuptools", "sympy")
HEADER = "# Written by `make lock`. Wheels for Python {} on Linux, {}.\n"

Locked = dict[str, tuple[str, set[str]]]


def locked(requirements: list[str], processor: str, known: Locked) -> Locked:
    """Give the version and hashes of each package that pip would install for a processor.

    What is `known` already keeps its version.
    """
    platforms = [f"--platform={tag}_{processor}" for tag in TAGS]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--report=-"]
    command += ["--ignore-installed", "--only-binary=:all:", f"--python-version={PYTHON}"]
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "known.txt"
        wanted.write_text("".join(f"{k}=={version}\n" for k, (version, _) in known.items()))
        command += [f"--constraint={ROOT / 'constraints.txt'}", f"--constraint={wanted}"]
        found = subprocess.run(  # noqa: S603
            [*command, *platforms, f"--target={folder}/installed", *requirements],
            stdout=subprocess.PIPE,
            check=True,
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

    def lock(processors: tuple[str, ...], known: Locked, *requirements: str) -> Locked:
        return merged([locked(list(requirements), each, known) for each in processors])

    cpu = lock(PROCESSORS, {}, *needed, *extras["cpu"])
    write("cpu.txt", cpu, PROCESSORS)
    # There is no onnxruntime-gpu for other processors.
    write("gpu.txt", lock(("x86_64",), {}, *needed, *extras["gpu"]), ("x86_64",))
    for extra in (*EXTRAS, "train"):
        wanted = [each for each in extras[extra] if not each.startswith("torch")]
        whole = lock(PROCESSORS, cpu, *wanted, *(TORCH_NEEDS if extra == "train" else ()))
        write(f"{extra}.txt", {k: v for k, v in whole.items() if k not in cpu}, PROCESSORS)
    write("build.txt", lock(PROCESSORS, {}, *project["build-system"]["requires"]), PROCESSORS)


if __name__ == "__main__":
    main()
