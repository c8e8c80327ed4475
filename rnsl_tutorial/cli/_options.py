"""What several commands share: options that mean the same in each, and how names are printed."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

Archive = Annotated[
    Path, typer.Option(help="Folder of class folders, or a tar or zip of one.", show_default=False)
]
Backbone = Annotated[str, typer.Option(help="efficientnet_lite0, resnet18 or resnet50.")]
Size = Annotated[int, typer.Option(help="Side of the images in pixels.")]
Device = Annotated[str, typer.Option(help="As torch names it: cpu, cuda, mps.")]
Accelerator = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Precision = Annotated[str, typer.Option(help="32, bf16 or fp16.")]


def printable(text: str) -> str:
    """Escape what could steer a terminal, or what is no text, in the name of a file or folder."""
    from rnsl_tutorial import _files  # here, so that the command's help loads no more than it needs

    return _files.printable(text)


class NamesInHelp(TyperCommand):
    """A command whose help holds <NOISES>, <LOSSES>, <BASELINES> or <WITHOUT_LOSS>.

    The names are looked up when the help is shown: where they stand, torch is imported.
    """

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Fill the names in, and show the help."""
        from rnsl_tutorial.experiments import config

        for kind in ("NOISES", "LOSSES", "BASELINES", "WITHOUT_LOSS"):
            names = ", ".join(getattr(config, kind))
            for option in self.params:
                if said := getattr(option, "help", None):
                    option.help = said.replace(f"<{kind}>", names)  # type: ignore[attr-defined]
        super().format_help(ctx, formatter)
