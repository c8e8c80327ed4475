"""How a training is shown while it runs: a bar, and TensorBoard logs where that is installed."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from rnsl_tutorial.training import EpochReport

__all__ = ["shown"]


@contextmanager
def shown(
    epochs: int, logs: Path, *, disable: bool = False
) -> Iterator[Callable[[EpochReport], None]]:
    """Show a bar over the epochs and write what each reports for TensorBoard, if it is installed.

    Args:
        epochs: of the run.
        logs: folder for TensorBoard.
        disable: show and write nothing, as all processes but the first.

    Yields:
        What to call after each epoch.
    """
    with _logged(logs, disable) as log, tqdm(total=epochs, unit="epoch", disable=disable) as bar:

        def on_epoch(report: EpochReport) -> None:
            bar.n = report.epoch + 1  # a resumed run starts in the middle
            bar.set_postfix(
                {name: f"{value:.3g}" for name, value in _shown(report).items()}, refresh=True
            )
            log(report)

        yield on_epoch


def _shown(report: EpochReport) -> dict[str, float]:
    values = {"loss": report.loss, "kept": report.kept, "validation": report.validation}
    return {name: value for name, value in values.items() if value is not None}


@contextmanager
def _logged(folder: Path, disable: bool) -> Iterator[Callable[[EpochReport], None]]:
    """Yield what writes a report; the file is made with the first one."""
    with ExitStack() as opened:

        @cache
        def writer() -> Any:
            from torch.utils.tensorboard.writer import SummaryWriter

            return opened.enter_context(SummaryWriter(str(folder)))

        def log(report: EpochReport) -> None:
            values = {**report._asdict(), **(report.measured or {})}
            for name, value in values.items():
                if name not in ("epoch", "measured") and value is not None:
                    writer().add_scalar(name, value, report.epoch)

        silent = disable or find_spec("tensorboard") is None
        yield (lambda _: None) if silent else log
