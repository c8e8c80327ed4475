# %% [markdown]
# # 9. Seeing the embedding
# The question: **what may one read from a UMAP picture?**
#
# The network turns each image into a point in 128 dimensions. Nobody can see 128 dimensions. UMAP puts the
# points on a plane and tries to keep neighbours together.
#
# **Predict first.** Half of the labels are wrong. After training, where will an image with a wrong label lie: with
# its *true* class, or with its *given* class? Under NSL? Under t-RNSL?

# %%
from rnsl_tutorial.tutorial import explorers
from rnsl_tutorial.tutorial.tables import UmapMaps

table = UmapMaps.shipped()
over_epochs = explorers.EpochMapsExplorer(table, epoch=0)
over_epochs

# %% [markdown]
# **You will be able to** say what may be read from a UMAP map. You measure how much it keeps, and find wrong
# labels by eye and by $p$.
#
# **Time** 55 min. **Runs on** any laptop. **Needs** notebook 05 (what $p$ is, and which images t-RNSL
# leaves out). **Downloads** nothing.
#
# UMAP makes a beautiful picture from nearly anything. So we will look, and then test what we saw.
#
# ## What you see
# 2,000 training images of AID, half of them with a wrong label. Three networks begin with the same weights, so
# all three maps begin alike. The maps of one loss were made together, by **aligned UMAP**. It pulls each image
# towards its own place in the maps before and after. It pulls more where more neighbours were kept. So points
# glide, and what leaps has lost its neighbours.
#
# **Try**:
# 1. Press play. Then set *Colour* to the true label and play again.
# 2. Set *Crosses* to the wrong labels. Where do they lie under NSL after 40 epochs? Under t-RNSL?
# 3. Colour by *p of the given label*: red means that the prototypes do not believe it.
# 4. Drag a rectangle around a cluster of t-RNSL. Where are these images under NSL? They stand below the maps,
#    those with the rarest label first.
#
# <details><summary>Answer</summary>
#
# Under t-RNSL and RNSL most wrong labels stay with their true class. Crosses of all colours lie in each cluster, and
# their $p$ is red. NSL begins in the same way (look at epochs 2 to 5). Then it learns the wrong labels by
# heart. These images leave their true class, many for the one that they were *given*, and red turns to blue.
# </details>

# %% [markdown]
# The rest of the notebook needs this:

# %%
from itertools import combinations

import numpy as np
from scipy.stats import spearmanr
from tqdm.auto import tqdm

from rnsl_tutorial import datasets, experiments
from rnsl_tutorial.evaluation import embedding as evaluate
from rnsl_tutorial.evaluation import umap as projection
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.training import embed
from rnsl_tutorial.tutorial import exercises, plots

# %% tags=["parameters"] ci={"STEP": 4}
STEP = 1  # project each STEP-th of the 2,000 images; 1 takes all

# %% [markdown]
# **Your prediction**, in numbers. Of the images with a wrong label we ask the 10 nearest neighbours, in 128
# dimensions, after the last epoch.

# %%
share = {}
for i, loss in enumerate(table.losses):
    classes_near = table.labels[table.neighbors[i]][table.wrong]
    for name in ("labels", "given"):
        own = getattr(table, name)[table.wrong]
        share[loss, name] = (classes_near == own[:, None]).mean()
    print(f"{loss:6} of the image's true class {share[loss, 'labels']:4.0%}, ", end="")
    print(f"of the class that its wrong label names {share[loss, 'given']:4.0%}")

# %% [markdown]
# ## Find wrong labels by eye
# Colour by the given label, no crosses. In the map of t-RNSL, drag a rectangle around one cluster. The
# images with another colour than most look wrong to the eye. The next cell compares your eye with
# the same number of images of smallest $p$.

# %%
robust = table.losses.index("trnsl")
exercises.judge_selection(
    over_epochs.selected, table.wrong, table.p[robust, over_epochs.place("epoch")], table.given
)

# %% [markdown]
# The eye is good where clusters are clear. Between them it can say nothing, and $p$ can. How good is a score
# that needs no eye? Take one wrong label and one right one, both by chance. **AUROC** is the probability that
# the wrong one has the larger score. 1 is perfect, 0.5 is guessing, and a tie counts half.
#
# ## Exercise 1: AUROC
# `score` has one number for each image, large where its label is doubtful. `wrong` is True where the label is
# wrong. Return the AUROC: over all pairs of a wrong and a right label. No library, no curve.


# %% tags=["exercise"]
def auroc(score, wrong):
    """Chance that a wrong label has a larger score than a right one; a tie counts half."""
    # solution
    of_wrong, of_right = score[wrong][:, None], score[~wrong]
    return (of_wrong > of_right).mean() + (of_wrong == of_right).mean() / 2


# %% tags=["self-check"]
exercises.check_auroc(auroc)

# %% [markdown]
# <details><summary>Solution of exercise 1</summary>
#
# ```python
# of_wrong, of_right = score[wrong][:, None], score[~wrong]
# return (of_wrong > of_right).mean() + (of_wrong == of_right).mean() / 2
# ```
# </details>
#
# Now all 2,000 images, by $-p$. **Predict**: which loss is best at the end? And which was best of all, at any
# epoch?

# %%
by_p = {}
print("epoch " + "".join(f"{style.label:>9}" for style in plots.loss_styles(table.losses)))
for e, epoch in enumerate(table.epochs):
    for i, loss in enumerate(table.losses):
        score = -table.p[i, e].astype(float)
        by_p[loss, epoch] = evaluate.flip_detection(score, table.wrong, table.wrong).auroc
    print(f"{epoch:5} " + "".join(f"{by_p[loss, epoch]:9.3f}" for loss in table.losses))
best = max(by_p, key=by_p.get)
print(f"Best of all: {best[0]} after epoch {best[1]}, {by_p[best]:.3f}.")

# %% [markdown]
# **A question that does not fit the story.** Somebody says: "a score for wrong labels must come from a robust
# loss." Look at NSL's column. What is true of the sentence?
#
# <details><summary>Answer</summary>
#
# At the end it is true: NSL's score is the worst by far. After two epochs it is not. There NSL is ahead of the
# robust losses, and less than one hundredth behind t-RNSL's last epoch. It learns the right labels faster. So the
# loss must not have learned the wrong ones yet. A robust loss does that, **or a plain one that was stopped**. The
# robust one needs no moment to be chosen.
# </details>
#
# ## How much does a map keep?
# Under each map stand two numbers.
#
# **Neighbours kept**: take the 10 nearest neighbours of an image in 128 dimensions. How many of them are
# among its 10 nearest on the map? By chance this is 10 of 1,999, half a percent.
#
# **Trustworthiness** asks the other way: is a neighbour on the map one in 128 dimensions, too? The further away it
# really is, the more it costs. 1 is perfect, about 0.5 is chance.
#
# ## Exercise 2: neighbours kept
# `true_neighbors` and `map_neighbors` are arrays [images, K]. Row $i$ holds the places of the K nearest
# neighbours of image $i$. Return the mean share of the true neighbours that are kept on the map.


# %% tags=["exercise"]
def neighbor_overlap(true_neighbors, map_neighbors):
    """Mean share of each image's true neighbours that are among its neighbours on the map."""
    # solution
    pairs = zip(true_neighbors, map_neighbors, strict=True)
    return np.mean([len(np.intersect1d(a, b)) / len(a) for a, b in pairs])


# %% tags=["self-check"]
exercises.check_neighbor_overlap(neighbor_overlap)

# %% [markdown]
# <details><summary>Solution of exercise 2</summary>
#
# ```python
# pairs = zip(true_neighbors, map_neighbors, strict=True)
# return np.mean([len(np.intersect1d(a, b)) / len(a) for a, b in pairs])
# ```
# </details>
#
# ## The settings, and PCA
# UMAP has two settings that everybody turns. The first, **n_neighbors**, says how many neighbours a point is kept
# near to. The second, **min_dist**, says how close points may lie. PCA has none: it shows the two directions in which the
# embedding varies most. Each map here was made alone, by plain UMAP: it keeps a few more neighbours than
# the gliding maps above.
#
# If the images of AID are here (`rnsl data get aid`, or `RNSL_AID` names them), you see the scenes, else their names.

# %%
settings = explorers.UmapSettingsExplorer(table, n_neighbors=15, min_dist=0.1)
settings

# %% [markdown]
# **Predict** before you move a slider: which n_neighbors keeps most of the 10 nearest neighbours, 4 or
# 150? Does min_dist change who is near?
#
# **Try**: point at an image. Lines join it with its 10 nearest neighbours *in 128 dimensions*. Many
# lines are short. Which are long? Then select a cluster of UMAP and look for it in PCA.

# %%
print("t-RNSL, epoch 40: neighbours kept (and their share of the image's own class)")
print("n_neighbors" + "".join(f"   min_dist {d:3g}" for d in table.min_dists))
for n_neighbors, row in zip(table.n_neighbors, table.measured_over_settings[robust], strict=True):
    cells = "".join(f"{kept:8.0%} ({same:.0%})" for _, kept, same in row)
    print(f"{n_neighbors:11}{cells}")
trust, kept, same = table.measured_of_pca[robust]
print(f"        PCA{kept:8.0%} ({same:.0%})")
print(f"In 128 dimensions {table.same_class[robust, -1]:.0%} are of the image's own class.")

# %% [markdown]
# The pictures differ a lot, and the embedding is one and the same. The number in the last row is measured in 128
# dimensions, and no slider changes it. So **never judge a network by its map**. Measure in the space where the
# network works.
#
# Even a good UMAP map loses most of the exact neighbours. It keeps the *groups*. PCA keeps hardly any
# neighbours: 30 classes need more than two directions.
#
# ## A fresh map
# Now we make a map ourselves. First the embedding: we train t-RNSL again, with the same seed as the table.

# %%
aid = datasets.load_shipped_features("aid")
config = Config(**table.made_with["config"] | {"loss": "trnsl"})
with tqdm(total=config.epochs, desc=config.loss, unit="epoch") as bar:
    fitted = experiments.fit(aid, config, lambda _: bar.update())

shown = np.arange(0, len(table.files), STEP)
rows = {file: i for i, file in enumerate(aid.files)}
inputs = experiments.standardized(aid)[[rows[table.files[i]] for i in shown]]
points = embed(fitted.network, inputs).numpy()
true, given, wrong = (values[shown] for values in (table.labels, table.given, table.wrong))
print(f"{points.shape[0]} images, {points.shape[1]} dimensions")

# %% [markdown]
# And the map. UMAP searches the neighbours (the first time it also compiles its code). Then it moves the points in
# many small rounds: that is the bar. A map that was made once comes from the cache, without a bar.

# %%


def caption(space, drawn):
    faith = projection.faithfulness(space, drawn)
    return f"trustworthiness {faith.trustworthiness:.3f}; neighbours kept {faith.overlap:.0%}"


first = projection.umap_map(points, seed=0, progress=True)
print(caption(points, first))

# %% [markdown]
# ## What the map does not keep: distances
# Same embedding, same settings, another seed of UMAP's random numbers. **Predict**: what will be the same?

# %%
second = projection.umap_map(points, seed=1)
class_colors = plots.Coloring(true, plots.class_colors(len(table.class_names)))

plots.maps_side_by_side(
    [first, second], class_colors, ["seed 0", "seed 1"],
    [caption(points, first), caption(points, second)],
)  # fmt: skip


# %% [markdown]
# Both maps are equally good, and the neighbourhoods are alike. But measure the distances between the
# middles of the classes.


# %%
def class_distances(space):
    """Distances between the middles of the classes, one a pair; the mean is 1."""
    middles = np.stack([np.median(space[true == c], axis=0) for c in np.unique(true)])
    apart = np.linalg.norm(middles[:, None] - middles, axis=-1)
    pairs = apart[np.triu_indices(len(middles), 1)]
    return pairs / pairs.mean()


distances = {
    "128 dimensions": class_distances(points),
    "map, seed 0": class_distances(first),
    "map, seed 1": class_distances(second),
}
for space, pairs in distances.items():
    low, high = np.percentile(pairs, [10, 90])
    print(f"{space:15} 80 of 100 pairs of classes: {low:.2f} to {high:.2f} times the mean distance")
change = distances["map, seed 1"] / distances["map, seed 0"]
print(
    f"From seed to seed one pair's distance changes up to {max(change.max(), 1 / change.min()):.1f}-fold."
)

# %% [markdown]
# In 128 dimensions all classes are about equally far from each other. On the map some are neighbours and some
# are far away: the map made that. Is at least the **order** of the pairs right, from the closest to the farthest?
# Rank correlation: 1 is the same order, 0 is chance.

# %%
same_order = {
    (a, b): spearmanr(distances[a], distances[b]).statistic for a, b in combinations(distances, 2)
}
for (a, b), correlation in same_order.items():
    print(f"{a:15} and {b}: {correlation:.2f}")

# %% [markdown]
# In part. The two maps agree more with each other than with the 128 dimensions that both were made from. So
# a second seed that shows the same is no proof. Distances between classes are a hint, no measurement.
#
# ## What the map does not keep: sizes
# We shrink the class Forest tenfold in 128 dimensions. Each image moves towards the middle of its class.
# **Predict**: how does the cluster look on the map?

# %%
forest = true == table.class_names.index("Forest")
middle = np.median(points[forest], axis=0)
shrunk = points.copy()
shrunk[forest] = middle + 0.1 * (points[forest] - middle)
shrunk_map = projection.umap_map(shrunk, like=first)


def spread(space):
    """How far the images of Forest lie from their middle: the median."""
    return np.median(np.linalg.norm(space[forest] - np.median(space[forest], axis=0), axis=1))


in_128, on_map = spread(shrunk) / spread(points), spread(shrunk_map) / spread(first)
print(f"Size of Forest, after / before: in 128 dimensions {in_128:.2f}, on the map {on_map:.2f}")
is_forest = plots.Coloring(forest.astype(int), ["#c5ccd3", "#009E73"], [(1, "Forest")])
plots.maps_side_by_side(
    [first, shrunk_map], is_forest, ["as it is", "Forest shrunk tenfold"], same_scale=True
)

# %% [markdown]
# UMAP gives each point its own yardstick: the distance to its own neighbours. So a dense cluster and a
# loose one take about the same room. **A cluster's size says nothing about how alike its images are.**
#
# ## What the map does not keep: that there is nothing
# 1,000 points, spread evenly over the sphere by chance. There is no group at all. **Predict**: will you see
# groups?

# %%
rng = np.random.default_rng(0)
noise = rng.normal(size=(1000, 128)).astype(np.float32)
noise /= np.linalg.norm(noise, axis=1, keepdims=True)
noise_maps = {k: projection.umap_map(noise, n_neighbors=k, min_dist=0.0) for k in (3, 50)}


def evenness(drawn):
    """Mean distance to the nearest point, as a share of what points strewn by chance have."""
    nearest = drawn[projection.neighbors(drawn, 1)[:, 0]]
    expected = 0.5 * np.sqrt(np.prod(np.ptp(drawn, axis=0)) / len(drawn))
    return np.linalg.norm(drawn - nearest, axis=1).mean() / expected


plots.maps_side_by_side(
    list(noise_maps.values()),
    plots.Coloring(np.zeros(len(noise), dtype=int), ["#0072B2"]),
    [f"noise, n_neighbors {k}" for k in noise_maps],
    [f"{caption(noise, m)}\nevenness {evenness(m):.2f}" for m in noise_maps.values()],
)

# %% [markdown]
# With a small n_neighbors chance makes chains and clumps. Each image has *some* nearest neighbours, and
# UMAP pulls them together. The numbers warn you: trustworthiness is far below that of the real
# embedding. **Before you believe in groups, look at the numbers, and try a larger n_neighbors.**
#
# ## Doubt by neighbours
# What the eye did, in numbers: of an image's 10 neighbours, the share with **another** given label.
# Where should one look for the neighbours? **Predict** the order of these three, and where $p$ comes.

# %%
near = {
    "on the UMAP map": projection.neighbors(first),
    "on the PCA map": projection.neighbors(projection.pca_map(points)),
    "in 128 dimensions": projection.neighbors(points),
}
found = {
    where: evaluate.flip_detection(
        (given[places] != given[:, None]).mean(axis=1), wrong, wrong
    ).auroc
    for where, places in near.items()
}
last = -table.p[robust, -1, shown].astype(float)
found["p of the given label"] = evaluate.flip_detection(last, wrong, wrong).auroc
for where, area in found.items():
    print(f"{where:22} AUROC {area:.3f}")

# %% [markdown]
# The UMAP map is a good place to look, nearly as good as 128 dimensions. The neighbours that it loses are replaced
# by others of the same group. PCA is a bad one. And $p$ is best: it asks the prototypes, which have seen all
# images of a class, not only ten. Use the map to *look*, and the score to *decide*.
#
# ## Exercise 3: what may be read?
# Write True or False for each. Which experiment above has shown it?

# %%
for name, statement in exercises.STATEMENTS.items():
    print(f"{name + ':':13} {statement.text}")


# %% tags=["exercise"]
def may_be_read():
    """For each of the statements above, by its name: may one read this from a UMAP map?"""
    # solution
    return {
        "neighbours": True,
        "distances": False,
        "sizes": False,
        "clumps": False,
        "accuracy": False,
        "odd colours": True,
    }


# %% tags=["self-check"]
exercises.check_may_be_read(may_be_read)

# %% [markdown]
# <details><summary>Solution</summary>
#
# Only "neighbours" and "odd colours" are True.
# </details>
#
# ## Open task: a map that may be printed
# Make one figure of an embedding of your own (notebook 06 trains one), for a paper that you would sign.
#
# | points | what is asked |
# |---|---|
# | 1 | One sentence that the figure is to support, and the number in full dimensions that supports it without the figure. |
# | 2 | Below the figure: n_neighbors, min_dist, seed, trustworthiness and neighbours kept, each beside chance. |
# | 2 | Three seeds and two n_neighbors in an appendix. What stays, what does not? |
# | 2 | The same map of labels in random order, or of noise, made alike. |
# | 2 | What a reader will wrongly take from it, and the words in the caption that prevent this. |
# | 1 | Code that makes the same picture again. |
#
# ## A map to turn (optional)
# A third direction leaves UMAP more room. Turn the map with the mouse, and look for a class that lies in two pieces.

# %%
files = [table.files[i] for i in shown]
plots.scatter(projection.umap_map(points, dims=3), true, table.class_names, files=files)

# %% [markdown]
# ## What we have shown
# - Under RNSL and t-RNSL images with wrong labels stay near their true class. Under NSL they leave it, many
#   for the class they were given.
# - A UMAP map keeps groups and some neighbours. It keeps no distances between groups, no sizes and no densities.
#   It can show clumps where there is nothing.
# - Two numbers tell how far to trust it: trustworthiness, and the share of neighbours kept.
# - Accuracy belongs to the embedding, not to the map.
# - An eye finds wrong labels by their odd colour. $p$ finds more of them, as long as they are not learned by heart.
#
# ## Where to look next
# - The code: `projection.umap_map??`, `projection.faithfulness??`; the table: `tools/umap_maps.py`.
# - McInnes, Healy and Melville, "UMAP: Uniform Manifold Approximation and Projection for Dimension
#   Reduction", 2018, [arXiv 1802.03426](https://arxiv.org/abs/1802.03426).
# - The same lessons for t-SNE: Wattenberg, Viégas and Johnson, "How to Use t-SNE Effectively", Distill 2016,
#   [doi 10.23915/distill.00002](https://doi.org/10.23915/distill.00002).
# - Notebook 10 ranks the labels of an archive of your own.

# %% tags=["hidden-assert"]
# What this notebook claims about the table.
plain = table.losses.index("nsl")
at_end = {loss: by_p[loss, table.epochs[-1]] for loss in table.losses}
assert at_end["trnsl"] > 0.98 > 0.85 > at_end["nsl"] == min(at_end.values()), at_end
assert by_p["nsl", 2] > at_end["trnsl"] - 0.01, by_p
assert by_p["nsl", 2] > max(by_p["rnsl", 2], by_p["trnsl", 2]), by_p
assert table.same_class[robust, -1] > table.same_class[plain, -1] + 0.2, table.same_class
by_settings = table.measured_over_settings[robust]
default = table.n_neighbors.index(15), table.min_dists.index(0.1)
assert 0 < by_settings[default][1] - table.measured_over_epochs[robust, -1, 1] < 0.05
assert by_settings[..., 1].max() < 0.5, by_settings
assert table.measured_of_pca[robust, 1] < 0.1 < by_settings[..., 1].min(), by_settings
assert share["trnsl", "labels"] > 0.7 > 0.3 > share["nsl", "labels"], share
maps = table.over_epochs.astype(float)
steps = np.median(np.linalg.norm(np.diff(maps, axis=1), axis=-1), axis=-1)
assert (steps < 0.35 * np.sqrt(maps.var(axis=2).sum(axis=-1))[:, :-1]).all(), "points glide"
assert share["nsl", "given"] > share["nsl", "labels"], share
assert max(share["rnsl", "given"], share["trnsl", "given"]) < 0.05, share

# %% tags=["hidden-assert"]
# And about the maps made here, where they are of enough images.
if STEP <= 4:
    ours = [projection.faithfulness(points, drawn) for drawn in (first, second)]
    assert min(faith.trustworthiness for faith in ours) > 0.93, ours
    assert abs(ours[0].overlap - ours[1].overlap) < 0.04, ours
    in_space = [same_order["128 dimensions", f"map, seed {seed}"] for seed in (0, 1)]
    assert 0.3 < min(in_space) <= max(in_space) < 0.8, same_order
    assert same_order["map, seed 0", "map, seed 1"] > max(in_space), same_order
    ratio = {s: np.divide(*np.percentile(d, [90, 10])) for s, d in distances.items()}
    assert ratio["128 dimensions"] < 1.6 < 3 < min(ratio["map, seed 0"], ratio["map, seed 1"]), (
        ratio
    )
    assert in_128 < 0.101, in_128
    assert 0.4 < on_map < 2.5, on_map
    assert evenness(noise_maps[3]) < 0.6 < 0.75 < evenness(noise_maps[50])
    assert projection.faithfulness(noise, noise_maps[3]).trustworthiness < 0.75
    assert found["on the PCA map"] < 0.8 < 0.9 < found["on the UMAP map"], found
    assert abs(found["in 128 dimensions"] - found["on the UMAP map"]) < 0.04, found
    assert max(found, key=found.get) == "p of the given label", found
