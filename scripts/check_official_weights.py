"""Checks that weights exported from this project give the same logits in PyTorch.

  fasternet-train convert runs/mine mine.safetensors --naming official
  fasternet-train predict runs/mine images.safetensors --logits logits.safetensors
  python3 scripts/check_official_weights.py mine.safetensors --act gelu \\
      --images images.safetensors --logits logits.safetensors

The script builds a FasterNet in PyTorch with the official names, takes its sizes from the
tensors, and loads the weights strictly: a missing or unexpected name is an error. The model
runs on the images, float32 [N, channels, height, width] in the tensor --images-name. The script
compares the logits with the tensor --logits-name. It can also check the reference values in
testdata:

  fasternet-train convert testdata/golden/fasternet_small_gelu.pth small.safetensors --naming official
  python3 scripts/check_official_weights.py small.safetensors --act gelu --seed 1 --size 64 \\
      --logits testdata/golden/fasternet_small_gelu.safetensors --logits-name eval_logits

This is a developer's tool; nothing in the project depends on it. It needs PyTorch and NumPy
(Debian: apt-get install python3-torch) and reads safetensors itself. The exit code is 0 if the
logits agree within --tolerance of the largest, and 1 if not.
"""
import argparse
import json
import struct
import sys

import numpy as np
import torch
from torch import nn

TYPES = {"F32": np.float32, "F16": np.float16, "F64": np.float64, "I64": np.int64, "I32": np.int32, "U8": np.uint8}


def read_safetensors(path):
    with open(path, "rb") as f:
        size = struct.unpack("<Q", f.read(8))[0]
        header, data = json.loads(f.read(size)), f.read()
    header.pop("__metadata__", None)
    out = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        out[name] = np.frombuffer(data[begin:end], TYPES[entry["dtype"]]).reshape(entry["shape"])
    return out


class PartialConv(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.partial_conv3 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)

    def forward(self, x):
        n = self.partial_conv3.in_channels
        return torch.cat([self.partial_conv3(x[:, :n]), x[:, n:]], dim=1)


class Block(nn.Module):
    def __init__(self, channels, hidden, convolved, act, scaled):
        super().__init__()
        if scaled:
            self.layer_scale = nn.Parameter(torch.ones(channels))
        self.mlp = nn.Sequential(nn.Conv2d(channels, hidden, 1, bias=False), nn.BatchNorm2d(hidden), act(),
                                 nn.Conv2d(hidden, channels, 1, bias=False))
        self.spatial_mixing = PartialConv(convolved)

    def forward(self, x):
        y = self.mlp(self.spatial_mixing(x))
        return x + (y * self.layer_scale[:, None, None] if hasattr(self, "layer_scale") else y)


class Stage(nn.Module):
    def __init__(self, blocks):
        super().__init__()
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x):
        return self.blocks(x)


class Patches(nn.Module):
    """A convolution whose stride is its own size, and a norm."""

    def __init__(self, conv, out, channels, size):
        super().__init__()
        self.conv = conv
        setattr(self, conv, nn.Conv2d(channels, out, size, size, bias=False))
        self.norm = nn.BatchNorm2d(out)

    def forward(self, x):
        return self.norm(getattr(self, self.conv)(x))


class FasterNet(nn.Module):
    def __init__(self, weights, act):
        super().__init__()
        shapes = {name: w.shape for name, w in weights.items()}
        self.patch_embed = Patches("proj", *shapes["patch_embed.proj.weight"][:3])
        stages = []
        while True:
            i = len(stages)
            if f"stages.{i}.reduction.weight" in shapes:
                stages.append(Patches("reduction", *shapes[f"stages.{i}.reduction.weight"][:3]))
                continue
            blocks = []
            while (name := f"stages.{i}.blocks.{len(blocks)}") + ".mlp.0.weight" in shapes:
                hidden, channels = shapes[name + ".mlp.0.weight"][:2]
                convolved = shapes[name + ".spatial_mixing.partial_conv3.weight"][0]
                blocks.append(Block(channels, hidden, convolved, act, name + ".layer_scale" in shapes))
            if not blocks:
                break
            stages.append(Stage(blocks))
        self.stages = nn.Sequential(*stages)
        features, channels = shapes["avgpool_pre_head.1.weight"][:2]
        self.avgpool_pre_head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, features, 1, bias=False), act()
        )
        self.head = nn.Linear(features, shapes["head.weight"][0])

    def forward(self, x):
        return self.head(self.avgpool_pre_head(self.stages(self.patch_embed(x))).flatten(1))


def reference_images(seed, count, channels, size):
    """Returns the images of the reference values: multiples of 1/64 from a counter."""
    key = 0xCBF29CE484222325
    for byte in f"input#{seed}".encode():
        key = (key ^ byte) * 0x100000001B3 % 2**64
    shape = (count, channels, size, size)
    z = np.arange(1, np.prod(shape) + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(key)
    z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return (((z >> np.uint64(56)).astype(np.float32) - 128) / 64).reshape(shape)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", help="file written by convert --naming official")
    parser.add_argument("--act", choices=["gelu", "relu"], required=True)
    parser.add_argument("--images", help="safetensors with the images (default: those of the reference values)")
    parser.add_argument("--images-name", default="input")
    parser.add_argument("--seed", type=int, default=1, help="seed of the reference images")
    parser.add_argument("--size", type=int, default=224, help="size of the reference images")
    parser.add_argument("--logits", required=True, help="safetensors with the logits to compare with")
    parser.add_argument("--logits-name", default="logits")
    parser.add_argument(
        "--tolerance", type=float, default=3e-5, help="largest difference, as a fraction of the largest logit"
    )
    args = parser.parse_args()

    weights = read_safetensors(args.weights)
    want = read_safetensors(args.logits)[args.logits_name]
    model = FasterNet(weights, {"gelu": nn.GELU, "relu": nn.ReLU}[args.act])
    model.load_state_dict({name: torch.from_numpy(w.copy()) for name, w in weights.items()}, strict=True)
    model.eval()
    if args.images:
        images = read_safetensors(args.images)[args.images_name]
    else:
        images = reference_images(args.seed, len(want), weights["patch_embed.proj.weight"].shape[1], args.size)
    with torch.no_grad():
        got = model(torch.from_numpy(images.copy())).numpy()
    if got.shape != want.shape:
        sys.exit(f"logits of PyTorch have the shape {list(got.shape)}, those in the file {list(want.shape)}")
    difference = float(np.abs(got - want).max() / np.abs(want).max())
    good = difference <= args.tolerance
    print(json.dumps({"engine": "PyTorch " + torch.__version__, "images": len(want), "classes": want.shape[1],
                      "max_difference_rel": difference, "tolerance": args.tolerance, "equal": good}))
    sys.exit(0 if good else 1)


main()
