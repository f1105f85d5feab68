#!/usr/bin/env python3
"""Check uploads to and downloads from the hub with timm and huggingface_hub.

    python3 scripts/check_hub.py [--program ./fasternet-train] [FOLDER...]

1. timm's create_model("local-dir:…", pretrained=True) loads what "export --hub" writes, without
   a missing or an unexpected name. The logits agree within 1e-4 of the largest, and both prepare
   images in the same way. A FOLDER holds more models to export, each in a folder as timm saves it.
2. timm's create_model(…, num_classes=0) loads the encoder of a pre-training that "export" writes,
   from the file and from the folder of --hub, and gives the same features.
3. The program and Python share a cache: what one has fetched from a local hub, the other does
   not download again.

This is a developer's tool; nothing in the project depends on it. It needs PyTorch, timm 1.0,
huggingface_hub and safetensors. The exit code is 0 if all agree, and 1 if not.
"""
import argparse
import hashlib
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import timm
import torch
from safetensors.torch import load_file
from timm.models._hub import save_for_hf

from logits import compare, finish, images, logits, metadata, note, ours, program, randomise

# The program makes these models: a name, a configuration, the size of the images.
OWN = [
    (
        "fasternet gelu",
        "model: {name: fasternet, embed_dim: 8, depths: [1, 2], feature_dim: 24, num_classes: 4, "
        "act_layer: gelu}\n"
        "data: {image_size: 64}",
        64,
    ),
    (
        "fasternet relu",
        "model: {name: fasternet, embed_dim: 8, depths: [1, 2], feature_dim: 24, num_classes: 4, "
        "act_layer: relu}\n"
        "data: {image_size: 96, mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25]}",
        96,
    ),
    ("fasternet preset", "base: fasternet_t1\nmodel: {num_classes: 10}", 224),
    (
        "vit mean",
        "model: {name: vit, embed_dim: 24, depth: 2, num_heads: 3, patch_size: 8, num_classes: 4}\n"
        "data: {image_size: 32}",
        32,
    ),
    (
        "vit token",
        "model: {name: vit, embed_dim: 24, depth: 2, num_heads: 3, patch_size: 8, num_classes: 4, "
        "global_pool: false}\n"
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
# The program refuses to export these, because timm has no such model.
REFUSED = [
    (
        "swin, another norm",
        "model: {name: swin, embed_dim: 12, depths: [2, 2], num_heads: [2, 4], window_size: 4, "
        "num_classes: 4, norm_before_pool: true, norm_eps: 1.0e-6}\n"
        "data: {image_size: 32}",
    ),
]
# Pre-trainings: a family, its configuration, and the model in timm.
PRETRAININGS = [
    (
        "vit",
        "model: {name: vit, embed_dim: 24, depth: 2, num_heads: 3, patch_size: 8, mlp_ratio: 2}\n"
        "mim: {taps: [1, 2], scales: [4, 0.5], decoder_dim: 16, decoder_heads: 2}",
        "vit_base_patch16_224",
        {"embed_dim": 24, "depth": 2, "num_heads": 3, "patch_size": 8, "mlp_ratio": 2, "img_size": 32,
         "global_pool": "avg"},
    ),
    (
        "swin",
        "model: {name: swin, embed_dim: 12, depths: [2, 2], num_heads: [2, 4], window_size: 4, mlp_ratio: 2, "
        "norm_eps: 1.0e-5, norm2_eps: 1.0e-5}\n"
        "mim: {decoder_dim: 16, decoder_heads: 2, mask_ratio: 0.6, target: pixel}",
        "swin_tiny_patch4_window7_224",
        {"embed_dim": 12, "depths": (2, 2), "num_heads": (2, 4), "window_size": 4, "mlp_ratio": 2, "img_size": 32},
    ),
    (
        "fasternet",
        "model: {name: fasternet, embed_dim: 16, depths: [1, 1, 1], feature_dim: 32, patch_size: 2, "
        "patch_stride: 2, act_layer: gelu}\n"
        "mim: {decoder_dim: 16, decoder_heads: 2, nbins: 6}",
        "fasternet_t0",
        {"embed_dim": 16, "depths": (1, 1, 1), "feature_dim": 32, "patch_size": 2},
    ),
]
RECIPE = """
task: localmim
data: {dir: photos, val_fraction: 0.25, image_size: 32, mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25]}
optim: {lr: 0.003}
sched: {form: localmim, warmup_epochs: 1, min_lr: 0}
train: {epochs: 2, batch_size: 8}
"""
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def check_export(ft, name, source, work, size, *args):
    """Export a model, load it in timm, and compare."""
    folder = work / (name.replace(" ", "-").replace(",", "") + "-hub")
    program(ft, "export", "--model", source, "--hub", folder, *args)
    model = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    wanted, have = set(model.state_dict()), set(load_file(folder / "model.safetensors"))
    note(
        f"{name}: names",
        wanted == have,
        f"missing {sorted(wanted - have)}, unexpected {sorted(have - wanted)}" if wanted != have else "",
    )
    config = metadata(folder / "config.json")
    x = images(size, channels=config["model_args"]["in_chans"])
    compare(f"{name}: logits of the folder", ours(ft, work, folder, x), logits(model, x))
    compare(f"{name}: logits of the source", ours(ft, work, source, x), logits(model, x))
    data = timm.data.resolve_model_data_config(model)
    note(
        f"{name}: images",
        data["input_size"][1:] == (size, size) and list(data["mean"]) == config["pretrained_cfg"]["mean"],
        str(data),
    )
    note(
        f"{name}: features",
        model.num_features == config["num_features"],
        f"{model.num_features}, {config['num_features']}",
    )
    note(f"{name}: card", "library_name: timm" in (folder / "README.md").read_text())


def check_encoders(ft, work):
    """Pre-train, export the encoder, load it in timm, and compare the features."""
    photos = work / "photos" / "all"
    photos.mkdir(parents=True)
    generator = torch.Generator().manual_seed(3)
    for i in range(32):
        pixels = torch.randint(0, 256, (32, 32, 3), generator=generator, dtype=torch.uint8)
        (photos / f"{i}.ppm").write_bytes(b"P6 32 32 255\n" + pixels.numpy().tobytes())
    x = images(32)
    for family, text, architecture, arguments in PRETRAININGS:
        config, run = work / "pretrain.yaml", work / f"{family}-run"
        config.write_text(text + RECIPE.replace("photos", str(work / "photos")))
        program(ft, "train", config, "--run", run)
        # timm's Swin has its norm before the pool.
        settings = ["--set", "model.norm_before_pool=true"] if family == "swin" else []
        file, folder = work / f"{family}-encoder.safetensors", work / f"{family}-encoder"
        program(ft, "export", run, "--out", file, *settings)
        named = work / f"{family}-timm.safetensors"
        program(ft, "convert", file, named, "--naming", "timm")
        if family == "fasternet":
            said = program(ft, "export", run, "--hub", folder, want=2)
            note(f"{family} encoder: no folder", "the pre-training has not trained" in said, said.strip())
            # conv_head, after the encoder, has not been trained.
            model = timm.create_model(
                architecture, num_classes=0, pretrained=True, pretrained_strict=False,
                pretrained_cfg_overlay={"file": str(named)}, **arguments,
            ).eval()
            with torch.no_grad():
                want = model.forward_features(x).mean((2, 3))
            for source in (run, file):
                compare(f"{family} encoder: features of {source.name}", ours(ft, work, source, x, features="pooled"),
                        want)
            continue
        program(ft, "export", run, "--hub", folder, *settings)
        got = ours(ft, work, file, x, features=True)
        for how, model in (
            ("checkpoint_path", timm.create_model(
                architecture, num_classes=0, checkpoint_path=str(named), **arguments)),
            ("pretrained_cfg_overlay", timm.create_model(
                architecture, num_classes=0, pretrained=True, pretrained_cfg_overlay={"file": str(file)},
                **arguments)),
            ("local-dir", timm.create_model(f"local-dir:{folder}", pretrained=True)),
        ):
            compare(f"{family} encoder: features, {how}", got, logits(model.eval(), x))
        compare(f"{family} encoder: features of the folder", ours(ft, work, folder, x, features=True), got)


class Hub(http.server.BaseHTTPRequestHandler):
    """Serves the folders in `models` as a hub, by org/name."""

    models, gets = {}, []

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer(False)

    def do_GET(self):
        self.answer(True)

    def answer(self, body):
        repo, _, rest = self.path.partition("/resolve/")
        path = self.models.get(repo.strip("/"), Path("/none")) / rest.partition("/")[2]
        if not path.is_file():
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = path.read_bytes()
        tag = (
            hashlib.sha256(content).hexdigest()
            if path.suffix == ".safetensors"
            else hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        )
        self.send_response(200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{tag}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.gets.append(self.path)
            self.wfile.write(content)


PYTHON = """
import sys, timm, torch
from safetensors.torch import load_file, save_file
model = timm.create_model("hf-hub:" + sys.argv[1], pretrained=True).eval()
with torch.no_grad():
    save_file({"output": model(load_file(sys.argv[2])["input"])}, sys.argv[3])
"""


def check_cache(ft, work):
    """Share a cache with huggingface_hub in both directions."""
    for name, architecture, arguments in [
        ("org/first", "fasternet_t0", {"embed_dim": 8, "depths": (1, 1), "feature_dim": 24}),
        ("org/second", "vit_tiny_patch16_224", {"embed_dim": 24, "depth": 1, "num_heads": 3, "img_size": 64}),
    ]:
        model = randomise(timm.create_model(architecture, num_classes=5, **arguments))
        folder = work / name.replace("/", "-")
        save_for_hf(model, folder, model_config={"label_names": list("abcde")}, safe_serialization=True)
        Hub.models[name] = folder
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {
        "HF_ENDPOINT": f"http://127.0.0.1:{server.server_address[1]}",
        "HF_HOME": str(work / "hf"),
        "HF_HUB_DISABLE_XET": "1",
    }
    os.environ.update(environment)
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_CACHE"):
        os.environ.pop(name, None)
    x, out = images(64), work / "python.safetensors"

    def python(name):
        ours(ft, work, work / name.replace("/", "-"), x)  # this writes images.safetensors
        done = subprocess.run(
            [sys.executable, "-c", PYTHON, name, work / "images.safetensors", out],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"timm cannot load {name}:\n{done.stderr}")
        return load_file(out)["output"]

    got = ours(ft, work, "hf://org/first", x)
    weights = [g for g in Hub.gets if g.endswith(".safetensors")]
    compare("cache: fetched by the program", got, python("org/first"))
    note(
        "cache: Python does not download it again",
        [g for g in Hub.gets if g.endswith(".safetensors")] == weights and len(weights) == 1,
        str(Hub.gets),
    )
    want = python("org/second")
    before = list(Hub.gets)
    compare("cache: fetched by Python", ours(ft, work, "hf://org/second", x), want)
    note("cache: the program does not download it again", Hub.gets == before, str(Hub.gets[len(before):]))
    server.shutdown()
    server.server_close()
    os.environ["HF_HUB_OFFLINE"] = "1"
    compare("cache: offline", ours(ft, work, "hf://org/second", x), want)
    compare("cache: Python offline", got, python("org/first"))
    listed = json.loads(program(ft, "weights", "list", "--json"))["models"]
    note(
        "cache: the list has both",
        [m["reference"] for m in listed] == ["hf://org/first", "hf://org/second"],
        str(listed),
    )
    from huggingface_hub import scan_cache_dir
    found = scan_cache_dir(work / "hf" / "hub")
    note("cache: Python finds nothing wrong with it", not found.warnings and len(found.repos) == 2, str(found.warnings))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="./fasternet-train")
    parser.add_argument("folders", nargs="*", type=Path)
    options = parser.parse_args()
    ft, temporary = options.program, tempfile.TemporaryDirectory()
    work = Path(temporary.name)
    for name, text, size in OWN:
        config, own = work / "own.yaml", work / (name.replace(" ", "-") + ".safetensors")
        config.write_text(text)
        program(ft, "export", "--model", config, "--out", own, "--no-fold")
        check_export(ft, name, own, work, size)
    for name, text in REFUSED:
        config = work / "refused.yaml"
        config.write_text(text)
        said = program(ft, "export", "--model", config, "--hub", work / "refused", want=2)
        note(
            f"{name}: refused",
            "would compute something else" in said and not (work / "refused").exists(),
            said.strip(),
        )
    check_encoders(ft, work)
    for parent in options.folders:
        for folder in sorted(p for p in parent.iterdir() if (p / "config.json").exists()):
            config = metadata(folder / "config.json")
            if config["num_classes"]:
                size = config["pretrained_cfg"]["input_size"][1]
                check_export(ft, folder.name, folder, work, size)
    check_cache(ft, work)
    finish()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
