"""Runs, grids of runs, and their results.

A `Config` says what is run: `run` trains a head on frozen features (heads.py), a `Run` a
network on images (images.py), `run_grid` and sweep.py many of either; without_loss.py measures what
needs no loss. results.py keeps what they reached, epochs.py tells each epoch; differences.py
compares losses, class_accuracy.py classes; report.py and figures.py show both; inference.py keeps
trained models, and says by them of what class images are.
"""

from rnsl_tutorial._lazy import exported

__getattr__, __all__ = exported(
    __name__,
    class_accuracy="accuracies class_predictions measure_classes",
    config="PRESETS Config from_preset",
    differences="Comparison Difference compare paired",
    epochs="epoch_figures stopped table_over_epochs",
    heads="Fitted History build_head build_loss corrupt fit follow "
    "make_grid measure run run_grid standardized",
    grid="Ended calls",
    images="Data Run check_folder corrupt_images default_folder load_images",
    inference="Model Predicted embed_archive load_model save_predictions",
    report="accuracy_figures caption table table_over_rates",
    results="OverQ Record Result Summary load_results "
    "over_q provenance save_results shipped_over_q shipped_results summarize",
    without_loss="",
    sweep="make_cells read_grid run_sweep",
    figures="",
    named_features="NamedFeatures nwpu45_or_stand_in",
    style="",
)
