"""What several end-to-end tests start."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.e2e.browser import chromium
from tests.e2e.cluster import Cluster, two_nodes

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """Start one browser for all tests of a file; a context of it has a profile of its own."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Run two nodes of one core each; skipped where Ray is missing."""
    with two_nodes() as found:
        yield found
