#!/usr/bin/env python3
"""Check that weights of ViT and Swin give the same logits here and in torchvision.

    python3 scripts/check_torchvision.py [--program ./fasternet-train]

The program reads state dicts of torchvision's VisionTransformer and SwinTransformer. torchvision
loads what the program writes with "convert --naming torchvision", strictly. The logits must
agree within 1e-4 of the largest. The program must refuse to write a model that torchvision would
compute differently.

This is a developer's tool; nothing in the project depends on it. It needs PyTorch, torchvision
and safetensors. The exit code is 0 if all agree, and 1 if not.
"""
import argparse
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file
from torchvision.models import SwinTransformer, VisionTransformer, swin_t, vit_b_16

from logits import compare, finish, images, logits, note, ours, program, randomise

# The configuration of a ViT, which the program cannot tell from the weights alone.
VIT = (
    "model: {{name: vit, embed_dim: {}, depth: {}, num_heads: {}, patch_size: {}, global_pool: false}}\n"
    "data: {{image_size: {}}}"
)


def models():
    """Yields a name, a model, its configuration if the program needs one, and the size of the images."""
    small_vit = VisionTransformer(
        image_size=48, patch_size=16, num_layers=2, num_heads=3, hidden_dim=24, mlp_dim=96, num_classes=5
    )
    small_swin = SwinTransformer(
        patch_size=[4, 4], embed_dim=12, depths=[1, 2, 2], num_heads=[1, 2, 3], window_size=[4, 4], num_classes=5
    )
    yield "vit", small_vit, VIT.format(24, 2, 3, 16, 48), 48
    yield "vit_b_16", vit_b_16(), None, 224
    yield "swin", small_swin, None, 64
    yield "swin_t", swin_t(), None, 224


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="./fasternet-train")
    ft, temporary = parser.parse_args().program, tempfile.TemporaryDirectory()
    work = Path(temporary.name)
    for name, model, text, size in models():
        x, path, config = images(size), work / f"{name}.pth", work / f"{name}.yaml"
        randomise(model)
        torch.save(model.state_dict(), path)
        told = ["--set", f"data.image_size={size}"]
        if text:
            config.write_text(text)
            told = ["--config", config]
        want = logits(model, x)
        compare(f"{name}, read", ours(ft, work, path, x, *told), want)
        written = work / f"{name}-written.safetensors"
        program(ft, "convert", path, written, "--naming", "torchvision", *told)
        randomise(model, seed=3).load_state_dict(load_file(written), strict=True)
        compare(f"{name}, written", logits(model, x), want)
        averaged = torch.optim.swa_utils.AveragedModel(model)
        torch.save(
            {"model": randomise(model, seed=4).state_dict(), "model_ema": averaged.state_dict(), "epoch": 1}, path
        )
        compare(f"{name}, averaged", ours(ft, work, path, x, *told), want)
        compare(f"{name}, not averaged", ours(ft, work, path, x, "--weights", "plain", *told), logits(model, x))

    own, out = work / "own.safetensors", work / "out.safetensors"
    for name, text, size, make in [
        (
            "own vit without qkv bias",
            VIT.format(24, 2, 3, 8, 32).replace("global_pool", "num_classes: 4, qkv_bias: false, global_pool"),
            32,
            lambda: VisionTransformer(
                image_size=32, patch_size=8, num_layers=2, num_heads=3, hidden_dim=24, mlp_dim=96, num_classes=4
            ),
        ),
        (
            "own swin",
            "model: {name: swin, embed_dim: 12, depths: [2, 2], num_heads: [2, 4], window_size: 4, "
            "num_classes: 4, qkv_bias: false, norm_before_pool: true, norm_eps: 1.0e-5, norm2_eps: 1.0e-5}\n"
            "data: {image_size: 32}",
            32,
            lambda: SwinTransformer(
                patch_size=[4, 4], embed_dim=12, depths=[2, 2], num_heads=[2, 4], window_size=[4, 4], num_classes=4
            ),
        ),
    ]:
        (work / "own.yaml").write_text(text)
        program(ft, "export", "--model", work / "own.yaml", "--out", own)
        program(ft, "convert", own, out, "--naming", "torchvision")
        model, x = make().eval(), images(size)
        model.load_state_dict(load_file(out), strict=True)
        compare(name, logits(model, x), ours(ft, work, own, x))
    for name, text, why in [
        (
            "mean of the patches",
            "model: {name: vit, embed_dim: 24, depth: 1, num_heads: 3, patch_size: 8, num_classes: 4}\n"
            "data: {image_size: 32}",
            "model.global_pool=false",
        ),
        (
            "another eps",
            "model: {name: vit, embed_dim: 24, depth: 1, num_heads: 3, patch_size: 8, num_classes: 4, "
            "global_pool: false, norm_eps: 1.0e-5}\n"
            "data: {image_size: 32}",
            "norm_eps",
        ),
        (
            "norm after the pool",
            "model: {name: swin, embed_dim: 12, depths: [2, 2], num_heads: [2, 4], window_size: 4, "
            "num_classes: 4}\n"
            "data: {image_size: 32}",
            "norm_before_pool",
        ),
        (
            "a small stage",
            "model: {name: swin, embed_dim: 12, depths: [2, 2], num_heads: [2, 4], window_size: 8, "
            "num_classes: 4, norm_before_pool: true, norm_eps: 1.0e-5, norm2_eps: 1.0e-5}\n"
            "data: {image_size: 32}",
            "multiples of the windows",
        ),
        (
            "a FasterNet",
            "model: {name: fasternet, embed_dim: 8, depths: [1], feature_dim: 24, num_classes: 4, "
            "act_layer: relu}\n"
            "data: {image_size: 32}",
            "no such names",
        ),
    ]:
        (work / "own.yaml").write_text(text)
        program(
            ft,
            "export",
            "--model",
            work / "own.yaml",
            "--out",
            own,
            *([] if "fasternet" not in text else ["--no-fold"]),
        )
        said = program(ft, "convert", own, out, "--naming", "torchvision", want=2)
        note(f"refused: {name}", why in said, said.strip().splitlines()[-1])
    finish()


if __name__ == "__main__":
    torch.set_num_threads(2)
    main()
