# %% [markdown]
# # 3. Who steers the prototypes?
# The question: **who steers the prototypes, the right labels or the wrong ones?**
#
# Training moves the prototypes a little with each batch. Every image of the batch pulls, and the loss
# decides how hard. Here we look at this one number: **the pull of an image**.
#
# **Predict first.** The prototypes hardly believe the label of an image: $p = 0.01$. How much harder does
# it pull under NSL than under RNSL (with its usual $q = 0.7$)? Twice, five times, or more than twenty
# times? Decide, then move the marked image to $p = 0.01$.

# %%
from rnsl_tutorial.tutorial import curves, explorers

explorers.LossExplorer()

# %% [markdown]
# **You will be able to** derive how hard an image pulls, and say why RNSL resists wrong labels. You will
# write it so that it never gives NaN, and train with it without any library.
#
# **Time** 55 min. **Runs on** any laptop. **Needs** the chain rule, and notebooks 00 and 01 for the words
# *embedding*, *prototype* and *pull*. **Downloads** nothing.
#
# ## What you see
# $p$ is the probability that the prototypes give to the image's label. The first chart shows what the
# image costs, the next one how hard it pulls, for three losses. You can drag the marker in the charts.
# The last chart shows the pull over the cosine between the image and the prototype of its label.
#
# - **NSL** pulls hardest at $p = 0$: on the images that disagree most with their label.
# - **RNSL** pulls hardest somewhere in the middle: on the images that are undecided.
# - **MAE**, the mean absolute error, is RNSL with $q = 1$.
#
# **Answer**: at $p = 0.01$ and $q = 0.7$ NSL pulls 25 times as hard. Move $q$ down to 0: RNSL
# becomes NSL.

# %% [markdown]
# The rest of the notebook needs this:

# %%
import numpy as np
import torch
from torch import nn
from torch.autograd import grad
from torch.nn.functional import normalize
from tqdm.auto import tqdm

from rnsl_tutorial import datasets, experiments, losses
from rnsl_tutorial.evaluation import embedding
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.tutorial import exercises, plots

# %% [markdown]
# ## The pull, by hand
# | symbol | in code | what it is |
# |---|---|---|
# | $z = w_y^\top x / T$ | `logits[label]` | the **logit** of the label $y$: cosine over temperature |
# | $p = e^{z} / \sum_c e^{z_c}$ | `logits.softmax(0)[label]` | belief in the label |
# | $L_q = (1 - p^q) / q$ | `curves.loss_of_p(p, q)` | RNSL |
# | $\partial L_q / \partial z$ | `curves.gradient_wrt_logit(p, q)` | its slope: minus the pull |
#
# The pull acts on $z$: training goes down the slope, so it raises the logit of the label.
#
# Where is $1/T$? In notebook 01 a force was the pull $1 - p$, times $1/T$. Here the pull acts on $z$, which
# holds the $1/T$ already. The factor is the same for all images, so it changes no share.
#
# The chain rule makes the slope of two parts. Write $p = e^z / (e^z + s)$, where $s$ is the sum of the
# other $e^{z_c}$.
#
# <details><summary>The two parts</summary>
#
# $$\frac{\partial L_q}{\partial p} = -\frac{q\,p^{q-1}}{q} = -p^{q-1}
# \qquad\qquad \frac{\partial p}{\partial z} = \frac{e^z s}{(e^z + s)^2} = p\,(1 - p)$$
# </details>
#
# ## Exercise 1: write the pull
# Multiply the two parts. Write how hard an image pulls on the logit of its label, as a positive number.


# %% tags=["exercise"]
def pull(p, q):
    """How hard an image pulls on the logit of its label, whose probability is p."""
    # solution
    return p**q * (1 - p)


# %% tags=["self-check"]
exercises.check_pull(pull)

# %% [markdown]
# <details><summary>Solution</summary>
#
# $$\frac{\partial L_q}{\partial z} = -p^{q-1} \cdot p\,(1 - p) = -p^q\,(1 - p)$$
#
# So the function is `return p**q * (1 - p)`.
# </details>
#
# ## One factor
# RNSL pulls with $p^q (1 - p)$. For NSL, $L = -\log p$, the first part is $-1/p$, and the pull is $1 - p$.
# So RNSL differs from NSL in one factor: **$p^q$**. Does autograd agree?

# %%
logits = torch.tensor([0.5, 2.0, -1.0], dtype=torch.float64, requires_grad=True)
q, label = 0.7, 0
p = logits.softmax(0)[label]
((1 - p**q) / q).backward()
print(f"autograd   dL/dz = {logits.grad[label]:.6f}")
print(f"by hand    dL/dz = {-(p**q) * (1 - p):.6f}")
print(f"library    dL/dz = {curves.gradient_wrt_logit(p.detach(), q):.6f}")
print(f"the slopes over all three logits: {logits.grad.numpy().round(4)}")

# %% [markdown]
# Look at the last line. The label's logit is pulled up, the others are pushed down. The three slopes
# sum to 0.
#
# The factor is the same for *every* weight $\theta$ of network and prototypes. $L_q$ is a function of
# $\log p$, and its slope over $\log p$ is $-p^q$. So
#
# $$\frac{\partial L_q}{\partial \theta} = p^q \cdot \frac{\partial (-\log p)}{\partial \theta} .$$
#
# RNSL *is* NSL with a weight for each image. Notebook 04 calls it **down-weighting**. RNSL
# pulls hardest at $p = q / (1 + q)$: there the slope of
# $p^q (1 - p)$ over $p$ is 0. At $q = 0.7$ that is 0.41.
#
# ## The limit q → 0 is NSL
# For a small $q$, $p^q = e^{q \log p} \approx 1 + q \log p$. So $(1 - p^q) / q \approx -\log p$.
#
# We let $q$ fall and compare with $-\log p$ at $p = 0.1$. We compute the loss in two ways, both in
# float32, as training usually does. **Predict first**: will both come closer and closer?

# %%
p_small = torch.tensor(0.1)
print(f"-log p = {-p_small.log():.6f}\n\n    q     (1 - p**q) / q   the library's")
for q in 10.0 ** -np.arange(1, 9):
    direct, careful = (1 - p_small**q) / q, losses.negative_box_cox(p_small.log(), q)
    print(f"{q:.0e}     {direct:10.6f}       {careful:10.6f}")

# %% [markdown]
# The left column comes closer, and then it goes wrong. float32 has about 7 digits. For $q = 10^{-6}$ the
# power is 0.9999977: in $1 - p^q$ five of its digits cancel, and what is left is noise. At last $p^q$ is
# rounded to 1, and the loss is 0.
#
# torch has a function against this. `torch.expm1(x)` is $e^x - 1$ in one step, without the cancellation.
# You will use it in exercise 2.
#
# ## The other limit, q = 1, and why it resists
# For $q = 1$ the loss is $1 - p$: the **mean absolute error**. (The label as a vector has a 1 at $y$. The
# absolute errors of the probabilities sum to $2 (1 - p)$.)
#
# Why should such a loss resist wrong labels? Give one image every label in turn, and add up the 30 losses.
# **Predict first.** For four random images, which of the three losses always gives the same sum?

# %%
generator = torch.Generator().manual_seed(0)
print("sum over all 30 labels   -log p     L_0.7     1 - p")
sums = torch.empty(4, 3)
for i in range(4):
    log_p = torch.randn(30, generator=generator).log_softmax(0)
    sums[i] = torch.stack([losses.negative_box_cox(log_p, q).sum() for q in (0, 0.7, 1)])
    print(f"image {i + 1}                " + "".join(f"{total:10.1f}" for total in sums[i]))

# %% [markdown]
# The probabilities sum to 1. So the sum of $1 - p$ is 29 for every image and every network: **a constant**.
# Let $L(c)$ be the loss of an image under label $c$, and let noise at rate $r$ be symmetric. The loss to
# expect is
#
# $$(1 - r)\, L(y) + \frac{r}{29} \sum_{c \neq y} L(c)
# = \Big(1 - \frac{30\, r}{29}\Big)\, L(y) + \frac{r}{29} \sum_{c} L(c) .$$
#
# The last sum is a constant, and training does not feel it. What is left is the loss under the **right**
# label, times a positive number (as long as $r < 29/30$). So the best network is the same with and without
# the wrong labels. That is a theorem of Ghosh et al. (2017).
#
# For NSL the sum has no upper limit. For $L_q$ it is nearly constant: it lies between
# $(30 - 30^{1-q}) / q$ and $29 / q$. From the same equation follows Zhang and Sabuncu's bound (2018). The
# best network under noise loses at most this much more than the best one:
#
# $$\frac{r\, (30^{1-q} - 1)}{q\, (29 - 30\, r)}$$

# %%
print("r = 0.4, most that the wrong labels can cost, beside the largest loss 1/q of one image")
for q in (1.0, 0.7, 0.3, 0.1):
    bound = 0.4 * (30 ** (1 - q) - 1) / (q * (29 - 30 * 0.4))
    print(f"q = {q}: {bound:6.3f}   of {1 / q:6.3f}: {q * bound:.1%}")

# %% [markdown]
# Two limits of the theorem. It speaks of the best network, and training may not find it: $1 - p$ is hard to
# train (notebook 04). And it needs symmetric noise: we come back to this.
#
# ## How p**q gives NaN
# The temperature makes logits large. At $T = 0.01$ a cosine of $-1$ gives a logit of $-100$, and a
# cosine of $+1$ gives $+100$. Take an image that points away from the prototype of its label, and
# exactly to another one. Its $p$ is $e^{-200}$.
#
# **Predict first.** What is the loss $(1 - p^q) / q$ in float32? And what is its slope?

# %%
far = torch.tensor([-100.0, 100.0], requires_grad=True)  # the label's logit comes first
p = far.softmax(0)[0]
loss = (1 - p**0.7) / 0.7
(naive_slopes,) = grad(loss, far)
print(f"p**q:    p = {p:.1f}, loss = {loss:.4f}, slopes = {naive_slopes.tolist()}")

log_p = far.log_softmax(0)[0]
loss = losses.negative_box_cox(log_p, 0.7)
(stable_slopes,) = grad(loss, far)
print(f"library: log p = {log_p:.1f}, loss = {loss:.4f}, slopes = {stable_slopes.tolist()}")

# %% [markdown]
# The loss is the same, and looks healthy. The slopes are not. In float32 $e^{-200}$ is 0. Autograd
# multiplies two slopes:
#
# $$\frac{\partial L}{\partial p} = -p^{q-1} = -\frac{1}{0^{0.3}} = -\infty \qquad
# \frac{\partial p}{\partial z} = p\,(1 - p) = 0 \qquad -\infty \cdot 0 = \text{NaN}$$
#
# The true product is about $10^{-61}$: nothing. The library never forms $p$. It starts from $\log p$, and
# there the slope is $-p^q$: no factor is ever infinite. One NaN is enough to destroy a training, since it
# reaches every prototype.
#
# When can it happen? Two cosines differ by 2 at most, two logits by $2 / T$. So $p$ can be as small as
# about $e^{-2 / T}$.

# %%
for dtype in (torch.float32, torch.float16):
    smallest = torch.finfo(dtype).smallest_normal * torch.finfo(dtype).eps
    print(f"{dtype}: the smallest number is {smallest:.0e}. ", end="")
    print(f"p can become 0 for T below {-2 / np.log(smallest):.3f}")

# %% [markdown]
# This tutorial has temperatures from 0.05 to 0.2. float32 is safe there; float16 is not, below 0.12. So
# the library raises float16 to float32 first.
#
# ## Exercise 2: write RNSL so that it lasts
# Write $(1 - p^q) / q$ from $\log p$, so that it is right for a tiny $q$, and its slope for a tiny $p$.


# %% tags=["exercise"]
def stable_rnsl(log_p, q):
    """RNSL from log p, a tensor: right for small q, with a finite slope where p underflows."""
    # solution
    return -torch.expm1(q * log_p) / q


# %% tags=["self-check"]
your_rnsl = stable_rnsl if exercises.check_stable_rnsl(stable_rnsl) else losses.negative_box_cox

# %% [markdown]
# <details><summary>Hint</summary>
#
# $p^q = e^{q \log p}$. What does `torch.expm1(q * log_p)` give?
# </details>
#
# <details><summary>Solution</summary>
#
# `return -torch.expm1(q * log_p) / q`
# </details>
#
# ## A real training run
# Now we leave the curves. We train the small head of notebook 00 on AID's features: 6,993 training
# images in 30 classes. With probability 0.4 an image gets a wrong label; any of the other 29 classes
# will do. We train twice, with NSL and with RNSL. After each epoch we write down $\log p$ of every
# training image.

# %% tags=["parameters"]
NOISE, RATE, SEED = "symmetric", 0.4, 0

# %%
aid = datasets.load_shipped_features("aid")
fitted, history = {}, {}
for name in ("nsl", "rnsl"):
    config = Config(noise=NOISE, rate=RATE, seed=SEED, loss=name)
    with tqdm(total=config.epochs, desc=plots.LOSS_STYLES[name].label, unit="epoch") as bar:
        fitted[name], history[name] = experiments.follow(
            aid, config, on_epoch=lambda _: bar.update()
        )
wrong = torch.from_numpy(fitted["nsl"].given.flipped)
print(f"{wrong.sum()} of {len(wrong)} labels are wrong: {wrong.float().mean():.0%}")

# %% [markdown]
# Labels were flipped for 39% of the images. If every image pulled alike, the wrong labels would make 39%
# of the pull.
#
# **Predict first.** We train with NSL, and after each epoch add up the pulls of all images. Which share
# do the wrong labels make? Does it rise or fall? Draw it, and press *Show*. Then say how it
# will look with RNSL's pull, $p^{0.7} (1 - p)$, and move **q** to 0.7.

# %%
moments = [*range(11), 12, 14, 16, 18, 20, 25, 30, 40]
explorer = explorers.GradientShareExplorer(
    {name: history[name].log_p[moments] for name in history},
    wrong,
    batch=history["nsl"].batch,
    epochs=moments,
    files=[aid.files[i] for i in aid.split.train],
    loss="nsl",
    epoch=5,
    q=0.0,
    guess=True,
)
explorer

# %% [markdown]
# ## What you see
# Left: 256 images, a batch. Each lies at its $p$ and at its pull. The scale of $p$ is stretched at both
# ends, so that 0.01 and 0.0001 can be told apart. Right: the share of the pull of all 6,993 images that
# wrong labels make, over the epochs. **Trained with** chooses the run. **Measured with q** chooses how
# the pull is measured in that run; $q = 0$ is NSL.
#
# **Answer**: 60% with NSL after 5 epochs, and 23% with $q = 0.7$. Early in training most wrong labels have a small
# $p$. The right labels agree with each other, so the prototypes follow them. NSL pulls hardest on the
# images that disagree. RNSL nearly lets them go.
#
# Now try this:
# 1. Keep **NSL** and press play, with $q = 0.7$. Why does RNSL's advantage shrink?
# 2. Choose **RNSL**. How large is the share now, after 8 epochs? What would NSL make of this moment?
#
# <details><summary>Answers</summary>
#
# 1. The run with NSL learns the wrong labels by heart. After 20 epochs half of them have a $p$ above
#    0.68. They look like right labels, and no $q$ can tell them apart any more. A robust loss has to be
#    robust from the beginning.
# 2. 14%. NSL would give the wrong labels 80% of the pull: most right labels are learned and hardly pull
#    any more. The run with RNSL never learns most wrong labels. From then on half of them have a $p$
#    below 0.0003.
# </details>

# %%
for epoch in (1, 5, 8, 12, 20, 40):
    print(f"epoch {epoch:2}: median p of the wrong labels", end="")
    for name in history:
        median = history[name].log_p[epoch, wrong].exp().median()
        print(f"  {median:.4f} with {name.upper()}", end="")
    print()

# %% [markdown]
# Read the column of NSL from the top. NSL, too, learns the right labels first, and the wrong ones later.
# This is called **early learning** (Arpit et al., 2017; Liu et al., 2020). So one can also stop NSL early:
# notebook 05 does. A robust loss needs no such moment.
#
# ## Exercise 3: your own loss trains
# From here on the library trains nothing and judges nothing. You need two functions that you have written
# before. Paste them, or write them again:
#
# - `nsl` of notebook 01, the loss of each image. Embeddings and prototypes come with any length;
# - `knn_accuracy` of notebook 00, the judge, in numpy. All vectors have unit length. Each query looks for its
#   $k$ nearest points in the index, by the cosine, and they vote with their labels. At a tie the smallest
#   label wins. Return the share of
#   the queries that get their own label.


# %% tags=["exercise"]
def nsl(embeddings, prototypes, labels, temperature):
    """Normalized softmax loss, one value per image: -log p."""
    # solution
    logits = normalize(embeddings) @ normalize(prototypes).T / temperature
    return -logits.log_softmax(1)[torch.arange(len(labels)), labels]


# %% tags=["exercise"]
def knn_accuracy(index, index_labels, queries, query_labels, k):
    """The share of queries whose k nearest index points vote for the query's label."""
    # solution
    nearest = np.argsort(-queries @ index.T, axis=1)[:, :k]
    votes = [np.bincount(labels).argmax() for labels in index_labels[nearest]]
    return np.mean(votes == query_labels)


# %% tags=["self-check"]
your_nsl = nsl if exercises.check_nsl(nsl) else losses.nsl
train, test, true = aid.split.train, aid.split.test, aid.labels[aid.split.train]
inputs = torch.from_numpy(aid.features / np.sqrt((aid.features[train] ** 2).mean()))
x = normalize(inputs).numpy()
untrained = x[train], true, x[test], aid.labels[test]
solved = exercises.check_knn_accuracy(knn_accuracy)
your_accuracy = knn_accuracy if solved else embedding.knn_accuracy
nothing = your_accuracy(*untrained, k=10)
weighted = embedding.knn_accuracy(*untrained, k=10)  # nearer neighbours count more
print(f"No training at all: {nothing:.1%} of the new images found; by the library {weighted:.1%}.")

# %% [markdown]
# <details><summary>Solutions</summary>
#
# ```python
# logits = normalize(embeddings) @ normalize(prototypes).T / temperature
# return -logits.log_softmax(1)[torch.arange(len(labels)), labels]
# ```
#
# ```python
# nearest = np.argsort(-queries @ index.T, axis=1)[:, :k]
# votes = [np.bincount(labels).argmax() for labels in index_labels[nearest]]
# return np.mean(votes == query_labels)
# ```
# </details>
#
# ## The whole experiment without the library
# Wrong labels, a head, prototypes, SGD, 40 epochs, a judge: plain torch and numpy. Where an answer of yours is
# missing, the library's function stands in.

# %% tags=["parameters"] ci={"EPOCHS": 6}
EPOCHS = 40


# %%
def whole_experiment(loss_of, pair_flip=False):
    """Spoil labels, train, judge: k-NN accuracy, and the share of wrong labels memorized."""
    rng = np.random.default_rng(SEED)
    flipped = rng.random(len(true)) < RATE
    shift = 1 if pair_flip else rng.integers(1, 30, len(true))
    y = torch.from_numpy((true + flipped * shift) % 30)
    torch.manual_seed(SEED)
    head = nn.Sequential(nn.Dropout(0.1), nn.Linear(256, 512), nn.ReLU(), nn.Linear(512, 128))
    w = nn.Parameter(torch.empty(30, 128).uniform_(-1, 1) / 128**0.5)
    sgd = torch.optim.SGD([*head.parameters(), w], 0.007, 0.9, weight_decay=1e-4, nesterov=True)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(sgd, EPOCHS * -(-len(y) // 256))
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(y)).split(256):
            loss = loss_of(head(inputs[train[batch]]), w, y[batch]).mean()
            sgd.zero_grad()
            loss.backward()
            sgd.step()
            falling.step()
    with torch.no_grad():
        x = normalize(head.eval()(inputs)).numpy()
        nearest = (x[train] @ normalize(w).numpy().T).argmax(axis=1)
    memorized = (nearest == y.numpy())[flipped].mean()
    return your_accuracy(x[train], true, x[test], aid.labels[test], k=10), memorized


# %%
def own_nsl(x, w, y):
    return your_nsl(x, w, y, temperature=0.07)


def own_rnsl(x, w, y):
    return your_rnsl(-own_nsl(x, w, y), 0.7)  # minus NSL is log p


yours, share_memorized = {}, {}
for name, loss_of in (("NSL", own_nsl), ("RNSL", own_rnsl)):
    yours[name], share_memorized[name] = whole_experiment(loss_of)
    print(f"{name:12} k-NN accuracy on new images {yours[name]:.1%}")
print(f"no training  k-NN accuracy on new images {nothing:.1%}")

# %% [markdown]
# Read the last line well. Trained on these labels, NSL is worse than not training at all: it has unlearned
# what the features knew. RNSL gains almost 3 points. On frozen features there is not much more to be had.
# Notebook 07 fine-tunes the network, where more is at stake.
#
# ## A case against the story
# The theorem needs symmetric noise. Now **pair flip**, at the same rate: every wrong label of a class names the
# next class. **Predict first.** Who finds more new images, NSL or RNSL? And who memorizes more wrong labels?

# %%
for name, loss_of in (("NSL", own_nsl), ("RNSL", own_rnsl)):
    cell = f"{name}, pair flip"
    yours[cell], share_memorized[cell] = whole_experiment(loss_of, pair_flip=True)
    print(f"{cell:17} finds {yours[cell]:.1%}, memorized {share_memorized[cell]:.0%}")

# %% [markdown]
# NSL has memorized nearly everything, and finds as many as RNSL, within a point or two. Why does RNSL not
# win? And why do the wrong labels cost NSL so little? Write two sentences before you open the answer.
#
# <details><summary>Answer</summary>
#
# $p^q$ finds what the prototypes disbelieve, and nothing else. Here the wrong labels of a class agree with
# each other. The prototypes believe many of them, and RNSL memorizes half.
#
# And memorizing is no disaster here. The wrong labels of a class go to one other place, not to 29. Its
# images lie in two groups. The neighbours of a new image are still mostly of its class.
# With symmetric noise the groups of all classes mix.
#
# Memorizing and accuracy are two things. Measure both.
# </details>
#
# There is another way, if you know the noise. Let $M_{ij}$ be the probability that class $i$ is called $j$.
# Then the *given* label has the probability $\sum_i p_i M_{ij}$, and its $-\log$ is the **forward
# correction** of Patrini et al. (2017). It is one more line in your loss:

# %%
M = (1 - RATE) * torch.eye(30) + RATE * torch.eye(30).roll(1, dims=1)  # pair flip


def corrected(x, w, y):
    p = (normalize(x) @ normalize(w).T / 0.07).softmax(dim=1)
    return -(p @ M)[torch.arange(len(y)), y].log()


cell = "corrected, pair flip"
yours[cell], share_memorized[cell] = whole_experiment(corrected, pair_flip=True)
print(f"{cell} finds {yours[cell]:.1%}, memorized {share_memorized[cell]:.0%}")

# %% [markdown]
# It beats both. The price: somebody must know $M$. Who does not has to estimate it from the wrong labels
# themselves. (`rnsl audit` does, notebook 10.)
#
# ## An open task, for engineers
# A colleague trains in float16, with a loop of her own. Give her your robust loss as a file
# that she can trust: one function, its tests, one page. There is no single solution. Judge yours, 2 points
# each:
#
# | 2 points for | how it is shown |
# |---|---|
# | right values | agrees with a slow loop in float64, for $q$ from $10^{-6}$ to 1 |
# | slopes that last | finite for cosines of $\pm 1$ in float16 and bfloat16, at $T = 0.01$ |
# | a door | $q = 0$, $q = 2$ and labels of another length are refused in one clear sentence |
# | its cost | time of a step beside `cross_entropy`, with batch, device and spread |
# | its limit | the page says what happens with pair flip, with a number of yours |
#
# ## What we have shown
# - An image pulls on its label's logit with $p^q (1 - p)$: NSL's $1 - p$ times the factor $p^q$. NSL
#   pulls hardest at $p = 0$, RNSL at $p = q / (1 + q)$.
# - $q \to 0$ is NSL and $q = 1$ is the mean absolute error. Over all labels $1 - p$ sums to a constant:
#   with symmetric noise that is why it resists.
# - Computed from $\log p$, RNSL is right for every $q$, and its slope is never NaN.
# - On AID with 39% wrong labels NSL lets them make 60% of the pull after 5 epochs. In its own run, RNSL
#   leaves them 14% after 8 epochs. Once they are memorized, they look like right ones to every $q$.
# - With pair flip RNSL finds no more images by true labels. By given labels it does (notebook 07).
#   Who knows the matrix can correct the loss.
#
# The numbers are from one run each, with seed 0. With seeds 1 and 2 the shares differ by at most 2
# percentage points. They are measured without dropout, which is on during training.
#
# ## Where to look next
# - Notebook 04 asks what $q$ costs: with a weak pull, right labels are learned slowly, too.
# - Notebook 05 goes one step further: below a threshold the pull becomes exactly 0.
# - Ghosh, Kumar, Sastry, "Robust Loss Functions under Label Noise for Deep Neural Networks", AAAI 2017.
# - Zhang, Sabuncu, "Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy Labels",
#   NeurIPS 2018: the same loss for classification, and the bound.
# - Patrini et al., "Making Deep Neural Networks Robust to Label Noise: A Loss Correction Approach", CVPR
#   2017.
# - Arpit et al., "A Closer Look at Memorization in Deep Networks", ICML 2017. Liu et al., "Early-Learning
#   Regularization Prevents Memorization of Noisy Labels", NeurIPS 2020.
# - The paper of RNSL: Kang et al., IEEE TGRS 2020,
#   [doi 10.1109/TGRS.2020.3042607](https://doi.org/10.1109/TGRS.2020.3042607).

# %% tags=["hidden-assert"]
# What this notebook claims, held by the runs above (for the noise that it starts with).
assert naive_slopes.isnan().all(), naive_slopes
assert stable_slopes.isfinite().all(), stable_slopes
assert 24 < 1 / 0.01**0.7 < 26
assert direct == 0, direct
assert abs(careful + p_small.log()) < 1e-5, careful
assert (sums[:, 2] - 29).abs().max() < 1e-3, sums
assert 100 < sums[:, 0].min() < sums[:, 0].max() - 5, sums
assert (30 - 30**0.3) / 0.7 < sums[:, 1].min() < sums[:, 1].max() < 29 / 0.7, sums
seen, y = history["nsl"], torch.from_numpy(fitted["nsl"].given.labels)[history["nsl"].batch]
x = seen.embeddings[5].clone().requires_grad_()
by_nsl, by_rnsl = (
    grad(loss(x, seen.prototypes[5], y, temperature=Config.temperature).sum(), x)[0]
    for loss in (losses.nsl, losses.rnsl)
)
p_of_each = seen.log_p[5, seen.batch].exp()
if (NOISE, RATE) == ("symmetric", 0.4):
    claims = [("nsl", 5, 0.6, 0.23), ("nsl", 20, 0.65, 0.57), ("rnsl", 8, 0.8, 0.14)]
    for name, epoch, *claimed in claims:
        p = history[name].log_p[epoch].double().exp()
        pulls = [curves.gradient_wrt_logit(p, q) for q in (0, 0.7)]
        measured = [(pull[wrong].sum() / pull.sum()).item() for pull in pulls]
        assert np.allclose(measured, claimed, atol=0.03), (name, epoch, measured)

# %% tags=["hidden-assert"]
# What it says of the wrong labels' p, and of the experiment without the library.
medians = {name: history[name].log_p[:, wrong].exp().median(dim=1).values for name in history}
if (NOISE, RATE) == ("symmetric", 0.4):
    assert abs(medians["nsl"][20] - 0.69) < 0.03, medians
    assert medians["rnsl"][8:].max() < 0.0004, medians
if (RATE, EPOCHS) == (0.4, 40):
    assert yours["NSL"] < nothing - 0.05 < nothing + 0.02 < yours["RNSL"] < nothing + 0.035, yours
    assert share_memorized["NSL, pair flip"] > 0.95, share_memorized
    assert 0.4 < share_memorized["RNSL, pair flip"] < 0.6, share_memorized
    assert abs(yours["NSL, pair flip"] - yours["RNSL, pair flip"]) < 0.02, yours
    assert yours["NSL, pair flip"] > yours["NSL"] + 0.05, yours
    assert (
        yours["corrected, pair flip"]
        > max(yours[f"{loss}, pair flip"] for loss in ("NSL", "RNSL")) + 0.005
    ), yours
    assert share_memorized["corrected, pair flip"] < 0.1, share_memorized
