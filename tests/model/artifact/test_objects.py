"""A repository in a bucket, whose writers have no lock: a real S3 server, real processes."""

import itertools
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from model.artifact import bucket, objects
from model.artifact.active import Active
from model.artifact.bucket import Bucket
from model.artifact.repository import ModelRepository
from model.artifact.storage import Found
from model.artifact.transfer import copy_version
from model.artifact.upkeep import collect_garbage, delete_version
from model.artifact.version import NeededError, RepositoryError, UnknownVersionError, VersionId
from tests.bucket import S3Server, new_bucket
from tests.conftest import ROOT
from tests.model.artifact.conftest import publish
from tests.model.artifact.tiny import TinyModel


@pytest.fixture(name="address")
def bucket_address(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name an empty repository in a bucket, and let the environment say where buckets are."""
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    return f"s3://{new_bucket()}/models"


def version(number: int) -> VersionId:
    """Name a version."""
    return VersionId("colours", str(number))


def copied(address: str, to: str) -> str:
    """Copy every version and `active.json` to another prefix of the bucket."""
    source, target = ModelRepository(address), ModelRepository(f"{address}-{to}")
    for each in source.versions():
        copy_version(source, target, each)
    target.storage.replace("active.json", source.storage.read("active.json").content, None)
    return target.place


def test_the_whole_life_of_a_version(address: str, tiny_models: list[TinyModel]) -> None:
    """Published, activated, labelled, rolled back, deleted, swept: as in a folder."""
    repository = ModelRepository(address)
    for tiny in tiny_models:
        repository.activate(publish(repository, tiny))
    repository.set_label(version(1), "night")

    assert repository.active() == version(3)
    assert repository.rollback() == version(2)
    assert repository.read(version(2)).model == tiny_models[1].model
    assert list(collect_garbage(repository, 1)) == []
    repository.remove_label("colours", "night")
    repository.activate(version(3))
    repository.activate(version(2))
    delete_version(repository, version(1))
    assert repository.versions() == [version(2), version(3)]


def test_publishers_at_once_get_numbers_of_their_own(
    address: str, tiny_models: list[TinyModel]
) -> None:
    """Eight of them, each activates its own; all versions are whole and none is lost."""

    def published(number: int) -> VersionId:
        repository = ModelRepository(address)
        mine = publish(repository, tiny_models[number % 3])
        repository.activate(mine)
        return mine

    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(published, range(8)))

    repository = ModelRepository(address)
    assert sorted(int(each.version) for each in taken) == list(range(1, 9))
    for number, each in enumerate(taken):
        assert repository.read(each).model == tiny_models[number % 3].model
    state = repository.state()
    assert state is not None
    history = state.models["colours"]
    assert {history.active, *history.previous} == {each.version for each in taken}


@pytest.mark.parametrize("deed", ["publish", "delete"])
def test_killed_at_any_write_a_writer_leaves_a_sound_repository(
    address: str, tiny_models: list[TinyModel], deed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every version that is listed can be read, and the next one is published beside it."""
    repository = ModelRepository(address)
    for _ in range(3):
        repository.activate(publish(repository, tiny_models[0]))
    for step in itertools.count():
        place = copied(address, f"{deed}-{step}")
        command = [sys.executable, "-m", "tests.model.artifact.killed_in_bucket"]
        ended = subprocess.run([*command, place, deed, str(step)], cwd=ROOT, check=False)
        left = ModelRepository(place)
        for each in left.versions():
            assert left.read(each).manifest == tiny_models[0].manifest
        active = left.active()
        assert active in left.versions()
        assert active == version(3) or ended.returncode == 0
        added = publish(left, tiny_models[1])
        assert int(added.version) > 3
        with monkeypatch.context() as later:
            later.setattr(objects, "_ABANDONED_S", -60.0)
            left.storage.sweep()
        assert {each.rpartition("/")[0] for each in _files(place)} == {
            f"models-{deed}-{step}/{each}" for each in left.versions()
        }
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL
    assert step >= 3


def _files(place: str) -> list[str]:
    """List the objects of versions, claimed numbers and the like apart."""
    name, _, prefix = place.removeprefix("s3://").partition("/")
    keys = [each.key for each in Bucket(name).below(f"{prefix}/")]
    return [key for key in keys if key.count("/") == 3]


def test_a_version_deleted_while_it_is_activated_is_not_left_active(
    address: str, tiny_models: list[TinyModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deleter looked before the version was named: whoever names it finds out."""
    repository = ModelRepository(address)
    repository.activate(publish(repository, tiny_models[0]))
    second = publish(repository, tiny_models[1])
    followed_by = Active.followed_by

    def deleted_meanwhile(state: Active, wanted: VersionId) -> Active:
        following = followed_by(state, wanted)
        if second in repository.versions():
            delete_version(ModelRepository(address), second)
        return following

    monkeypatch.setattr(Active, "followed_by", deleted_meanwhile)

    with pytest.raises(UnknownVersionError, match="colours/2 was deleted while it was being named"):
        repository.activate(second)

    assert repository.active() == version(1)


def test_an_abandoned_upload_is_swept_and_one_under_way_is_not(
    address: str, tiny_models: list[TinyModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files without a manifest go after a day."""
    repository = ModelRepository(address)
    publish(repository, tiny_models[0])
    name, _, prefix = address.removeprefix("s3://").partition("/")
    Bucket(name).create(f"{prefix}/colours/2/model.onnx", b"half")

    repository.storage.sweep()
    assert repository.storage.read("colours/2/model.onnx").content == b"half"

    tomorrow = time.time() + 25 * 3600
    monkeypatch.setattr(time, "time", lambda: tomorrow)
    repository.storage.sweep()
    with pytest.raises(FileNotFoundError):
        repository.storage.read("colours/2/model.onnx")
    assert repository.versions() == [version(1)]


def test_a_prefix_that_ends_in_a_number_is_no_version(
    address: str, tiny_models: list[TinyModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies at the top of such a repository is not an upload that was given up."""
    repository = ModelRepository(f"{address}/team/3")
    repository.activate(publish(repository, tiny_models[0]))

    tomorrow = time.time() + 25 * 3600
    monkeypatch.setattr(time, "time", lambda: tomorrow)
    repository.storage.sweep()

    assert repository.active() == version(1)


@pytest.fixture
def graphs_are_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """List every graph as one that was uploaded two days ago."""
    below = Bucket.below

    def aged(of: Bucket, prefix: str) -> list[bucket.Object]:
        return [
            each._replace(changed=each.changed - 48 * 3600) if each.key.endswith(".onnx") else each
            for each in below(of, prefix)
        ]

    monkeypatch.setattr(Bucket, "below", aged)


@pytest.mark.usefixtures("graphs_are_old")
def test_sweeping_beside_a_deletion_that_is_taken_back_removes_nothing(
    address: str, tiny_models: list[TinyModel]
) -> None:
    """The manifest is away while the deleter asks whether the version is needed."""
    repository = ModelRepository(address)
    first = publish(repository, tiny_models[0])

    def is_needed() -> bool:
        ModelRepository(address).storage.sweep()
        return True

    with pytest.raises(NeededError):
        repository.storage.remove(first, is_needed)

    assert repository.read(first).model == tiny_models[0].model


@pytest.mark.usefixtures("graphs_are_old")
def test_a_version_that_is_put_back_after_the_listing_is_not_swept(
    address: str, tiny_models: list[TinyModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was listed without a manifest is looked at once more."""
    repository = ModelRepository(address)
    first = publish(repository, tiny_models[0])
    name, _, prefix = address.removeprefix("s3://").partition("/")
    key = f"{prefix}/{first}/manifest.json"
    manifest = Bucket(name).read(key)
    Bucket(name).remove([key])
    below = Bucket.below

    def put_back_then(of: Bucket, listed: str) -> list[bucket.Object]:
        found = below(of, listed)
        Bucket(name).create(key, manifest)
        return found

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(Bucket, "below", put_back_then)
        repository.storage.sweep()

    assert repository.read(first).model == tiny_models[0].model


class Noted(objects.ObjectStorage):
    """A bucket that notes what is read of it."""

    def __init__(self, url: str) -> None:
        """Begin without a note."""
        super().__init__(url)
        self.seen: list[str] = []

    def read(self, path: str, most: int | None = None) -> Found:
        """Read, and note what."""
        self.seen.append(path)
        return super().read(path, most)


def test_copying_a_version_reads_each_of_its_files_once(
    address: str, tiny_models: list[TinyModel]
) -> None:
    """Each is requests at the bucket; what arrives is what was checked."""
    source, target = Noted(address), ModelRepository(f"{address}-copy")
    publish(ModelRepository(source), tiny_models[0])
    source.seen.clear()

    assert copy_version(ModelRepository(source), target, version(1))

    files = ("manifest.json", "model.onnx", "signature.json")
    assert sorted(source.seen) == [f"colours/1/{file}" for file in files]
    assert target.read(version(1)).manifest == tiny_models[0].manifest


def test_what_is_wrong_with_a_bucket_is_said(
    address: str, tiny_models: list[TinyModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No bucket, no server, no credentials, no such scheme."""
    missing = ModelRepository("s3://nowhere-at-all/models")
    with pytest.raises(RepositoryError, match="nothing can be published in s3://nowhere-at-all"):
        publish(missing, tiny_models[0])
    assert missing.versions() == []

    for wrong in ("s3://", "gs://bucket/models", "http://there"):
        with pytest.raises(RepositoryError, match="is no repository's address"):
            ModelRepository(wrong)

    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setitem(bucket._CONFIGURATION, "retries", {"max_attempts": 0})  # noqa: SLF001
    unreachable = ModelRepository(address)
    with pytest.raises(RepositoryError, match="cannot be listed: Could not connect"):
        unreachable.versions()
    with pytest.raises(RepositoryError, match=r"active\.json cannot be read: Could not connect"):
        unreachable.state()
