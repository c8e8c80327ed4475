# %% [markdown]
# # 1. Metric learning on the sphere
# The question: **what does the normalized softmax loss pull and push?**
#
# A network turns an image into a point $x$ on a sphere, its **embedding**. Each class has a point
# there, too: its **prototype** $w_c$. The network learns, and the points move. Where to?
#
# **Predict first.** The image $x$ below belongs to class A. Move it to 50° from A: then it lies only 35°
# from B. Which of the five prototypes will move it? Decide, then look at the arrows.

# %%
from rnsl_tutorial.tutorial import explorers

explorer = explorers.SphereExplorer(temperature=0.05, angle=20)
explorer

# %% [markdown]
# **You will be able to** say what the normalized softmax loss pulls and pushes, and choose its
# temperature. You will write it, and derive its gradient.
#
# **Time** 50 min. **Runs on** any laptop. **Needs** notebook 00, vectors, and one derivative of a
# logarithm. **Downloads** nothing.
#
# ## What you see
# The black dot is the image $x$. An arrow that begins there is a **force**: the part of one prototype in
# the next step of gradient descent. The image's own prototype A draws it near, and every other one
# drives it away. The wide grey arrow is all of it together. The thin arrows are the forces on the
# prototypes: A comes closer to the image, B goes away from it.
#
# How hard? Let $p_c$ be the belief of the prototypes in class $c$. The **pull** is $1 - p$ of the own
# class, a **push** is $p_c$ of another one. A force is a pull or a push, times $1/T$, along the sphere.
# Arrows are drawn **times T**, so that they can be compared from one temperature to another.
#
# **Answer**: two, A and B. The other three push, too, but at this temperature so little that you
# see no arrow.
#
# Move the image with its slider, or drag it. Three places to visit at $T = 0.05$:
#
# - 20°: near its own prototype next to nothing moves it. The loss is almost 0.
# - 42°: in the middle between A and B. Further away the loss grows steeply.
# - 84°: almost at B. A pulls, but B hardly pushes. Why? (A push along the sphere needs a direction
#   away from B. At B itself there is none.)

# %% [markdown]
# The rest of the notebook needs this:

# %%
import numpy as np
import torch
from tqdm.auto import tqdm

from rnsl_tutorial import datasets, experiments, losses
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.tutorial import exercises, plots

# %% [markdown]
# ## Who pushes hardest?
# **Predict.** We put the image at 60°: B is still the nearest prototype. At $T = 0.05$ you have seen who
# pushes: B. And at $T = 1$, which prototype pushes hardest? Write down its letter before you look.

# %%
at_60 = explorers.SphereExplorer(angle=60)
for temperature in (0.05, 1.0):
    at_60.temperature = temperature
    t, a = at_60.place("temperature"), at_60.place("angle")
    pushes = at_60.forces.lengths[t, 1:, a]  # of B to E; A, which pulls, is number 0
    shares = [
        f"{name} {share:4.0%}" for name, share in zip("BCDE", pushes / pushes.sum(), strict=True)
    ]
    print(f"T = {temperature:4}: of all the pushing   {'   '.join(shares)}")
at_60

# %% [markdown]
# At $T = 0.05$ the nearest rival B does all the pushing. At $T = 1$ it is **C**, though B is nearer. Now
# every class has a say, and a push has most effect at a right angle.
#
# Move the temperature from 1 down to 0.02, and watch the arrows of C and E disappear.
#
# The explorer is an object. In a cell, `at_60.angle = 90` moves the image, too, and `at_60.temperature`
# tells the temperature.

# %% [markdown]
# ## The loss in four steps
# | step | symbols | in code |
# |---|---|---|
# | 1. unit length | $\lVert x \rVert = 1$, $\lVert w_c \rVert = 1$ | `F.normalize(...)` |
# | 2. cosine: how well do they agree? | $w_c^\top x$, from $-1$ to $1$ | `prototypes @ x` |
# | 3. softmax: how much is class $c$ believed? | $p_c = e^{w_c^\top x / T} / \sum_j e^{w_j^\top x / T}$ | `softmax(cosines / T)` |
# | 4. loss: what does the label $y$ cost? | $L = -\log p_y$ | `losses.nsl(...)` |
#
# Let us do it by hand, for the image at 60°.

# %%
prototypes, own, temperature = explorer.prototypes, explorer.own, 0.1
x = explorer.forces.images[30]  # at 60 degrees, of length 1; one every 2 degrees
cosines = prototypes @ x
scores = np.exp(cosines / temperature)
p = scores / scores.sum()
for name, cosine, belief in zip(explorer.names, cosines, p, strict=True):
    print(f"{name}: cosine {cosine:5.2f}   p = {belief:.3f}")
print(f"loss by hand {-np.log(p[own]):.4f}", end=", ")
one_image = torch.tensor(x[None]), torch.tensor(prototypes), torch.tensor([own])
print(f"by the library {losses.nsl(*one_image, temperature=temperature).item():.4f}")

# %% [markdown]
# ## Exercise 1: write the loss
# Now for a batch: `embeddings` is a tensor [B, D], `prototypes` [C, D], `labels` [B]. None has length 1
# yet. Return one loss per image, a tensor [B].


# %% tags=["exercise"]
def nsl(embeddings, prototypes, labels, temperature):
    """Normalized softmax loss, one value per image: -log p."""
    # solution
    x = torch.nn.functional.normalize(embeddings, dim=1)
    w = torch.nn.functional.normalize(prototypes, dim=1)
    log_p = (x @ w.T / temperature).log_softmax(dim=1)
    return -log_p[torch.arange(len(labels)), labels]


# %% tags=["self-check"]
exercises.check_nsl(nsl)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `torch.nn.functional.normalize(a, dim=1)` divides each row by its length. `a.log_softmax(dim=1)` gives
# the logarithm of the softmax over the columns. `a[torch.arange(len(labels)), labels]` takes from each
# row the column of its label.
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# x = torch.nn.functional.normalize(embeddings, dim=1)
# w = torch.nn.functional.normalize(prototypes, dim=1)
# log_p = (x @ w.T / temperature).log_softmax(dim=1)
# return -log_p[torch.arange(len(labels)), labels]
# ```
# </details>

# %% [markdown]
# ## Temperature: who is heard?
# The softmax divides all cosines by $T$. A small $T$ makes small differences large. The table shows an
# image at 40°: it is a little nearer to its own prototype than to B.

# %%
a = at_60.controls["angle"].values.index(40)
for t, temperature in enumerate(at_60.controls["temperature"].values):
    pull, *pushes = at_60.forces.lengths[t, :, a]
    print(
        f"T = {temperature:4}   p = {np.exp(at_60.forces.log_p[t, a]):.2f}   "
        f"force of A {pull:.2f}/T   B does {pushes[0] / sum(pushes):4.0%} of the pushing"
    )

# %% [markdown]
# - **Small T**: the image only has to be nearer to its own prototype than to the nearest rival. The
#   others are not heard. Once it is a little nearer, $p$ is close to 1 and the forces are small.
# - **Large T**: all classes push, always. $p$ never comes near 1, so the pull stays strong.
#
# This is the knob. We will see both ends on real images, after one derivation.

# %% [markdown]
# ## Where the arrows come from
# **Step 1: the loss and the cosines.** Write $z_c = w_c^\top x / T$. Then
# $L = -z_y + \log \sum_c e^{z_c}$. Its derivative along one $z_c$ is
#
# $$\frac{\partial L}{\partial z_c} = p_c - [c = y],$$
#
# where $[c = y]$ is 1 for the label and 0 for all others.
#
# **Step 2: the cosines and the embedding.** $z_c$ changes with $x$ by $w_c / T$. So
#
# $$g = \frac{1}{T} \sum_c (p_c - [c = y])\, w_c .$$
#
# Gradient descent goes along $-g$: towards $w_y$ by the pull $1 - p_y$, away from any other $w_c$ by
# the push $p_c$. Both times $1 / T$. (Notebook 03 looks at the pull alone. There $1/T$ is one
# factor for all images, and no share depends on it.)
#
# **Step 3: stay on the sphere.** The loss divides $x$ by its length. Going along $x$ changes nothing,
# so that part of $g$ has to go:
#
# $$\frac{\partial L}{\partial x} = \frac{1}{\lVert x \rVert} (I - x x^\top)\, g
# \qquad \text{with } x \text{ of length 1 inside the brackets.}$$
#
# The factor $I - x x^\top$ makes an arrow short where $x$ is near $w_c$. It is long at a right angle.

# %% [markdown]
# **Check it with numbers.** We write the three steps down. Then we nudge the image a little in each
# direction of space, and see how the loss changes. And we ask autograd.

# %%
nudge, temperature = 1e-5, 0.1


def loss_at(x):
    image = torch.as_tensor(x, dtype=torch.float64)[None]
    return losses.nsl(image, one_image[1], one_image[2], temperature=temperature)[0]


g = (p - (np.arange(len(p)) == own)) @ prototypes / temperature  # steps 1 and 2
by_formula = g - x * (x @ g)  # step 3
by_nudging = [(loss_at(x + d) - loss_at(x - d)).item() / (2 * nudge) for d in nudge * np.eye(3)]
image = torch.tensor(x, requires_grad=True)
(by_autograd,) = torch.autograd.grad(loss_at(image), image)
print("formula ", np.round(by_formula, 4))
print("nudging ", np.round(by_nudging, 4))
print("autograd", np.round(by_autograd.numpy(), 4))
print(f"along x: {by_autograd.numpy() @ x:.1e} (nothing: the gradient lies along the sphere)")

# %% [markdown]
# ## Exercise 2: the other side
# The prototypes move, too. Take a pen and derive $\partial L / \partial w_c$ in the same three steps.
# Then write it for one image: `x` is a tensor [D], `prototypes` [C, D], all of length 1. The label is
# a number. Return a tensor [C, D], a row for each prototype. The check compares with autograd.


# %% tags=["exercise"]
def prototype_gradient(x, prototypes, label, temperature):
    """dL/dw of the normalized softmax loss, a row for each prototype, all of length 1."""
    # solution
    weights = (prototypes @ x / temperature).softmax(dim=0)
    weights[label] -= 1
    along = x - prototypes * (prototypes @ x)[:, None]
    return weights[:, None] * along / temperature


# %% tags=["self-check"]
exercises.check_prototype_gradient(prototype_gradient)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Step 1 stays. In step 2, $z_c$ changes with $w_c$ by $x / T$, and no other $z$ does. In step 3 each
# prototype stays on the sphere: take from $x$ the part along $w_c$.
# </details>
#
# <details><summary>Solution</summary>
#
# $$\frac{\partial L}{\partial w_c} = \frac{p_c - [c = y]}{T} \, (I - w_c w_c^\top)\, x$$
#
# ```python
# weights = (prototypes @ x / temperature).softmax(dim=0)
# weights[label] -= 1
# along = x - prototypes * (prototypes @ x)[:, None]
# return weights[:, None] * along / temperature
# ```
# </details>

# %% [markdown]
# ## Real images
# Now 1,500 aerial images of six classes of AID, as 256 numbers each. A small head maps them to
# **3** numbers, so that we can see the sphere. (Real embeddings have 128 or more.) All labels are right.
#
# We train four times: the same images, the same start, 30 passes. Only the temperature differs.
#
# **Predict.** At which temperature will the images end **closest** to their prototypes? At 0.05, where
# a force is 20 times as strong as its arrow, or at 1?

# %% tags=["parameters"] ci={"EPOCHS": 8}
CLASSES = ("Airport", "Beach", "Forest", "Parking", "River", "Stadium")
TEMPERATURES, EPOCHS, SEED = (0.05, 0.1, 0.3, 1.0), 30, 0

# %%
aid = datasets.load_shipped_features("aid")
codes = [aid.class_names.index(name) for name in CLASSES]
train = aid.split.train[np.isin(aid.labels[aid.split.train], codes)]
none = np.empty(0, dtype=np.int64)
six = aid._replace(
    features=aid.features[train],
    labels=np.array([codes.index(label) for label in aid.labels[train]]),
    class_names=CLASSES,
    files=tuple(aid.files[i] for i in train),
    split=aid.split._replace(train=np.arange(len(train)), val=none, test=none),
)
for name, count in zip(CLASSES, np.bincount(six.labels), strict=True):
    print(f"{count} x {name}", end="   ")

# %% [markdown]
# `experiments.follow` trains, and keeps the embeddings of 300 images and the prototypes after each
# epoch.

# %%
histories = {}
for temperature in TEMPERATURES:
    config = Config(loss="nsl", temperature=temperature, embedding_dim=3, epochs=EPOCHS, seed=SEED)
    with tqdm(total=EPOCHS, desc=f"T = {temperature}", unit="epoch") as bar:
        _, histories[temperature] = experiments.follow(
            six, config, batch_size=300, on_epoch=lambda _: bar.update()
        )

# %%
runs = list(histories.values())
labels = six.labels[runs[0].batch.numpy()]
training = explorers.SphereTrainingExplorer(
    np.stack([run.embeddings.numpy() for run in runs]),
    np.stack([run.prototypes.numpy() for run in runs]),
    labels,
    CLASSES,
    TEMPERATURES,
)
training

# %% [markdown]
# Press play, once for each temperature. Then compare where they end:

# %%
plots.images_on_spheres(
    training.embeddings[:, -1],
    training.prototypes[:, -1],
    labels,
    CLASSES,
    titles=[f"T = {temperature:g}" for temperature in TEMPERATURES],
    view=training.view,
)

# %%
gathering = training.gathering
for t, temperature in enumerate(TEMPERATURES):
    gap = gathering.rival[t, -1] - gathering.own[t, -1]
    print(
        f"T = {temperature:4}: median {gathering.own[t, -1]:2.0f}° to the own prototype, "
        f"{gap:2.0f}° more to the nearest other one; mean p = {gathering.p[t, -1]:.2f}"
    )

# %% [markdown]
# ## What happened
# **Answer**: closest at 1, farthest at 0.05, where the forces are strongest.
#
# **At T = 0.05 the images do not gather around their prototypes.** Half of them stay more than 60° away.
# An image only needs to be *nearer* to its own prototype than to any other. A few degrees are enough:
# $p$ is 0.85 on average, so the pull is small. And where only one rival is heard, pull and push are
# equal. Then the force goes along $w_y - w_{\text{rival}}$: away from the rival, not to the place of
# the prototype. (Set `EPOCHS` to 100 and run again: half of the images still stay 60° away.)
#
# **At T = 1 the images sit at their prototypes**, half of them within 9°. But $p$ is only 0.35: the
# softmax is too soft to be sure. The pull stays at 0.65, so every image is pulled all the way.
#
# **At T = 0.3** the images gather, and $p$ is 0.74.
#
# Which temperature is right depends on what you need. To tell classes apart a small one will do. The
# heads of the other notebooks have 0.07, in 128 dimensions. Networks from pixels (06, 07) have 0.1, the
# paper 0.05.

# %% [markdown]
# ## Exercise 3: think further
# 1. An image lies exactly on its prototype, and the other five lie at a right angle. What is $p$ at
#    $T = 1$? At which $T$ is it 0.99?
# 2. A label is wrong: an image of a beach is called *Airport*. It lies near the prototype of Beach. How
#    large is the pull at a small $T$? Which prototypes move, and where to? And with the right label?
#
# <details><summary>Answers</summary>
#
# 1. $p = e^{1/T} / (e^{1/T} + 5)$: 0.35 at $T = 1$, and 0.99 at $T = 0.16$. So at $T = 1$ the mean $p$
#    above can hardly be larger.
# 2. The prototypes give *Airport* next to no probability, so the pull is almost 1, as large as it can
#    be. Airport comes towards the beaches, and Beach goes away from its own image. With the right
#    label nothing moves. **NSL works hardest for wrong labels.** Notebook 03 is about that.
# </details>
#
# ## An open task for engineers: choose a temperature
# Your service finds neighbours, and shows $p$ of the nearest prototype as its confidence. Train with
# some $T$ in 128 dimensions, `experiments.fit(aid, Config(loss="nsl", temperature=T))`. Judge with
# `experiments.measure(fitted, aid, "val")`. Choose one $T$, and defend it in ten lines.
#
# <details><summary>How to judge it: four points</summary>
#
# - One for a choice by the validation images, not by the test images.
# - One for both needs: accuracy of the neighbours, and whether mean $p$ is the share that is right.
# - One for more than one seed, or for saying that one seed decides nothing within a point.
# - One for wrong labels: does the choice hold with `rate=0.3`?
# </details>

# %% [markdown]
# ## What we have shown
# - NSL is $-\log p$, with $p$ from a softmax over cosines. Only directions count.
# - The pull of the own prototype is $1 - p_y$, the push of another one $p_c$. Times $1/T$, along the
#   sphere, these are all forces.
# - The temperature decides who is heard: at $T = 0.05$ only the nearest rival, at $T = 1$ every class.
# - At $T = 0.05$ half of the real images stay more than 60° from their prototype. The classes are apart
#   all the same. At $T = 1$ half of them come within 9°.
#
# ## Where to look next
# - Notebook 02: what if the label $y$ itself is wrong?
# - Notebook 03: the same gradient, and a factor $p^q$ that calms it.
# - `losses.nsl??` shows the loss as the library has it, in logarithms from the start, so that nothing
#   overflows.
# - Zhai and Wu, "Classification is a strong baseline for deep metric learning", BMVC 2019: the
#   normalized softmax loss; they, too, discuss the temperature.

# %% tags=["hidden-assert"]
# What this notebook claims, held by the library and by the runs above.
np.testing.assert_allclose(by_formula, by_autograd, atol=1e-5)
np.testing.assert_allclose(by_nudging, by_autograd, atol=1e-4)
steps = at_60.controls["temperature"].values
pushes = {T: at_60.forces.lengths[steps.index(T), 1:, 30] for T in (0.05, 1.0)}
assert pushes[0.05][0] > 0.99 * pushes[0.05].sum(), pushes
assert pushes[1.0].argmax() == 1, pushes
on_top = [1 / (1 + 5 * np.exp(-1 / T)) for T in (1, 0.16)]
np.testing.assert_allclose(on_top, [0.35, 0.99], atol=0.005)
if (TEMPERATURES, EPOCHS, SEED, CLASSES[1]) == ((0.05, 0.1, 0.3, 1.0), 30, 0, "Beach"):
    assert gathering.own[0, -1] > 60, gathering.own
    assert 2 < gathering.rival[0, -1] - gathering.own[0, -1] < 12, gathering
    assert gathering.own[3, -1] < 9, gathering.own
    np.testing.assert_allclose(gathering.p[[0, 2, 3], -1], [0.85, 0.74, 0.35], atol=0.03)
else:
    print("The angles in the text are those of the constants that you have changed.")
