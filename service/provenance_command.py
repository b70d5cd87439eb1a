"""`goodserve models new-key`, `sign` and `card`."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from model.artifact.signing import write_new_key
from model.artifact.upkeep import sign
from model.artifact.version import VersionId
from service.card import model_card
from service.repository_flags import Repository, Version, repository_at, repository_to_change

app = App()


@app.command(name="new-key")
def new_key(path: Annotated[Path, Parameter(help="File for the private key.")], /) -> None:
    """Make a key to sign versions with: a private file, and beside it FILE.pub."""
    print(f"{path} signs; give the services {write_new_key(path)}")


@app.command(name="sign")
def sign_model(
    version: Version,
    /,
    *,
    key: Annotated[Path, Parameter(help="File of the private key.")],
    repository: Repository = None,
) -> None:
    """Sign a version, so that services with the public key serve it."""
    sign(repository_to_change(repository), VersionId.parse(version), key)
    print(f"{version} is signed")


@app.command(name="card")
def show_card(version: Version, /, *, repository: Repository = None) -> None:
    """Print a version's model card, in Markdown, made from its manifest."""
    found, wanted = repository_at(repository), VersionId.parse(version)
    print(model_card(wanted, found.manifest(wanted), found.manifest_content(wanted)), end="")
