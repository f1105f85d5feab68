"""Computes testdata/golden/uneven_losses.json: the losses for uneven and multi-label data and their
gradients, in float64.

    python3 scripts/golden_uneven_losses.py > testdata/golden/uneven_losses.json

PyTorch 2, torchvision and timm compute weighted cross entropy, binary cross entropy with weights of
positive targets, the sigmoid focal loss and the asymmetric loss. This script implements softmax
focal loss and logit adjustment from their papers. As mixup defines it, the loss of a mixed target is
the mixture of the losses of its two labels.
"""
import json

import torch
import torch.nn.functional as F
from timm.loss import AsymmetricLossMultiLabel
from torchvision.ops import sigmoid_focal_loss

torch.manual_seed(21)
B, K = 5, 4


def rounded(t):  # few digits, so that float32 holds the inputs exactly
    return (t * 256).round().double() / 256


def flat(t):
    return [float(x) for x in t.reshape(-1)]


logits = rounded(torch.randn(B, K) * 2)
labels = torch.tensor([0, 3, 1, 0, 2])
partner = labels.flip(0)
one_hot, other = F.one_hot(labels, K).double(), F.one_hot(partner, K).double()
mixed = 0.75 * one_hot + 0.25 * other
smooth = 0.9 * one_hot + 0.1 / K
multi = torch.tensor([[1, 0, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 1], [0, 1, 1, 0]]).double()
multi_mixed = 0.75 * multi + 0.25 * multi.flip(0)
weights = torch.tensor([0.25, 1.5, 4, 0]).double()
prior = torch.tensor([0.5, 0.25, 0.1875, 0.0625]).double()


def measured(f):
    x = logits.clone().requires_grad_()
    value = f(x)
    value.backward()
    return {"loss": float(value.detach()), "grad": flat(x.grad)}


def focal_softmax(x, gamma, target, w=None):
    log_p = F.log_softmax(x, 1)
    terms = -target * (1 - log_p.exp()) ** gamma * log_p
    return ((terms if w is None else terms * w).sum(1)).mean()


def adjusted(x, tau, target):
    return F.cross_entropy(x + tau * prior.log(), target)


def focal_sigmoid(x, target, alpha=-1.0, gamma=2.0):
    return sigmoid_focal_loss(x, target, alpha, gamma, "mean")


def asymmetric(x, target, neg, pos, clip):
    return (
        AsymmetricLossMultiLabel(gamma_neg=neg, gamma_pos=pos, clip=clip, eps=1e-300)(x, target) / K
    )  # timm sums over the classes


def mixture(f):  # the loss of a sample with two labels, as mixup makes it
    return lambda x: 0.75 * f(x, multi) + 0.25 * f(x, multi.flip(0))


def bce(x, target):
    return F.binary_cross_entropy_with_logits(x, target, pos_weight=weights)


cases = {
    "ce weights": (mixed, lambda x: F.cross_entropy(x, mixed, weight=weights)),
    "ce weights, smooth": (smooth, lambda x: F.cross_entropy(x, smooth, weight=weights)),
    "focal": (one_hot, lambda x: focal_softmax(x, 2.0, one_hot)),
    "focal 0.5, mixed, weights": (mixed, lambda x: focal_softmax(x, 0.5, mixed, weights)),
    "logit adjustment": (one_hot, lambda x: adjusted(x, 1.0, labels)),
    "logit adjustment 1.5, mixed": (mixed, lambda x: adjusted(x, 1.5, mixed)),
    "bce weights": (multi, lambda x: bce(x, multi)),
    "bce weights, mixed": (multi_mixed, lambda x: bce(x, multi_mixed)),
    "sigmoid focal": (multi, lambda x: focal_sigmoid(x, multi)),
    "sigmoid focal, alpha 0.25": (multi, lambda x: focal_sigmoid(x, multi, 0.25)),
    "sigmoid focal, mixed": (multi_mixed, mixture(focal_sigmoid)),
    "asl": (multi, lambda x: asymmetric(x, multi, 4, 0, 0.05)),
    "asl 2 1, no clip": (multi, lambda x: asymmetric(x, multi, 2, 1, 0)),
    "asl 0 0": (multi, lambda x: asymmetric(x, multi, 0, 0, 0.2)),
    "asl, mixed": (multi_mixed, mixture(lambda x, y: asymmetric(x, y, 4, 1, 0.05))),
}

text = json.dumps(
    {
        "torch": torch.__version__,
        "rows": B,
        "classes": K,
        "logits": flat(logits),
        "weights": flat(weights),
        "prior": flat(prior),
        "losses": [{"name": n, "targets": flat(t), **measured(f)} for n, (t, f) in cases.items()],
    }
)
print(text.replace("}, {", "},\n{"))
