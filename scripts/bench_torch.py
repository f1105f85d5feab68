"""Times PyTorch on the model of a preset. Compare it with `fasternet-train bench`.

usage: python3 scripts/bench_torch.py PRESET [--train] [--batch N] [--threads N] [--seconds S]
       [--warmup N] [--runs N] [--channels-last] [--autocast]

PRESET is one of the presets in configs/, such as fasternet_t0. The script reads it with
`fasternet-train config show`, so both programs time the same model. vit_base, swin_tiny,
swin_small and swin_base are torchvision's models. Prints a JSON object on the last line.
This is a developer's tool; nothing in the project depends on it.

Two environment variables add the authors' models: LOCALMIM is a folder with their code
(github.com/Haoqing-Wang/LocalMIM), and TIMM_LOCALMIM is a folder with timm 0.4.12. vit_base and
swin_base are then theirs, and mim_vit_small, mim_vit_base and mim_swin_base time their
pre-training: mask, HOG targets, encoder, decoders, loss. PyTorch computes the norm of the
gradients on one thread; the script replaces it by the root of the sum of squares. PUBLISHED=1
keeps the HOG as it was published.

On Debian: apt-get install python3-torch python3-torchvision python3-yaml libopenblas0-openmp, and
set LD_LIBRARY_PATH=/usr/lib/x86_64-linux-gnu/openblas-openmp, which makes PyTorch faster.
"""
import argparse
import collections.abc
import ctypes
import json
import os
import resource
import statistics
import subprocess
import sys
import time
import types
import warnings

import torch
import yaml
from torch import nn
from torch.nn import functional as F

# Keep freed memory. Otherwise glibc returns large blocks to the system, and PyTorch gets new
# pages for every feature map, which takes a third of its time.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
ctypes.CDLL(None).mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
ctypes.CDLL(None).mallopt(M_MMAP_MAX, 0)


class PartialConv(nn.Module):
    def __init__(self, channels, n_div):
        super().__init__()
        self.sizes = [channels // n_div, channels - channels // n_div]
        self.conv = nn.Conv2d(self.sizes[0], self.sizes[0], 3, padding=1, bias=False)

    def forward(self, x):
        convolved, untouched = x.split(self.sizes, dim=1)
        return torch.cat([self.conv(convolved), untouched], dim=1)


class Block(nn.Module):
    def __init__(self, channels, m, act):
        super().__init__()
        hidden = int(channels * m["mlp_ratio"])
        self.branch = nn.Sequential(
            PartialConv(channels, m["n_div"]), nn.Conv2d(channels, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden), act(), nn.Conv2d(hidden, channels, 1, bias=False))

    def forward(self, x):
        return x + self.branch(x)


# The authors' models: folder, module, name and arguments.
OFFICIAL = {
    "vit_base": (
        "ViT",
        "models_vit",
        "vit_base_patch16",
        dict(num_classes=1000, drop_path_rate=0.1, global_pool=True),
    ),
    "swin_base": ("Swin", "models_swin", "swin_base_patch4_win7", dict(num_classes=1000, drop_path_rate=0.1)),
    "mim_vit_small": ("ViT", "models_mim", "MIM_vit_small_patch16", dict(hog_nbins=9)),
    "mim_vit_base": ("ViT", "models_mim", "MIM_vit_base_patch16", dict(hog_nbins=9)),
    "mim_swin_base": (
        "Swin",
        "models_mim",
        "mim_swin_base_patch4_win7",
        dict(hog_nbins=18, hog_bias=True, target="HOG"),
    ),
}


def official(preset):
    folder, module, name, arguments = OFFICIAL[preset]
    # Define what timm 0.4.12 and the authors' code import, but newer libraries no longer have.
    six = types.ModuleType("torch._six")
    six.container_abcs, six.string_classes, six.inf = collections.abc, (str,), float("inf")
    sys.modules.setdefault("torch._six", six)
    import numpy
    numpy.float, numpy.bool = float, bool
    warnings.simplefilter("ignore")
    sys.path[:0] = [os.path.join(os.environ["LOCALMIM"], folder), os.environ["TIMM_LOCALMIM"]]
    if not os.environ.get("PUBLISHED"):
        norm = torch.Tensor.norm

        def rooted(x, *args, **named):
            if args or set(named) != {"dim"}:
                return norm(x, *args, **named)
            return x.square().sum(named["dim"]).sqrt()

        torch.Tensor.norm = rooted
    return getattr(__import__(module), name)(**arguments)


TORCHVISION = {"vit_base": "vit_b_16", "swin_tiny": "swin_t", "swin_small": "swin_s", "swin_base": "swin_b"}


def build(preset, m):
    if preset in OFFICIAL and "LOCALMIM" in os.environ:
        return official(preset)
    if preset in TORCHVISION:
        from torchvision import models
        return getattr(models, TORCHVISION[preset])()
    act = {"gelu": nn.GELU, "relu": nn.ReLU}[m["act_layer"]]
    width = m["embed_dim"]
    layers = [nn.Conv2d(m["in_chans"], width, m["patch_size"], m["patch_stride"], bias=False), nn.BatchNorm2d(width)]
    for i, depth in enumerate(m["depths"]):
        if i:
            layers += [
                nn.Conv2d(width, 2 * width, m["patch_size2"], m["patch_stride2"], bias=False),
                nn.BatchNorm2d(2 * width),
            ]
            width *= 2
        layers += [Block(width, m, act) for _ in range(depth)]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Conv2d(width, m["feature_dim"], 1, bias=False), act(), nn.Flatten(),
               nn.Linear(m["feature_dim"], m["num_classes"] or 10)]
    return nn.Sequential(*layers)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("preset")
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--autocast", action="store_true", help="use bfloat16 where torch.autocast does")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--runs", type=int, default=5, help="smallest number of runs")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    pretraining = args.preset.startswith("mim_")
    if pretraining and not (args.train and "LOCALMIM" in os.environ):
        parser.error("a pre-training needs --train, LOCALMIM and TIMM_LOCALMIM")
    shown = "mim_vit_base" if args.preset == "mim_vit_small" else args.preset  # both have the same image size
    config = yaml.safe_load(subprocess.check_output(["./fasternet-train", "config", "show", shown]))
    model, size = build(args.preset, config["model"]), config["data"]["image_size"]
    images = torch.randn(args.batch, config["model"]["in_chans"], size, size)
    if args.channels_last:
        model, images = model.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)
    if args.train:
        labels = torch.randint(0, config["model"]["num_classes"] or 10, (args.batch,))
        optimizer = torch.optim.AdamW(
            [p for p in model.parameters() if p.requires_grad], lr=1e-4 if pretraining else 1e-3
        )

        def loss():
            with torch.autocast("cpu", torch.bfloat16, enabled=args.autocast):
                if not pretraining:
                    return F.cross_entropy(model(images), labels)
                out = model(images, 0.75)
                return out[0] if isinstance(out, tuple) else out

        def step():
            optimizer.zero_grad()
            loss().backward()
            optimizer.step()
    else:
        model.eval()

        def step():
            with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=args.autocast):
                model(images)
    for _ in range(args.warmup):
        step()
    times, end, cpu = [], time.perf_counter() + args.seconds, time.process_time()
    while time.perf_counter() < end or len(times) < args.runs:
        begin = time.perf_counter()
        step()
        times.append(time.perf_counter() - begin)
    cpu = (time.process_time() - cpu) / len(times)
    median = statistics.median(times)
    print(
        json.dumps(
            {
                "engine": "PyTorch " + torch.__version__,
                "model": args.preset,
                "mode": "train" if args.train else "infer",
                "precision": "bf16" if args.autocast else "fp32",
                "threads": args.threads,
                "batch": args.batch,
                "img_per_s": args.batch / median,
                "median_ms": 1000 * median,
                "cpu_ms": 1000 * cpu,
                "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


main()
