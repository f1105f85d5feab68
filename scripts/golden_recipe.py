"""Computes testdata/golden/recipe.json with PyTorch in float64: optimizer steps, clipped
gradients, losses and their gradients, learning rates, averaged weights.

    /usr/bin/python3 scripts/golden_recipe.py > testdata/golden/recipe.json

AdamW, SGD and clipping by norm and value are PyTorch's. This script implements LARS (MAE), LAMB,
adaptive clipping, the schedules and the average (timm) from their definitions. Distillation is
defined as in FasterNet's code.
"""
import json
import math

import torch
import torch.nn.functional as F

torch.manual_seed(6)
DIMS = {"body.weight": [3, 2, 2, 1], "body.bias": [3], "head.weight": [2, 3]}
STEPS, LR = 4, 0.05


def flat(t):
    return [float(x) for x in t.reshape(-1)]


def draw(scale=1.0):  # few digits, so that float32 holds the inputs exactly
    return {n: (torch.randn(s) * scale * 256).round().double() / 256 for n, s in DIMS.items()}


start = draw()
grads = [draw(0.5) for _ in range(STEPS)]


def fresh():
    return {n: torch.nn.Parameter(w.clone()) for n, w in start.items()}


def torch_optimizer(make):
    params = fresh()
    opt = make(list(params.values()))
    for g in grads:
        for n, p in params.items():
            p.grad = g[n].clone()
        opt.step()
    return {n: flat(p) for n, p in params.items()}


def by_hand(update):
    params, state = {n: w.clone() for n, w in start.items()}, {n: {} for n in start}
    for t, g in enumerate(grads, 1):
        for n in params:
            params[n] = update(params[n], g[n].clone(), state[n], t)
    return {n: flat(p) for n, p in params.items()}


def lars(p, g, s, _t, wd=0.1, momentum=0.9, trust=0.001):
    if p.ndim > 1:
        g = g + wd * p
        pn, gn = p.norm(), g.norm()
        g = g * (trust * pn / gn if pn > 0 and gn > 0 else 1.0)
    s["mu"] = momentum * s.get("mu", torch.zeros_like(p)) + g
    return p - LR * s["mu"]


def lamb(p, g, s, t, wd=0.1, b1=0.9, b2=0.99, eps=1e-6):
    wd = wd if p.ndim > 1 else 0
    s["m"] = b1 * s.get("m", torch.zeros_like(p)) + (1 - b1) * g
    s["v"] = b2 * s.get("v", torch.zeros_like(p)) + (1 - b2) * g * g
    u = (s["m"] / (1 - b1 ** t)) / (s["v"].sqrt() / math.sqrt(1 - b2 ** t) + eps)
    if wd != 0:
        u = u + wd * p
        pn, un = p.norm(), u.norm()
        u = u * (pn / un if pn > 0 and un > 0 else 1.0)
    return p - LR * u


optimizers = {
    "adamw": torch_optimizer(lambda ps: torch.optim.AdamW(ps, lr=LR, betas=(0.9, 0.99), eps=1e-6, weight_decay=0.1)),
    "sgd": torch_optimizer(lambda ps: torch.optim.SGD(ps, lr=LR, momentum=0.9, nesterov=True, weight_decay=0.1)),
    "momentum": torch_optimizer(lambda ps: torch.optim.SGD(ps, lr=LR, momentum=0.9, weight_decay=0.1)),
    "lars": by_hand(lars),
    "lamb": by_hand(lamb),
}


def clipped(how):
    params = fresh()
    for n, p in params.items():
        p.grad = grads[0][n].clone()
    how(params)
    return {n: flat(p.grad) for n, p in params.items()}


def agc(params, factor=0.2, eps=1e-3):
    def norm(x):
        return x.norm() if x.ndim <= 1 else x.pow(2).sum(dim=tuple(range(1, x.ndim)), keepdim=True).sqrt()

    for n, p in params.items():
        if n.startswith("head."):
            continue
        limit, size = norm(p.detach()).clamp(min=eps) * factor, norm(p.grad)
        p.grad = torch.where(size < limit, p.grad, p.grad * (limit / size.clamp(min=1e-6)))


clips = {
    "norm": clipped(lambda ps: torch.nn.utils.clip_grad_norm_(list(ps.values()), 0.2)),
    "value": clipped(lambda ps: torch.nn.utils.clip_grad_value_(list(ps.values()), 0.2)),
    "agc": clipped(agc),
}

B, K = 4, 5
logits = (torch.randn(B, K) * 512).round().double() / 256
teacher = (torch.randn(B, K) * 512).round().double() / 256
targets = (torch.softmax(torch.randn(B, K), 1) * 4096).round().double() / 4096


def loss(f):
    x = logits.clone().requires_grad_()
    value = f(x)
    value.backward()
    return {"loss": float(value), "grad": flat(x.grad)}


def soft_ce(x):
    return (-targets * F.log_softmax(x, 1)).sum(1).mean()


def bce(x, threshold=0.0, classes="mean"):
    t = (targets > threshold).double() if threshold else targets
    value = F.binary_cross_entropy_with_logits(x, t, reduction="none")
    return value.sum(1).mean() if classes == "sum" else value.mean()


def hard(x):
    return F.cross_entropy(x, teacher.argmax(1))


def soft(x, tau):
    kl = F.kl_div(F.log_softmax(x / tau, 1), F.log_softmax(teacher / tau, 1), reduction="sum", log_target=True)
    return kl * tau * tau / x.numel()


losses = {
    "ce": loss(soft_ce),
    "bce": loss(bce),
    "bce threshold": loss(lambda x: bce(x, 0.2)),
    "bce sum": loss(lambda x: bce(x, classes="sum")),
    "ce hard": loss(lambda x: 0.7 * soft_ce(x) + 0.3 * hard(x)),
    "ce soft 1": loss(lambda x: 0.7 * soft_ce(x) + 0.3 * soft(x, 1.0)),
    "ce soft 3": loss(lambda x: 0.7 * soft_ce(x) + 0.3 * soft(x, 3.0)),
    "bce soft 3": loss(lambda x: 0.7 * bce(x) + 0.3 * soft(x, 3.0)),
}

# Averages of a weight that is 0, 1, 2, … after the first, second, third step.
def average(decay, warmup):
    out, ema = [], 0.0
    for t in range(8):
        d = decay if not warmup else min(decay, 1 - (1 + t / 1.0) ** (-2 / 3))
        if t == 0:
            d = 0.0
        ema = d * ema + (1 - d) * float(t)
        out.append(ema)
    return out


json.dump(
    {
        "start": {n: flat(w) for n, w in start.items()},
        "shapes": DIMS,
        "grads": [{n: flat(g) for n, g in gs.items()} for gs in grads],
        "optimizers": optimizers,
        "clips": clips,
        "rows": B,
        "classes": K,
        "logits": flat(logits),
        "teacher": flat(teacher),
        "targets": flat(targets),
        "losses": losses,
        "ema": {"decay": average(0.6, False), "warmup": average(0.6, True)},
    },
    __import__("sys").stdout,
    indent=0,
)
