"""Reference pages of Python packages, which mkdocstrings fills from the docstrings."""

from pathlib import Path

from service import client

# The server's inside is not here: nobody builds on it, and architecture.md leads through it.
_OF = ("model", "training")
_ALIASES = {"ImageLike": "service.client.images"}


def client_page() -> str:
    """Write the client's page: what the package exports, and nothing of what lies behind it."""
    names = sorted(client.__all__, key=lambda name: (not name.endswith("Client"), name))
    # A type alias does not know where it was made.
    homes = [_ALIASES.get(name) or getattr(client, name).__module__ for name in names]
    of = [f"::: {home}.{name}\n" for home, name in zip(homes, names, strict=True)]
    lines = ["# service.client", "", "All that `service.client` exports.", ""]
    return "\n".join(lines + of)


def packages(root: Path) -> list[str]:
    """Name the packages that get a page, with every module of theirs."""
    found = [(of, path.parent.name) for of in _OF for path in (root / of).glob("*/__init__.py")]
    return sorted(f"{of}.{name}" for of, name in found)


def package_page(root: Path, package: str) -> str:
    """Write a package's page: its modules in the order of their names."""
    folder = root.joinpath(*package.split("."))
    modules = sorted(
        ".".join(path.relative_to(root).with_suffix("").parts)
        for path in folder.rglob("*.py")
        if path.name != "__init__.py"
    )
    return "\n".join([f"# {package}", "", *(f"::: {module}\n" for module in modules)])
