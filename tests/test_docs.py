"""The documents name only what is there: files, code, flags, problems, links.

In README.md, CONTRIBUTING.md, SECURITY.md and docs/, this is checked in `inline code`:

- a path that ends in `.py` or `/`, or begins with a folder of the repository, exists;
- `Name`, `Name.part`, `part()` and `snake_case` are found in the code by their last parts:
  a module, class, function, field, parameter or constant (`goodserve_...`: a metric);
- `--a-flag` is a setting or an option of one of our command lines.

In code blocks, paths are checked likewise, and flags where a line calls goodserve. Other words in
backticks (`explain`, `model.onnx`, `cifar10/1`, a header or a variable) are left alone.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGES = ("model", "service", "training")
DOCUMENTS = sorted(
    [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
    + list((ROOT / "docs").rglob("*.md"))
)

FOLDERS = {path.name for path in ROOT.iterdir() if path.is_dir()}
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*(?:\(\))?")
FLAG = re.compile(r"(?<![\w-])--([a-z][a-z-]*)(?![\w.-])")
FENCED_PATH = re.compile(r"(?<![\w./:-])[\w.-]+/[\w./-]*\w")
CALL = re.compile(r"^\s*(?:\S*/)?goodserve(?:-train)? .*", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
DATA_FILES = ("html", "json", "jsonl", "md", "npz", "onnx", "png", "pt", "toml", "txt", "yml")
NOT_OURS = {"help", "install-completion", "version"}
OF_THE_MACHINE = re.compile(r"/work/|/home/|/root/|/tmp/|/Users/|\bTODO\b|\bFIXME\b")


def qualified_names() -> Iterator[str]:
    """Name every module, class, function, field, parameter and constant, with its module."""
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            yield module
            yield from names_in(ast.parse(path.read_text()), module)


def names_in(tree: ast.AST, prefix: str) -> Iterator[str]:
    """Name what a module or class defines, with its functions' parameters; no local variables."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{prefix}.{node.name}"
            for inner in ast.walk(node):
                if isinstance(inner, ast.arg):
                    yield f"{prefix}.{node.name}.{inner.arg}"
                elif isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store):
                    yield f"{prefix}.{inner.attr}"  # self.attr = ..., so the class's
        elif isinstance(node, ast.ClassDef):
            yield f"{prefix}.{node.name}"
            yield from names_in(node, f"{prefix}.{node.name}")
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield f"{prefix}.{node.id}"
        else:
            yield from names_in(node, prefix)


ENDINGS = {
    ".".join(parts[start:])
    for parts in (name.split(".") for name in qualified_names())
    for start in range(len(parts))
}
# Flags that are called otherwise than their fields.
RENAMED = set(
    re.findall(
        r'Parameter\(name="--([a-z-]+)"\)',
        (ROOT / "training" / "settings" / "sections.py").read_text(),
    )
)
METRICS = "".join(path.read_text() for path in (ROOT / "service").glob("*metrics.py"))


def faults(text: str) -> list[str]:
    """List what a document names and the repository does not have."""
    prose, blocks = FENCE.sub("", text), FENCE.findall(text)
    spans = INLINE.findall(prose)
    found = [span for span in spans if is_path(span) and not (ROOT / span).exists()]
    found += [span for span in spans if not is_path(span) and not is_known(span)]
    found += [f"--{flag}" for span in spans for flag in FLAG.findall(span) if not has_flag(flag)]
    for block in blocks:
        paths = FENCED_PATH.findall(block)
        found += [path for path in paths if is_path(path) and not (ROOT / path).exists()]
        calls = "\n".join(CALL.findall(block.replace("\\\n", " ")))
        found += [f"--{flag}" for flag in FLAG.findall(calls) if not has_flag(flag)]
    return found


def is_path(span: str) -> bool:
    """Tell whether some code in backticks names a file or folder of the repository."""
    if re.search(r"[^\w./-]", span) or span.startswith("/"):
        return False
    return span.endswith((".py", "/")) or ("/" in span and span.partition("/")[0] in FOLDERS)


def is_known(span: str) -> bool:
    """Tell whether some code in backticks is a name of ours, or nothing that looks like one."""
    if not NAME.fullmatch(span) or span.rpartition(".")[2] in DATA_FILES:
        return True
    name = span.removesuffix("()")
    if name.startswith("goodserve_"):
        return f'"{re.sub(r"_(total|bucket|count|sum)$", "", name)}"' in METRICS
    is_class = name[0].isupper() and not name.isupper()
    must_be_ours = "." in name or is_class or "_" in name.strip("_") or span.endswith("()")
    return not must_be_ours or name.startswith("GOODSERVE_") or name in ENDINGS


def has_flag(flag: str) -> bool:
    """Tell whether a field or parameter bears a flag's name."""
    return flag in NOT_OURS | RENAMED or flag.removeprefix("no-").replace("-", "_") in ENDINGS


def anchors(text: str) -> set[str]:
    """Give the anchors of a document's headings, as GitHub forms them."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def named(path: Path) -> str:
    """Name a document by its place in the repository."""
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_what_a_document_names_is_there(document: Path) -> None:
    """Files, code and flags in backticks exist, by the rules at the top of this file."""
    assert faults(document.read_text()) == []


@pytest.mark.parametrize("document", [*DOCUMENTS, ROOT / "CHANGELOG.md"], ids=named)
def test_links_lead_somewhere(document: Path) -> None:
    """Every relative link's file is there, and has the heading that is linked to."""
    lost = []
    for link in LINK.findall(FENCE.sub("", document.read_text())):
        path, _, anchor = link.partition("#")
        target = document if not path else (document.parent / path).resolve()
        if re.match(r"\w+:", link):
            continue
        if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
            lost.append(link)

    assert lost == []


@pytest.mark.parametrize("document", [*DOCUMENTS, ROOT / "CHANGELOG.md"], ids=named)
def test_no_document_tells_of_this_machine(document: Path) -> None:
    """No path of a developer's machine and no note to oneself is left in the text."""
    assert OF_THE_MACHINE.findall(document.read_text()) == []


def test_every_problem_is_documented() -> None:
    """The table in docs/service.md has the kinds that the service's code raises, and no other."""
    raised = re.compile(
        r'(?:Error|problem|refuse)\(\s*(?:HTTPStatus\.\w+, )?"([a-z0-9]+(?:-[a-z0-9]+)*)",'
    )
    code = {
        kind
        for path in (ROOT / "service").rglob("*.py")
        for kind in raised.findall(path.read_text())
    }
    text = (ROOT / "docs" / "service.md").read_text()
    rows = re.findall(r"^\| (?:\d{3}(?:, )?)+ \| (.*) \|$", text, re.MULTILINE)

    documented = {kind for row in rows for kind in INLINE.findall(row.partition(" | ")[0])}

    assert documented == code | {"not-found", "method-not-allowed"}  # the framework's own


def test_hooks_and_workflow_call_the_checks_of_make_test() -> None:
    """A commit hook and CI run targets that the Makefile has, so that all check the same."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    workflow = (ROOT / ".github" / "workflows" / "test.yml").read_text()

    called = re.findall(r"entry: make ([a-z-]+)", hooks)

    assert called == ["format-check", "lint", "types", "imports"]
    assert {*called, "tests", "test"} <= targets
    assert "- run: make test\n" in workflow


@pytest.mark.parametrize(
    "text",
    [
        "`service/predict/lame.py`",
        "`lane.py`",
        "`servce/`",
        "`Lame`",
        "`Lane.sumbit`",
        "`submitted()`",
        "`no_such_setting`",
        "`goodserve_no_such_metric`",
        "`--no-such-flag 3`",
        "```mermaid\na[service/predict/lame.py] --> b\n```",
        "```sh\ngoodserve serve \\\n    --no-such-flag\n```",
    ],
)
def test_a_wrong_name_is_noticed(text: str) -> None:
    """The rules do find what is not there."""
    assert len(faults(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "`service/predict/lane.py` and `service/predict/`",
        "`Lane`, `Lane.submit`, `submit()`, `Lane.submit()`, `outputs.OUTPUTS`, `service.predict`",
        "`top_k`, `explain`, `model.onnx`, `cifar10/1`, `image/jpeg`, `Retry-After`, `SIGTERM`",
        "`goodserve_requests_total`, `GOODSERVE_PORT`, `--no-activate`, `--max-batch-size 8`",
        "```sh\ncurl --data-binary @cat.png http://127.0.0.1:8000/predict\n```",
    ],
)
def test_a_right_name_is_left_alone(text: str) -> None:
    """The rules find nothing where there is nothing wrong."""
    assert faults(text) == []
