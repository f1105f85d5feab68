"""Computes testdata/golden/mim_fasternet_*: LocalMIM of small FasterNets, with PyTorch in float64.

    python3 scripts/golden_mim_fasternet.py

It works in the simplest way: on whole images, multiplied by the mask after every layer, with
batch norms over visible positions. Weights and images follow from the formulas in
internal/golden. The files have the visible positions, targets, predictions, latents, losses,
every gradient, and the running statistics after a step. Losses of evaluation use a running mean
of 0 and a running variance of 1.
"""
import json
import math
import os

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.set_default_dtype(torch.float64)
OUT = os.path.join(os.path.dirname(__file__), "..", "testdata", "golden")
M64 = (1 << 64) - 1


def numbers(name, seed, n):
    key = 0xCBF29CE484222325
    for byte in f"{name}#{seed}".encode():
        key = (key ^ byte) * 0x100000001B3 & M64
    for i in range(n):
        z = (key + (i + 1) * 0x9E3779B97F4A7C15) & M64
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & M64
        z = (z ^ z >> 27) * 0x94D049BB133111EB & M64
        yield z ^ z >> 31


def image(name, seed, *shape):
    n = math.prod(shape)
    return torch.tensor([((r >> 56) - 128) / 64 for r in numbers(name, seed, n)]).reshape(shape)


class Weights(dict):
    """Parameters; each follows from its formula when it is first used."""

    def __init__(self, seed):
        super().__init__()
        self.seed = seed

    def __call__(self, name, *shape):
        if name not in self:
            n, fan_in = math.prod(shape), math.prod(shape[1:])
            c, s = 0.0, math.sqrt(3 / fan_in)
            if name.endswith("mask_token"):
                s = 0.25
            elif len(shape) == 1 and name.endswith("bias"):
                s = 0.125
            elif len(shape) == 1:
                c, s = 1.0, 0.5
            elif name.endswith("mlp.3.weight"):
                s *= 0.5
            values = [c + s * (2 * ((r >> 40) / (1 << 24)) - 1) for r in numbers(name, self.seed, n)]
            self[name] = torch.tensor(values).float().double().reshape(shape).requires_grad_()
        return self[name]


class Reference:
    def __init__(self, c):
        self.c, self.w, self.stats = c, Weights(c["seed"]), {}
        self.train = True

    # Maps are [batch, channels, height, width]; masked positions are zero.
    def mask(self, x):
        return self.units.repeat_interleave(x.shape[2] // self.side, 1).repeat_interleave(
            x.shape[3] // self.side, 2
        )[:, None]

    def norm(self, x, name):
        m, c = self.mask(x), x.shape[1]
        n = m.sum()
        w, b = self.w(name + ".weight", c), self.w(name + ".bias", c)
        if self.train:
            mean = (x * m).sum((0, 2, 3)) / n
            var = ((x - mean[:, None, None]) ** 2 * m).sum((0, 2, 3)) / n
            name = name.replace("encoder.", "visible.")
            self.stats[name + ".running_mean"] = (0.1 * mean).detach()
            self.stats[name + ".running_var"] = (0.9 + 0.1 * var * n / (n - 1)).detach()
        else:
            mean, var = torch.zeros(c), torch.ones(c)
        x = (x - mean[:, None, None]) / torch.sqrt(var[:, None, None] + 1e-5)
        return (x * w[:, None, None] + b[:, None, None]) * m

    def conv3(self, x, weight):
        if self.c["border"] == "neighbours":
            return F.conv2d(x, weight, padding=1)
        b, c, h, w = x.shape  # each unit becomes its own image
        s, r = self.side, h // self.side
        x = x.reshape(b, c, s, r, s, r).permute(0, 2, 4, 1, 3, 5).reshape(-1, c, r, r)
        x = F.conv2d(x, weight, padding=1)
        return x.reshape(b, s, s, c, r, r).permute(0, 3, 1, 4, 2, 5).reshape(b, c, h, w)

    def act(self, x):
        return F.gelu(x) if self.c["act"] == "gelu" else F.relu(x)

    def block(self, x, name):
        c, m = x.shape[1], self.mask(x)
        cp, hidden = c // 4, 2 * c
        u = (
            torch.cat(
                [
                    self.conv3(x[:, :cp], self.w(name + ".spatial_mixing.partial_conv3.weight", cp, cp, 3, 3)),
                    x[:, cp:],
                ],
                1,
            )
            * m
        )
        h = self.norm(F.conv2d(u, self.w(name + ".mlp.0.weight", hidden, c, 1, 1)), name + ".mlp.1")
        h = self.act(h) * m
        if self.c["grn"]:
            norms = torch.sqrt((h * h).sum((2, 3), keepdim=True))
            n = norms / (norms.mean(1, keepdim=True) + 1e-6)
            g, b = self.w(name + ".mlp.grn.weight", hidden), self.w(name + ".mlp.grn.bias", hidden)
            h = (h * (1 + g[:, None, None] * n) + b[:, None, None]) * m
        v = F.conv2d(h, self.w(name + ".mlp.3.weight", c, hidden, 1, 1)) * m
        if self.c["layer_scale"]:
            v = v * self.w(name + ".layer_scale", c)[:, None, None]
        return x + v

    def layer_norm(self, x, name):
        c = x.shape[-1]
        return F.layer_norm(x, (c,), self.w(name + ".weight", c), self.w(name + ".bias", c), 1e-6)

    def linear(self, x, name, out, shape=()):
        return x @ self.w(name + ".weight", out, x.shape[-1], *shape).flatten(1).T + self.w(name + ".bias", out)

    def encoder(self, images):
        c, size = self.c, self.c["patch"]
        dim = c["embed_dim"]
        x = F.conv2d(images, self.w("encoder.patch_embed.proj.weight", dim, 3, size, size), stride=size)
        x = self.norm(x * self.mask(x), "encoder.patch_embed.norm")
        taps = []
        for i, depth in enumerate(c["depths"]):
            for j in range(depth):
                x = self.block(x, f"encoder.stages.{2 * i}.blocks.{j}")
            if i + 1 < len(c["depths"]):
                name, dim = f"encoder.stages.{2 * i + 1}", 2 * dim
                x = F.conv2d(x, self.w(name + ".reduction.weight", dim, dim // 2, 2, 2), stride=2)
                x = self.norm(x * self.mask(x), name + ".norm")
            taps.append(x)
        return taps

    def visible(self, x):
        """Returns the pixels of the visible units: [batch, units, pixels, channels]."""
        b, c, h, _ = x.shape
        s, r = self.side, h // self.side
        x = x.reshape(b, c, s, r, s, r).permute(0, 2, 4, 3, 5, 1).reshape(b, s * s, r * r, c)
        return torch.stack([x[i, kept] for i, kept in enumerate(self.kept)])

    def positions(self, dim):
        q = dim // 4
        omega = 10000.0 ** (-torch.arange(q) / q)
        y, x = torch.meshgrid(torch.arange(self.side), torch.arange(self.side), indexing="ij")
        parts = []
        for p in (x.flatten(), y.flatten()):
            a = p[:, None] * omega
            parts += [a.sin(), a.cos()]
        return torch.cat(parts, 1).float().double()

    def transformer(self, x, name):
        b, n, c = x.shape
        heads = self.c["decoder_heads"]
        h = self.layer_norm(x, name + ".norm1")
        q, k, v = self.linear(h, name + ".attn.qkv", 3 * c).reshape(b, n, 3, heads, c // heads).permute(2, 0, 3, 1, 4)
        h = (q @ k.transpose(-1, -2) * (c // heads) ** -0.5).softmax(-1) @ v
        x = x + self.linear(h.transpose(1, 2).reshape(b, n, c), name + ".attn.proj", c)
        h = F.gelu(self.linear(self.layer_norm(x, name + ".norm2"), name + ".mlp.fc1", 4 * c))
        return x + self.linear(h, name + ".mlp.fc2", c)

    def decoder(self, k, latent, factor, values):
        name, dim, s = f"decoder.{k}", self.c["decoder_dim"], self.side
        b = latent.shape[0]
        tokens = self.linear(latent.flatten(2), name + ".embed", dim)
        full = self.w(name + ".mask_token", 1, 1, dim).expand(b, s * s, dim)
        full = torch.stack([full[i].index_copy(0, torch.tensor(kept), tokens[i]) for i, kept in enumerate(self.kept)])
        x = self.transformer(full + self.positions(dim), name + ".blocks.0")
        x = self.layer_norm(x, name + ".norm").transpose(1, 2).reshape(b, dim, s, s)
        up = lambda x, i, n: F.conv_transpose2d(
            x, self.w(f"{name}.pred.{i}.weight", n, n // 2, 2, 2), self.w(f"{name}.pred.{i}.bias", n // 2), stride=2
        )
        last = {4: 4, 2: 1, 1: 0}[factor]
        if factor == 4:
            x = up(x, 0, dim)
            x = F.gelu(self.layer_norm(x.permute(0, 2, 3, 1), name + ".pred.1").permute(0, 3, 1, 2))
            x = up(x, 3, dim // 2)
        elif factor == 2:
            x = up(x, 0, dim)
        x = F.conv2d(
            x,
            self.w(f"{name}.pred.{last}.weight", values, x.shape[1], 1, 1),
            self.w(f"{name}.pred.{last}.bias", values),
        )
        return x.permute(0, 2, 3, 1).flatten(1, 2)

    def target(self, images, cell):
        b, ch, h, w = images.shape
        if self.c["target"] == "pixel":
            p = (
                images.reshape(b, ch, h // cell, cell, w // cell, cell)
                .permute(0, 2, 4, 3, 5, 1)
                .reshape(b, -1, cell * cell * ch)
            )
            return (p - p.mean(-1, keepdim=True)) / torch.sqrt(p.var(-1, keepdim=True) + 1e-6)
        bins = self.c["nbins"]
        k0 = torch.tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]])
        x = F.pad(images.reshape(b * ch, 1, h, w), (1, 1, 1, 1), mode="reflect")
        g = F.conv2d(x, torch.stack([k0, k0.T])[:, None])
        index = torch.remainder(torch.floor(torch.atan2(g[:, 0], g[:, 1]) / math.pi * bins), bins).long()
        hist = torch.zeros(b * ch, bins, h, w).scatter(1, index[:, None], g.norm(dim=1, keepdim=True))
        hist = F.normalize(F.avg_pool2d(hist, cell), dim=1)
        return hist.reshape(b, ch * bins, -1).transpose(1, 2)

    def run(self, images):
        c, size = self.c, images.shape[-1]
        losses, out = [], {}
        for k, (x, factor) in enumerate(zip(self.encoder(images), c["scales"])):
            latent = self.layer_norm(self.visible(x), f"encoder.norm.{k}")
            grid = self.side * factor
            target = self.target(images, size // grid)
            pred = self.decoder(k, latent, factor, target.shape[-1])
            weight = (1 - self.units).repeat_interleave(factor, 1).repeat_interleave(factor, 2).flatten(1)
            cells = ((pred - target) ** 2).mean(-1)
            losses.append((cells * weight).sum() / weight.sum())
            out |= {
                f"latent/{k}": latent.flatten(1, 2),
                f"pred/{k}": pred,
                f"target/{k}": target,
                f"weight/{k}": weight,
            }
        return losses, out


def make(name, **c):
    r = Reference(c)
    r.side = c["image"] // c["unit"]
    r.kept = c["kept"]
    r.units = torch.zeros(len(r.kept), r.side**2)
    for i, kept in enumerate(r.kept):
        r.units[i, kept] = 1
    r.units = r.units.reshape(-1, r.side, r.side)
    images = image("input", c["seed"], len(r.kept), 3, c["image"], c["image"])
    r.train = False
    with torch.no_grad():
        eval_losses, eval_out = r.run(images)
    r.train = True
    losses, out = r.run(images)
    sum(losses).backward()
    tensors = {k: v for k, v in out.items() if k.split("/")[0] in ("latent", "pred", "target", "weight")}
    tensors |= {f"eval/{k}": v for k, v in eval_out.items() if k.startswith("pred")}
    tensors |= {"grad/" + k: p.grad for k, p in r.w.items()} | {"stat/" + k: v for k, v in r.stats.items()}
    if c["target"] == "pixel":  # leave them out: they are large, and simple
        tensors = {k: v for k, v in tensors.items() if not k.startswith("target/")}
    save_file(
        {k: v.detach().float().contiguous() for k, v in tensors.items()}, os.path.join(OUT, name + ".safetensors")
    )
    c |= {
        "losses": [v.item() for v in losses],
        "eval_losses": [v.item() for v in eval_losses],
        "parameters": sum(p.numel() for p in r.w.values()),
    }
    with open(os.path.join(OUT, name + ".json"), "w") as f:
        json.dump(c, f, indent=1)
        f.write("\n")
    print(name, c["losses"], c["eval_losses"], c["parameters"])


COMMON = dict(
    seed=3,
    embed_dim=4,
    depths=[1, 2, 1, 1],
    patch=2,
    image=48,
    unit=16,
    scales=[4, 2, 1, 1],
    decoder_dim=8,
    decoder_heads=2,
    nbins=6,
)
KEPT = [[0, 1, 4, 5, 8], [1, 2, 3, 6, 7]]
make(
    "mim_fasternet_hog",
    act="gelu",
    target="hog",
    border="neighbours",
    grn=False,
    layer_scale=False,
    kept=KEPT,
    **COMMON,
)
make(
    "mim_fasternet_pixel",
    act="relu",
    target="pixel",
    border="zero",
    grn=False,
    layer_scale=True,
    kept=[[0, 3], [1, 2]],
    **(COMMON | dict(image=32)),
)
make(
    "mim_fasternet_grn",
    act="gelu",
    target="hog",
    border="neighbours",
    grn=True,
    layer_scale=False,
    kept=KEPT,
    **COMMON,
)
# Three stages, whose last has units of several pixels.
make(
    "mim_fasternet_wide",
    act="gelu",
    target="hog",
    border="neighbours",
    grn=False,
    layer_scale=False,
    kept=[[2], [1]],
    **(COMMON | dict(image=64, unit=32, depths=[1, 1, 1], scales=[4, 4, 4])),
)
