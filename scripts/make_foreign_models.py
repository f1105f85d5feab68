#!/usr/bin/env python3
"""Make small models as timm and torchvision save them, with their outputs.

    scripts/make_foreign_models.py testdata/foreign

writes two kinds of folders. timm/NAME has config.json and model.safetensors (one also has
pytorch_model.bin). torchvision/NAME has checkpoint.pth as torchvision's references write it, with
model, model_ema (an AveragedModel) and epoch. Each has expected.safetensors: input [2, 3, H, W],
preprocessed, and output, the logits, or the features if there is no classifier. For torchvision it
also has averaged, the logits of model_ema. Needs torch, torchvision, timm and safetensors. The files
in the repository were made with timm 1.0.31, torchvision 0.29 and PyTorch 2.15.
"""
import sys
from pathlib import Path

import timm
import torch
from safetensors.torch import save_file
from timm.models._hub import save_for_hf
from torchvision.models import SwinTransformer, VisionTransformer

from logits import images, logits, randomise

MODELS = {
    "fasternet_gelu": ("fasternet_t0", {"embed_dim": 8, "depths": (1, 1), "feature_dim": 16, "num_classes": 3}, 32),
    "fasternet_relu": (
        "fasternet_s",
        {"embed_dim": 8, "depths": (1, 1), "feature_dim": 16, "num_classes": 3, "layer_scale_init_value": 0.1},
        32,
    ),
    "fasternet_headless": (
        "fasternet_t2",
        {"embed_dim": 8, "depths": (1, 1), "feature_dim": 16, "num_classes": 0},
        32,
    ),
    "vit_token": (
        "vit_tiny_patch16_224",
        {"embed_dim": 12, "depth": 1, "num_heads": 3, "img_size": 32, "patch_size": 8, "num_classes": 3},
        32,
    ),
    "vit_mean": (
        "vit_small_patch16_224",
        {
            "embed_dim": 12,
            "depth": 1,
            "num_heads": 2,
            "img_size": 32,
            "patch_size": 8,
            "num_classes": 3,
            "global_pool": "avg",
            "qkv_bias": False,
        },
        32,
    ),
    "vit_norm_first": (
        "vit_base_patch16_224",
        {
            "embed_dim": 12,
            "depth": 1,
            "num_heads": 2,
            "img_size": 32,
            "patch_size": 8,
            "num_classes": 3,
            "global_pool": "avg",
            "fc_norm": False,
        },
        32,
    ),
    "vit_class_without_position": (
        "vit_base_patch16_224",
        {
            "embed_dim": 12,
            "depth": 1,
            "num_heads": 2,
            "img_size": 32,
            "patch_size": 8,
            "num_classes": 3,
            "no_embed_class": True,
        },
        32,
    ),
    "vit_headless": (
        "deit_tiny_patch16_224",
        {"embed_dim": 12, "depth": 1, "num_heads": 3, "img_size": 32, "patch_size": 8, "num_classes": 0},
        32,
    ),
    "swin": (
        "swin_tiny_patch4_window7_224",
        {"embed_dim": 8, "depths": (1, 2), "num_heads": (1, 2), "img_size": 32, "window_size": 4, "num_classes": 3},
        32,
    ),
    "swin_small_stage": (
        "swin_base_patch4_window7_224",
        {"embed_dim": 8, "depths": (2, 1), "num_heads": (2, 4), "img_size": 32, "window_size": 8, "num_classes": 3},
        32,
    ),
}


def main(root):
    for name, (architecture, arguments, size) in MODELS.items():
        model, x = randomise(timm.create_model(architecture, **arguments)), images(size)
        folder = Path(root) / "timm" / name
        labels = {"label_names": ["cat", "dog", "fox"]} if arguments["num_classes"] else None
        save_for_hf(model, folder, model_config=labels, safe_serialization="both" if name == "vit_token" else True)
        save_file({"input": x, "output": logits(model, x).contiguous()}, folder / "expected.safetensors")
    for name, make, size in [
        (
            "vit",
            lambda: VisionTransformer(
                image_size=32, patch_size=8, num_layers=1, num_heads=2, hidden_dim=12, mlp_dim=24, num_classes=3
            ),
            32,
        ),
        ("swin", lambda: SwinTransformer([4, 4], 8, [1, 2], [1, 2], [4, 4], mlp_ratio=2, num_classes=3), 32),
    ]:
        folder, x = Path(root) / "torchvision" / name, images(size)
        folder.mkdir(parents=True, exist_ok=True)
        model, averaged = randomise(make()), torch.optim.swa_utils.AveragedModel(randomise(make(), seed=2))
        torch.save(
            {"model": model.state_dict(), "model_ema": averaged.state_dict(), "epoch": 1}, folder / "checkpoint.pth"
        )
        save_file(
            {
                "input": x,
                "output": logits(model, x).contiguous(),
                "averaged": logits(averaged.eval(), x).contiguous(),
            },
            folder / "expected.safetensors",
        )


if __name__ == "__main__":
    main(sys.argv[1])
