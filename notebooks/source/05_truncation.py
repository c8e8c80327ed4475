# %% [markdown]
# # 5. Truncation
# **You will be able to** turn RNSL into t-RNSL, write its pruning step, choose when to prune and at
# which threshold, and name three ways to fool yourself while you do it.
#
# **Time** 45 min. **Runs on** any laptop. **Needs** notebook 3 (what RNSL is, and how hard an image
# pulls). **Downloads** nothing.
#
# The question: **which images should the loss stop listening to?**
#
# RNSL listens less to an image, the less its prototypes believe its label. But less is not nothing.
# t-RNSL, the *truncated* loss, sets a threshold $k$: an image whose label has a probability
# $p \le k$ is not listened to at all.
#
# **Predict first.** Half of the labels are wrong. We train for 20 epochs, then leave out all images
# with $p \le 0.5$. Of 100 images left out, how many have a wrong label? And of 100 wrong labels, how
# many are caught? Write both numbers down.

# %%
from copy import deepcopy
from dataclasses import replace

import numpy as np
import torch
from tqdm.auto import tqdm

from rnsl_tutorial import datasets, experiments, losses, noise
from rnsl_tutorial._files import shipped
from rnsl_tutorial.evaluation.embedding import flip_detection, knn_accuracy
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.training import embed, embedding_head, train
from rnsl_tutorial.tutorial import curves, exercises, explorers

aid = datasets.load_shipped_features("aid")

# %% tags=["parameters"]
RATE, SEED = 0.5, 0
SCHEDULES = [(1, 100), (1, 1), (39, 1)]  # epochs before the first choice, and from one to the next
TRIED = (1, 2, 3, 5, 8, 12, 20, 30, 40)  # epochs to choose from

# %% [markdown]
# One real run of t-RNSL on AID, 40 epochs. `follow` trains, and after each epoch writes down $\log p$
# of all training images. Below you see the images after 20 epochs, just before the run prunes.


# %%
def followed(config):
    with tqdm(total=config.epochs, desc=config.loss, unit="epoch") as bar:
        return experiments.follow(aid, config, 2000, lambda _: bar.update())


config = Config(noise="symmetric", rate=RATE, loss="trnsl", seed=SEED)
fitted, history = followed(config)
wrong = fitted.given.flipped
explorer = explorers.TruncationExplorer(history.log_p[20], wrong, k=0.5)
explorer

# %% [markdown]
# ## What you see
# - **The loss** over $p$. RNSL (dashed) goes on rising towards $p = 0$. t-RNSL (solid) is flat
#   from 0 to $k$: a **plateau**. A flat loss has no slope, and an image without slope does not pull.
# - **The images**: all 6,993 training images over $p$. Right labels go up, wrong labels go down. The axis
#   is a square root, so that you see the few images in the middle. In the grey part an image is left
#   out.
# - **The curves**: "left out" as a finder of wrong labels. **Precision** is the share of the images left
#   out that have a wrong label. **Recall** is the share of the wrong labels that are left out.
#
# **Your answer**: read both numbers above the picture.
#
# **Try**: drag the line. Where do precision and recall change slowly, and where fast? Then move $q$.
# What changes, and what does not?
#
# <details><summary>Answer</summary>
#
# From $k = 0.1$ to $0.7$ precision falls by 5 points and recall rises by 4: most images lie at the two
# ends, and the line moves through a nearly empty valley. Close to 1 the line reaches the many right
# labels there, and precision falls fast.
#
# $q$ changes the height of the plateau. It does not change who is left out: $L_q(p) \ge L_q(k)$ means
# $p \le k$ for every $q$.
# </details>

# %% [markdown]
# ## What is still pulled?
# Under RNSL an image pulls on its label's logit with $p^q (1 - p)$. For one wrong label that is small.
# But there are thousands of them. **Guess**: of all the pulling after 20 epochs, which share comes from
# wrong labels?

# %%
p = history.log_p[20].double().exp()
is_wrong = torch.from_numpy(wrong)
share = {}
for name, k in (("RNSL", None), ("t-RNSL", 0.5)):
    pull = curves.gradient_wrt_logit(p, config.q, k).abs()
    share[name] = (pull[is_wrong].sum() / pull.sum()).item()
    print(f"{name:7} mean pull of right labels {pull[~is_wrong].mean():.4f}, ", end="")
    print(f"of wrong ones {pull[is_wrong].mean():.4f}; share from wrong labels {share[name]:.0%}")

# %% [markdown]
# A third of the pulling comes from wrong labels. With the plateau it is about an eighth. What is left
# comes from the few wrong labels that lie above $k$: to pruning they look right.
#
# ## The plateau, in symbols and in code
# | symbol | in code | what it is |
# |---|---|---|
# | $L_q(p) = (1 - p^q) / q$ | `curves.loss_of_p(p, q)` | RNSL |
# | $k$ | `config.k` | threshold on $p$ |
# | $\min(L_q(p),\, L_q(k))$ | `curves.loss_of_p(p, q, k)` | the curve with the plateau |
# | $v_i \in \{0, 1\}$ | `loss.kept[i]` | whether the loss listens to image $i$ |
# | $v_i \, (L_q(p_i) - L_q(k))$ | `losses.truncated_rnsl(..., kept)` | t-RNSL of image $i$ |
#
# Why does t-RNSL take $L_q(k)$ away? With it, to leave an image out (0) is better than to keep it just
# when $L_q(p) > L_q(k)$. So the same formula says how to train *and* whom to keep. For the training
# alone the constant changes nothing: no gradient sees it.

# %%
q, k = 0.7, 0.5
for p_one in (0.9, 0.6, 0.4, 0.1):
    whole, slope = curves.loss_of_p(p_one, q), curves.gradient_wrt_p(p_one, q)
    cut = curves.loss_of_p(p_one, q, k) - curves.loss_of_p(k, q)
    slope_cut = curves.gradient_wrt_p(p_one, q, k)
    print(f"p = {p_one}: RNSL {whole:.3f} (slope {slope:.2f}), t-RNSL {cut:+.3f}", end="")
    print(f" (slope {slope_cut:.2f})")

# %% [markdown]
# ## Two steps that alternate
# 1. **Train** on the images with $v_i = 1$, the others rest. The $v_i$ stay as they are.
# 2. **Choose** anew: $v_i = 1$ where $p_i > k$. Now the network and the prototypes stay as they are.
#
# Step 2 looks at all images. One that was left out can come back. In code both sides are logs, since
# a very small $p$ is rounded to 0 and $\log p$ is not.

# %%
kept = history.log_p[20] > np.log(config.k)
print(f"By hand: {kept.float().mean():.1%} of the images stay.")
same = (kept == history.kept[21]).float().mean()
print(f"Epoch 21 of the run trained on just these: {same:.2%} agree.")

# %% [markdown]
# ## Exercise 1: write the pruning step
# `log_p` is an array with one number for each image; `k` is a number. Return an array of True (the
# image stays) and False (it is left out).


# %% tags=["exercise"]
def keep_mask(log_p, k):
    """Which images stay in training: those with p > k."""
    # solution
    return log_p > np.log(k)


# %% tags=["self-check"]
exercises.check_keep_mask(keep_mask)

# %% [markdown]
# ## Exercise 2: judge a pruning
# `kept` and `wrong` are arrays of True and False. Return two numbers, `precision, recall`. Remember:
# the finder says "wrong" about the images that are *not* kept.


# %% tags=["exercise"]
def precision_recall(kept, wrong):
    """Of those left out, the share that is wrong; of those wrong, the share that is left out."""
    # solution
    found = (~kept & wrong).sum()
    return found / (~kept).sum(), found / wrong.sum()


# %% tags=["self-check"]
exercises.check_precision_recall(precision_recall)

# %% [markdown]
# <details><summary>Solutions of exercises 1 and 2</summary>
#
# `return log_p > np.log(k)`, and
# `found = (~kept & wrong).sum()` with `return found / (~kept).sum(), found / wrong.sum()`
# </details>
#
# ## When to choose?
# **Predict**: after how many epochs do 80 of 100 images left out have a wrong label? Then press the play
# button. The dashed lines show where the run itself changed its choice.

# %%
over_epochs = explorers.PruningExplorer(history.log_p, wrong, history.kept, epoch=1, k=0.5)
over_epochs

# %% [markdown]
# Before training the prototypes believe in nothing, and $k = 0.5$ would leave out nearly everybody. Then
# the right labels cross the threshold, from left to right. Few wrong labels follow. Recall is high from
# the beginning. What needs time is **precision**: it passes 80% after 5 epochs.
#
# ## Why the score must come from a robust loss
# Now the same for NSL: same images, same wrong labels, same start. **Predict**: what do the orange bars
# do from epoch 10 on?

# %%
nsl_fitted, nsl_history = followed(replace(config, loss="nsl"))
over_epochs_nsl = explorers.PruningExplorer(nsl_history.log_p, wrong, epoch=3, k=0.5)
over_epochs_nsl

# %% [markdown]
# NSL learns the wrong labels by heart. After that their $p$ is nearly as high as that of the right ones,
# and no threshold separates them well. The **AUROC** says so without any threshold: it is the chance
# that a wrong label has a smaller $p$ than a right one. 1 is perfect, 0.5 is guessing.


# %%
def at_threshold(log_p, flipped, k=0.5):
    return flip_detection(-log_p, flipped, (log_p <= np.log(k)).numpy())


print("epoch   t-RNSL: AUROC, precision, recall     NSL: AUROC, precision, recall")
for epoch in (1, 2, 3, 5, 10, 20, 40):
    a, b = (at_threshold(run.log_p[epoch], wrong) for run in (history, nsl_history))
    print(f"{epoch:5} {a.auroc:15.3f} {a.precision:9.3f} {a.recall:8.3f}", end="")
    print(f"{b.auroc:17.3f} {b.precision:9.3f} {b.recall:8.3f}")

# %% [markdown]
# Read the NSL columns with care. After two epochs NSL tells wrong from right **better** than t-RNSL:
# it learns faster. But the moment passes, and $p$ alone does not tell you when. The robust loss needs
# some epochs more. Then its order is good, and it stays good until the end. That is what makes pruning
# safe.
#
# ## Too early, too late, too often
# The schedule has two numbers: `prune_from`, the epochs of training before the first choice, and
# `prune_every`, the epochs from one choice to the next. The run above took 20 and 5. Three other runs:
# **which one will be worst?**

# %%
runs = {"20, every 5": experiments.measure(fitted, aid)}
for first, every in tqdm(SCHEDULES, desc="schedules", unit="run"):
    schedule = replace(config, prune_from=first, prune_every=every)
    often = "once" if every >= config.epochs - first else f"every {every}"
    runs[f"{first}, {often}"] = experiments.run(aid, schedule).metrics

print("pruned after  accuracy   kept   precision   recall")
for name, m in runs.items():
    print(
        f"{name:12} {m['knn_clean']:9.1%} {m['kept']:7.1%} {m['precision']:10.1%} {m['recall']:8.1%}"
    )
nothing = experiments.run(aid, replace(config, loss="no_training")).metrics["knn_clean"]
print(f"no training  {nothing:8.1%}")

# %% [markdown]
# - **Too early** (after one epoch, once): the prototypes know little yet. Most images are left out, right
#   ones too, and nobody asks them again.
# - **Early, and often**: the choice is made anew each epoch. Some images come back, most do not: the
#   network was shaped by those few that were kept, and believes in them. The accuracy is lowest here,
#   by about a point.
# - **Late**: nothing is lost. The list is as good as before, and so is the accuracy. But then the
#   truncation did not help the training either: RNSL alone was robust enough here.
# - **No training**: k-NN on the features as they came is what all of this has to beat. Choosing too early falls
#   below it.
#
# Too early and too greedy, under your hand: both runs below are t-RNSL. The left one waits for 300 steps and
# asks for $p > 0.5$, the right one asks for $p > 0.9$ after ten. Press **play**, and watch which points turn grey.

# %%
explorers.Playground(seed=3, a_loss="trnsl", b_loss="trnsl", b_start=10, b_k=0.9)

# %% [markdown]
# On the right three of the four classes are lost, right labels and wrong ones alike. They are asked again
# every 50 steps, but who is left out no longer pulls, so its $p$ does not grow. The one class that is left keeps all
# its labels, the wrong ones too. Throw the dice: in about half of all draws not even one is left.
#
#
# ## Which threshold?
# These runs are measured already: five values of $k$, three seeds, with their spread over seeds in
# `data/results`. **Predict**: how much accuracy does a bad $k$ cost?

# %%
record = experiments.load_results(shipped("data", "results", "aid_k", "results.json"))
cells = {(s.noise, s.rate, s.k): s.mean for s in experiments.summarize(record.results)}
print("noise             k     k-NN   prototype   kept   precision   recall")
for (kind, rate, k), m in cells.items():
    if rate == 0.5:
        print(f"{kind:16} {k:.1f} {m['knn_clean']:8.1%} {m['prototype']:9.1%}", end="")
        print(f"{m['kept']:9.1%} {m['precision']:9.1%} {m['recall']:10.1%}")

# %% [markdown]
# *k-NN* is the accuracy of the neighbours under their true labels, *prototype* that of the nearest
# prototype. The embedding hardly moves: the k-NN accuracy changes by less than a point. RNSL has done
# most of the work before the truncation begins. The **list** moves: $k$ trades precision for recall. To
# *look at* doubtful labels, choose $k$ by how many you can look at.
#
# One more thing moves: with label-dependent noise (more on it below) the **prototypes** gain about four
# points from a large $k$. Many wrong labels have a large $p$ there, and pull the prototypes away.
#
# ## The price: nothing is wrong, and images are left out
# At rate 0 all labels are right. What does t-RNSL leave out then?

# %%
for (kind, rate, k), m in cells.items():
    if (kind, rate) == ("symmetric", 0.0):
        print(f"k = {k:.1f}: {1 - m['kept']:.1%} left out, accuracy {m['knn_clean']:.1%}")

# %% [markdown]
# These are hard images: their label is right, but the prototypes do not believe it. A rule that leaves
# out what is hard to believe cannot tell *hard* from *wrong*. So look at the list before you throw images
# away.
#
# ## When wrong labels look right
# Symmetric noise is easy: a wrong label is any other class. **Label-dependent** noise takes a class
# that looks alike. The table above says what that does: at $k = 0.5$ precision falls from 94% to 88%, and
# recall much more, from 97% to 78%. **Predict**: of which class, called what, are most wrong labels
# missed? Classes of AID are Beach, Bridge, Church, Center, Desert, BareLand, Playground, Stadium, ...

# %%
alike_fitted, alike = followed(replace(config, noise="label_dependent"))
alike_wrong = alike_fitted.given.flipped
alike_explorer = explorers.PruningExplorer(alike.log_p, alike_wrong, alike.kept, epoch=20)
alike_explorer.figure()

# %% [markdown]
# Which wrong labels are missed? Count them by pairs: from the true class to the given one.

# %%
true = aid.labels[aid.split.train]
given = alike_fitted.given.labels
left_out = (alike.log_p[20] <= np.log(0.5)).numpy()
pairs, counts = np.unique(
    np.stack([true, given], axis=1)[alike_wrong & ~left_out], axis=0, return_counts=True
)
for i in np.argsort(-counts)[:6]:
    a, b = pairs[i]
    flipped_ab = (true == a) & (given == b)
    lost = left_out[(true == a) & (given == a)].mean()
    print(f"{aid.class_names[a]:17} called {aid.class_names[b]:17} ", end="")
    print(f"{counts[i]:2} of {flipped_ab.sum():3} missed; ", end="")
    print(f"right labels left out: {lost:.0%}")

# %% [markdown]
# A stadium has a playground inside. Where many playgrounds are called Stadium, they lie close to the
# prototype of Stadium, and $p$ of the wrong label is high. For some classes the *right* labels begin to
# look wrong, too: of the churches with a right label 43% are left out. No threshold repairs that: $p$
# says what the prototypes believe, and they believe what they were told.
#
# ## Three faults to know
# The reference implementation of the paper does three things that we do not. We measure what each is
# worth here. It may be little: then that is the result. (A fourth has nothing to do with truncation: its
# `--resume` loses the schedule, so that the learning rate falls late in a run that was stopped.)
#
# ### Fault 1: choosing with clean validation labels
# The reference looks for the best epoch on validation images with **true** labels, whose neighbours are
# training images with **true** labels. It keeps the network of that epoch, and chooses with it which
# images to leave out. Who has such labels should train on them. In practice the validation labels are as
# wrong as the others.
#
# We train NSL, where the choice of the epoch matters most, and keep the network after each epoch.

# %%
inputs = experiments.standardized(aid)
training_inputs = inputs[torch.from_numpy(aid.split.train)]


def trained(config, after_epoch):
    """As `experiments.fit`, and call after_epoch(network, loss, epoch) after each epoch."""
    given = experiments.corrupt(aid, config)
    labels = torch.from_numpy(given.labels)
    generator = torch.Generator().manual_seed(config.seed)
    network = embedding_head(
        inputs.shape[1], config.hidden_dim, config.embedding_dim,
        input_dropout=config.input_dropout, dropout=config.dropout, generator=generator,
    )  # fmt: skip
    loss = experiments.build_loss(config, len(aid.class_names), len(labels), generator)
    with tqdm(total=config.epochs, desc=config.loss, unit="epoch") as bar:
        train(
            network, loss, training_inputs, labels, config.settings,
            on_epoch=lambda seen: (after_epoch(network, loss, seen.epoch + 1), bar.update()),
        )  # fmt: skip
    return experiments.Fitted(network, loss, given, bar.format_dict["elapsed"])


copies = []
trained(replace(config, loss="nsl"), lambda network, *_: copies.append(deepcopy(network)))
given_labels = nsl_fitted.given.labels  # the same

# %% [markdown]
# Two scores for each epoch. *Clean*: true labels everywhere, as in the reference. *Given*: labels with
# the same noise everywhere, as in practice.

# %%
index, val, test = aid.split.train, aid.split.val, aid.split.test
flips = noise.symmetric_transition(len(aid.class_names), RATE)
val_given = noise.corrupt_labels(aid.labels[val], flips, seed=1000 + SEED).labels
clean_score, given_score = {}, {}
for epoch in tqdm(TRIED, desc="epochs to choose from", unit="epoch"):
    points = embed(copies[epoch - 1], inputs).numpy()
    clean_score[epoch] = knn_accuracy(
        points[index], aid.labels[index], points[val], aid.labels[val]
    )
    given_score[epoch] = knn_accuracy(points[index], given_labels, points[val], val_given)

# %%
chosen = {
    "clean labels": max(TRIED, key=clean_score.get),
    "given labels": max(TRIED, key=given_score.get),
    "nobody (last epoch)": TRIED[-1],
}
reached = {}
for who, epoch in chosen.items():
    points = embed(copies[epoch - 1], inputs).numpy()
    reached[who] = knn_accuracy(points[index], aid.labels[index], points[test], aid.labels[test])
    print(f"chosen by {who:20} epoch {epoch:2}, test accuracy {reached[who]:.1%}; ", end="")
    print(f"validation: clean {clean_score[epoch]:.1%}, given {given_score[epoch]:.1%}")

bought = reached["clean labels"] - reached["given labels"]
print(f"\nThe clean labels bought {100 * bought:.1f} points.")

# %% [markdown]
# Two lessons. To stop early is worth a lot for NSL, and noisy validation labels are good enough to
# find the epoch: they lower the score of every epoch by about the same factor. The clean labels bought little.
# Set `SEED` to 1 and run again: they buy nothing. With 2 they buy 1.4 points.
#
# The fault stays a fault. A comparison that stops one loss by labels that nobody has shows what the
# labels can do, not what the loss can do. A loss that is robust needs no such moment: replace `"nsl"`
# by `"trnsl"` three cells above. Then both scores are best at the last epoch.
#
# ### Fault 2: scoring under random augmentation
# The reference scores the images for pruning with the network in evaluation mode, but under the
# augmentation of training: colours change, images turn grey or are mirrored, by chance. Our images are
# features. Let dropout stand for the augmentation: some inputs are silenced by chance. We score all
# images twice with dropout on, and once with it off. **Predict**: how many of 6,993 images change sides
# between two draws?

# %%
labels_given = torch.from_numpy(fitted.given.labels)


def score(embeddings, prototypes, labels=labels_given):
    return losses.label_log_probability(embeddings, prototypes, labels, config.temperature)


with torch.no_grad():
    prototypes = fitted.loss.prototypes
    quiet = score(embed(fitted.network, training_inputs), prototypes)
    torch.manual_seed(SEED)
    fitted.network.train()
    draws = [score(fitted.network(training_inputs), prototypes) for _ in range(2)]
    fitted.network.eval()
for name, log_p in (("dropout off", quiet), ("draw 1", draws[0]), ("draw 2", draws[1])):
    found = at_threshold(log_p, wrong)
    print(f"{name:12} precision {found.precision:.1%}, recall {found.recall:.1%}")
level = np.log(config.k)
moved = ((draws[0] <= level) != (draws[1] <= level)).sum().item()
print(f"{moved} images ({moved / len(wrong):.1%}) change sides from one draw to the next.")

# %% [markdown]
# Noise in the score makes right labels look doubtful, and a small part of the choice is left to chance.
# Score with `network.eval()` and without augmentation.
#
# ### Fault 3: network and prototypes of different epochs
# The reference chooses the images with network and prototypes of the best epoch (fault 1). Then it goes
# back to the network of the last epoch, but the prototypes stay at those of the best epoch. Training goes
# on with this pair. $p$ compares an embedding with prototypes. What if the two are of different epochs?
# First the scores: the embeddings of epoch 10, with the prototypes of other epochs, on 2,000 images.

# %%
batch = history.batch
for epoch in (1, 3, 5, 10, 20, 40):
    mixed = score(history.embeddings[10], history.prototypes[epoch], labels_given[batch])
    found = at_threshold(mixed, wrong[batch])
    own = history.log_p[10][batch]
    differ = ((mixed <= level) != (own <= level)).float().mean()
    print(f"prototypes of epoch {epoch:2}: precision {found.precision:.1%}, ", end="")
    print(f"recall {found.recall:.1%}; {differ:.1%} of the decisions differ")

# %% [markdown]
# For the scores the damage is small: prototypes move little after the first epochs, and *later* ones even
# help a little. Older ones cost precision. Now the training. We do as the reference does, and let epoch 10
# be the best one. **Predict**: what suffers most, the embedding, the prototypes or the list?

# %%
BEST, pair = 10, []


def as_the_reference(network, loss, epoch):
    """Choose by the pair of the best epoch; go on with its prototypes, and the last network."""
    if epoch == BEST:
        pair[:] = deepcopy(network), loss.prototypes.detach().clone()
    if epoch < config.epochs and config.prunes_before(epoch):
        with torch.no_grad():
            loss.prototypes.copy_(pair[1])
        loss.update_kept(embed(pair[0], training_inputs), labels_given)


not_by_itself = replace(config, prune_from=config.epochs + 1)  # the function above chooses
mixed_run = experiments.measure(trained(not_by_itself, as_the_reference), aid)
for name, m in (("both of one moment", runs["20, every 5"]), ("as the reference", mixed_run)):
    print(f"{name:19} k-NN {m['knn_clean']:.1%}, prototype {m['prototype']:.1%}; ", end="")
    print(f"kept {m['kept']:.1%}, precision {m['precision']:.1%}, recall {m['recall']:.1%}")

# %% [markdown]
# The list suffers: it is as old as the best epoch, and leaves out more right labels. The prototypes lose
# a little, the embedding hardly anything. With `BEST = 3` precision is about 71%, and the prototypes lose
# three points or more. The later the best epoch, the smaller the damage. The bug is quiet, and that is
# the trouble: nothing crashes, and the numbers look almost right. Our loop prunes with both as
# they stand.
#
# Two more need no measurement: the reference stops with an error at noise rate 0, so that it has no clean
# baseline, and it never uses its test images.
#
# ## Exercise 3: choose k without clean labels
# You have $\log p$ of one moment of a run, and no true label. Write a rule that returns $k$. Ideas: the
# emptiest part of the histogram between its two hills; the share of images that you can afford to
# lose; a constant, if you can defend it. The check tries your rule on the symmetric run.


# %% tags=["exercise"]
def choose_k(log_p):
    """A threshold between 0 and 1, from log p (an array, one number for each image) alone."""
    # solution
    counts, edges = np.histogram(np.exp(log_p), bins=20, range=(0, 1))
    emptiest = counts.argmin()
    return (edges[emptiest] + edges[emptiest + 1]) / 2


# %% tags=["self-check"]
measured = {k: m["knn_clean"] for (n, r, k), m in cells.items() if (n, r) == ("symmetric", RATE)}
exercises.check_choose_k(choose_k, history.log_p[20].numpy(), wrong, measured)

# %% [markdown]
# **Open question.** Try your rule on `alike.log_p[20].numpy()` with `alike_wrong`, and on
# `history.log_p[3].numpy()`. Where does it fail? Could it tell, *from p alone*, that it is too early to
# prune, or that the wrong labels look right?
#
# <details><summary>A solution, and some thoughts</summary>
#
# ```python
# counts, edges = np.histogram(np.exp(log_p), bins=20, range=(0, 1))
# emptiest = counts.argmin()
# return (edges[emptiest] + edges[emptiest + 1]) / 2
# ```
#
# A valley between two hills says that the prototypes have made up their minds. It does not say that
# they are right: with label-dependent noise there is a valley, too, and about a quarter of the wrong
# labels lie above $k = 0.5$. Too early the upper hill is still small. A rule may ask how many images lie
# above 0.9 before it prunes.
# </details>

# %% [markdown]
# ## What we have shown
# - t-RNSL is RNSL with a plateau. An image on it does not pull. Who lies there is one comparison,
#   $\log p \le \log k$, for every $q$.
# - With symmetric noise, "left out" finds wrong labels with high precision and recall, if the score
#   comes from a robust loss that has had some epochs. NSL loses the difference between right and wrong.
# - Too early a choice does lasting harm. A late one does none.
# - $k$ changes the list, hardly the embedding. The price of truncation is a few hard images with right
#   labels.
# - Wrong labels that look right are not found by $p$.
# - Clean validation labels are a leak, even where they buy little. Scores for pruning are made without
#   randomness, and with a network and prototypes of one moment.
#
# ## Where to look next
# - The mathematics: `losses.truncated_rnsl??`, the step: `train??` and `loss.update_kept??`.
# - All measured values of $k$, with spread: `data/results/README.md`.
# - Zhang and Sabuncu, "Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy
#   Labels", NeurIPS 2018: where the truncated loss and its two alternating steps come from.
# - The paper: Kang et al., IEEE TGRS 2020,
#   [doi 10.1109/TGRS.2020.3042607](https://doi.org/10.1109/TGRS.2020.3042607).

# %% tags=["hidden-assert"]
# What this notebook claims, held by the runs above (for symmetric noise at the rate it starts with).
if RATE == 0.5:
    robust = {e: at_threshold(history.log_p[e], wrong) for e in (3, 5, 20, 40)}
    plain = {e: at_threshold(nsl_history.log_p[e], wrong) for e in (2, 20, 40)}
    assert min(robust[20].precision, robust[20].recall) > 0.92 > robust[3].precision + 0.1, robust
    assert min(robust[20].auroc, robust[40].auroc) > 0.98, robust
    assert plain[2].auroc > 0.97 > 0.88 > plain[20].auroc, plain
    assert plain[40].recall < 0.1, plain
    assert share["RNSL"] > 0.22 > 0.18 > share["t-RNSL"], share
    assert kept.equal(history.kept[21])
    spread_over_k = [
        m["knn_clean"] for (n, r, _), m in cells.items() if (n, r) == ("symmetric", 0.5)
    ]
    assert max(spread_over_k) - min(spread_over_k) < 0.01, spread_over_k
    by_prototype = [cells["label_dependent", 0.5, k]["prototype"] for k in (0.1, 0.9)]
    assert 0.035 < by_prototype[1] - by_prototype[0] < 0.055, by_prototype
    late, early, early_often = runs["39, once"], runs["1, once"], runs["1, every 1"]
    assert abs(late["knn_clean"] - runs["20, every 5"]["knn_clean"]) < 0.02, runs
    assert early["knn_clean"] < late["knn_clean"] - 0.04, runs
    assert early["knn_clean"] < nothing < late["knn_clean"], (nothing, runs)
    assert early["kept"] < 0.25, runs
    assert 0.7 < at_threshold(alike.log_p[20], alike_wrong).recall < 0.82

# %% tags=["hidden-assert"]
# The three faults, held by their runs.
if RATE == 0.5:
    assert reached["given labels"] > reached["nobody (last epoch)"] + 0.06, reached
    assert abs(bought) < 0.04, reached
    assert at_threshold(draws[0], wrong).precision < at_threshold(quiet, wrong).precision
    assert 0.005 < moved / len(wrong) < 0.06, moved
    ours = runs["20, every 5"]
    assert 0.02 < ours["precision"] - mixed_run["precision"] < 0.08, mixed_run
    assert abs(ours["knn_clean"] - mixed_run["knn_clean"]) < 0.01, mixed_run
    assert 0 < ours["prototype"] - mixed_run["prototype"] < 0.02, mixed_run
    assert early_often["knn_clean"] < early["knn_clean"], runs
    assert robust[5].precision > 0.77, robust
