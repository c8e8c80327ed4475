"""Measure the reference's augmentation against kornia and torchvision, side by side.

Usage: python benchmarks/augmentation.py [--sizes 64 128] [--batch 256] [--repeats 10]

Prints a Markdown table: from uint8 images in memory on the device to float32 ones in [0, 1]. In
every repeat all run one after the other; a ratio above 1 means that ours is faster. The images are
procedural scenes. Where PyTorch finds a GPU, it is measured too.

- torchvision, each image: the same distribution as ours, image after image.
- kornia: a draw for each image, but one order of the jitter operations for the whole batch, and
  the draws come from torch's global generator.
- torchvision, whole batch: one draw for all images. Another augmentation: a bound, not a rival.
"""

import argparse
import os
import platform
import statistics
from collections.abc import Callable
from importlib.metadata import version

import kornia.augmentation as kornia
import torch
from torch import Tensor
from torchvision.transforms import v2

from rnsl_tutorial.datasets import scenes
from rnsl_tutorial.training import augmentation
from rnsl_tutorial.training.devices import Stopwatch, find_device

STRENGTH = (augmentation._JITTER,) * 4

Augment = Callable[[Tensor], Tensor]


def by_ours() -> Augment:
    """Draw and apply, as the training loop does."""
    generator = torch.Generator().manual_seed(0)
    return lambda images: augmentation.apply(
        images, augmentation.draw("reference", len(images), generator)
    )


def by_kornia() -> Augment:
    """The recipe in kornia's words."""
    recipe = torch.nn.Sequential(
        kornia.RandomGrayscale(p=augmentation._GREY_SHARE),
        kornia.ColorJitter(*STRENGTH, p=1.0),
        kornia.RandomHorizontalFlip(p=augmentation._FLIP_SHARE),
    )
    return torch.no_grad()(lambda images: recipe(images.float() / 255))


def by_torchvision() -> Augment:
    """The recipe in torchvision's words; one draw for all that it is given."""
    return v2.Compose(
        [
            v2.ToDtype(torch.float32, scale=True),
            v2.RandomGrayscale(p=augmentation._GREY_SHARE),
            v2.ColorJitter(*STRENGTH),
            v2.RandomHorizontalFlip(p=augmentation._FLIP_SHARE),
        ]
    )


def image_by_image(augment: Augment) -> Augment:
    """Give the images one after the other."""
    return lambda images: torch.stack([augment(image) for image in images])


RIVALS: dict[str, Callable[[], Augment]] = {
    "ours": by_ours,
    "torchvision, each image": lambda: image_by_image(by_torchvision()),
    "kornia": by_kornia,
    "torchvision, whole batch": by_torchvision,
}


def rows(device: torch.device, size: int, batch: int, repeats: int) -> list[str]:
    """Measure all of them at one size on a device, as lines of the table."""
    images = torch.from_numpy(scenes.make_scenes(batch, size, seed=0).images).to(device)
    augments = {name: build() for name, build in RIVALS.items()}
    seconds: dict[str, list[float]] = {name: [] for name in augments}
    for repeat in range(repeats + 1):
        for name, augment in augments.items():
            with Stopwatch(device) as watch:
                augment(images)
            if repeat > 0:  # the first call on a device is slower
                seconds[name].append(watch.seconds)
    return [
        row(name, device, size, batch, taken, seconds["ours"]) for name, taken in seconds.items()
    ]


def row(
    name: str,
    device: torch.device,
    size: int,
    batch: int,
    seconds: list[float],
    ours: list[float],
) -> str:
    """One line of the table."""
    rates = [batch / taken for taken in seconds]
    ratios = [taken / own for taken, own in zip(seconds, ours, strict=True)]
    return (
        f"| {name} | {device.type} | {size} | {len(seconds)} | {statistics.median(rates):,.0f} "
        f"| {min(rates):,.0f} to {max(rates):,.0f} | {statistics.median(ratios):.2f} "
        f"| {min(ratios):.2f} to {max(ratios):.2f} |"
    )


def machine() -> str:
    """Name processors, system and versions."""
    names = ("torch", "torchvision", "kornia", "rnsl-tutorial")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    device = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return (
        f"{os.cpu_count()} processors ({platform.machine()}), {torch.get_num_threads()} threads"
        f"{device}, {platform.system()}, Python {platform.python_version()}, {versions}"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[64, 128], help="pixels (default 64 128)"
    )
    parser.add_argument("--batch", type=int, default=256, help="images (default 256)")
    parser.add_argument("--repeats", type=int, default=10, help="default 10")
    args = parser.parse_args()

    print(f"Batches of {args.batch}; {machine()}\n")
    print(
        "| augmentation | device | pixels | repeats | median images/s | min to max "
        "| time / ours | min to max |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for device in dict.fromkeys((torch.device("cpu"), find_device())):
        for size in args.sizes:
            print(*rows(device, size, args.batch, args.repeats), sep="\n")


if __name__ == "__main__":
    main()
