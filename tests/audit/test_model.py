"""The model that an audit leaves: one head of all images, which says of pixels what they are."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from rnsl_tutorial import audit, datasets, experiments
from rnsl_tutorial.cli import main as cli
from rnsl_tutorial.datasets import scenes

BACKBONE = "efficientnet_lite0"


@pytest.fixture(scope="module")
def archive() -> datasets.Archive:
    """Scenes of four classes, a tenth of them with a wrong label."""
    made = scenes.make_scenes(400, 32, difficulty=0.0, seed=5)
    few = np.flatnonzero(made.labels < 4)
    labels = made.labels[few].copy()
    labels[::10] = (labels[::10] + 1) % 4
    files = tuple(made.files[i] for i in few)
    return datasets.Archive(made.images[few], labels, made.class_names[:4], files)


def test_the_command_leaves_a_head_that_finds_classes_of_new_images_and_wrong_labels_of_old_ones(
    archive: datasets.Archive, tmp_path: Path
) -> None:
    for image, name, label in zip(archive.images, archive.files, archive.labels, strict=True):
        path = tmp_path / "archive" / archive.class_names[label] / Path(name).name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.transpose(1, 2, 0)).save(path)
    words = ["audit", f"{tmp_path / 'archive'}", "--size=32", "--no-gallery"]
    words += [f"--out={tmp_path / 'doubtful.csv'}", f"--model={tmp_path / 'head.pt'}"]
    shown = CliRunner().invoke(cli.app, words)
    assert shown.exit_code == 0, shown.output
    assert f"; {tmp_path / 'head.pt'}" in shown.output
    model = experiments.load_model(tmp_path / "head.pt")
    assert model.class_names == archive.class_names
    assert (model.backbone, model.config.image_size) == (BACKBONE, 32)
    new = scenes.make_scenes(160, 32, difficulty=0.0, seed=6)
    known = new.labels < 4
    said = model.predict(new.images[known])
    assert (said.classes == new.labels[known]).mean() > 0.7
    doubt = model.predict(archive.images, archive.labels).doubt
    assert doubt[::10].mean() > 3 * np.delete(doubt, np.s_[::10]).mean()


def test_features_of_another_backbone_are_refused(archive: datasets.Archive) -> None:
    features = np.random.default_rng(0).random((len(archive.labels), 512)).astype(np.float32)
    with pytest.raises(ValueError, match="takes 512 features, and backbone 'efficientnet_lite0'"):
        audit.fit_model(archive, features, BACKBONE)
    with pytest.raises(ValueError, match=f"There are {len(archive.labels)} labels for features"):
        audit.fit_model(archive, features[:5], BACKBONE)
