from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or fills the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RNSL_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where several processes share the tests, those of a file stay together with its fixtures.

    Each notebook is by itself: notebooks take longest.
    """
    for item in items:
        alone = "notebooks" in item.path.stem and hasattr(item, "callspec")
        group = item.name if alone else item.path.stem
        item.add_marker(pytest.mark.xdist_group(group))
