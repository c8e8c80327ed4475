"""t-RNSL in Lightning's Trainer on two devices, as a script: python their_trainer.py OUT."""

import sys
import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from their_loops import EPOCHS, START, Objective, write, wrongly_labelled
from torch import Tensor
from torch.utils.data import DataLoader

from rnsl_tutorial.training import Indexed


class Module(pl.LightningModule):  # type: ignore[misc]
    """A user's module; Lightning gives each process its share of the data set."""

    def __init__(self, out: Path) -> None:
        super().__init__()
        self.model, self.out = Objective(), out

    def training_step(self, batch: Any, _: int) -> Tensor:
        value: Tensor = self.model(*batch)
        return value

    def on_train_epoch_start(self) -> None:
        if self.current_epoch >= EPOCHS // 2 and self.current_epoch % 5 == 0:
            with torch.no_grad():
                for images, labels, indices in self.trainer.train_dataloader:
                    self.model.loss.update_kept(self.model.network(images), labels, indices)

    def on_train_end(self) -> None:
        write(self.out, self.global_rank, self.model)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    trainer = pl.Trainer(
        accelerator="cpu", devices=2, strategy=f"ddp_{START}", max_epochs=EPOCHS, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    loader = DataLoader(Indexed(wrongly_labelled()), batch_size=12, shuffle=True)
    trainer.fit(Module(Path(sys.argv[1])), loader)
