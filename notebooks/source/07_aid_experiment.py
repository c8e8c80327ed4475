# %% [markdown]
# # 7. The experiment on AID
# The question: **do the paper's claims hold on AID?**
#
# **Predict first.** A network learned on ImageNet, and never saw an image of AID. By nearest neighbours it finds
# the class of 84 of 100 test images. Half of the training labels are wrong. We **fine-tune** its last blocks with
# plain NSL, for eight epochs. How many will it find after the first epoch, and how many at the end? Decide, then
# move *After epoch*.

# %%
from rnsl_tutorial.tutorial import explorers

fine_tuning = explorers.FineTuningExplorer(epoch=1)
fine_tuning

# %% [markdown]
# **You will be able to** run a grid of losses and seeds, and say which differences are real. You put a loss of
# your own into the table.
#
# **Time** 55 min. **Runs on** any laptop. **Needs** notebook 03 (what RNSL is), and notebook 05 for
# t-RNSL. **Downloads** nothing.
#
# The paper says: with wrong labels RNSL beats NSL, and t-RNSL beats RNSL. We measure both, on a network that
# is fine-tuned and on a head over frozen features. And we ask what the paper's tables cannot tell. What would
# no training at all give? Does another loss do as well?
#
# ## Fine-tuning: what you see
# An **EfficientNet-Lite0** with its weights of ImageNet. Five of its seven blocks stay as they are. The rest,
# and an embedding of 128 numbers, is trained on 7,000 images. Everything but the loss is the same for all
# three. Dashed: the network as it came, nothing trained.
#
# **Answer**: move *After epoch* to 8. NSL begins at 88 and ends at 69: worse than no training at all.
# RNSL stays between 85 and 89. t-RNSL leaves images out from the fifth epoch on, and ends at 90. That is
# the paper's order, for this noise and three seeds. A point may be luck, twenty are not.
#
# Now choose label-dependent noise. A wrong label that looks right is learned early, and by every loss. RNSL
# ends at 82, two points below no training, and t-RNSL at 83. NSL ends at 78. And who is best of all? NSL after its
# first epoch, with 88.
#
# A **frozen** network could not lose what it knew. This one can: each wrong label that NSL learns by heart
# bends the features that all images share.

# %% [markdown]
# The rest of the notebook needs this:

# %%
import numpy as np
import torch
from tqdm.auto import tqdm

from rnsl_tutorial import datasets, experiments, losses
from rnsl_tutorial._files import shipped
from rnsl_tutorial.datasets import download
from rnsl_tutorial.experiments import config, differences, images, report
from rnsl_tutorial.training.devices import Hardware
from rnsl_tutorial.tutorial import exercises


# %%
def committed(name):
    return experiments.load_results(shipped("data", "results", name, "results.json")).results


tuned, without = committed("finetune"), committed("aid_no_loss")
report.table([r for r in [*without, *tuned] if r.config.rate == 0.5])

# %% [markdown]
# The rows without a loss see ImageNet features as they are. *Clean index*: the neighbours vote with their true
# labels. *Noisy index*: with the given ones. *Prototype*: the nearest prototype decides, or a classifier such as
# *shrinkage LDA*. LDA is linear discriminant analysis: a mean for each class, one covariance for all.
#
# With clean neighbours (k = 10) they find 84, whatever the labels say. Without any clean label it depends on
# the noise. Under symmetric
# noise t-RNSL's prototypes find 89, and shrinkage LDA finds 83. Under label-dependent noise LDA finds 78 and
# t-RNSL 73. LDA takes a second, and nobody has to tune it.
#
# ## Stopped in time
# NSL was at its best after the first epoch. Could one know, without a single clean label? Keep some images
# back, with labels as wrong as all others. Stop where the prototypes agree with **those** best. Nobody can
# learn the wrong labels of images that are not trained on. **Predict**: which losses gain by that?

# %%
stopped = [experiments.stopped(run) for run in tuned if run.config.rate == 0.5]
report.table(stopped)

# %% [markdown]
# Stopped, NSL is nearly as good as RNSL under symmetric noise: 88 and 89. Its prototypes are not, 82 and 88.
# Under label-dependent noise its neighbours are even ahead: 88 and 87. **So what does a robust loss buy?** Nobody
# has to stop it, and its prototypes can be used. It does not buy a network that beats early stopping
# everywhere.
#
# ## Train one yourself
# With the images of AID here (`rnsl data get aid`, or `RNSL_AID` names them) this cell trains one of the
# runs above. It takes minutes on two quiet cores. Write `"rnsl"` for `None`.

# %%
TRAIN = None  # or "nsl", "rnsl", "trnsl"

root = download.images_of("aid")
if TRAIN and root:
    chosen = config.from_preset("finetune", rate=0.5, loss=TRAIN)
    run = images.Run(images.load_images(chosen, root), chosen, Hardware(precision="bf16"))
    with tqdm(total=chosen.epochs, unit="epoch") as bar:
        mine = run.run(on_epoch=lambda _: bar.update())
    print(*(f"{accuracy:.1%}" for accuracy in mine.curves["knn_clean"]))

# %% [markdown]
# ## The minute-long experiment: a head on frozen features
# The network stays as it is, and two layers are trained on what it says of each image. That takes seconds, so
# many losses, rates and seeds can be compared. These are measured runs: 40 epochs, five seeds. **Predict**:
# half of the labels are wrong, NSL finds 70 of 100 images, RNSL 85. And plain **cross-entropy**, the loss
# of everybody's first network?

# %%
aid = datasets.load_shipped_features("aid")
measured = committed("aid") + committed("aid_baselines")
table = differences.compare(measured, "rnsl")
explorer = explorers.ComparisonExplorer(table, rate=0.5, loss="ce")
explorer

# %% [markdown]
# **Left**: what each loss reaches, over the share of wrong labels. **Right**: what each differs from RNSL
# at the chosen share, with its 95% interval. An interval that holds 0 says: these seeds cannot tell the
# two apart.
#
# | name | what it is | from |
# |---|---|---|
# | NSL, tuned | NSL with a learning rate of its own | see below |
# | CE | cross-entropy of a linear classifier: no unit length, no temperature | |
# | GCE | RNSL's formula for that classifier: RNSL is GCE, moved to the sphere | Zhang and Sabuncu, 2018 |
# | SCE | cross-entropy, and the same turned around | Wang et al., 2019 |
# | NCE+RCE | a normalized cross-entropy, and the one turned around | Ma et al., 2020 |
# | ProxyAnchor | each prototype against all images of the batch | Kim et al., 2020 |
# | ArcFace | NSL with a margin added to the angle of the label | Deng et al., 2019 |
# | SupCon | images against images, no prototypes | Khosla et al., 2020 |
#
# **Answer**: move *Loss that stands out* to CE and read the sentence. Then look for losses whose
# interval lies to the right of 0. Change the noise to label-dependent. Who is still there?
#
# ## Is a difference real?
# Two losses differ by half a point. Is that the loss, or luck with the seeds? Look at them **pair by pair**:
# subtract, seed by seed. A seed with badly placed wrong labels is bad for both, and most of the bad luck
# cancels. For $S$ differences with mean $\bar d$ and standard deviation $s$ the 95% interval is
#
# $$\bar d \pm t \, \frac{s}{\sqrt{S}}, \qquad t = 2.776 \text{ for } S = 5$$


# %%
def by_seed(loss, metric="knn_clean"):
    """What a loss reached at half of the labels wrong, an array over seeds."""
    runs = [r for r in measured if r.config.loss == loss]
    chosen = [r for r in runs if (r.config.noise, r.config.rate) == ("symmetric", 0.5)]
    return np.array([r.metrics[metric] for r in sorted(chosen, key=lambda r: r.config.seed)])


for loss in ("nsl", "rnsl", "trnsl"):
    print(f"{loss:6}", by_seed(loss).round(3), f"spread {by_seed(loss).std(ddof=1):.4f}")
pairs = by_seed("trnsl") - by_seed("rnsl")
print(f"t-RNSL minus RNSL {pairs.round(4)}, spread {pairs.std(ddof=1):.4f}")

# %% [markdown]
# ## Exercise 1: an interval
# `ours` and `theirs` are arrays over the same seeds. Return `mean, low, high` of ours minus theirs.


# %% tags=["exercise"]
def paired_interval(ours, theirs, t):
    """Mean of the paired differences, and both ends of its interval."""
    # solution
    differences = ours - theirs
    mean = differences.mean()
    reach = t * differences.std(ddof=1) / np.sqrt(len(differences))
    return mean, mean - reach, mean + reach


# %% tags=["self-check"]
exercises.check_paired_interval(paired_interval)

# %% [markdown]
# <details><summary>Solution of exercise 1</summary>
#
# ```python
# differences = ours - theirs
# mean = differences.mean()
# reach = t * differences.std(ddof=1) / np.sqrt(len(differences))
# return mean, mean - reach, mean + reach
# ```
# </details>
#
# ## Twenty differences at once
# **p** is the chance of such a difference, or a larger one, if the two losses were equal. Look at 20 equal pairs:
# one of them has $p < 0.05$, by luck alone. **Holm** raises each p for that:
#
# 1. The smallest of $n$ values is multiplied by $n$, the next by $n - 1$, and so on. The largest stays.
# 2. None may end below one that was smaller before: it is raised to that one.
# 3. None is larger than 1.
#
# ## Exercise 2: Holm's correction
# `p_values` is an array in any order. Return the raised values, each where its own stood.


# %% tags=["exercise"]
def holm(p_values):
    """The p-values of several tests, raised by Holm's step-down method."""
    # solution
    order = np.argsort(p_values)
    raised = p_values[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(1, np.maximum.accumulate(raised))
    return corrected


# %% tags=["self-check"]
exercises.check_holm(holm)

# %% [markdown]
# <details><summary>Solution of exercise 2</summary>
#
# ```python
# order = np.argsort(p_values)
# raised = p_values[order] * np.arange(len(p_values), 0, -1)
# corrected = np.empty(len(p_values))
# corrected[order] = np.minimum(1, np.maximum.accumulate(raised))
# return corrected
# ```
# </details>
#
# The library does both for every loss and cell. As a command:
# `rnsl report data/results/aid/results.json data/results/aid_baselines/results.json --compare rnsl`.

# %%
half = [r for r in measured if r.config.rate == 0.5]
found = report.differences(half, "rnsl")
report.table_of_differences(found)

# %% [markdown]
# What five seeds can tell, and what not:
# - They vary labels, weights and order. They do **not** vary the split: the 2,000 test images are always the
#   same. About other images they say nothing.
# - Without the normal distribution five seeds prove little. If two losses are equal, all five signs agree with
#   probability $2 / 2^5 = 6\%$.
# - "Not significant" does not mean "equal". The interval says how large the difference can be.
#
# ## Fair to whom?
# The loss with the better recipe wins. Here all share head, features, wrong labels, seeds, optimiser and
# epochs. Settings of their own were chosen in one way for all. It was done on **validation** images, at 30%
# symmetric noise, with one seed. `benchmarks/recipe_baselines.py` does it again.
#
# NSL, RNSL and t-RNSL share one learning rate. In the same search it is the best one for RNSL. For NSL it is not.
# **Predict**: what does NSL reach with a learning rate 0.3 times as large? It had 70%.

# %%
for loss in ("nsl", "nsl_tuned", "rnsl"):
    accuracy, memorized = by_seed(loss).mean(), by_seed(loss, "memorized").mean()
    print(f"{loss:10} accuracy {accuracy:.1%}, memorized {memorized:.0%} of the wrong labels")

# %% [markdown]
# 81%. Of the 15 points between NSL and RNSL, 11 were the learning rate's. With a small rate NSL stops
# before it knows the wrong labels by heart: early stopping under another name. Four points are left, and
# they are RNSL's. (Find *NSL, tuned* under label-dependent noise in the table above. What is left there?)
#
# One caution: the search looked at validation images with true labels. Who has none must choose in another way.
#
# ## What needs no loss
# k-NN on these features **without any training** finds the class of 84 of 100 test images. With symmetric
# noise a head of RNSL adds one point to that at 50%, and takes two away at 70%. With label-dependent noise it
# adds nothing at 50%, and takes four away at 70%. And if clean labels are not to be had? Then
# prototypes stand beside classifiers that see the same wrong labels and need no tuning:

# %%
report.table_over_rates(without + committed("aid"), "prototype")

# %% [markdown]
# Shrinkage LDA is one line of scikit-learn. At 50% label-dependent noise it is 3 points ahead of t-RNSL, at
# 50% symmetric noise 2 behind. Frozen features are an easy case: what was right in them stays.
#
# ## Run a cell that nobody has measured for you
# **Pair flip**: each class is mistaken for one other, the next one. It stands in none of the tables above. Seed
# $s$ decides the wrong labels, the first weights and the order of the images. So all losses meet the same of
# each. The grid takes about half a minute on two quiet cores.
#
# **Predict**: at 40% wrong labels, how many points is RNSL ahead of NSL? (Symmetric 50%: 15.
# Label-dependent 50%: 4.)

# %% tags=["parameters"] ci={"LOSSES": ["nsl", "rnsl"], "SEEDS": 2, "EPOCHS": 8}
NOISE, RATE, SEEDS, EPOCHS = "pair_flip", 0.4, 3, 40
LOSSES = ["nsl", "rnsl", "trnsl"]

# %%
grid = experiments.make_grid([NOISE], [RATE], LOSSES, SEEDS, epochs=EPOCHS)
with tqdm(total=len(grid), unit="run") as bar:
    live = experiments.run_grid(aid, grid, jobs=2, on_result=lambda _: bar.update())

print("loss     k-NN, clean index   k-NN, noisy index   prototypes       memorized")
for s in experiments.summarize(live):
    print(f"{s.loss:8}", end="")
    for metric in ("knn_clean", "knn_noisy", "prototype", "memorized"):
        print(f"{s.mean[metric]:10.1%} ± {s.spread[metric]:4.1%}", end="   ")
    print()

# %% [markdown]
# *Clean index* asks the ten nearest training images under their **true** labels: what the embedding is worth.
# *Noisy index* asks them under the labels that were given: what you have in practice. *Memorized* is the share
# of the wrong labels whose own, wrong prototype is nearest.
#
# NSL knows nearly all wrong labels by heart. Its embedding is as good as RNSL's, or better. Write down an answer
# to each:
#
# 1. So memorizing does no harm?
# 2. Is "RNSL beats NSL" refuted?
#
# <details><summary>Answers</summary>
#
# 1. It does, and the first column cannot see it. The wrong labels of a class all carry **one** name. NSL moves
#    these images together, to the same wrong prototype. They stay among their own kind. Neighbours under true
#    names forgive a wrong name that is shared. The two columns in the middle ask for names: there NSL is last.
#    And no training at all finds 84 in the first column. It hardly tells the losses apart here.
# 2. Not refuted, but bounded. It needs the noise and the measure beside it. RNSL beats NSL by clean neighbours
#    where wrong labels are scattered. It beats NSL in names under pair flip, too.
#
# If your numbers say otherwise, believe them, and add seeds.
# </details>
#
# ## Exercise 3: a row of your own
# Invent a loss. It gets `log_p`, a tensor with one value for each image, and gives one loss for each. It
# must never rise as $p$ rises, and fall somewhere. There is no right answer. Ideas:
#
# - a sum of two losses of this tutorial, or $-\log p$ that never exceeds 2
# - symmetric cross-entropy, $-0.1 \log p + 4 (1 - p)$
# - the *Taylor* loss $(1 - p) + (1 - p)^2 / 2$, the first two terms of $-\log p$


# %% tags=["exercise"]
def own_loss(log_p):
    """A loss of one's own, one value for each image."""
    # solution
    gap = -torch.expm1(log_p)  # 1 - p
    return gap + gap**2 / 2


# %% tags=["self-check"]
solved = exercises.check_own_loss(own_loss)


# %% [markdown]
# Your function becomes a module with prototypes, as all others. `build_loss` tells the grid how to make
# one; the name after `own:` is yours.


# %%
class OwnLoss(losses.NormalizedSoftmaxLoss):
    def per_image(self, embeddings, labels, indices=None):
        return own_loss(
            losses.label_log_probability(embeddings, self.prototypes, labels, self.temperature)
        )


def build_own(settings, num_classes, _, generator):
    return OwnLoss(num_classes, settings.embedding_dim, settings.temperature, generator=generator)


own = []
if solved:
    own_grid = experiments.make_grid([NOISE], [RATE], ["own:mine"], SEEDS, epochs=EPOCHS)
    with tqdm(total=len(own_grid), unit="run") as bar:
        own = experiments.run_grid(
            aid, own_grid, jobs=2, on_result=lambda _: bar.update(), build_loss=build_own
        )

# %%
report.table_of_differences(report.differences([*live, *own], "rnsl"))

# %% [markdown]
# The last row is yours. With three seeds an interval is wide: raise `SEEDS` to 5 before you believe it. Then
# set `NOISE, RATE` to `"symmetric", 0.5`: does your loss keep its place?
#
# ## Open task: a row that others can believe
# Make a case for your loss, or for one from the list below. One page and one command.
#
# | points | what is asked |
# |---|---|
# | 1 | The claim, with noise, rate and measure in it, written **before** the last runs. |
# | 2 | Its settings were chosen on validation images (`run_grid(..., part="val")`), and RNSL's in the same way. |
# | 2 | At least five seeds, paired, with the interval; Holm over all that you looked at. |
# | 2 | The row that needs no loss, and NSL tuned or stopped in time. |
# | 2 | A noise or a rate at which your loss does **not** win. |
# | 1 | Somebody else gets the same numbers from your command. |
#
# ## Since 2020
# The paper is of 2020. What a reader has met since, in one sentence each, from the abstracts. We repeated none
# of their figures. What is not verified is said in [since_2020.md](../docs/since_2020.md).
#
# | work | idea | here |
# |---|---|---|
# | NTDNE (Kang et al., 2021) | the authors' successor: neighbours, not prototypes, say which images to leave out | not run |
# | PRISM (Liu et al., 2021) | leaves out images far from the mean of their class in a memory of earlier embeddings | `--loss prism` |
# | ProcSim (Barbany et al., 2023) | trusts an image by its distance to the representative of its class | not run: for pairs |
# | SGPS (Yu et al., 2024) | finds a doubtful image new partners, and does not drop it | not run: for pairs |
# | AQuA (Goswami et al., 2023) | a benchmark of methods that find wrong labels: the best one depends on the data | not run; notebook 10 asks its question |
# | Kröber et al. (2026) | three such methods on remote sensing data, with 10 to 70% planted noise | not compared |
# | ELR (Liu et al., 2020) | holds the network to what it said early in training | `--loss elr` |
# | DivideMix (2020), co-teaching (2018) | two networks choose images for each other | not run: no longer a loss |
#
# **No number of the paper itself** could be found to compare with: the article is not open. A row marked with a
# command is run by `rnsl experiment --loss prism --rate 0.5 --out DIR`.
#
# ## The paper's own protocol
# A ResNet-18, trained as a whole, 130 epochs, images of 256 pixels. It needs a GPU, and we have **not** measured
# it. The preset is complete, and two commands run it:
#
# ```
# rnsl data get aid
# rnsl train --preset paper --dataset aid --noise symmetric --rate 0.5 --loss rnsl
# ```

# %%
paper = config.from_preset("paper", dataset="aid", noise="symmetric", rate=0.5, loss="rnsl")
for name in ("network", "image_size", "epochs", "batch_size", "learning_rate", "temperature"):
    print(f"{name:14} {getattr(paper, name)}")

# %% [markdown]
# ## What we have shown
# "Points" are of k-NN accuracy with a clean index. All but the first two rows are of frozen features, paired by
# seed. Half of the labels are wrong where nothing else is said.
#
# | claim | what we found |
# |---|---|
# | fine-tuning with NSL destroys what the network knew | **Yes, if nobody stops it** (three seeds): 69 after eight epochs, 84 without training, 88 after one epoch. |
# | fine-tuning with RNSL, t-RNSL does not | **Yes** with symmetric noise: 88 and 90. With label-dependent noise they end at 83 and 84, where no training is. |
# | RNSL beats NSL | **Yes** with symmetric noise, by 15 points, and with label-dependent noise, by 4.5. **Not** at 40% pair flip; there in names only. |
# | ... also when NSL is tuned | With symmetric noise **yes**, by 4 points. With label-dependent noise **not shown**: 0.5 points, and the interval holds 0. |
# | t-RNSL beats RNSL | **Not shown**: both intervals hold 0. |
# | RNSL is the best loss | **Not shown**: ArcFace, ahead by 0.3 and 0.8 points, cannot be told from it after Holm's correction. With symmetric noise GCE and SCE cannot, either. |
# | the sphere helps | **Perhaps**, where wrong labels look alike: there GCE is 2.8 points behind. But its weight, a factor on the loss, was chosen under the other noise. |
# | only robust losses resist | **No**: plain cross-entropy is 1.3 points behind RNSL, and 14 ahead of NSL. |
#
# A recipe belongs to its noise. NCE+RCE's weight was chosen under symmetric noise, where it is 1.2 points behind
# RNSL. Under label-dependent noise the same weight costs 8 points.
#
# All this is for these features, this network, this split. Run the paper's protocol before you quote any of it.
#
# ## Where to look next
# - Notebook 08 asks the same for 45 classes and structured confusion.
# - A network trained on AID's pixels from scratch: [training.md](../docs/training.md).
# - Why robust losses learn slowly, and a repair: Ma et al., "Normalized loss functions for deep learning with
#   noisy labels", ICML 2020.

# %% tags=["hidden-assert"]
# What this notebook claims, held by the committed runs and by those above.
half_symmetric, half_alike = (
    {d.loss: d for d in report.differences(half, "rnsl") if d.noise == noise}
    for noise in ("symmetric", "label_dependent")
)
for loss, claimed in {"nsl": -0.150, "nsl_tuned": -0.038, "ce": -0.013}.items():
    assert abs(half_symmetric[loss].mean - claimed) < 0.001, half_symmetric[loss]
    assert half_symmetric[loss].high < 0, half_symmetric[loss]
assert abs(half_alike["nsl"].mean + 0.045) < 0.001, half_alike
assert half_alike["nsl"].high < 0, half_alike
for found in (half_symmetric["trnsl"], half_alike["trnsl"]):
    assert found.low <= 0 <= found.high, found
assert half_alike["nsl_tuned"].low <= 0 <= half_alike["nsl_tuned"].high, half_alike
assert abs(half_alike["nsl_tuned"].mean + 0.005) < 0.001, half_alike
quoted = {"arcface": (0.003, 0.008), "gce": (-0.002, -0.028), "nce_rce": (-0.012, -0.077)}
for loss, claimed in quoted.items():
    means = half_symmetric[loss].mean, half_alike[loss].mean
    assert np.allclose(means, claimed, atol=0.001), (loss, means)
for loss in ("gce", "sce"):
    assert half_symmetric[loss].low <= 0 <= half_symmetric[loss].high, half_symmetric[loss]

# %% tags=["hidden-assert"]
# What it says of fine-tuning, held by the committed runs: means over three seeds.
at_half = [r for r in tuned if r.config.rate == 0.5]
runs = {(s.noise, s.loss): s.mean for s in experiments.summarize(at_half)}
curves = {
    (noise, loss): np.mean(
        [
            r.curves["knn_clean"]
            for r in at_half
            if (r.config.noise, r.config.loss) == (noise, loss)
        ],
        axis=0,
    )
    for noise, loss in runs
}
for (noise, loss), claimed in {
    ("symmetric", "nsl"): (0.88, 0.69), ("symmetric", "rnsl"): (0.85, 0.88),
    ("symmetric", "trnsl"): (0.85, 0.90), ("label_dependent", "nsl"): (0.88, 0.78),
    ("label_dependent", "rnsl"): (0.83, 0.82), ("label_dependent", "trnsl"): (0.83, 0.83),
}.items():  # fmt: skip
    curve = curves[noise, loss]
    assert np.allclose([curve[0], curve[-1]], claimed, atol=0.0055), (noise, loss, curve)
by_heart = [runs["symmetric", loss]["memorized"] for loss in ("nsl", "rnsl", "trnsl")]
assert np.allclose(by_heart, [0.99, 0.09, 0.06], atol=0.005), by_heart
best = max(c for (noise, _), curve in curves.items() if noise != "symmetric" for c in curve)
assert best == curves["label_dependent", "nsl"][0], best
assert abs(curves["symmetric", "rnsl"].max() - 0.89) < 0.005, curves["symmetric", "rnsl"]

# %% tags=["hidden-assert"]
# What it says of runs that were stopped.
for (noise, loss), claimed in {
    ("symmetric", "nsl"): (0.88, 0.82), ("symmetric", "rnsl"): (0.89, 0.88),
    ("label_dependent", "nsl"): (0.88, 0.65), ("label_dependent", "rnsl"): (0.87, 0.79),
}.items():  # fmt: skip
    [early] = [s.mean for s in experiments.summarize(stopped) if (s.noise, s.loss) == (noise, loss)]
    found = early["knn_clean"], early["prototype"]
    assert np.allclose(found, claimed, atol=0.0055), (noise, loss, found)

# %% tags=["hidden-assert"]
# What needs no loss, and the losses' prototypes.
reach = {
    (s.noise, s.loss): s.mean for s in experiments.summarize(without + measured) if s.rate == 0.5
}
assert abs(reach["symmetric", "no_training"]["knn_clean"] - 0.8375) < 1e-6, reach
for noise, claimed in {"label_dependent": 0.027, "symmetric": -0.018}.items():
    ahead = reach[noise, "lda"]["prototype"] - reach[noise, "trnsl"]["prototype"]
    assert abs(ahead - claimed) < 0.001, (noise, ahead)
for (noise, loss), claimed in {
    ("symmetric", "lda"): 0.83, ("label_dependent", "lda"): 0.78,
}.items():  # fmt: skip
    assert abs(reach[noise, loss]["prototype"] - claimed) < 0.005, reach[noise, loss]
by_prototype = [runs[noise, "trnsl"]["prototype"] for noise in ("symmetric", "label_dependent")]
assert np.allclose(by_prototype, [0.89, 0.73], atol=0.005), by_prototype

# %% tags=["hidden-assert"]
# What the text quotes of single losses, and what was trained here.
reached = [by_seed("nsl").mean(), by_seed("nsl_tuned").mean(), by_seed("rnsl").mean()]
assert np.allclose(reached, [0.702, 0.814, 0.852], atol=0.001), reached
cell = {s.loss: s.mean for s in experiments.summarize(live)}
if (NOISE, RATE, EPOCHS) == ("pair_flip", 0.4, 40) and {"nsl", "rnsl"} <= cell.keys():
    assert cell["nsl"]["memorized"] > 0.95, cell
    assert cell["nsl"]["knn_clean"] > cell["rnsl"]["knn_clean"] - 0.005, cell
    assert max(abs(mean["knn_clean"] - 0.84) for mean in cell.values()) < 0.03, cell
    for metric, least in {"knn_noisy": 0, "prototype": 0.04}.items():
        assert cell["rnsl"][metric] - cell["nsl"][metric] > least, cell
assert len(own) == (SEEDS if solved else 0)
