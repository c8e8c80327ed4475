# %% [markdown]
# # 2. When labels lie
# The question: **what kinds of label noise are there, and when is a class lost for good?**
#
# **Predict first.** Of all labels of the aerial images of AID (30 classes) 70% are wrong. Only 30% of
# the bridges are called *bridge*. Is the class lost: can nobody tell any more what these images are?
# Draw how many get the most frequent wrong name. Then press *Show*.

# %%
from rnsl_tutorial import datasets
from rnsl_tutorial.evaluation import class_margins
from rnsl_tutorial.tutorial import explorers

aid = datasets.load_shipped_features("aid")
train, test = aid.split.train, aid.split.test
true = aid.labels[train]
explorer = explorers.TransitionExplorer(true, rate=0.5, row="Bridge", guess=True)
explorer

# %% [markdown]
# **You will be able to** name four kinds of label noise, and read a transition matrix. You will corrupt
# labels at a chosen rate, and say when a class is lost.
#
# **Time** 45 min. **Runs on** any laptop. **Needs** notebook 00; notebook 01 helps. **Downloads**
# nothing.
#
# ## What you see
# A wrong label is not just wrong. Somebody wrote *pond* where the picture shows a *bridge*. Which
# wrong name is written, and how often, decides what a learner can still find out.
#
# **On the left** each row is a true class, each column the label that its images are given. The bright
# diagonal holds the right labels. This is the **transition matrix** $M$.
#
# **On the right** is one row: the wrong labels of one class, as shares of all its wrong labels. The
# dashed line is the number of right labels for each wrong one. A bar above the line is one wrong name
# that is more frequent than the right name. Then the class is **lost**: its row gets a cross.
#
# 1. Move the **noise rate**. The bars stay. The line falls. At 70%, *Bridge* is not lost: its wrong
#    labels do not agree with each other. Which classes are?
# 2. Take **BareLand** at 70%. Move **concentration** to the left: the same number of labels is wrong,
#    but they are spread over more classes. Where is the class no longer lost?
# 3. Take **symmetric** noise. Then **pair flip**. Which of them loses classes, and from which rate?
#
# <details><summary>Answers</summary>
#
# 1. Ten: those whose largest bar is 0.6 or more. The line lies at 0.43.
# 2. At −0.3 *BareLand* is still lost, by a hair; at −0.4 it is not.
# 3. Pair flip loses every class above 50%. Symmetric noise loses none, up to 90% and further.
# </details>

# %% [markdown]
# The rest of the notebook needs this:

# %%
import numpy as np
from tqdm.auto import tqdm

from rnsl_tutorial import experiments, noise
from rnsl_tutorial.evaluation.embedding import knn_predict, nearest_neighbors
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.training import embed
from rnsl_tutorial.tutorial import exercises, plots

# %% [markdown]
# ## Reading M
# $$M_{ij} = P(\text{given label } j \mid \text{true class } i)$$
#
# | symbol | in code | here |
# |---|---|---|
# | $M$ | `transition` | one row for each of $C$ classes; each row sums to 1 |
# | $M_{ii}$ | `transition[i, i]` | share of right labels |
# | $r = 1 - M_{ii}$ | `rate` | the **noise rate**: share of wrong labels |
# | $M_{ij} / r$ | `shares` | of the wrong labels: how many are called $j$ |
#
# Row first, column second. The row asks: what happens to the images of this class? The column asks
# something else: whose images carry this label?

# %%
M = noise.label_dependent_transition("aid", 0.7)
bridge, pond = aid.class_names.index("Bridge"), aid.class_names.index("Pond")
print(f"of all bridges {M[bridge, pond]:.0%} are called a pond")
print(f"of all ponds   {M[pond, bridge]:.0%} are called a bridge")
print(f"each row sums to 1: {np.allclose(M.sum(axis=1), 1)}; the columns do not: ", end="")
print(f"{M.sum(axis=0).min():.2f} to {M.sum(axis=0).max():.2f}")

# %% [markdown]
# ## Four kinds of noise
# | kind | a wrong label is | in code |
# |---|---|---|
# | symmetric | any other class, all alike | `noise.symmetric_transition` |
# | pair flip | always the next class | `noise.pair_flip_transition` |
# | label-dependent | a class that looks alike | `noise.label_dependent_transition` |
# | instance-dependent | what this one image looks like | `noise.instance_dependent_flips` |
#
# The label-dependent shares are tables V and VI of the paper, for AID and for NWPU45.

# %%
small = {
    "symmetric": noise.symmetric_transition(4, 0.3),
    "pair flip": noise.pair_flip_transition(4, 0.3),
}
for name, matrix in small.items():
    print(name, matrix.round(2), sep="\n")
for name in ("Bridge", "Playground", "Forest"):
    row = M[aid.class_names.index(name)]
    given_as = [f"{row[j]:.0%} {aid.class_names[j]}" for j in np.flatnonzero(row)]
    print(f"label-dependent, {name}:", ", ".join(given_as))

# %% [markdown]
# ## The fourth kind has no matrix
# With **instance-dependent** noise each image has a row of its own. The features of the image choose
# its wrong label. Images that look alike go wrong alike (the form is that of Xia et al., 2020).
#
# **Predict first.** Take two images of one class that are nearest neighbours, both with a wrong label.
# How often is it the *same* wrong label? With symmetric noise it is one in 29, about 3%. And here?

# %%
drawn = {
    "symmetric": noise.corrupt_labels(true, noise.symmetric_transition(30, 0.5)),
    "instance-dependent": noise.instance_dependent_flips(aid.features[train], true, 30, 0.5),
}
neighbour = nearest_neighbors(aid.features[train], aid.features[train], k=2).positions[:, 1]
same_class = true == true[neighbour]
agreement = {}
for name, (labels, flipped) in drawn.items():
    both = same_class & flipped & flipped[neighbour]
    agreement[name] = (labels == labels[neighbour])[both].mean()
    print(
        f"{name:18} {flipped.mean():.1%} wrong; the same wrong label: {agreement[name]:.1%}", end=""
    )
    print(f" of {both.sum()} pairs")

# %% [markdown]
# **Answer**: about three of ten, with instance-dependent noise. With symmetric noise it is 3%, up
# to chance.
#
# One can still *count* a matrix after the fact: how many images of class $i$ got the label $j$. But
# this matrix is only a mean. It does not say which beach is called a pond and which one a playground.

# %%
counts = np.zeros((30, 30))
np.add.at(counts, (true, drawn["instance-dependent"].labels), 1)
counted = counts / counts.sum(axis=1, keepdims=True)
beach = aid.class_names.index("Beach")
shares = np.where(np.arange(30) == beach, 0, counted[beach]) / (1 - counted[beach, beach])
lost = class_margins.dominated_classes(counted)
title = "Instance-dependent noise at 0.5, counted after the fact"
plots.transition_beside_row(counted, shares, aid.class_names, beach, lost, title=title)

# %% [markdown]
# ## The rate that you ask for, and the rate that you get
# Each label is drawn on its own, like a coin. So the **realised** rate differs from the **nominal**
# rate $r$. For $N$ images its standard deviation is $\sqrt{r (1 - r) / N}$.
#
# **Predict first.** $N$ = 6,993 and $r$ = 0.3. Between which two rates do 95 of 100 draws lie? Compute
# it in your head: $\sqrt{0.21 / 7000}$ is about $\sqrt{0.00003}$.

# %% tags=["parameters"]
DRAWS, NOMINAL = 200, 0.3

# %%
symmetric = noise.symmetric_transition(30, NOMINAL)
spread = np.sqrt(NOMINAL * (1 - NOMINAL) / len(true))
realised = np.array(
    [
        noise.corrupt_labels(true, symmetric, seed, method="vectorized").flipped.mean()
        for seed in range(DRAWS)
    ]
)
exact = noise.corrupt_labels(true, symmetric, method="exact").flipped.sum()
print(
    f"predicted: {NOMINAL} ± {spread:.4f}; measured: {realised.mean():.4f} ± {realised.std():.4f}"
)
low, high = NOMINAL - 2 * spread, NOMINAL + 2 * spread
inside = np.mean((low < realised) & (realised < high))
print(f"{inside:.0%} lie within two deviations, from {low:.3f} to {high:.3f}")
print(f'method="exact" makes {exact} labels wrong, in every draw: {NOMINAL} x {len(true)}, rounded')

# %%
with plots.new_figure(figsize=(7, 2.8)) as figure:
    axes = figure.subplots()
    axes.hist(realised, bins=20, color=plots.WRONG.color, hatch="//", edgecolor="white", alpha=0.7)
    for place in (low, NOMINAL, high):
        axes.axvline(place, color="black", linestyle="-" if place == NOMINAL else "--")
    axes.set_xlabel("realised share of wrong labels (solid: nominal; dashed: ± 2 deviations)")
    axes.set_ylabel("draws")
figure

# %% [markdown]
# A single class has only 154 to 294 images. There the spread is larger, and it can decide whether a
# class is lost **in this draw**. Below are the draws of seeds 0 to 19, as our experiments make them.

# %%
lost_in_draw = []
for seed in range(20):
    drawn_labels = experiments.corrupt(
        aid, Config(noise="label_dependent", rate=0.7, seed=seed)
    ).labels
    table = np.zeros((30, 30))
    np.add.at(table, (true, drawn_labels), 1)
    lost_in_draw.append(
        len(class_margins.dominated_classes(table / table.sum(axis=1, keepdims=True)))
    )
print(f"by the probabilities {len(class_margins.dominated_classes(M))} classes are lost")
print("in the draws of seeds 0, 1, ...", *lost_in_draw)

# %% [markdown]
# Many rows have 0.30 right labels, and 0.28 of one wrong kind, often two such kinds. Chance pushes some
# of them over. At the end we train on the draw of seed 0. **What is special about it, and what does that
# do to our result?**
#
# <details><summary>Answer</summary>
#
# It is the luckiest of the twenty: 11 lost classes, and 18 in the mean. So it spares the other 20
# classes, of which only one is lost here. Set `SEED` below to 12, whose draw loses 21, and compare.
# Name your seed before you look, and report several.
# </details>

# %% [markdown]
# ## Exercise 1: corrupt labels
# Draw a new label for each image, from the row of its true class. The seed makes the generator.
# Leave `labels` as they are. `rng.choice(C, p=row)` draws one of `C` numbers with the probabilities
# `row`.


# %% tags=["exercise"]
def draw_labels(labels, transition, seed):
    """A label for each image, drawn from the row of its class: integers, as many as labels."""
    # solution
    rng = np.random.default_rng(seed)
    return np.array([rng.choice(len(transition), p=transition[label]) for label in labels])


# %% tags=["self-check"]
exercises.check_draw_labels(draw_labels)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# rng = np.random.default_rng(seed)
# return np.array([rng.choice(len(transition), p=transition[label]) for label in labels])
# ```
# The library does the same: `noise.corrupt_labels(labels, transition, seed)`.
# </details>
#
# ## When is a class lost?
# A learner that sees only the given labels takes the most frequent one for the class. The class $i$ is
# lost where one wrong label is more frequent than the right one:
#
# $$\max_{j \neq i} M_{ij} > M_{ii}$$
#
# No majority can repair this. More images of the same kind do not help either: they carry the same
# wrong label just as often.
#
# ## Exercise 2: read a matrix
# Return the numbers of the classes that are lost. At a tie a class is not lost.


# %% tags=["exercise"]
def lost_classes(transition):
    """The classes with one wrong label that is more frequent than the right one."""
    # solution
    right = transition.diagonal()
    wrong = np.where(np.eye(len(transition), dtype=bool), 0, transition)
    return np.flatnonzero(wrong.max(axis=1) > right)


# %% tags=["self-check"]
exercises.check_lost_classes(lost_classes)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# right = transition.diagonal()
# wrong = np.where(np.eye(len(transition), dtype=bool), 0, transition)
# return np.flatnonzero(wrong.max(axis=1) > right)
# ```
# In the library: `class_margins.dominated_classes(transition)`.
# </details>
#
# How many classes does each noise lose, as the rate grows?

# %%
rates = (0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.85, 0.96, 0.97)
counts_lost = {
    "symmetric (30)": lambda rate: noise.symmetric_transition(30, rate),
    "pair flip (30)": lambda rate: noise.pair_flip_transition(30, rate),
    "label-dependent, AID (30)": lambda rate: noise.label_dependent_transition("aid", rate),
    "label-dependent, NWPU45 (45)": lambda rate: noise.label_dependent_transition("nwpu45", rate),
}
print(f"{'rate':28}", *(f"{rate:5.2f}" for rate in rates))
for name, transition_at in counts_lost.items():
    lost = [len(class_margins.dominated_classes(transition_at(rate))) for rate in rates]
    print(f"{name:28}", *(f"{number:5}" for number in lost))

# %%
for dataset in ("aid", "nwpu45"):
    names = noise.label_dependent_classes(dataset)
    dominated = class_margins.dominated_classes(noise.label_dependent_transition(dataset, 0.7))
    print(f"{dataset}: {len(dominated)} lost at 0.7:", ", ".join(names[i] for i in dominated))

# %% [markdown]
# ## Exercise 3: the edge
# Let $s_j = M_{ij} / r$ be the shares of the wrong labels of a class. They sum to 1, and stay when the
# rate $r$ grows. **Above** which rate is the class lost? Take paper, then write it down.


# %% tags=["exercise"]
def breaking_rate(shares):
    """The rate above which a class is lost, from the shares of its wrong labels."""
    # solution
    return 1 / (1 + np.max(shares))


# %% tags=["self-check"]
exercises.check_breaking_rate(breaking_rate)

# %% [markdown]
# Now edit a row. Set the explorer to *Bridge* at 70%. Move **concentration** to the right until the class
# tips over. Then compute the same with the library: `class_margins.concentrate`.

# %%
for amount in (0.0, 0.04, 0.1, 0.3):
    edited = class_margins.concentrate(M, bridge, amount)
    is_lost = bridge in class_margins.dominated_classes(edited)
    print(f"concentration {amount:4}: {edited[bridge, bridge]:.2f} Bridge, ", end="")
    print(f"{edited[bridge, pond]:.3f} Pond: {'lost' if is_lost else 'not lost'}")

# %% [markdown]
# <details><summary>Answer, and the solution of the exercise</summary>
#
# Lost means $r \, s_{\max} > 1 - r$. So `return 1 / (1 + np.max(shares))`. For *Bridge* the largest share is 0.4, so it is lost above 0.714.
# For *BareLand* it is 0.6: above 0.625. Pair flip: the share is 1, above 0.5. Symmetric noise with 30
# classes: the share is 1/29, above 29/30 = 0.967.
#
# At 70% *Bridge* tips over where $0.7 (0.4 + 0.6 a) > 0.3$, so above $a$ = 0.048. The first step of the
# slider is enough.
# </details>
#
# ## What it means on real data
# We train on AID with label-dependent noise at 70%: NSL, and the robust RNSL. The test images look for
# their nearest training images. These vote with the labels **that were given**.
#
# **Predict first.** A robust loss resists wrong labels. Does it save the ten lost classes? Is it at
# least better there than NSL?

# %% tags=["parameters"] ci={"EPOCHS": 8}
SEED, EPOCHS = 0, 40

# %%
fitted, embeddings = {}, {}
for loss in ("nsl", "rnsl"):
    config = Config(noise="label_dependent", rate=0.7, loss=loss, seed=SEED, epochs=EPOCHS)
    with tqdm(total=config.epochs, desc=plots.LOSS_STYLES[loss].label, unit="epoch") as bar:
        fitted[loss] = experiments.fit(aid, config, lambda _: bar.update())
    embeddings[loss] = embed(fitted[loss].network, experiments.standardized(aid)).numpy()
given = fitted["rnsl"].given.labels  # the same for both
is_lost = np.isin(np.arange(30), class_margins.dominated_classes(M))
rival = np.where(np.eye(30, dtype=bool), 0, M).argmax(axis=1)


def named(loss, index_labels, k, called):
    """Of each class's test images, the share that k-NN gives the name that `called` says."""
    x = embeddings[loss]
    found = knn_predict(x[train], index_labels, x[test], k=k).numpy()
    return np.array([(found == called[c])[aid.labels[test] == c].mean() for c in range(30)])


# %%
shares_of_names = {}
print("test images under their own name, and under the most frequent wrong one")
for loss in fitted:
    for k in (10, 100):  # neighbours
        own, other = (named(loss, given, k, who) for who in (np.arange(30), rival))
        shares_of_names[loss, k] = own, other
        for kind, classes in (("lost", is_lost), ("others", ~is_lost)):
            print(
                f"{loss.upper():4} {k:3} neighbours, {kind:6} own {own[classes].mean():.0%}, "
                f"wrong {other[classes].mean():.0%}"
            )

# %% [markdown]
# **Answer**: no (100 neighbours). In the lost classes RNSL gives 23% of the test images their own name, and 65% the
# wrong one. NSL has 27% and 54%. **There the robust loss is worse. Why?**
#
# <details><summary>Answer</summary>
#
# A robust loss listens to labels that agree with each other. In a lost class these are the wrong ones.
# NSL learns every label by heart, the right ones too, and stays undecided. More neighbours sharpen
# this: the majority wins more often, and it is wrong.
# </details>
#
# Below each class is one mark (RNSL, 100 neighbours): on which side of the line does it lie?

# %%
own, other = shares_of_names["rnsl", 100]
with plots.new_figure(figsize=(5.6, 4.6)) as figure:
    axes = figure.subplots()
    for style, classes, name in (
        (plots.RIGHT, ~is_lost, "not lost"),
        (plots.WRONG, is_lost, "lost"),
    ):
        marks = {"color": style.color, "marker": style.marker, "label": name, "s": 45}
        axes.scatter(own[classes], other[classes], **marks)
    axes.plot([0, 1], [0, 1], color="black", linestyle="--", linewidth=1)
    plots.set_axes(
        axes,
        plots.axis("test images under their own name", 0, 1, text="{:.0%}"),
        plots.axis("test images under the wrong name", 0, 1, text="{:.0%}"),
    )
    axes.legend(title="class")
figure

# %%
wins = other > own
print(f"the wrong name wins in {wins[is_lost].sum()} of {is_lost.sum()} lost classes", end=" ")
print(f"and in {wins[~is_lost].sum()} of {(~is_lost).sum()} others")
x = embeddings["rnsl"]
near = nearest_neighbors(x[train], x[test], k=100).positions
print(
    "\nlost class         its rival            100 neighbours: of the rival   labels: own   rival's"
)
for c in np.flatnonzero(is_lost):
    around = near[aid.labels[test] == c]
    print(f"{aid.class_names[c]:18} {aid.class_names[rival[c]]:18}", end="")
    shares = (true[around] == rival[c], given[around] == c, given[around] == rival[c])
    print(*(f"{share.mean():15.0%}" for share in shares), "" if wins[c] else "   survives")

# %% [markdown]
# **Three of the ten "lost" classes survive. Which, and why?** Look at each beside its rival.
#
# <details><summary>Answer</summary>
#
# *BareLand*, *Center* and *Desert*. Among their neighbours are images of the rival, and the wrong labels
# of these bear **our** name. *BareLand* and *Desert* name each other; where they mix, the two errors
# cancel. *Center* gains what *Church* loses: no *Church* image gets its own name. *Playground* has as
# much of its rival around it. But $M$ calls 56% of it *Stadium*, too many to make up for. So a row of
# $M$ alone does not decide. Notebook 08 counts the neighbours in. (With seed 12 *Desert* is lost, too.)
# </details>
#
# Is the *embedding* ruined, then? Let the same neighbours vote with their **true** labels.

# %%
clean = named("rnsl", true, 10, np.arange(30))
print(
    f"with true labels: lost classes {clean[is_lost].mean():.0%}, others {clean[~is_lost].mean():.0%}"
)

# %% [markdown]
# The images of a lost class still lie together. What is lost is their **name**: nothing in the given
# labels says which of two names is meant. A few labels that somebody checked would bring it back.
#
# (Our training split has a fault of the reference code, `int(0.7 * n)`: see the appendix, notebook 11.)
#
# ## An open task for engineers: 50 labels to check
# Somebody tells you that 40% of the labels of your archive are wrong. You may ask one question about
# them, and have 50 labels checked by an expert. Write a plan of half a page: which question, which
# images, and which number decides whether you train? Try it on `given` above, whose truth you have.
#
# <details><summary>How to judge it: four points</summary>
#
# - One for the rate: 40% in **every** class loses none; 40% in the **mean** may hide a class at 90%.
# - One for the question: do the wrong labels of a class agree with each other?
# - One for the images: of classes where two names are about equally frequent among neighbours.
# - One for a number with its spread: what 50 labels can tell, and what not.
# </details>
#
# ## A map to turn (optional)
# 150 images of six classes, whose embeddings have three numbers: no map was made, this is the sphere itself. Which
# classes would you take for each other? A wrong label there costs most.

# %%
from rnsl_tutorial.tutorial.tables import FollowedRuns

runs = FollowedRuns.shipped()
plots.scatter(runs.sphere_embeddings[0, -1], runs.sphere_labels, runs.sphere_classes)

# %% [markdown]
# ## What we have shown
# - Label noise is described by a transition matrix: row = true class, column = given label. Noise that
#   depends on the image has no single matrix.
# - The realised rate spreads around the nominal one by $\sqrt{r (1 - r) / N}$: 0.0055 at 0.3 on AID.
# - A class is lost where one wrong label is more frequent than the right one: above the rate
#   $1 / (1 + s_{\max})$. At a rate of 0.7, label-dependent noise loses ten classes of AID and ten of
#   NWPU45. Pair flip loses all above 0.5, symmetric noise none below 0.967 (30 classes).
# - On AID, a robust loss does not bring the name of a lost class back. There it is worse than NSL. The
#   images still lie together.
#
# ## Where to look next
# - Notebook 03: who steers the prototypes, and how NSL and RNSL differ in whom they follow.
# - `noise.corrupt_labels??` and `noise.instance_dependent_flips??` show how labels are drawn.
# - The tables: `data/noise/README.md`. The paper: Kang et al., IEEE TGRS 2020,
#   [doi 10.1109/TGRS.2020.3042607](https://doi.org/10.1109/TGRS.2020.3042607).
# - Xia et al., "Part-dependent Label Noise", NeurIPS 2020,
#   [arXiv 2006.07836](https://arxiv.org/abs/2006.07836).

# %% tags=["hidden-assert"]
# What this notebook claims, held by the run above.
for dataset in ("aid", "nwpu45"):
    dominated = class_margins.dominated_classes(noise.label_dependent_transition(dataset, 0.7))
    assert len(dominated) == 10, dataset
if DRAWS >= 100:
    assert abs(realised.mean() - NOMINAL) < 4 * spread / np.sqrt(DRAWS), realised.mean()
    assert 0.8 * spread < realised.std() < 1.2 * spread, realised.std()
assert 0.35 > agreement["instance-dependent"] > 0.25 > 0.06 > agreement["symmetric"], agreement
bare = aid.class_names.index("BareLand")
for amount, is_still_lost in ((-0.3, True), (-0.4, False)):
    edited = class_margins.concentrate(M, bare, amount)
    assert (bare in class_margins.dominated_classes(edited)) == is_still_lost, amount
assert lost_in_draw[0] == 11 == min(lost_in_draw) < sorted(lost_in_draw)[1], lost_in_draw
assert round(np.mean(lost_in_draw)) == 18, lost_in_draw

# %% tags=["hidden-assert"]
if (SEED, EPOCHS) == (0, 40):
    for loss, claimed in {"rnsl": (0.23, 0.65), "nsl": (0.27, 0.54)}.items():
        in_lost = [share[is_lost].mean() for share in shares_of_names[loss, 100]]
        assert np.allclose(in_lost, claimed, atol=0.03), (loss, in_lost)
    own, other = shares_of_names["rnsl", 100]
    assert own[is_lost].mean() < own[~is_lost].mean() - 0.05, own
    assert wins[is_lost].mean() > wins[~is_lost].mean() + 0.2, wins
    survivors = [aid.class_names[c] for c in np.flatnonzero(is_lost & ~wins)]
    assert survivors == ["BareLand", "Center", "Desert"], survivors
    assert own[aid.class_names.index("Church")] < 0.02, own
    assert clean[is_lost].mean() > own[is_lost].mean() + 0.3, clean
else:
    print("The shares in the text are those of seed 0. You run another.")
