"""The explorers of the sphere in a plain page: no JupyterLab, no kernel, no network."""

import re
from typing import Any

import numpy as np
import pytest
import torch
from harness import SCREENSHOTS, Open, box_of, curve, px_of
from numpy.typing import NDArray
from playwright.sync_api import Locator, expect
from synthetic_spheres import small_runs

from rnsl_tutorial import losses
from rnsl_tutorial.tutorial import plots
from rnsl_tutorial.tutorial.explorers import (
    SphereExplorer,
    SphereTrainingExplorer,
    sphere,
)

SPHERE = SphereExplorer()
RUNS = small_runs()
ANGLES = np.arange(0, 181, 2)
PX = 0.02  # what rounding leaves, px


# ------------------------------------------------------------------ what must be seen


def projected(root: Locator, points: NDArray[Any]) -> NDArray[np.float64]:
    """Where points must be drawn, in px, for the view that the drawing says it has."""
    view = root.locator(".rnsl-globe").get_attribute("data-view") or ""
    azimuth, elevation, middle, radius = map(float, view.split())
    seen = np.asarray(points, dtype=np.float64) @ plots.sphere_view(azimuth, elevation).T
    return middle + radius * seen[..., :2] * (1, -1)


def place(root: Locator, mark: str) -> list[float]:
    """Where a named point is drawn, in px."""
    turn = root.locator(f'g[data-mark="{mark}"]').get_attribute("transform") or ""
    return [float(number) for number in re.findall(r"-?[\d.]+", turn)]


def path(root: Locator, mark: str) -> NDArray[np.float64]:
    """The places in px at which the pieces of a mark's path begin or turn."""
    drawn = root.locator(f'path[data-mark="{mark}"]').evaluate_all(
        "paths => paths.map(path => path.getAttribute('d')).join('')"
    )
    return np.array(re.findall(r"[ML](-?[\d.]+),(-?[\d.]+)", drawn), dtype=float)


def step_on_image(temperature: float, angle: float) -> tuple[NDArray[np.float64], float]:
    """-T dL/dx and the loss of the library at this angle on the way from A to B."""
    x = torch.tensor(image_at(angle)[None], requires_grad=True)
    w = torch.tensor(SPHERE.prototypes)
    loss = losses.nsl(x, w, torch.tensor([0]), temperature=temperature)
    (gradient,) = torch.autograd.grad(loss.sum(), x)
    return -temperature * gradient[0].numpy(), loss.item()


def image_at(angle: float) -> NDArray[np.float64]:
    a, b = SPHERE.prototypes[:2]
    aside = b - a * (a @ b)
    turned = np.radians(angle)
    image: NDArray[np.float64] = a * np.cos(turned) + aside / np.linalg.norm(aside) * np.sin(turned)
    return image


def assert_shows(root: Locator, temperature: float, angle: float) -> None:
    """The image, the whole step, the loss and its curve stand where the library says."""
    image, (step, loss) = image_at(angle), step_on_image(temperature, angle)
    p = f"p = {np.exp(-loss):.2f}" if np.exp(-loss) >= 0.005 else "p < 0.01"
    told = f"T = {temperature:g}, {angle}° from its own prototype A: {p}."
    expect(root.locator(".rnsl-readout")).to_contain_text(told)
    assert place(root, "image") == pytest.approx(projected(root, image), abs=PX)
    tip = image + sphere._ARROW_SCALE * step
    np.testing.assert_allclose(
        path(root, "total"), projected(root, np.stack([image, tip])), atol=PX
    )
    expected = [step_on_image(temperature, float(a))[1] for a in ANGLES]
    drawn = curve(root, "loss")
    np.testing.assert_allclose(drawn[:, 0], ANGLES, atol=0.02)
    np.testing.assert_allclose(drawn[:, 1], expected, atol=max(expected) / 1000)
    np.testing.assert_allclose(curve(root, "loss now"), [[angle, loss]], atol=max(expected) / 500)


def drawing(root: Locator, *marks: str) -> list[list[str]]:
    script = "elements => elements.map(element => element.outerHTML)"
    return [root.locator(f'[data-mark="{mark}"]').evaluate_all(script) for mark in marks]


# ------------------------------------------------------------------ forces


def test_the_angle_slider_moves_the_image_and_leaves_the_curves(open_page: Open) -> None:
    root = open_page(SphereExplorer(temperature=0.1, angle=40)).locator(".rnsl-explorer")
    assert_shows(root, 0.1, 40)
    still, moved = ("loss", "A pulls", "circle", "prototype A"), ("arc", "A on image", "B now")
    before = drawing(root, *still), drawing(root, *moved)
    slider = root.get_by_role("slider", name="Angle from its own prototype A")
    slider.press("ArrowRight")
    assert_shows(root, 0.1, 42)
    slider.press("ArrowRight")
    assert_shows(root, 0.1, 44)
    assert drawing(root, *still) == before[0]
    assert all(now != then for now, then in zip(drawing(root, *moved), before[1], strict=True))


def test_the_temperature_slider_changes_forces_and_loss_and_not_the_image(open_page: Open) -> None:
    root = open_page(SphereExplorer(temperature=0.5, angle=60)).locator(".rnsl-explorer")
    assert_shows(root, 0.5, 60)
    before = drawing(root, "image", "arc", "circle")
    slider = root.get_by_role("slider", name="Temperature T")
    slider.press("End")
    assert_shows(root, 1.0, 60)
    assert drawing(root, "image", "arc", "circle") == before
    cosines = SPHERE.prototypes @ image_at(60)
    p = torch.tensor(cosines).softmax(dim=0).numpy()
    for name, cosine, weight in zip("ABCDE", cosines, [1 - p[0], *p[1:]], strict=True):
        now = curve(root, f"{name} now")
        np.testing.assert_allclose(now, [[60, weight * np.sqrt(1 - cosine**2)]], atol=0.02)
    visible = root.locator('.rnsl-arrow:visible [data-mark$="on image"]')
    expect(visible).to_have_count(5)
    slider.press("Home")
    assert_shows(root, 0.02, 60)
    expect(visible).to_have_count(2)


def test_the_sphere_turns_by_key_and_pointer_and_the_charts_stay(open_page: Open) -> None:
    root = open_page(SPHERE).locator(".rnsl-explorer")
    globe, charts = root.locator(".rnsl-globe"), drawing(root, "loss", "A pulls")
    begin = globe.get_attribute("data-view") or ""
    globe.focus()
    for key, change in (("ArrowRight", (-10, 0)), ("ArrowUp", (0, -10))):
        azimuth, elevation = map(float, (globe.get_attribute("data-view") or "").split()[:2])
        globe.press(key)
        turned = [float(v) for v in (globe.get_attribute("data-view") or "").split()[:2]]
        assert turned == pytest.approx([(azimuth + change[0]) % 360, elevation + change[1]])
        for c, name in enumerate(SPHERE.names):
            expected = projected(root, SPHERE.prototypes[c])
            assert place(root, f"prototype {name}") == pytest.approx(expected, abs=PX)
    globe.press("Home")
    assert globe.get_attribute("data-view") == begin
    box = box_of(globe)
    mouse = root.page.mouse
    mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.8 * box["height"])
    mouse.down()
    mouse.move(box["x"] + 0.7 * box["width"] + 40, box["y"] + 0.8 * box["height"] - 10)
    mouse.up()
    mouse.move(box["x"], box["y"])  # after the button is up, nothing turns any more
    azimuth, elevation = map(float, begin.split()[:2])
    dragged = [float(value) for value in (globe.get_attribute("data-view") or "").split()[:2]]
    assert dragged == pytest.approx([(azimuth - 20) % 360, elevation - 5], abs=0.5)
    assert drawing(root, "loss", "A pulls") == charts
    behind = root.locator('.rnsl-behind [data-mark^="prototype"]').count()
    depths = SPHERE.prototypes @ plots.sphere_view(*dragged)[2]
    assert behind == (depths < 0).sum()


def test_a_finger_turns_the_sphere(open_page: Open) -> None:
    root = open_page(SPHERE, has_touch=True).locator(".rnsl-explorer")
    box = box_of(root.locator(".rnsl-globe"))
    x, y = box["x"] + 0.7 * box["width"], box["y"] + 0.8 * box["height"]
    finger = root.page.context.new_cdp_session(root.page)
    for kind, moved in (
        ("touchStart", [0]),
        ("touchMove", [-20]),
        ("touchMove", [-40]),
        ("touchEnd", []),
    ):
        points = [{"x": x + dx, "y": y} for dx in moved]
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    azimuth, elevation = SPHERE.view
    turned = re.compile(rf"^{azimuth + 20:g} {elevation:g} ")
    expect(root.locator(".rnsl-globe")).to_have_attribute("data-view", turned)


def test_the_image_is_dragged_along_its_circle_and_chosen_on_a_chart(open_page: Open) -> None:
    root = open_page(SphereExplorer(temperature=0.1, angle=50)).locator(".rnsl-explorer")
    box = box_of(root.locator(".rnsl-globe"))
    mouse = root.page.mouse
    for step, angle in enumerate((50, 60, 72)):
        x, y = projected(root, image_at(angle))
        mouse.move(box["x"] + x, box["y"] + y)
        if step == 0:
            mouse.down()
    mouse.up()
    expect(root.locator(".rnsl-readout")).to_contain_text("T = 0.1, 72° from")
    view = root.locator(".rnsl-globe").get_attribute("data-view") or ""
    assert [float(value) for value in view.split()[:2]] == pytest.approx(SPHERE.view)
    chart = root.locator("svg[data-x]").first
    chart.click(position={"x": px_of(chart, "x", 120), "y": 30})
    assert_shows(root, 0.1, 120)


# ------------------------------------------------------------------ training


def test_epoch_and_temperature_move_the_images(open_page: Open) -> None:
    training = SphereTrainingExplorer(*RUNS)
    root = open_page(training, reduced_motion="reduce").locator(".rnsl-explorer")

    def assert_moment(t: int, e: int) -> None:
        expect(root.locator(".rnsl-readout")).to_have_text(training._table["sentences"][4 * t + e])
        for c, name in enumerate(RUNS.names):
            drawn = sorted(map(tuple, path(root, f"images of {name}")))
            points = projected(root, RUNS.embeddings[t, e][RUNS.labels == c])
            np.testing.assert_allclose(drawn, sorted(map(tuple, points)), atol=PX)
            expected = projected(root, RUNS.prototypes[t, e, c])
            assert place(root, f"prototype {name}") == pytest.approx(expected, abs=PX)
        own = np.sum(RUNS.embeddings[t] * RUNS.prototypes[t][:, RUNS.labels], axis=-1)
        medians = np.median(np.degrees(np.arccos(np.clip(own, -1, 1))), axis=1)
        drawn_curve = curve(root, "to its own prototype")
        np.testing.assert_allclose(drawn_curve[:, 1], medians, atol=0.2)
        now = curve(root, "to its own prototype now")
        np.testing.assert_allclose(now, [[e, medians[e]]], atol=0.2)

    assert_moment(0, 0)
    slider = root.get_by_role("slider", name="Epoch")
    before = drawing(root, "to its own prototype", "to the nearest other one")
    slider.press("ArrowRight")
    assert_moment(0, 1)
    assert drawing(root, "to its own prototype", "to the nearest other one") == before
    root.get_by_role("radio", name="1", exact=True).check()
    assert_moment(1, 1)
    root.get_by_role("button", name="Play: Epoch").click()
    expect(slider).to_have_value("3")
    assert_moment(1, 3)


# ------------------------------------------------------------------ themes and sizes


GLIDE = """async radio => {
    const [path] = document.querySelectorAll('path[data-mark="images of Beach"]');
    const seen = new Set();
    radio.click();
    for (let still = 0; still < 20; still++) {
        if (!seen.has(path.outerHTML)) still = 0;
        seen.add(path.outerHTML);
        await new Promise(requestAnimationFrame);
    }
    return seen.size;
}"""


def test_images_glide_to_their_new_places(open_page: Open) -> None:
    root = open_page(SphereTrainingExplorer(*RUNS)).locator(".rnsl-explorer")
    radio = root.get_by_role("radio", name="1", exact=True)
    assert radio.evaluate(GLIDE) > 2  # places on the way
    points = projected(root, RUNS.embeddings[1, 0][RUNS.labels == 0])
    drawn = sorted(map(tuple, path(root, "images of Beach")))
    np.testing.assert_allclose(drawn, sorted(map(tuple, points)), atol=PX)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [480, 720, 1400])
def test_both_fit_the_width(open_page: Open, width: int, scheme: str) -> None:
    explorers = {
        "sphere": SphereExplorer(temperature=0.3, angle=60),
        "sphere_training": SphereTrainingExplorer(*RUNS, temperature=1.0, epoch=3),
    }
    for name, explorer in explorers.items():
        root = open_page(explorer, width=width, color_scheme=scheme).locator(".rnsl-explorer")
        globe, chart = (
            box_of(root.locator(".rnsl-globe")),
            box_of(root.locator(".rnsl-chart").first),
        )
        assert (chart["x"] > globe["x"] + globe["width"]) == (width >= 720)
        assert root.page.evaluate("document.documentElement.scrollWidth") <= width
        if width == 720:
            assert box_of(root)["height"] <= 620
        root.page.screenshot(path=SCREENSHOTS / f"{name}_{width}_{scheme}.png", full_page=True)
