# %% [markdown]
# # 0. Start here
# **You will be able to** say what wrong labels do to an embedding, show on real aerial images that a
# loss can resist them, and write that loss yourself.
#
# **Time** 15 min. **Runs on** any laptop. **Needs** Python, and one network that you have trained
# before. **Downloads** nothing.
#
# The question: **what do wrong labels do to an embedding, and can a loss resist?**

# %%
from dataclasses import replace

import numpy as np
from tqdm.auto import tqdm

from rnsl_tutorial import exercises, experiments, explorers, features, losses, maps, plots
from rnsl_tutorial.evaluate import knn_predict
from rnsl_tutorial.projection import umap_map
from rnsl_tutorial.train import Config, embed

aid = features.load_shipped("aid")
explorer = explorers.EmbeddingExplorer(maps.load_shipped(), rate=0.5)
explorer

# %% [markdown]
# ## What you see
# Each point is an aerial image that was never trained on: one of 2,000 from **AID**, a collection of
# 10,000 scenes in 30 classes (Xia et al., 2017). A small network was trained to place images of one
# class together on a sphere. The place of an image is its **embedding**; UMAP flattens the sphere to
# this map.
#
# But the network was trained on labels of which **half were wrong**: a beach that is called a car
# park, a forest that is called a church. A pale dot is an image whose ten nearest training images
# tell its true class. A dark cross is one that they do not: it is lost. The share of dots is the
# **k-NN accuracy**.
#
# The three losses differ in one line of code:
#
# | loss | what it is | what it does with an image that disagrees with its label |
# |---|---|---|
# | NSL | normalized softmax loss | pulls on it as hard as it can |
# | RNSL | robust NSL | pulls less, the more it disagrees |
# | t-RNSL | truncated RNSL | stops listening to it |
#
# **Predict first.** With half of the labels wrong, which share of the test images does each loss
# get right? And with 70% wrong? Write down six numbers. Then move the sliders.

# %% [markdown]
# The explorer is an object, and the next cell can read it and set it. Run this cell, and look up.

# %%
explorer.loss, explorer.rate = "trnsl", 0.7
explorer.loss, explorer.rate, explorer.noise

# %% [markdown]
# ## The idea, in symbols and in code
# Let $x$ be the embedding of an image and $w_c$ the **prototype** of class $c$, a learned direction.
# Both have length 1. With the temperature $T$, the prototypes believe in the image's label $y$ with
# the probability
#
# $$p = \frac{\exp(w_y^\top x / T)}{\sum_c \exp(w_c^\top x / T)}$$
#
# | symbol | in code | here |
# |---|---|---|
# | $x$ | `embeddings` | 128 numbers an image |
# | $w_c$ | `prototypes` | one for each of 30 classes |
# | $T$ | `temperature` | 0.05 |
# | $L = -\log p$ | `losses.nsl` | NSL |
# | $L_q = (1 - p^q) / q$ | `losses.rnsl` | RNSL, $q = 0.7$ |
#
# The gradient of $L_q$ is that of NSL, times $p^q$. An image with a wrong label ends up far from the
# prototype of that label: its $p$ is small, and so is its pull.

# %%
for p in (0.9, 0.5, 0.1, 0.01):
    plain, robust = (abs(losses.gradient_wrt_logit(p, q).item()) for q in (0, 0.7))
    print(f"p = {p:4}: NSL pulls with {plain:.3f}, RNSL with {robust:.3f}")

# %% [markdown]
# ## Do it yourself: the real experiment, in under a minute
# The images have been turned into 256 numbers each, by a network that learned on other photographs
# and stays as it is. What we train is a small head on top of them. First, spoil the labels. Change
# these three lines later, and run the rest again.

# %% tags=["parameters"]
NOISE, RATE, SEED = "symmetric", 0.5, 0

# %%
config = Config(noise=NOISE, rate=RATE, seed=SEED)
given = experiments.corrupt(aid, config)
train, test = aid.split.train, aid.split.test
print(f"{given.flipped.sum()} of {len(train)} training labels are wrong now. For example:")
for i in np.flatnonzero(given.flipped)[:5]:
    print(f"  {aid.files[train[i]]:30} is now called {aid.class_names[given.labels[i]]}")

# %% [markdown]
# Now train three heads on these labels: the same data, the same start, the same order, 40 passes.
# Only the loss differs. The true labels of the training images are not used.

# %%
fitted, scores = {}, {}
for name in ("nsl", "rnsl", "trnsl"):
    with tqdm(total=config.epochs, desc=plots.LOSS_STYLES[name].label, unit="epoch") as bar:
        fitted[name] = experiments.fit(aid, replace(config, loss=name), lambda _: bar.update())
    scores[name] = experiments.measure(fitted[name], aid)

# %% [markdown]
# ## What each loss made of it
# The true labels come back only now, to judge: the test images look for their nearest training
# images. (The first map takes some seconds. Maps are kept, so the same run shows them at once.)

# %%
inputs, shown, found = experiments.standardized(aid), [], []
start = maps.load_shipped().coordinates[0, 0, 0].astype(np.float32)
for name in tqdm(fitted, desc="maps", unit="map"):
    embeddings = embed(fitted[name].network, inputs).numpy()
    shown.append(umap_map(embeddings[test], min_dist=0.5, like=start))
    found.append(knn_predict(embeddings[train], aid.labels[train], embeddings[test]).numpy())

# %%
plots.embedding_panels(
    np.stack(shown),
    aid.labels[test],
    np.stack(found),
    aid.class_names,
    titles=[plots.LOSS_STYLES[name].label for name in scores],
    captions=[f"k-NN accuracy {score['knn_clean']:.1%}" for score in scores.values()],
)

# %% [markdown]
# Why is NSL worse? Look at the training images whose label is wrong. The share of them that sit at
# the prototype of the **wrong** class is the share that the network has **memorized**.

# %%
for name, score in scores.items():
    print(
        f"{plots.LOSS_STYLES[name].label:7} memorized {score['memorized']:.0%} of the wrong labels"
    )
pruning = scores["trnsl"]
print(
    f"t-RNSL stopped listening to {1 - pruning['kept']:.0%} of the images. Of these "
    f"{pruning['precision']:.0%} had a wrong label; it found {pruning['recall']:.0%} of all wrong ones."
)

# %% [markdown]
# ## Exercise 1: write the robust loss
# Write $L_q(p) = (1 - p^q) / q$ for two numbers. Then run the cell below it: it tells you what is
# wrong, if something is.


# %% tags=["exercise"]
def robust_loss(p, q):
    """What RNSL charges for an image whose label the prototypes believe with probability p."""
    # solution
    return (1 - p**q) / q


# %% tags=["self-check"]
exercises.check_robust_loss(robust_loss)

# %% [markdown]
# ## Exercise 2: where does it end?
# Go back to the line with `NOISE, RATE, SEED`. Set the rate to 0 (the clean baseline), then to 0.7,
# then try `"label_dependent"`: noise that confuses what people confuse, such as a river with a port.
#
# 1. At which rate does the order of the three losses change, and for which noise?
# 2. t-RNSL leaves out images at rate 0, too. Which ones would you expect? Is that bad?
# 3. With label-dependent noise at rate 0.7 all three lose. Why can no loss save a class whose images
#    carry one wrong label more often than the right one?

# %% [markdown]
# ## What we have shown
# - Wrong labels pull images of different classes together, and a loss that trusts every label
#   memorizes them: its embedding falls apart.
# - One factor, $p^q$, makes the network listen less to images that disagree, and most of the
#   embedding comes back.
# - Leaving those images out helps a little more where noise is heavy, and it names them: most of the
#   images that t-RNSL leaves out do have a wrong label. Nobody told it which.
# - Where no label is wrong, the plain loss is as good or better. Robustness has a price.
#
# ## Where to look next
# - The mathematics is one screen: `losses.rnsl??` shows the code of the loss.
# - More noise rates, kinds and seeds, with means and spread, from a terminal:
#   `rnsl experiment --noise symmetric --noise label_dependent --rate 0.3 --rate 0.5 --out results`
# - The paper: Kang, Fernandez-Beltran, Duan, Kang, Plaza, "Robust Normalized Softmax Loss for Deep
#   Metric Learning-based Characterization of Remote Sensing Images with Label Noise", IEEE TGRS
#   2020, [doi 10.1109/TGRS.2020.3042607](https://doi.org/10.1109/TGRS.2020.3042607).

# %% tags=["hidden-assert"]
# What this notebook claims, held by the run above (for the noise that it starts with).
if (NOISE, RATE) == ("symmetric", 0.5):
    accuracy = {name: score["knn_clean"] for name, score in scores.items()}
    assert accuracy["rnsl"] > accuracy["nsl"] + 0.05, accuracy
    assert accuracy["trnsl"] > accuracy["nsl"] + 0.08, accuracy
    assert scores["nsl"]["memorized"] > 2 * scores["trnsl"]["memorized"], scores
