"""Runs, grids of runs, and their results.

A `Config` says what is run: `run` trains a head on frozen features (heads.py), `run_images` a
network on images (images.py), `run_grid` and sweep.py many of either. results.py keeps what they
reached; differences.py compares losses, class_accuracy.py classes; report.py and figures.py show
both; inference.py embeds an archive by a trained network.
"""

from importlib import import_module
from typing import Any

_PLACES = {
    "class_accuracy": ("accuracies", "class_predictions", "measure_classes", "run_classes"),
    "config": ("PRESETS", "Config", "from_preset"),
    "differences": ("Comparison", "Difference", "compare", "paired"),
    "heads": ("Fitted", "History", "build_head", "corrupt", "corrupt_labels", "fit", "follow",
              "make_grid", "measure", "run", "run_grid", "standardized"),
    "grid": ("Ended", "calls"),
    "images": ("Data", "Model", "Run", "check_folder", "corrupt_images", "default_folder",
               "load_images", "load_model", "run_images"),
    "inference": ("Embedded", "embed_archive", "save_embedded"),
    "report": ("accuracy_figures", "caption", "table", "table_over_rates"),
    "results": ("OverQ", "Record", "Result", "Summary", "load_results", "over_q", "provenance",
                "save_results", "shipped_over_q", "shipped_results", "summarize"),
    "sweep": ("Grid", "make_cells", "read_grid", "run_sweep"),
}  # fmt: skip

__all__ = [*_PLACES, *(name for names in _PLACES.values() for name in names)]


def __getattr__(name: str) -> Any:
    """Import what is asked for, so that one module does not pull all others."""
    for module, names in _PLACES.items():
        if name == module or name in names:
            found = import_module(f"{__name__}.{module}")
            return found if name == module else getattr(found, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
