import os
import signal
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

if "PYTEST_XDIST_WORKER" in os.environ:  # processes that share the tests share the cores as well
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# "ci" draws the same examples each time; "soak" draws many others: --hypothesis-profile=soak.
settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("soak", settings.get_profile("ci"), derandomize=False, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # A shell that starts a process in the background lets it ignore interrupts; tests send some.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or fills the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RNSL_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


# The longest first, so that processes that share the tests finish together.
LONGEST = ("notebooks", "browser", "site", "umap", "packaging", "binder", "sweep", "resume")
# They share an executed notebook, and UMAP, which each process compiles for itself.
TOGETHER = {
    "test_site_pages": "test_site",
    "test_build_umap_maps": "test_umap",
    "test_scatter": "test_umap",
}


# They train networks or maps, or start processes: too slow for the inner loop.
SLOW = (
    *("test_umap", "test_resume", "test_processes", "test_sweep", "test_sweep_stopped"),
    *("test_images", "test_inference", "test_background_run", "test_throughput"),
    "test_dashboard",
)


# Coverage makes Python half as slow again. So it counts the lines of three cases of each test, not
# of all its cases and examples, nor of the browser's tests: what it prints is a lower bound.
COUNTED = pytest.StashKey[bool]()


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow; where several processes share the tests, begin with the longest."""
    cases = Counter[str]()
    for item in items:
        function = item.nodeid.partition("[")[0]
        cases[function] += 1
        item.stash[COUNTED] = (
            item.path.parent.name != "browser"
            and not hasattr(getattr(item, "obj", None), "hypothesis")
            and cases[function] <= 3
        )
        if item.path.stem in SLOW:
            item.add_marker("slow")
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=_place)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let coverage count where it learns something; elsewhere it would only take time."""
    coverage = getattr(item.config.pluginmanager.get_plugin("_cov"), "cov_controller", None)
    if coverage and coverage.started != item.stash[COUNTED]:
        (coverage.resume if item.stash[COUNTED] else coverage.pause)()
    return (yield)


def _place(item: pytest.Item) -> int:
    words = (*item.path.parent.parts[-1:], item.path.stem)
    found = [place for place, word in enumerate(LONGEST) if any(word in name for name in words)]
    return min(found, default=len(LONGEST))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep the tests of a file in one process, with its fixtures.

    Each notebook is by itself: notebooks take longest.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            stem = Path(nodeid.partition("::")[0]).stem
            alone = "notebooks" in stem and "[" in nodeid
            return nodeid if alone else TOGETHER.get(stem, stem)

    return ByFile(config, log)
