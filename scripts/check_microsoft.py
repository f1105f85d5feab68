#!/usr/bin/env python3
"""Check that weights of Swin give the same logits here and in Microsoft's code.

    git clone https://github.com/microsoft/Swin-Transformer
    python3 scripts/check_microsoft.py --code Swin-Transformer [--program ./fasternet-train]

A state dict of Microsoft's SwinTransformer looks like a fine-tuned model of LocalMIM, which
computes something else. So the program must ask. With model.norm_before_pool=true it must give
the same logits, within 1e-4 of the largest. Microsoft's code must load what the program writes
with "convert --naming microsoft", strictly.

This is a developer's tool; nothing in the project depends on it. It needs PyTorch, timm and
safetensors. The exit code is 0 if all agree, and 1 if not.
"""
import argparse
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file

from logits import compare, finish, images, logits, note, ours, program, randomise


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="./fasternet-train")
    parser.add_argument("--code", required=True, help="checkout of microsoft/Swin-Transformer")
    options = parser.parse_args()
    ft, temporary = options.program, tempfile.TemporaryDirectory()
    work = Path(temporary.name)
    sys.path.insert(0, options.code + "/models")
    from swin_transformer import SwinTransformer  # noqa: PLC0415

    for name, arguments, size in [
        ("swin", {"embed_dim": 12, "depths": [2, 2], "num_heads": [2, 4], "window_size": 4, "num_classes": 5}, 32),
        (
            "one window at the end",
            {"embed_dim": 12, "depths": [2, 3], "num_heads": [2, 4], "window_size": 8, "num_classes": 5},
            32,
        ),
        (
            "no qkv bias, no patch norm",
            {
                "embed_dim": 12,
                "depths": [1, 2],
                "num_heads": [2, 4],
                "window_size": 4,
                "num_classes": 5,
                "qkv_bias": False,
                "patch_norm": False,
            },
            32,
        ),
        ("swin_tiny", {}, 224),
    ]:
        model, x, path = randomise(SwinTransformer(img_size=size, **arguments)), images(size), work / "model.pth"
        torch.save({"model": model.state_dict(), "epoch": 3, "max_accuracy": 81.2}, path)
        want = logits(model, x)
        said = program(ft, "convert", path, work / "x.safetensors", want=2)
        note(f"{name}: asked", "model.norm_before_pool=true" in said, said.strip().splitlines()[-1])
        told = ["--set", "model.norm_before_pool=true", "--set", f"data.image_size={size}"]
        compare(f"{name}, read", ours(ft, work, path, x, *told), want)
        written = work / "written.safetensors"
        program(ft, "convert", path, written, "--naming", "microsoft", *told)
        randomise(model, seed=3).load_state_dict(load_file(written), strict=True)
        compare(f"{name}, written", logits(model, x), want)
        other = ours(ft, work, path, x, "--set", "model.norm_before_pool=false", "--set", f"data.image_size={size}")
        note(f"{name}: the other Swin differs", (other - want).abs().max() > 1e-3 * want.abs().max())
    finish()


if __name__ == "__main__":
    torch.set_num_threads(2)
    main()
