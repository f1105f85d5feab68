#!/usr/bin/env python3
"""Check that weights give the same logits here and in timm.

    python3 scripts/check_timm.py [--program ./fasternet-train] [FOLDER...]

The program reads models that timm makes and saves, without a configuration. timm's
create_model("local-dir:…", pretrained=True) loads what the program writes with
"convert --naming timm", without a missing or an unexpected name. The logits must agree within
1e-4 of the largest, also with another image size. A FOLDER holds more models, each in a folder
as timm saves it, with expected.safetensors (tensors input and output).

This is a developer's tool; nothing in the project depends on it. It needs PyTorch, timm 1.0 and
safetensors. The exit code is 0 if all agree, and 1 if not.
"""
import argparse
import tempfile
from pathlib import Path

import timm
import torch
from safetensors.torch import load_file
from timm.models._hub import save_for_hf

from logits import compare, finish, images, logits, metadata, note, ours, program, randomise

# timm makes these models: a name, the architecture, its arguments, the size of the images.
MODELS = [
    (
        "fasternet gelu",
        "fasternet_t0",
        {"embed_dim": 8, "depths": (1, 2, 1), "feature_dim": 24, "num_classes": 5},
        64,
    ),
    (
        "fasternet relu",
        "fasternet_s",
        {"embed_dim": 8, "depths": (1, 1), "feature_dim": 24, "num_classes": 5, "mlp_ratio": 3.0, "n_div": 2},
        64,
    ),
    (
        "fasternet layer scale",
        "fasternet_m",
        {"embed_dim": 8, "depths": (1, 1), "feature_dim": 24, "num_classes": 5, "layer_scale_init_value": 0.1},
        64,
    ),
    (
        "fasternet headless",
        "fasternet_t1",
        {"embed_dim": 8, "depths": (1, 1), "feature_dim": 24, "num_classes": 0},
        64,
    ),
    ("fasternet preset", "fasternet_t0", {"num_classes": 1000}, 64),
    (
        "vit token",
        "vit_tiny_patch16_224",
        {"embed_dim": 24, "depth": 2, "num_heads": 3, "img_size": 48, "num_classes": 5},
        48,
    ),
    (
        "vit mean",
        "vit_small_patch16_224",
        {"embed_dim": 24, "depth": 2, "num_heads": 2, "img_size": 48, "global_pool": "avg", "num_classes": 5},
        48,
    ),
    (
        "vit mean, norm first",
        "vit_base_patch16_224",
        {
            "embed_dim": 24,
            "depth": 2,
            "num_heads": 2,
            "img_size": 48,
            "global_pool": "avg",
            "fc_norm": False,
            "num_classes": 5,
        },
        48,
    ),
    (
        "vit no qkv bias",
        "vit_base_patch16_224_miil",
        {"embed_dim": 24, "depth": 2, "num_heads": 2, "img_size": 48, "num_classes": 5},
        48,
    ),
    (
        "vit patches of 8",
        "vit_base_patch16_224",
        {
            "embed_dim": 24,
            "depth": 1,
            "num_heads": 2,
            "img_size": 32,
            "patch_size": 8,
            "mlp_ratio": 2.5,
            "num_classes": 5,
        },
        32,
    ),
    (
        "vit heads by name",
        "vit_tiny_patch16_224",
        {"embed_dim": 24, "depth": 1, "img_size": 48, "num_classes": 5},
        48,
    ),
    (
        "vit headless",
        "vit_tiny_patch16_224",
        {"embed_dim": 24, "depth": 1, "num_heads": 3, "img_size": 48, "num_classes": 0},
        48,
    ),
    (
        "vit grey",
        "vit_tiny_patch16_224",
        {"embed_dim": 24, "depth": 1, "num_heads": 3, "img_size": 48, "num_classes": 5, "in_chans": 1},
        48,
    ),
    (
        "vit no class position",
        "vit_small_patch16_224",
        {"embed_dim": 24, "depth": 2, "num_heads": 3, "img_size": 48, "num_classes": 5, "no_embed_class": True},
        48,
    ),
    (
        "deit",
        "deit_tiny_patch16_224",
        {"embed_dim": 24, "depth": 2, "num_heads": 3, "img_size": 48, "num_classes": 5},
        48,
    ),
    ("vit preset", "vit_tiny_patch16_224", {"num_classes": 1000}, 224),
    (
        "swin",
        "swin_tiny_patch4_window7_224",
        {"embed_dim": 12, "depths": (1, 2, 2), "num_heads": (1, 2, 3), "img_size": 112, "num_classes": 5},
        112,
    ),
    (
        "swin small last stage",
        "swin_base_patch4_window7_224",
        {
            "embed_dim": 12,
            "depths": (2, 2),
            "num_heads": (2, 4),
            "img_size": 32,
            "window_size": 8,
            "num_classes": 5,
        },
        32,
    ),
    (
        "swin all stages small",
        "swin_base_patch4_window7_224",
        {"embed_dim": 12, "depths": (2, 2), "num_heads": (2, 4), "img_size": 16, "num_classes": 5},
        16,
    ),
    (
        "swin no qkv bias",
        "swin_base_patch4_window7_224",
        {
            "embed_dim": 12,
            "depths": (2,),
            "num_heads": (2,),
            "img_size": 32,
            "window_size": 4,
            "qkv_bias": False,
            "num_classes": 5,
        },
        32,
    ),
    (
        "swin headless",
        "swin_tiny_patch4_window7_224",
        {
            "embed_dim": 12,
            "depths": (2, 2),
            "num_heads": (2, 4),
            "img_size": 32,
            "window_size": 4,
            "num_classes": 0,
        },
        32,
    ),
    ("swin preset", "swin_tiny_patch4_window7_224", {"num_classes": 1000}, 224),
]

# The program makes these models: a name, a configuration, the size of the images.
OWN = [
    (
        "fasternet",
        "model: {name: fasternet, embed_dim: 8, depths: [1, 2], feature_dim: 24, num_classes: 4, "
        "act_layer: relu}\n"
        "data: {image_size: 64}",
        64,
    ),
    (
        "fasternet layer scale",
        "model: {name: fasternet, embed_dim: 12, depths: [1, 2], feature_dim: 24, num_classes: 4, n_div: 3, "
        "act_layer: gelu, layer_scale_init_value: 0.5}\n"
        "data: {image_size: 64}",
        64,
    ),
    (
        "vit mean",
        "model: {name: vit, embed_dim: 24, depth: 2, num_heads: 3, patch_size: 8, num_classes: 4}\n"
        "data: {image_size: 32}",
        32,
    ),
    (
        "vit token",
        "model: {name: vit, embed_dim: 24, depth: 2, num_heads: 3, patch_size: 8, num_classes: 4, "
        "global_pool: false, qkv_bias: false}\n"
        "data: {image_size: 32}",
        32,
    ),
    (
        "vit norm first",
        "model: {name: vit, embed_dim: 24, depth: 2, num_heads: 3, patch_size: 8, num_classes: 4, "
        "norm_before_pool: true, pos_embed: fixed}\n"
        "data: {image_size: 32}",
        32,
    ),
    (
        "swin",
        "model: {name: swin, embed_dim: 12, depths: [2, 2], num_heads: [2, 4], window_size: 4, "
        "num_classes: 4, norm_before_pool: true, norm_eps: 1.0e-5, norm2_eps: 1.0e-5}\n"
        "data: {image_size: 32}",
        32,
    ),
]


def load(folder):
    """Returns timm's model in a folder, and whether all names match."""
    model = timm.create_model(f"local-dir:{folder}", pretrained=True)
    wanted, have = set(model.state_dict()), set(load_file(Path(folder) / "model.safetensors"))
    missing, unexpected = wanted - have, have - wanted
    note(
        f"names in {folder.name}",
        not missing and not unexpected,
        f"missing {sorted(missing)}, unexpected {sorted(unexpected)}" if missing or unexpected else "",
    )
    return model.eval()


def back(ft, name, source, work, x, want):
    """Checks that timm computes the same logits from what the program writes."""
    out = work / (name.replace(" ", "-").replace(",", "") + "-written")
    program(ft, "convert", source, out, "--naming", "timm")
    compare(f"{name}, written", logits(load(out), x), want)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="./fasternet-train")
    parser.add_argument("folders", nargs="*", type=Path)
    options = parser.parse_args()
    ft, temporary = options.program, tempfile.TemporaryDirectory()
    work = Path(temporary.name)
    for name, architecture, arguments, size in MODELS:
        model = randomise(timm.create_model(architecture, **arguments))
        x, folder = images(size, channels=arguments.get("in_chans", 3)), work / name.replace(" ", "-").replace(",", "")
        labels = [f"class {i}" for i in range(model.num_classes)] if name == "swin" else None
        save_for_hf(model, folder, model_config={"label_names": labels} if labels else None, safe_serialization=True)
        want, headless = logits(model, x), arguments["num_classes"] == 0
        compare(f"{name}, read", ours(ft, work, folder, x, features=headless), want)
        written = back(ft, name, folder, work, x, want)
        if labels:
            note("names of classes", metadata(written / "config.json")["label_names"] == labels)
        if architecture.startswith(("vit", "deit")) and not headless:
            for other in (size * 2, size * 5 // 3 // 16 * 16):
                bigger = timm.create_model(f"local-dir:{folder}", pretrained=True, img_size=other).eval()
                y = images(other, channels=arguments.get("in_chans", 3))
                compare(f"{name}, at {other} px", ours(ft, work, folder, y, "--size", other), logits(bigger, y))
    wider = timm.create_model(f"local-dir:{work / 'swin'}", pretrained=True, window_size=14).eval()
    x = images(112)
    compare("swin, another window", ours(ft, work, work / "swin", x, "--set", "model.window_size=14"), logits(wider, x))
    for name, text, size in OWN:
        config, own = work / "own.yaml", work / "own.safetensors"
        config.write_text(text)
        program(ft, "export", "--model", config, "--out", own, "--no-fold")
        x = images(size)
        back(ft, f"own {name}", own, work, x, ours(ft, work, own, x))
    for parent in options.folders:
        for folder in sorted(p for p in parent.iterdir() if (p / "expected.safetensors").exists()):
            expected = load_file(folder / "expected.safetensors")
            x, want = expected["input"], expected["output"]
            headless = metadata(folder / "config.json")["num_classes"] == 0
            for source in [
                folder,
                *(folder / f for f in ("model.safetensors", "pytorch_model.bin") if (folder / f).exists()),
            ]:
                compare(f"{source.relative_to(parent)}, read", ours(ft, work, source, x, features=headless), want)
            back(ft, folder.name, folder, work, x, want)
    finish()


if __name__ == "__main__":
    torch.set_num_threads(2)
    main()
