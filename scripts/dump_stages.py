#!/usr/bin/env python3
"""Write the values inside a PyTorch model to a .npz file, for "fasternet-train debug compare".

    python3 scripts/dump_stages.py MODEL --out DUMP.npz

MODEL is a folder that timm wrote, the name of a timm model, or FILE.py:FUNCTION: a function
without arguments that returns a module, such as the official FasterNet or Swin. --weights loads
a state dict into it. Hooks on its modules collect the values for some images: random images, or
the array in --images (.npy, [images, channels, height, width]).

The script recognises FasterNet, ViT and Swin by their structure, in timm's and in the official
code, and gives their values the names that this program uses. For any other value,
--value NAME=MODULE takes the output of a module and NAME=MODULE:input takes its input; NAME must
be the name that "debug compare --json" prints for the value.

This is a developer's tool; nothing in the project depends on it. It needs PyTorch and numpy, and
timm for timm's models.
"""
import argparse
import importlib.util
import sys
from pathlib import Path

import numpy as np
import torch


def build(name, weights):
    """Returns the module that MODEL names."""
    if Path(name).is_dir():
        import timm
        model = timm.create_model(f"local-dir:{name}", pretrained=True)
    elif ".py:" in name:
        path, function = name.rsplit(":", 1)
        spec = importlib.util.spec_from_file_location("model", path)
        module = importlib.util.module_from_spec(spec)
        sys.path.insert(0, str(Path(path).parent))
        spec.loader.exec_module(module)
        model = getattr(module, function)()
    else:
        import timm
        model = timm.create_model(name)
    if weights:
        if weights.endswith(".safetensors"):
            from safetensors.torch import load_file
            state = load_file(weights)
        else:
            state = torch.load(weights, map_location="cpu", weights_only=True)
        for key in ("model", "state_dict"):
            state = state.get(key, state) if isinstance(state.get(key), dict) else state
        known = model.state_dict()
        missing = set(known) - set(state)
        unexpected = set(state) - set(known)
        if missing or unexpected:
            sys.exit(f"{weights}: missing {sorted(missing)}, unexpected {sorted(unexpected)}")
        model.load_state_dict(state)
    return model.eval()


def values_of(model):
    """Returns what to collect: for each name a module, and "input", "output" or "first token"."""
    found = {}

    def add(name, module, side="output"):
        if module is not None and not isinstance(module, torch.nn.Identity):
            found[name] = (module, side)

    add("patch_embed", getattr(model, "patch_embed", None))
    if hasattr(model, "layers"):
        swin(model, add)
    elif hasattr(model, "stages"):
        fasternet(model, add)
    elif hasattr(model, "blocks"):
        vit(model, add)
    head = classifier(model)
    add("prelogits", head, "input")
    return found


def classifier(model):
    """Returns the last linear layer."""
    for path in ("head.fc", "head", "classifier", "fc"):
        module = model
        for part in path.split("."):
            module = getattr(module, part, None)
        if isinstance(module, torch.nn.Linear):
            return module
    return None


def fasternet(model, add):
    """Adds the values of a FasterNet. Merging is the start of a stage in timm; officially it is between stages."""
    number = 0
    for i, stage in enumerate(model.stages):
        if not hasattr(stage, "blocks"):  # merging, in the official code
            add(f"stages.{i}", stage)
            continue
        official = any(not hasattr(s, "blocks") for s in model.stages)
        first = i if official else 2 * number
        if not official and number > 0:
            add(f"stages.{first - 1}", getattr(stage, "downsample", None))
        for j, block in enumerate(stage.blocks):
            add(f"stages.{first}.blocks.{j}", block)
        number += 1
        add(f"stage{number}", stage.blocks[-1])
    if hasattr(model, "global_pool") and hasattr(model, "conv_head"):
        add("pooled", model.global_pool)
        add("avgpool_pre_head.1", model.conv_head)
    elif hasattr(model, "avgpool_pre_head"):
        add("pooled", model.avgpool_pre_head[0])
        add("avgpool_pre_head.1", model.avgpool_pre_head[1])


def halves(block, name, add):
    """Adds the halves of a transformer block, each after its residual."""
    add(f"{name}.attn", block.norm2, "input")
    add(f"{name}.mlp", block)


def vit(model, add):
    """Adds the values of a ViT, whose class token is the first token."""
    add("pos_embed", model.blocks[0], "input")
    add("tokens", model.blocks[-1], "input")
    for i, block in enumerate(model.blocks):
        halves(block, f"blocks.{i}", add)
    if isinstance(getattr(model, "fc_norm", None), torch.nn.LayerNorm):
        add("pooled", model.fc_norm, "input")
        add("fc_norm", model.fc_norm)
    elif getattr(model, "global_pool", "token") == "avg":  # the norm comes before the pool
        add("norm", model.norm)
        add("pooled", classifier(model), "input")
    else:
        add("pooled", model.blocks[-1], "first token")
        add("norm", model.norm, "first token")


def swin(model, add):
    """Adds the values of a Swin. Merging starts a stage in timm; officially it ends the stage before."""
    for i, stage in enumerate(model.layers):
        for j, block in enumerate(stage.blocks):
            halves(block, f"layers.{i}.blocks.{j}", add)
        if len(stage.blocks) > 0:
            add(f"stage{i + 1}", stage.blocks[-1])
        merging = getattr(stage, "downsample", None)
        opens = merging is not None and getattr(merging, "reduction", None) is not None and i > 0 and \
            merging.reduction.out_features == stage.blocks[0].norm1.normalized_shape[0]
        add(f"layers.{i - 1 if opens else i}.downsample", merging)
    add("norm", model.norm)
    add("pooled", classifier(model), "input")


def collect(model, wanted, images):
    """Runs the model on images and returns the values as float32 arrays."""
    arrays, hooks = {"input": images.numpy()}, []

    def keep(name, value):
        if isinstance(value, (tuple, list)):
            value = value[0]
        # Copy, because the next module may work in place.
        arrays[name] = value.detach().to(torch.float32, copy=True).contiguous().numpy()

    for name, (module, side) in wanted.items():
        if side == "input":
            hooks.append(module.register_forward_pre_hook(lambda _, args, name=name: keep(name, args)))
        elif side == "first token":
            hooks.append(module.register_forward_hook(lambda _, args, out, name=name: keep(name, out[:, 0])))
        else:
            hooks.append(module.register_forward_hook(lambda _, args, out, name=name: keep(name, out)))
    with torch.no_grad():
        keep("logits", model(images))
    for hook in hooks:
        hook.remove()
    return arrays


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--out", required=True, help=".npz file to write")
    parser.add_argument("--weights", help="state dict to load: .pth or .safetensors")
    parser.add_argument("--images", help=".npy file of float32 [images, channels, height, width]")
    parser.add_argument("--batch", type=int, default=2, help="number of random images")
    parser.add_argument("--size", type=int, help="side of the images in pixels (default: the model's)")
    parser.add_argument("--channels", type=int, default=3, help="channels of the images")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--value", action="append", default=[], metavar="NAME=MODULE[:input]", help="add a value; repeatable"
    )
    args = parser.parse_args()

    model = build(args.model, args.weights)
    if args.images:
        images = torch.from_numpy(np.load(args.images).astype("<f4"))
    else:
        config = getattr(model, "pretrained_cfg", None) or {}
        size = args.size or config.get("input_size", (3, 224, 224))[-1]
        images = torch.randn(args.batch, args.channels, size, size, generator=torch.Generator().manual_seed(args.seed))
    wanted = values_of(model)
    for value in args.value:
        name, equals, path = value.partition("=")
        path, _, side = path.partition(":")
        if not equals or side not in ("", "input"):
            parser.error(f"--value {value}: want NAME=MODULE or NAME=MODULE:input")
        try:
            wanted[name] = (model.get_submodule(path), side or "output")
        except AttributeError as e:
            parser.error(f"--value {value}: {e}")
    arrays = collect(model, wanted, images)
    np.savez(args.out, **arrays)
    count, _, height, width = images.shape
    print(f"{args.out}: {len(arrays) - 1} values for {count} images of {height}×{width} pixels")


main()
