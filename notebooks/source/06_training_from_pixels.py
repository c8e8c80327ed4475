# %% [markdown]
# # 6. Training from pixels
# **You will be able to** train a network on images with wrong labels while you watch, pause and resume
# it without changing a bit of the result, say in which epochs it learns right and wrong labels,
# measure what makes training faster on *your* machine, and train on a folder of your own.
#
# **Time** 40 min. **Runs on** any laptop. **Needs** notebook 5 (what t-RNSL is). **Downloads** nothing.
#
# The question: **what does a network do with wrong labels, from the first epoch to the last?**
#
# Until now a small head was trained on features of a network that somebody else had trained. Now a
# small network learns from the pixels, from nothing. The images are drawn by our own program, so that
# there is nothing to download. 40 of 100 labels are wrong.
#
# **Predict first.** A network that is trained long enough knows *all* its labels by heart, the right
# ones and the wrong ones. Which ones does it learn first? Or are both learned at the same speed?

# %%
import csv
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from PIL import Image
from torch.nn.functional import normalize

from rnsl_tutorial import datasets, experiments, noise
from rnsl_tutorial._files import original
from rnsl_tutorial.datasets import download, scenes
from rnsl_tutorial.experiments import images
from rnsl_tutorial.experiments.config import from_preset
from rnsl_tutorial.training import devices
from rnsl_tutorial.training.devices import Hardware
from rnsl_tutorial.tutorial import exercises, plots
from rnsl_tutorial.tutorial import throughput as speed
from rnsl_tutorial.tutorial.background_run import BackgroundRun
from rnsl_tutorial.tutorial.dashboard import Dashboard

# %% tags=["parameters"] ci={"LOSSES": ["nsl", "trnsl"], "STARTS": [1], "REPEATS": 1, "FILES": 600}
FOLDER = None  # or your own folder of class folders, such as "D:/archives/coast": see the end
DATASET = "scenes"  # or "aid", "eurosat", after `rnsl data get` in a terminal
RATE, SEED = 0.4, 0
LOSSES = ["nsl", "rnsl", "trnsl"]
STARTS = [1, 9]  # epochs before the first pruning, tried below
REPEATS = 5  # of each measurement of speed
FILES = 800  # in the folder at the end, where FOLDER is None
COMPILE = False  # True measures torch.compile, too: it needs a compiler, and a minute

# %%
if DATASET == "scenes":
    config = from_preset(
        "scenes", scenes=1200, image_size=32, difficulty=0.2, epochs=12, rate=RATE, seed=SEED
    )
    root = None
else:
    config = from_preset("laptop", dataset=DATASET, rate=RATE, seed=SEED)
    root = download.images_of(DATASET)

data = images.load_images(config, root)
runs = {loss: images.Run(data, replace(config, loss=loss)) for loss in LOSSES}
dashboard = Dashboard(runs)
dashboard

# %% [markdown]
# ## A training in front of you
# Three runs wait, one for each loss. They begin with the same weights, the same images and the same
# wrong labels.
#
# **Press Start.** The training runs beside the notebook, not inside a cell: the curves grow, and you can
# run other cells meanwhile. Try the cell below. **Pause** lets the batch at hand end, and stands still.
# **Resume** goes on from there. **Stop** ends a run for good. Choose another run, and start it, too.
#
# Have all runs finished already, after *Run All*? Run the cell above once more: it makes three new runs,
# which wait for you.
#
# What the curves say, after each epoch:
#
# | curve | what it is |
# |---|---|
# | loss | mean over the training images; each loss has its own scale, and that of t-RNSL can fall below 0 |
# | k-NN | accuracy on *test* images, by their 10 nearest training images; these vote with their **true** labels (what the embedding is worth) or with their **given** ones (what you have without true labels) |
# | right labels learned | of the training images with a right label, those nearest to the prototype of that label |
# | wrong labels memorized | the same, of the images with a wrong label |
# | share kept | what the loss listens to; t-RNSL prunes for the first time after three tenths of the epochs (with AID or EuroSAT after three quarters) |
# | left out: really wrong | of the images left out, those with a wrong label: the precision |
# | images per second, memory | of this machine; drops tell you that something else was running |

# %%
print("While it trains (or not), the kernel answers:", dashboard.lives["nsl"].state)
train = data.split.train[:12]
given = runs["nsl"].given
figure, grid = plt.subplots(2, 6, figsize=(11, 4), layout="constrained")
for axes, i, name, is_wrong in zip(grid.flat, train, given.labels, given.flipped, strict=False):
    axes.imshow(data.archive.images[i].transpose(1, 2, 0))
    label = data.archive.class_names[name]
    true = data.archive.class_names[data.archive.labels[i]]
    axes.set_title(f"{label}\n(is {true})" if is_wrong else label, fontsize=9,
                   color="#D55E00" if is_wrong else "black")  # fmt: skip
    axes.axis("off")

# %% [markdown]
# The next cell waits until all runs are finished. It starts those that nobody has started. So *Run All*
# works without a click.
#
# While a cell waits, the curves above grow (scroll up and watch), but the kernel is busy: it hears the buttons only when the cell has
# ended. *Interrupt the kernel* (the square in the toolbar) pauses the run and gives the kernel back. Then
# press Resume, and run this cell again.

# %%
started = time.perf_counter()
moments = dashboard.wait()
print(f"waited {time.perf_counter() - started:.0f} s for {len(moments)} runs")

# %% [markdown]
# ## From the first epoch to the last
# First look at NSL, the loss without any defence. Move the epoch on the dashboard, too.

# %%
print("NSL: epoch  right learned  wrong memorized  k-NN (true labels)")
for epoch, m in enumerate(moments["nsl"], start=1):
    print(f"{epoch:10} {m.learned:14.0%} {m.memorized:16.0%} {m.knn_clean:19.1%}")

nsl_knn = [m.knn_clean for m in moments["nsl"]]
best = int(np.argmax(nsl_knn)) + 1
print(f"\nBest after epoch {best}: {max(nsl_knn):.1%}; at the end {nsl_knn[-1]:.1%}.")

# %% [markdown]
# **Right labels are learned first.** They agree with each other: what helps for one beach helps for the
# next. A wrong label agrees with nobody. To learn it the network has to remember this one image. It can,
# but only later, when nothing easier is left to learn. In between lies the best moment. After that the
# network pays for each wrong label that it memorizes: its accuracy falls.
#
# **Predict**: what will the robust losses do? Are they slower, or do they stop memorizing?

# %%
print("at the end   right learned  wrong memorized  k-NN true   k-NN given   kept   precision")
for name, run in moments.items():
    m = run[-1]
    print(f"{name:12} {m.learned:12.0%} {m.memorized:16.0%} {m.knn_clean:12.1%}", end="")
    precision = "-" if np.isnan(m.precision) else f"{m.precision:.0%}"
    print(f"{m.knn_noisy:12.1%} {m.kept:8.0%} {precision:>9}")

# %% [markdown]
# NSL has memorized nearly all wrong labels. RNSL memorizes some, late and slowly: a wrong label has a
# small $p$ and pulls little, but it never stops. t-RNSL stops listening to them, and they stay
# wrong. Its k-NN accuracy does not fall.
#
# Without true labels you would see the curve "by given labels" only. It tells the same story, a bit
# lower.
#
# ## Exercise 1: the memorized share
# Write the curve yourself. `embeddings` [images, D] have unit length, `prototypes` [classes, D] do not.
# `given` are the labels, `wrong` is True where a label is wrong. Return one number: of the images with a
# wrong label, the share whose nearest prototype (by cosine) is that of the label they were given.


# %% tags=["exercise"]
def memorized_share(embeddings, prototypes, given, wrong):
    """Of the wrong labels, the share that the network believes."""
    # solution
    nearest = (embeddings @ normalize(prototypes, dim=1).T).argmax(dim=1)
    return (nearest == given)[wrong].float().mean()


# %% tags=["self-check"]
exercises.check_memorized_share(memorized_share)

# %% [markdown]
# ## Exercise 2: notice it without true labels
# With your own images you don't know which labels are wrong. But you may know *how many*: the rate.
# And you can always measure the **believed share**: of *all* given labels, those whose prototype is the
# nearest one.
#
# If 40% of the labels are wrong, at most 60% can be right. As soon as more than 60% are believed,
# **some of the wrong ones must be memorized**, whoever they are. Return the last epoch *before* the
# believed share exceeds what can be right. Epochs count from 1: `believed[0]` belongs to epoch 1. If it
# never does, return the last epoch.


# %% tags=["exercise"]
def last_safe_epoch(believed, rate):
    """The last epoch before more labels are believed than can be right."""
    # solution
    above = np.flatnonzero(believed > 1 - rate)
    return above[0] if len(above) else len(believed)


# %% tags=["self-check"]
exercises.check_last_safe_epoch(last_safe_epoch)

# %%
wrong_rate = given.flipped.mean()
bounds = {}
for name, run in moments.items():
    believed = np.array([(1 - wrong_rate) * m.learned + wrong_rate * m.memorized for m in run])
    bounds[name] = max(0.0, (believed[-1] - (1 - wrong_rate)) / wrong_rate)
    over = np.flatnonzero(believed > 1 - wrong_rate)
    told = f"from epoch {over[0] + 1}" if len(over) else "never"
    print(f"{name:6} believes more than can be right {told}; at the end at least ", end="")
    print(f"{bounds[name]:.0%} memorized (in truth {run[-1].memorized:.0%})")

# %% [markdown]
# The bound needs no true label, and at the end it is nearly exact. In the middle it comes late: as long
# as many right labels are not learned yet, there is room for wrong ones below the line.
#
# <details><summary>Solutions of exercises 1 and 2</summary>
#
# ```python
# nearest = (embeddings @ normalize(prototypes, dim=1).T).argmax(dim=1)
# return (nearest == given)[wrong].float().mean()
# ```
#
# ```python
# above = np.flatnonzero(believed > 1 - rate)
# return above[0] if len(above) else len(believed)
# ```
# </details>
#
# ## When to start pruning
# t-RNSL has to choose its moment. The run above trained for 3 epochs, then pruned every second epoch.
# **Predict**: what happens if it prunes after one epoch already? And after nine of twelve?

# %%
starts = Dashboard(
    {
        f"after {first}": images.Run(data, replace(config, loss="trnsl", prune_from=first))
        for first in STARTS
    }
)
starts

# %%
pruned = starts.wait()
pruned["after 3"] = moments["trnsl"]
print("t-RNSL, pruned   first precision   kept   last precision   memorized   k-NN")
for name, run in sorted(pruned.items()):
    first = next(m for m in run if not np.isnan(m.precision))
    m = run[-1]
    print(f"{name:16} {first.precision:14.0%} {m.kept:7.0%} {m.precision:15.0%}", end="")
    print(f"{m.memorized:13.0%} {m.knn_clean:7.1%}")

# %% [markdown]
# **Too early**: the prototypes know nothing yet, and nearly everything is left out. Of the images left out
# about 40% have a wrong label. That is chance: 40% of *all* labels are wrong. And the network does not
# recover: it learns the few images that were kept, and goes on believing in them.
#
# **Late**: what is left out really is wrong. But what was memorized before stays memorized: these labels
# look right by now.
#
# The order of learning says when to prune: **after most of the right labels are learned, and before the
# wrong ones are memorized.** On images that are harder than these it comes later: with AID in the preset
# "laptop", three quarters of the epochs have to pass.
#
# ## Stopped and resumed, bit for bit
# You have paused and resumed. Did that change the result? A training is reproducible only if *everything*
# that it will use is kept: weights, momentum, learning rate, the order of the images and how far we are in
# it, random generators. Here is a small run, stopped in the middle of an epoch, then carried on by
# *another* run from its checkpoint on disk.

# %%
small = replace(config, loss="trnsl", scenes=320, epochs=4)
small_data = images.load_images(small, root)
whole = images.Run(small_data, small)
whole.training.run()

with tempfile.TemporaryDirectory() as folder:
    first = BackgroundRun(images.Run(small_data, small), folder=Path(folder))
    first.start()
    while not first.moments:  # let one epoch pass
        time.sleep(0.01)
    first.stop()
    stopped = first.run.training
    print(
        f"{first.state} in epoch {stopped.epoch + 1}; batches of it that are done: {stopped.step}"
    )
    second = images.Run(small_data, small)
    second.training.restore(Path(folder))
    second.training.run()

same = torch.equal(whole.embed("test"), second.embed("test"))
print("All embeddings of the test images have the same bits:", same)

# %% [markdown]
# `Training` stands still only *between* two batches. Inside a batch there are gradients and half a step of
# the optimizer: a state that no file should hold. That is why Pause takes a moment.
#
# ## What makes training faster here?
# Four switches that are often recommended. Each is a field of `Hardware` or of `Config`. **Predict**
# for your machine: which will help, and which will not?
#
# - **Resident or streamed images**: all images lie on the device, or they are read batch by batch. Streaming
#   is for what does not fit.
# - **Channels last**: red, green and blue of a pixel lie side by side in memory. Convolutions often like it.
# - **bf16**: mixed precision, 16 bits in place of 32 for most of the arithmetic. It needs a processor that
#   has it: recent GPUs have; many CPUs don't, and imitate it slowly.
# - **torch.compile**: fuses operations. It needs a compiler (Triton on a GPU, a C++ compiler on a CPU), and
#   the first batch waits for it. So it is off here: set `COMPILE = True` at the top.
#
# `speed.compare` lets the ways take turns, after a warm-up, and tells median, slowest and fastest. If the
# ranges of two ways overlap, you have not seen a difference.

# %%
trial = replace(config, loss="rnsl", scenes=320, epochs=REPEATS + 1)
settings = {
    "plain": Hardware(channels_last=False),
    "streamed": Hardware(channels_last=False, memory_share=1e-12),
    "channels last": Hardware(channels_last=True),
    "bf16": Hardware(channels_last=False, precision="bf16"),
}
device = runs["nsl"].fabric.device
settings = {
    n: h for n, h in settings.items() if h.precision in ("32", *devices.report(device).precisions)
}
if COMPILE and speed.can_compile(device):
    settings["compiled"] = Hardware(channels_last=False, compile=True)
trials = {name: images.Run(small_data, trial, how) for name, how in settings.items()}
speeds = speed.compare(
    {name: speed.epochs_of(run) for name, run in trials.items()}, device, repeats=REPEATS
)
print(devices.report(device), "\n")
print(speed.table(speeds))

# %% [markdown]
# There is no answer to learn by heart here: these are *your* numbers. On a GPU with tensor cores bf16 and
# channels last belong together: try both at once. On a CPU without bf16 arithmetic bf16 is slower.
# Streaming costs little where a batch is read faster than it is trained on.
#
# ## Exercise 3: images per second
# `seconds` are the times of several epochs of `images` images each, one after the other (an array). The
# first epoch is a warm-up: memory is set aside, kernels are chosen. And once something else was running.
# Return one honest number of images per second: the median, without the warm-up.


# %% tags=["exercise"]
def images_per_second(images, seconds):
    """Median over the epochs, the first one left out."""
    # solution
    return np.median(images / seconds[1:])


# %% tags=["self-check"]
exercises.check_images_per_second(images_per_second)

# %% [markdown]
# <details><summary>Solution of exercise 3</summary>
#
# `return np.median(images / seconds[1:])`
# </details>
#
# ## Your own folder
# So far we knew which labels are wrong, because we made them. In a folder of your own nobody knows.
# In a terminal three commands go the whole way:
#
#     rnsl train --root FOLDER --loss trnsl --out runs/mine    # no --rate: labels as given
#     rnsl report runs/mine/results.json
#     rnsl predict runs/mine IMAGES --out labels.csv           # IMAGES: any folder, flat or not
#
# Here is the same in Python. **Your own folder**: write it into `FOLDER` at the top, the only constant
# to change, and run all cells again. As long as it is `None` we practise on scenes, written into class
# folders, each tenth into a wrong one. What needs the truth is then shown, and otherwise left out.
#
# **Predict**: t-RNSL trains on these very labels. It lists its training images, the most doubtful
# first. Of the first 20, how many lie in the wrong folder?

# %%
workplace = tempfile.TemporaryDirectory(prefix="rnsl-pixels-", ignore_cleanup_errors=True)
WORKPLACE = Path(workplace.name)  # removed when the kernel ends


def written(folder, drawn, names):
    """Write images under these names, and return the folder."""
    for image, name in zip(drawn.images, names, strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.transpose(1, 2, 0)).save(folder / name)
    return folder


drawn = scenes.make_scenes(FILES, 32, difficulty=0.2, seed=SEED + 1)
filed = noise.corrupt(drawn.labels, "symmetric", 0.1, seed=SEED)
names = [f"{drawn.class_names[c]}/{i}.png" for i, c in enumerate(filed.labels)]
own_folder = FOLDER or written(WORKPLACE / "archive", drawn, names)

# %%
preset = {"preset": "laptop"} if FOLDER else {"preset": "scenes", "image_size": 32, "epochs": 16}
own = from_preset(**preset, dataset="mine", loss="trnsl", seed=SEED)
own_data = images.load_images(own, Path(own_folder))
own_run = images.Run(own_data, own)
print(own_run.describe())
reached = own_run.run(WORKPLACE / "run").metrics
print({name: round(value, 3) for name, value in reached.items()})

# %% [markdown]
# The numbers are what can be measured without a true label. `knn_noisy` says how often the 10
# neighbours agree with the label that a test image was *given*, and `prototype` how often the nearest
# prototype does. Where a given label is wrong, to disagree is right: so neither is an accuracy. No
# number says "clean" here, and none how many of the images left out really are wrong.
#
# The run left `training.csv` and `model.pt` in its folder. Look at the top of the list.

# %%
with (WORKPLACE / "run" / "training.csv").open(newline="", encoding="utf-8") as file:
    rows = list(csv.DictReader(file))
place = {file: i for i, file in enumerate(own_data.archive.files)}
top = [place[original(row["file"])] for row in rows[:24]]
misfiled = {name for name, is_wrong in zip(names, filed.flipped, strict=True) if is_wrong}
known = None if FOLDER else [row["file"] in misfiled for row in rows]
if not FOLDER:
    print(f"In the wrong folder: {sum(known[:20])} of the first 20, {np.mean(known):.0%} of all.")
plots.doubtful_images(
    own_data.archive.images[top],
    [f"{row['given']}:\n{row['likeliest']}?" for row in rows[:24]],
    wrong=None if FOLDER else known[:24],
    title="The most doubtful training images: their folder, and the likeliest class",
)

# %% [markdown]
# They are questions, not verdicts: look at each image before you move it. Notebook 10 ranks *all* images
# of a folder, by heads that never saw them.
#
# The model says of other images what class they are. Here are new scenes, all in one flat folder;
# with a folder of your own it is your folder again. **Predict**: of those that the model is sure of, with
# a probability above 0.9, how many are right?

# %%
new = scenes.make_scenes(160, 32, difficulty=0.2, seed=SEED + 2)
flat = [f"{i:03}.png" for i in range(len(new.labels))]
unlabelled = datasets.load_archive(
    FOLDER or written(WORKPLACE / "new", new, flat), own.image_size, labelled=False
)
model = experiments.load_model(WORKPLACE / "run")
experiments.save_predictions(WORKPLACE / "labels.csv", model, unlabelled, progress=False)
print(*(WORKPLACE / "labels.csv").read_text(encoding="utf-8").splitlines()[:4], "", sep="\n")

said = model.predict(unlabelled.images)
sure = said.probability > 0.9
print(f"sure of {sure.mean():.0%} of {len(sure)} images")
if not FOLDER:
    right = said.classes == new.labels
    print(f"right: {right.mean():.0%} of all, {right[sure].mean():.0%} of those that it is sure of")

# %% [markdown]
# `doubt` is 1 - probability: of the given label where the image lies in a folder that is called as a
# class, else of the class that is predicted. On the practice folder the model is right more often than
# its agreement with the given labels says: a tenth of those are wrong.
#
# ## What we have shown
# - Right labels are learned first, wrong ones are memorized later. In between a network without defence is
#   at its best.
# - RNSL memorizes less. t-RNSL stops it, if it prunes after the right labels are learned.
# - If more labels are believed than can be right, some wrong ones are memorized. To see this you need the
#   rate of wrong labels, and no true one.
# - A run that stands still between two batches can be saved, and goes on with the same bits.
# - Speed is measured: in turns, after a warm-up, with the spread.
# - On a folder of one's own only agreement with given labels can be measured. The list of doubtful
#   images and the model that a run leaves need no true label.
#
# ## Where to look next
# - Notebook 7: the losses side by side on AID, over noise rates and seeds.
# - `BackgroundRun??`: a training in a thread, in a hundred lines. `rnsl train --help`: the same from a terminal,
#   with checkpoints, on GPUs and on several machines.
# - Arpit et al., "A Closer Look at Memorization in Deep Networks", ICML 2017: simple patterns first.
# - The paper: Kang et al., IEEE TGRS 2020,
#   [doi 10.1109/TGRS.2020.3042607](https://doi.org/10.1109/TGRS.2020.3042607).

# %% tags=["hidden-assert"]
# What this notebook claims, held by the runs above (for the scenes, at the rate it starts with). The
# numbers differ between machines: 240 test images, and sums that are rounded in another order.
assert same
assert 0 < stopped.epoch < small.epochs
if (DATASET, RATE) == ("scenes", 0.4):
    plain, cut = moments["nsl"], moments["trnsl"]
    early = [m.learned - m.memorized for m in plain[: best + 1]]
    assert max(early) > 0.3, early  # right labels first
    assert plain[best - 1].memorized < 0.5 < 0.7 < plain[-1].memorized, plain
    assert best < len(plain) - 2, best
    assert nsl_knn[-1] < max(nsl_knn) - 0.02, nsl_knn
    assert cut[-1].memorized < 0.2, cut[-1]
    assert cut[-1].knn_clean > nsl_knn[-1] + 0.02, cut[-1]
    assert cut[-1].precision > 0.9, cut[-1]
    if "rnsl" in moments:
        assert cut[-1].memorized < moments["rnsl"][-1].memorized < plain[-1].memorized - 0.3
    assert [m.kept for m in cut[:4]].count(1.0) == 3
    assert all(bounds[name] <= run[-1].memorized + 1e-6 for name, run in moments.items())
    assert bounds["nsl"] > plain[-1].memorized - 0.1, bounds
    too_early = pruned["after 1"]
    assert 0.3 < too_early[1].precision < 0.55, too_early[1]  # chance
    assert too_early[1].kept < 0.5, too_early[1]
    assert too_early[-1].learned < cut[-1].learned - 0.1, too_early[-1]
    assert too_early[-1].knn_clean < cut[-1].knn_clean - 0.01, too_early[-1]
    if "after 9" in pruned:
        late = pruned["after 9"][-1]
        assert late.precision > 0.95, late
        assert late.memorized > cut[-1].memorized + 0.05, late

# %% tags=["hidden-assert"]
assert own.as_given
assert not {"knn_clean", "memorized", "precision"} & {*reached}
if not FOLDER:
    assert np.mean(known) < 0.15 < 0.7 < np.mean(known[:20]), known[:20]
    assert right[sure].mean() > right.mean() > 0.7, right.mean()
    assert right.mean() > reached["prototype"], (right.mean(), reached)
    assert sure.mean() > 0.3
