# ---
# jupyter:
#   title: Explorers
#   voila:
#     template: rnsl
# ---

# %% [markdown]
# # Learning from wrong labels
# All explorers of the tutorial on one page, for a lecture or to look things up. What they show was
# measured on AID, 10,000 aerial images in 30 classes, unless they say something else. Sliders move with
# the arrow keys, too.

# %%
import ipywidgets
import numpy as np
import torch

from rnsl_tutorial.tutorial import explorers
from rnsl_tutorial.tutorial.tables import EmbeddingMaps, FollowedRuns, UmapMaps

runs = FollowedRuns.shipped()

# %% [markdown]
# ## 00 · Who learns the wrong labels by heart?
# Press **play**: two losses train here, in the page, on the same points. Flip labels, paint points, choose
# one of the sentences above. Explained in notebook 00.

# %%
explorers.Playground()

# %% [markdown]
# ## 00 · What do wrong labels do to an embedding?
# Move the **noise rate**. Crosses are images that no longer lie among their own class. Then change the
# **loss**. Explained in notebook 00.

# %%
explorers.EmbeddingExplorer(EmbeddingMaps.shipped(), rate=0.5)

# %% [markdown]
# ## 01 · What does the normalized softmax loss pull and push?
# Move the image by its **angle**, or drag it. At a small **temperature** only the nearest rival pushes.
# Explained in notebook 01.

# %%
explorers.SphereExplorer(temperature=0.05, angle=50)

# %% [markdown]
# ## 01 · Where do images come to lie?
# Press **play**, once for each **temperature**. At 0.05 the classes part and stay far from their
# prototypes; at 1 they gather around them. Explained in notebook 01.

# %%
explorers.SphereTrainingExplorer(
    runs.sphere_embeddings,
    runs.sphere_prototypes,
    runs.sphere_labels,
    runs.sphere_classes,
    runs.temperatures,
)

# %% [markdown]
# ## 02 · When is a class lost for good?
# Move the **noise rate** to 70%. A class is lost where one wrong label is more frequent than the right
# one: its bar passes the dashed line. Explained in notebook 02.

# %%
explorers.TransitionExplorer(runs.labels, rate=0.5, row="Bridge")

# %% [markdown]
# ## 03 · How hard does an image pull?
# Move the **marked image** to *p* = 0.01: NSL pulls there with all its strength, RNSL hardly. Then move
# **q** to 0 and to 1. Explained in notebook 03.

# %%
explorers.LossExplorer()

# %% [markdown]
# ## 03 · Who steers the prototypes?
# Half of the labels are wrong. Press **play** and watch which share of the pull comes from them, then
# measure with another **q**. Explained in notebook 03.

# %%
MOMENTS = [*range(11), 12, 14, 16, 18, 20, 25, 30, 40]
share = explorers.GradientShareExplorer(
    {loss: runs.log_p_of(loss)[MOMENTS] for loss in ("nsl", "rnsl")},
    runs.flipped,
    runs.batch,
    MOMENTS,
    loss="nsl",
    epoch=5,
)
share

# %% [markdown]
# ## 04 · Which q is best?
# Move **wrong labels**. At the left end the network memorizes them, at the right end it learns too
# little. Explained in notebook 04.

# %%
from rnsl_tutorial import experiments

explorers.QExplorer(**experiments.shipped_over_q()._asdict(), q=0, rate=0.5)

# %% [markdown]
# ## 04 · Who is heard, at which q and temperature?
# Press on the map, or move **q** and **temperature**. Where the map is dark wrong labels are hardly heard.
# This q and that of "Who steers the prototypes?" move together. Explained in notebook 04.

# %%
heard = explorers.DownWeightingExplorer(
    torch.from_numpy(runs.embeddings).float(),
    torch.from_numpy(runs.prototypes).float(),
    torch.from_numpy(runs.given[runs.batch]).long(),
    torch.from_numpy(runs.flipped[runs.batch]),
    runs.moments,
    epoch=10,
)
ipywidgets.jslink((share, "q"), (heard, "q"))
heard

# %% [markdown]
# ## 05 · What does the truncated loss cut off?
# Drag the **threshold k**. Images in the grey part are left out. Look at precision and recall: where do
# they change fast? This k and that of the next explorer move together. Explained in notebook 05.

# %%
log_p = runs.log_p_of("trnsl")
cut = explorers.TruncationExplorer(log_p[20], runs.flipped, k=0.5)
cut

# %% [markdown]
# ## 05 · When to choose which images to leave out?
# Press **play**. First nearly everybody would be left out; then the right labels pass the threshold.
# Explained in notebook 05.

# %%
over_epochs = explorers.PruningExplorer(log_p, runs.flipped, runs.kept, epoch=1, k=0.5)
ipywidgets.jslink((cut, "k"), (over_epochs, "k"))
over_epochs

# %% [markdown]
# ## 07 · Which losses differ from RNSL?
# Move **wrong labels**, then choose the **loss that stands out**. Where an interval holds 0, five seeds
# cannot tell the two apart. Explained in notebook 07.

# %%
from rnsl_tutorial._files import shipped
from rnsl_tutorial.experiments import differences


def measured(name):
    return experiments.load_results(shipped("data", "results", name, "results.json")).results


compared = differences.compare(measured("aid") + measured("aid_baselines"), "rnsl")
explorers.ComparisonExplorer(compared, rate=0.5, loss="ce")

# %% [markdown]
# ## 07 · What does each epoch of fine-tuning do?
# Move **after epoch**: a pretrained network is trained on wrong labels, and a plain loss destroys what it
# knew. Then choose other **wrong labels**. Explained in notebook 07.

# %%
explorers.FineTuningExplorer()

# %% [markdown]
# ## 08 · Which classes suffer?
# Each dot is a class: left is predicted to suffer, high has suffered. Move the **noise rate**, then change
# **predicted from**. The 45 classes of NWPU-RESISC45 are played by images of AID. Explained in notebook 08.

# %%
from rnsl_tutorial import noise
from rnsl_tutorial.experiments import class_accuracy

at_45 = measured("nwpu45_stand_in")
rates, names = (0.3, 0.5, 0.7), noise.label_dependent_classes("nwpu45")
matrices = np.stack([noise.label_dependent_transition("nwpu45", rate) for rate in rates])


def drops(loss, judge):
    at = [class_accuracy.accuracies(at_45, names, loss, r, judge).mean(0) for r in (0.0, *rates)]
    return at[0] - np.array(at[1:])


explorers.ClassMarginsExplorer(
    names,
    rates,
    {"the matrix alone": matrices, "matrix and neighbours": runs.neighborhoods @ matrices},
    {loss: {judge: drops(loss, judge) for judge in class_accuracy.JUDGES} for loss in runs.losses},
    about="stand-in for NWPU45", rate=0.5, loss="rnsl", row="thermal_power_station",
)  # fmt: skip

# %% [markdown]
# ## 09 · What may one read from a UMAP picture?
# Press **play**, then colour by the given label, and set the **crosses** to the wrong labels. Drag a
# rectangle to follow a cluster from one loss to the next. Explained in notebook 09.

# %%
table = UmapMaps.shipped()
explorers.EpochMapsExplorer(table, epoch=0)

# %% [markdown]
# ## 09 · How much do the settings of UMAP decide?
# Move **n_neighbors** and **min_dist**, and compare with PCA. Point at an image: lines join it with its
# nearest neighbours in 128 dimensions. Explained in notebook 09.

# %%
explorers.UmapSettingsExplorer(table, n_neighbors=15, min_dist=0.1)

# %% [markdown]
# ## 10 · Which labels in an archive are wrong?
# Move the **threshold**: fewer images are flagged, and more of those are wrong. What the audit estimates
# stands beside the truth. Explained in notebook 10.

# %%
explorers.AuditExplorer(
    runs.doubt, runs.audited, table.class_names,
    wrong=runs.wrong, estimate=runs.estimate, class_noise=runs.class_noise,
)  # fmt: skip
