"""A repository in a bucket: no locks, so that every write has a condition.

    PREFIX/active.json                    written if it is still of the revision that was read
    PREFIX/<name>/.claimed-<number>       whose the number is: the manifest's sha256, and a token
    PREFIX/<name>/<number>/model.onnx     ...
    PREFIX/<name>/<number>/manifest.json  written last: the version is there from now on
    PREFIX/<name>/.deleted-<number>       the manifest's sha256; the number is not given again

The service must know conditional writes (If-None-Match and If-Match on PUT), as Amazon S3 and
MinIO do. A writer that dies leaves a claim and files without a manifest, which no reader sees.
"""

import errno
import hashlib
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext

from model.artifact.bucket import SCHEME, Bucket, Object
from model.artifact.storage import DELETED, MANIFEST_FILE, Found, number_in
from model.artifact.version import (
    NAME_PATTERN,
    VERSION_PATTERN,
    ConflictError,
    NeededError,
    RepositoryError,
    VersionId,
    not_there,
)

CLAIMED = ".claimed-"
# Nobody uploads one version for longer.
_ABANDONED_S = 24 * 3600.0
_MOST_TRIES = 100


class ObjectStorage:
    """Objects of a bucket below a prefix; readers and writers need no lock."""

    def __init__(self, url: str) -> None:
        """Name the place: `s3://bucket` or `s3://bucket/prefix`.

        Raises:
            RepositoryError: it is no such address, or s3fs is not installed.
        """
        bucket, _, prefix = url.removeprefix(SCHEME).partition("/")
        if not url.startswith(SCHEME) or not bucket:
            message = f"{url} is no repository's address; use a folder, or s3://BUCKET/PREFIX"
            raise RepositoryError(message)
        self._bucket = Bucket(bucket)
        self._top = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    @property
    def place(self) -> str:
        """Give the address."""
        return f"{SCHEME}{self._bucket.name}/{self._top}".rstrip("/")

    @property
    def usual_poll_s(self) -> float:
        """Every look is requests that are paid for."""
        return 5.0

    def read(self, path: str, most: int | None = None) -> Found:
        """Read an object that did not change meanwhile."""
        for _ in range(_MOST_TRIES):
            before = self._bucket.look(self._top + path)
            if most is not None and before.size_bytes > most:
                raise OSError(errno.EFBIG, f"it has over {most:,} bytes", path)
            content = self._bucket.read(self._top + path)
            # What lies in a version's folder is never written twice, and is held against hashes.
            if "/" in path or self._bucket.look(self._top + path).tag == before.tag:
                return Found(content, before.tag)
        raise OSError(errno.EAGAIN, "it is being changed by others all the time", path)

    def revision(self, path: str) -> str | None:
        """Tell states apart by the objects' tags."""
        try:
            if VERSION_PATTERN.fullmatch(path.rpartition("/")[2]):
                found = self._bucket.below(f"{self._top}{path}/")
                return " ".join(each.tag for each in found) or None
            return self._bucket.look(self._top + path).tag
        except OSError:
            return None

    def replace(self, path: str, content: bytes, revision: str | None) -> None:
        """Write on the condition that the object still has its tag."""
        if revision is None:
            self._bucket.create(self._top + path, content)
        else:
            self._bucket.replace(self._top + path, content, revision)

    def versions(self) -> list[VersionId]:
        """List the numbers that have a manifest."""
        try:
            found = self._keys()
        except FileNotFoundError:
            return []
        except OSError as error:
            message = f"{self.place} cannot be listed: {error.strerror}"
            raise RepositoryError(message) from error
        numbers = {
            (name, int(number))
            for name, number, file in found
            if file == MANIFEST_FILE and VERSION_PATTERN.fullmatch(number)
        }
        return [VersionId(name, str(number)) for name, number in sorted(numbers)]

    def add(self, name: str, files: Mapping[str, bytes], number: str | None = None) -> VersionId:
        """Claim a number, write the files, and the manifest last."""
        added = self._claimed(name, hashlib.sha256(files[MANIFEST_FILE]).hexdigest(), number)
        folder = f"{self._top}{added}/"
        for file, content in files.items():
            if file != MANIFEST_FILE:
                self._create(folder + file, content)
        self._create(folder + MANIFEST_FILE, files[MANIFEST_FILE])
        return added

    def remove(self, version: VersionId, is_needed: Callable[[], bool]) -> None:
        """Remove the manifest, so that readers find the version no more, then ask, then the rest.

        A deleter killed before it could ask leaves a version that is deleted; whoever activates a
        version looks afterwards whether it is still there.
        """
        folder = f"{self._top}{version}/"
        try:
            manifest = self._bucket.read(folder + MANIFEST_FILE)
        except FileNotFoundError as error:
            raise not_there(version, self.place) from error
        tombstone = _tombstone(version)
        self._write_anew(tombstone, hashlib.sha256(manifest).hexdigest().encode())
        self._bucket.remove([folder + MANIFEST_FILE])
        if is_needed():
            self._create(folder + MANIFEST_FILE, manifest)
            self._bucket.remove([self._top + tombstone])
            message = f"{version} is needed"
            raise NeededError(message)
        self._bucket.remove([each.key for each in self._bucket.below(folder)])

    def sweep(self) -> None:
        """Remove files without a manifest that writers long dead left behind."""
        long_ago = time.time() - _ABANDONED_S
        for version, files in self._unfinished():
            is_old = all(each.changed < long_ago for each in files)
            if is_old and self._is_given_up(version, long_ago):
                self._bucket.remove([each.key for each in files])

    def prepare(self) -> None:
        """Find the bucket; it is not made here, for that has settings of its own."""
        self._bucket.below(f"{self._top}.nothing/")

    def writing(self) -> AbstractContextManager[None]:
        """Keep nobody out: conditions do that."""
        return nullcontext()

    def _claimed(self, name: str, digest: str, number: str | None) -> VersionId:
        """Take a number for a manifest; a number's writer who died may be followed by another."""
        wanted = VersionId(name, number or str(self._last_number(name) + 1))
        for _ in range(_MOST_TRIES):
            if number is not None:
                self._check_free(wanted, digest)
            if self._claim(wanted, digest, may_follow=number is not None):
                return wanted
            wanted = VersionId(name, str(int(wanted.version) + 1))
        message = f"no number is free in {self.place}/{name}; others are always faster"
        raise ConflictError(message)

    def _claim(self, version: VersionId, digest: str, *, may_follow: bool) -> bool:
        """Claim one number; tell whether it is ours.

        Raises:
            ConflictError: it is not, and no other one would do.
        """
        key = f"{self._top}{version.name}/{CLAIMED}{version.version}"
        mine = f"{digest} {uuid.uuid4().hex}"
        try:
            self._bucket.create(key, mine.encode())
        except ConflictError:
            claim = self._bucket.read(key).decode()
            # A request that was answered too late is sent again, and meets its own claim.
            if claim == mine or (may_follow and claim.startswith(digest)):
                return True
            if may_follow:
                message = f"{version} is there already, or is being written"
                raise ConflictError(message) from None
            return False
        return True

    def _check_free(self, version: VersionId, digest: str) -> None:
        if self.revision(f"{version}/{MANIFEST_FILE}") is not None:
            message = f"{version} is there already"
            raise ConflictError(message)
        try:
            deleted = self._bucket.read(self._top + _tombstone(version)).decode()
        except FileNotFoundError:
            return
        if deleted != digest:
            message = f"{version} was deleted, and had another content; numbers are not given again"
            raise ConflictError(message)

    def _create(self, key: str, content: bytes) -> None:
        """Write an object; one of the same content may be there, of this writer or one before."""
        try:
            self._bucket.create(key, content)
        except ConflictError:
            if self._bucket.read(key) != content:
                raise

    def _write_anew(self, path: str, content: bytes) -> None:
        """Write an object, which gets a new age; another writer may write the same."""
        try:
            self.replace(path, content, self.revision(path))
        except ConflictError:
            if self._bucket.read(self._top + path) != content:
                raise

    def _last_number(self, name: str) -> int:
        """Find the highest number taken, by a version, by a claim, or by a deleted one."""
        taken = (number_in(entry.removeprefix(CLAIMED)) for _, entry, _ in self._keys(f"{name}/"))
        return max(filter(None, taken), default=0)

    def _is_given_up(self, version: VersionId, long_ago: float) -> bool:
        """Tell files that stay without a manifest from those of a deletion that is under way.

        In this order: whoever puts a version back writes its manifest first, and removes the
        tombstone then.
        """
        tombstone = self._look(_tombstone(version))
        if tombstone is not None and tombstone.changed >= long_ago:
            return False
        return self._look(f"{version}/{MANIFEST_FILE}") is None

    def _look(self, path: str) -> Object | None:
        try:
            return self._bucket.look(self._top + path)
        except FileNotFoundError:
            return None

    def _unfinished(self) -> Iterator[tuple[VersionId, list[Object]]]:
        """Group the files that lie in versions' places without a manifest."""
        versions: dict[str, list[Object]] = {}
        for each in self._bucket.below(self._top):
            # Of the repository alone: the prefix above it may end in a number, too.
            folder, _, _ = each.key.removeprefix(self._top).rpartition("/")
            name, _, version = folder.partition("/")
            if NAME_PATTERN.fullmatch(name) and VERSION_PATTERN.fullmatch(version):
                versions.setdefault(folder, []).append(each)
        for folder, files in versions.items():
            if f"{self._top}{folder}/{MANIFEST_FILE}" not in {each.key for each in files}:
                yield VersionId.parse(folder), files

    def _keys(self, prefix: str = "") -> list[tuple[str, str, str]]:
        """List what lies under models' names: name, entry below it, and file in it or ""."""
        parts = (
            each.key.removeprefix(self._top).split("/")
            for each in self._bucket.below(self._top + prefix)
        )
        return [
            (part[0], part[1], part[2] if len(part) > 2 else "")  # noqa: PLR2004  three levels
            for part in parts
            if len(part) > 1 and NAME_PATTERN.fullmatch(part[0])
        ]


def _tombstone(version: VersionId) -> str:
    return f"{version.name}/{DELETED}{version.version}"
