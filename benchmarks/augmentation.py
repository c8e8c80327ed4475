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

from collections.abc import Callable

import kornia.augmentation as kornia
import torch
from torch import Tensor
from torchvision.transforms import v2

from benchmarks import frame
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
    lines = []
    for name, taken in seconds.items():
        rates = [batch / one for one in taken]
        ratios = [one / own for one, own in zip(taken, seconds["ours"], strict=True)]
        measured = (frame.spread(rates, 0), frame.spread(ratios, 2))
        lines.append(frame.row(name, device.type, size, repeats, *measured))
    return lines


def main() -> None:
    """Measure and print."""
    parser = frame.parser(__doc__, batch=256, repeats=10)
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[64, 128], help="pixels (default 64 128)"
    )
    args = parser.parse_args()

    print(f"Batches of {args.batch}; {frame.machine('torch', 'torchvision', 'kornia')}\n")
    rates = ("median images/s", "min to max", "time / ours", "min to max")
    print(frame.header("augmentation", "device", "pixels", "repeats", *rates))
    for device in dict.fromkeys((torch.device("cpu"), find_device())):
        for size in args.sizes:
            print(*rows(device, size, args.batch, args.repeats), sep="\n")


if __name__ == "__main__":
    main()
