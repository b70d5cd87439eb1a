"""Signatures of versions: who published one, so that nobody else's is served.

What is signed is the version's name and number with the hash of its manifest, which holds the
hashes of all its other files. So no file can be changed, and no older version be laid under a newer
number or another model's name.

The signatures are Ed25519 (RFC 8032), by the package cryptography, which is loaded where a key is
read: the extra `signing` brings it.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import os
import re
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal

from model.artifact.outputs import Frozen
from model.artifact.storage import MANIFEST_FILE, Storage, writing
from model.artifact.version import (
    BrokenVersionError,
    ConflictError,
    RepositoryError,
    VersionId,
    is_of_the_file,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

SIGNATURE_FILE = "signature.json"
_MOST_BYTES = 1 << 16
_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)
_KEY_MODE = 0o600


class KeyFileError(RepositoryError):
    """A key cannot be read or written, or the package that reads it is missing."""


class Signature(Frozen):
    """What `signature.json` holds.

    Attributes:
        format: of the file.
        ed25519: base64 of the signature of `statement()`.
    """

    format: Literal[1] = 1
    ed25519: str


class TrustedKeys:
    """Public keys: a version counts as published if one of them has signed it."""

    def __init__(self, keys: tuple[Ed25519PublicKey, ...]) -> None:
        """Take the keys, of which there must be one at least."""
        self._keys = keys

    @classmethod
    def read(cls, path: Path) -> TrustedKeys:
        """Read the public keys of a PEM file, one or more.

        Raises:
            KeyFileError: it cannot be read, or holds no public key of Ed25519.
        """
        ed25519, serialization = _cryptography()
        try:
            found = [serialization.load_pem_public_key(each) for each in _PEM.findall(_key(path))]
        except ValueError as error:
            message = f"{path} holds a damaged public key: {error}"
            raise KeyFileError(message) from error
        keys = tuple(each for each in found if isinstance(each, ed25519.Ed25519PublicKey))
        if not keys or len(keys) != len(found):
            message = f"{path} must hold public keys of Ed25519, as goodserve models new-key makes"
            raise KeyFileError(message)
        return cls(keys)

    def check(self, storage: Storage, version: VersionId, manifest: bytes) -> None:
        """Hold a version's manifest against its signature.

        Raises:
            BrokenVersionError: it is not signed, or not by one of the keys, or was altered since.
            RepositoryError: the signature cannot be read just now.
        """
        try:
            content = storage.read(f"{version}/{SIGNATURE_FILE}", _MOST_BYTES).content
            signed = base64.b64decode(Signature.model_validate_json(content).ed25519, validate=True)
        except OSError as error:
            if not is_of_the_file(error):
                message = (
                    f"{SIGNATURE_FILE} of {version} cannot be read just now ({error.strerror})"
                )
                raise RepositoryError(message) from error
            if error.errno == errno.ENOENT:
                message = f"{version} is not signed; goodserve models sign does that"
            else:
                message = f"{version} has no readable {SIGNATURE_FILE} ({error.strerror})"
            raise BrokenVersionError(message) from error
        except ValueError as error:
            message = f"{version} has a damaged {SIGNATURE_FILE}"
            raise BrokenVersionError(message) from error
        if not any(_is_signed(key, signed, statement(version, manifest)) for key in self._keys):
            message = (
                f"{version} is signed by no trusted key, or was altered or renamed since it was "
                "signed"
            )
            raise BrokenVersionError(message)


def statement(version: VersionId, manifest: bytes) -> bytes:
    """Give the bytes that are signed for a version."""
    digest = hashlib.sha256(manifest).hexdigest()
    # The first line keeps a signature made for something else from passing for one of these.
    return f"goodserve version, format 1\n{version}\n{digest}\n".encode()


def sign_version(storage: Storage, version: VersionId, manifest: bytes, key: Path) -> None:
    """Lay a signature beside a version's files, in place of any other one.

    Args:
        storage: of the repository.
        version: to be signed.
        manifest: the bytes that were read and checked, so that nothing else is signed.
        key: the file with the private key.

    Raises:
        KeyFileError: the key cannot be read.
        RepositoryError: nothing may be written, or the version has changed.
    """
    private = _private_key(key)
    signed = base64.b64encode(private.sign(statement(version, manifest))).decode()
    content = Signature(ed25519=signed).model_dump_json(indent=1).encode() + b"\n"
    path = f"{version}/{SIGNATURE_FILE}"
    with writing(storage):
        if storage.read(f"{version}/{MANIFEST_FILE}").content != manifest:
            message = f"{version} has changed while it was signed"
            raise ConflictError(message)
        storage.replace(path, content, storage.revision(path))


def write_new_key(path: Path) -> Path:
    """Write a new private key for its owner alone, and beside it its public key.

    Returns:
        The path of the public key: the private one's, with `.pub`.

    Raises:
        KeyFileError: a file is there already, or cannot be written.
    """
    ed25519, serialization = _cryptography()
    private = ed25519.Ed25519PrivateKey.generate()
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    beside = path.with_name(f"{path.name}.pub")
    try:
        _write_new(path, pem, _KEY_MODE)
        _write_new(beside, public, 0o644)
    except OSError as error:
        message = f"{error.filename} cannot be written: {error.strerror}"
        raise KeyFileError(message) from error
    return beside


def _private_key(path: Path) -> Ed25519PrivateKey:
    ed25519, serialization = _cryptography()
    try:
        found: object = serialization.load_pem_private_key(_key(path), password=None)
    except (TypeError, ValueError) as error:  # TypeError: it has a password
        message = f"{path} holds no private key without a password: {error}"
        raise KeyFileError(message) from error
    if not isinstance(found, ed25519.Ed25519PrivateKey):
        message = f"{path} holds no private key of Ed25519; goodserve models new-key writes one"
        raise KeyFileError(message)
    private: Ed25519PrivateKey = found
    return private


def _write_new(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _key(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise KeyFileError(message) from error


def _is_signed(key: Ed25519PublicKey, signed: bytes, content: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  an extra

    try:
        key.verify(signed, content)
    except InvalidSignature:
        return False
    return True


def _cryptography() -> tuple[ModuleType, ModuleType]:
    try:
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415  an extra
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415  likewise
    except ModuleNotFoundError as error:
        message = f"signatures need {error.name}: pip install 'goodserve[signing]'"
        raise KeyFileError(message) from error
    return ed25519, serialization
