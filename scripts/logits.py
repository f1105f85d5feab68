"""Shared by the checks of weights: get this program's logits, and compare."""
import json
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

FAILED = []


def program(ft, *args, want=0):
    """Run the program and return its standard output; an unexpected exit code ends the check."""
    done = subprocess.run([ft, *map(str, args)], capture_output=True, text=True, check=False)
    if done.returncode != want:
        sys.exit(f"{ft} {' '.join(map(str, args))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def ours(ft, folder, model, images, *args, features=False):
    """Return the logits that this program computes for images [N, 3, H, W]; with features, the
    input of the last layer, or what features names."""
    images_file, out = Path(folder) / "images.safetensors", Path(folder) / "out.safetensors"
    save_file({"input": images.contiguous()}, images_file)
    if features:
        stage = "prelogits" if features is True else features
        program(ft, "features", images_file, "--model", model, "--stage", stage, "--out", out, *args)
        return load_file(out)[stage]
    program(ft, "predict", images_file, "--model", model, "--logits", out, *args)
    return load_file(out)["logits"]


def compare(name, got, want, tolerance=1e-4):
    """Print the largest difference of two sets of logits, as a fraction of the largest logit."""
    off = ((got - want).abs().max() / want.abs().max()).item()
    ok = off <= tolerance
    print(f"{'ok  ' if ok else 'FAIL'} {name}: {off:.1e} of the largest")
    if not ok:
        FAILED.append(name)


def note(name, ok, text=""):
    """Print whether a check has passed."""
    print(f"{'ok  ' if ok else 'FAIL'} {name}{': ' + text if text else ''}")
    if not ok:
        FAILED.append(name)


def randomise(module, seed=1):
    """Give every parameter and statistic of a module its own values, so that no two look alike."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in list(module.named_parameters()) + list(module.named_buffers()):
            if not p.is_floating_point() or "attn_mask" in name:
                continue
            noise = torch.randn(p.shape, generator=generator)
            if name.endswith("running_var"):
                p.copy_(0.5 + noise.abs())
            elif p.dim() <= 1:
                p.copy_((0 if name.endswith(("bias", "mean")) else 1) + 0.3 * noise)
            elif "table" in name or "pos_embed" in name or "token" in name or "pos_embedding" in name:
                p.copy_(0.3 * noise)
            else:
                p.copy_(noise / p[0].numel() ** 0.5)
    return module.eval()


def logits(module, images):
    with torch.no_grad():
        return module(images)


def images(size, count=2, channels=3):
    return torch.randn(count, channels, size, size, generator=torch.Generator().manual_seed(2))


def metadata(path):
    """Return the content of a JSON file."""
    return json.loads(Path(path).read_text())


def finish():
    """End with exit code 1 if anything failed."""
    if FAILED:
        sys.exit(f"{len(FAILED)} checks failed: {', '.join(FAILED)}")
    print("all agree")
