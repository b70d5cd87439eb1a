"""Objects of an S3-compatible service, through s3fs; what it refuses becomes an `OSError`.

Credentials, region and endpoint are AWS' own settings, such as AWS_ACCESS_KEY_ID and
AWS_ENDPOINT_URL.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, NamedTuple

from model.artifact.version import ConflictError, RepositoryError

SCHEME = "s3://"

_NOT_MET = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}
_CONFIGURATION = {
    "connect_timeout": 5,  # seconds
    "read_timeout": 30,  # seconds without a byte
    "retries": {"mode": "standard", "max_attempts": 3},
}


class Object(NamedTuple):
    """What is known of an object without reading it.

    Attributes:
        key: below the bucket's top.
        tag: of its content, another one when the content is another.
        size_bytes: its length.
        changed: when it was written, in seconds since 1970.
    """

    key: str
    tag: str
    size_bytes: int
    changed: float


class Bucket:
    """A bucket's objects; safe for several threads.

    Every method raises `FileNotFoundError` where bucket or object are missing, and `OSError` where
    the service cannot be reached or refuses.
    """

    def __init__(self, name: str) -> None:
        """Name the bucket; nothing is connected yet.

        Raises:
            RepositoryError: s3fs is not installed.
        """
        self.name = name
        try:
            import s3fs  # noqa: F401, PLC0415  an extra; asked for here, used by each process
        except ImportError as error:
            message = f"{SCHEME}{name} needs s3fs: install goodserve[s3]"
            raise RepositoryError(message) from error

    @cached_property
    def _files(self) -> Any:  # noqa: ANN401  s3fs has no types
        import s3fs  # noqa: PLC0415

        return s3fs.S3FileSystem(
            use_listings_cache=False,
            skip_instance_cache=True,
            config_kwargs=_CONFIGURATION,
        )

    def look(self, key: str) -> Object:
        """Ask for an object's tag and size."""
        with _translated(key):
            found = self._files.info(self._path(key), refresh=True)
            if found["type"] != "file":
                raise FileNotFoundError
        return self._object(found)

    def read(self, key: str) -> bytes:
        """Read an object whole."""
        with _translated(key):
            content: bytes = self._files.cat_file(self._path(key))
            return content

    def below(self, prefix: str) -> list[Object]:
        """List the objects below a prefix that ends with `/`, or below the top, by key."""
        with _translated(prefix):
            found = self._files.find(self._path(prefix).rstrip("/"), detail=True)
            if not found and not self._files.exists(self.name):
                raise FileNotFoundError
        # Where a prefix' first object appears meanwhile, s3fs names the prefix itself.
        files = [each for _, each in sorted(found.items()) if each["type"] == "file"]
        return [self._object(each) for each in files]

    def create(self, key: str, content: bytes) -> None:
        """Write an object that must not be there yet.

        Raises:
            ConflictError: there is one.
        """
        with _translated(key):
            self._files.pipe_file(self._path(key), content, mode="create")

    def replace(self, key: str, content: bytes, tag: str) -> None:
        """Write an object anew that must still have a tag.

        Raises:
            ConflictError: it has another one, or is gone.
        """
        with _translated(key):
            try:
                self._files.pipe_file(self._path(key), content, IfMatch=tag)
            except FileNotFoundError as error:
                raise _conflict(key) from error

    def remove(self, keys: list[str]) -> None:
        """Remove objects; those that are not there are passed over."""
        with _translated(", ".join(keys)):
            for key in keys:
                self._files.rm_file(self._path(key))

    def _path(self, key: str) -> str:
        return f"{self.name}/{key}"

    def _object(self, found: dict[str, Any]) -> Object:
        key = found["name"].removeprefix(f"{self.name}/")
        return Object(key, found["ETag"], found["size"], found["LastModified"].timestamp())


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Let nothing through but `OSError` with a text, and `ConflictError`."""
    try:
        yield
    except ConflictError:
        raise
    except FileNotFoundError as error:
        raise FileNotFoundError(errno.ENOENT, "there is no such object", what) from error
    except Exception as error:
        if isinstance(error, FileExistsError) or _code(error) in _NOT_MET:
            raise _conflict(what) from error
        number = error.errno if isinstance(error, OSError) else None
        # botocore's own errors, such as one about missing credentials, are no OSError.
        text = str(error.args[-1]) if isinstance(error, OSError) and error.args else str(error)
        raise OSError(number or errno.EIO, text, what) from error


def _code(error: Exception) -> str | None:
    """Find the service's own code of an error that s3fs has translated."""
    response = getattr(error.__cause__ or error, "response", None)
    return response.get("Error", {}).get("Code") if isinstance(response, dict) else None


def _conflict(key: str) -> ConflictError:
    return ConflictError(f"{key} has been written by somebody else")
