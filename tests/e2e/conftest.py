"""One stack for the whole folder, and the one long list that several tests look at."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from instep.domain.rules import Option
from local import venvs
from tests.e2e.deployment import Deployment
from tests.e2e.joined import Joined, join_sample

PEOPLE: Final = 1000
RECORDS_PER_MINUTE: Final = 900
"""Less than there are people, so that the pace holds them back."""
CANARY_NAME: Final = "Quillcanary"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that wait for the long list come after those that can run meanwhile. The processes of
    the stack outlive whoever starts them, which is no leak."""
    outlive = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(outlive)

    def waits(item: pytest.Item) -> int:
        names = getattr(item, "fixturenames", ())
        return ("whole_list" in names) + ("at_rest" in names)

    items.sort(key=waits)


@pytest.fixture(scope="session")
def deployment() -> Iterator[Deployment]:
    """The template, deployed. Skipped only where the virtual environments cannot be made."""
    try:
        for name in ("aws", "sam"):
            venvs.ready(name)
    except (SystemExit, OSError) as error:
        pytest.skip(f"the virtual environments cannot be made: {error}")
    made = Deployment()
    yield made
    made.close()


@pytest.fixture(scope="session")
def begun(deployment: Deployment) -> Joined:
    """A thousand people as a real list has them, and their initial sync under way."""
    joined = join_sample(
        deployment,
        PEOPLE,
        seed=7,
        records_per_minute=RECORDS_PER_MINUTE,
        options={
            "first_name": Option.POPULATE_OVERWRITE_STRIVE,
            "last_name": Option.TWO_WAY,
            "email": Option.ONE_WAY_OVERWRITE_STRIVE,
        },
        custom={
            "favorite_issue": Option.POPULATE_OVERWRITE_ACTIONKIT,
            "preferred_language": Option.POPULATE_NO_OVERWRITE,
            "employer": Option.ONE_WAY_OVERWRITE_STRIVE,
        },
        canary_name=CANARY_NAME,
    )
    joined.set_up()
    joined.switch_on()
    return joined


@pytest.fixture(scope="session", autouse=True)
def _meanwhile(request: pytest.FixtureRequest) -> Iterator[None]:
    """Begins the long list at once where any test will want it, and watches its progress."""
    if not any("whole_list" in getattr(one, "fixturenames", ()) for one in request.session.items):
        yield
        return
    joined: Joined = request.getfixturevalue("begun")
    watching = threading.Thread(target=joined.until_synced, daemon=True)
    watching.start()
    yield
    watching.join()


@pytest.fixture(scope="session")
def whole_list(begun: Joined) -> Joined:
    """The long list, its initial sync ended."""
    begun.until_synced()
    return begun


@pytest.fixture(scope="session")
def at_rest(whole_list: Joined) -> Joined:
    """The long list, everything read back and confirmed."""
    whole_list.follow()
    return whole_list
