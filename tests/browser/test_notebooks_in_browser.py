import pytest
from harness import JupyterLab


@pytest.mark.parametrize(
    "name",
    [
        "00_start_here",
    ],
)
def test_a_notebook_runs_by_run_all_and_its_sliders_move_the_picture(
    jupyterlab: JupyterLab, name: str
) -> None:
    jupyterlab.open(f"{name}.ipynb")
    assert jupyterlab.run_all() == []
    assert jupyterlab.interruptions() == []
    explorer = jupyterlab.explorer()
    assert explorer.sliders()
    for slider in explorer.sliders():
        assert explorer.changes_with(slider)
    jupyterlab.screenshot(name)
    assert jupyterlab.outside == []


def test_a_request_that_would_leave_the_machine_is_refused_and_noted(
    jupyterlab: JupyterLab,
) -> None:
    attempt = "fetch('http://tiles.invalid/0.png').then(() => 'answered', () => 'refused')"
    assert jupyterlab.page.evaluate(attempt) == "refused"
    assert jupyterlab.outside == ["http://tiles.invalid/0.png"]
