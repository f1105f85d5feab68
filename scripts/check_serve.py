"""Checks a served FasterNet, ViT and Swin with clients of other projects: tritonclient and curl.

    python scripts/check_serve.py ./fasternet-train

timm makes the three models with random weights and writes them to folders; the program serves
them. The script compares what the clients get with what PyTorch computes for the same images. The
tolerance for prepared tensors is 2e-4 of the largest logit; for an image file it is 1e-2, because
JPEG decoders round differently. Needs torch, timm, pillow, tritonclient[http] and curl.
"""

import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import timm
import torch
import tritonclient.http as triton
from PIL import Image
from timm.models._hub import save_for_hf

MODELS = ["fasternet_t0", "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"]
failures = 0


def check(what, ok, text=""):
    global failures
    failures += not ok
    print(("ok      " if ok else "FAILED  ") + what, text, flush=True)


def near(what, got, want, tolerance):
    off = float(np.abs(np.asarray(got) - want).max() / np.abs(want).max())
    check(what, np.asarray(got).shape == want.shape and off < tolerance, f"{off:.1e} of the largest value")


def scene(path, seed, quality=None):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:240, 0:320]
    pixels = np.stack([x * 255 / 320, y * 255 / 240, (x + seed * y) % 200], -1) + rng.normal(0, 8, (240, 320, 3))
    Image.fromarray(pixels.clip(0, 255).astype("uint8")).save(path, **({"quality": quality} if quality else {}))
    return path


def curl(*args):
    out = subprocess.run(["curl", "-sS", *args], capture_output=True, check=True).stdout
    return json.loads(out)


def main():
    program = sys.argv[1]
    torch.manual_seed(1)
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        nets, named = {}, []
        for name in MODELS:
            net = timm.create_model(name, pretrained=False).eval()
            for p in net.parameters():  # otherwise all logits are near 0
                if p.ndim > 1:
                    p.mul_(2)
            save_for_hf(net, os.path.join(folder, name), safe_serialization=True)
            nets[name] = net
            named.append(f"{name}={os.path.join(folder, name)}")
        files = [scene(os.path.join(folder, "a.jpg"), 1, 95), scene(os.path.join(folder, "b.png"), 2)]
        server = subprocess.Popen(
            [program, "serve", *named, "--addr", "127.0.0.1:0", "--quiet"], stdout=subprocess.PIPE, text=True
        )
        try:
            ready = json.loads(server.stdout.readline())
            check("models", ready["models"] == MODELS)
            clients(ready["url"].removeprefix("http://").rstrip("/"), nets, files)
        finally:
            server.terminate()
            check("it ends by SIGTERM with exit code 0", server.wait(30) == 0)
    sys.exit(1 if failures else 0)


def clients(address, nets, files):
    client = triton.InferenceServerClient(address, concurrency=4)
    check("live, ready", client.is_server_live() and client.is_server_ready())
    check("index", [m["name"] for m in client.get_model_repository_index()] == MODELS)
    check("server metadata", client.get_server_metadata()["name"] == "fasternet-train")
    contents = [open(f, "rb").read() for f in files]
    for name, net in nets.items():
        meta = client.get_model_metadata(name)
        check(
            f"{name}: ready, metadata",
            client.is_model_ready(name) and meta["inputs"][0]["shape"] == [-1, 3, 224, 224],
        )
        config = timm.data.resolve_model_data_config(net)
        transform = timm.data.create_transform(**config, is_training=False)
        pictures = [Image.open(f).convert("RGB") for f in files]
        tensors = torch.stack([transform(p) for p in pictures])
        want = net(tensors).numpy()
        probabilities = torch.from_numpy(want).softmax(-1).numpy()

        for binary in (True, False):
            x = triton.InferInput("input", list(tensors.shape), "FP32")
            x.set_data_from_numpy(tensors.numpy(), binary_data=binary)
            r = client.infer(
                name, [x], request_id="42", outputs=[triton.InferRequestedOutput("logits", binary_data=binary)]
            )
            near(f"{name}: tensors, binary {binary}", r.as_numpy("logits"), want, 2e-4)
            check(f"{name}: id", r.get_response()["id"] == "42")
        r = client.infer(name, [x])
        near(f"{name}: all outputs", r.as_numpy("probabilities"), probabilities, 1e-3)
        near(
            f"{name}: features",
            r.as_numpy("features"),
            net.forward_head(net.forward_features(tensors), pre_logits=True).numpy(),
            1e-3,
        )
        pending = [client.async_infer(name, [x], outputs=[triton.InferRequestedOutput("logits")]) for _ in range(8)]
        for p in pending:
            near(f"{name}: at the same time", p.get_result().as_numpy("logits"), want, 2e-4)

        x = triton.InferInput("image", [2], "BYTES")
        x.set_data_from_numpy(np.array(contents, dtype=object), binary_data=True)
        for compression in (None, "gzip"):
            r = client.infer(name, [x], request_compression_algorithm=compression)
            near(f"{name}: files, compression {compression}", r.as_numpy("logits"), want, 1e-2)
        png = r.as_numpy("logits")[1:]
        r = client.infer(name, [x], outputs=[triton.InferRequestedOutput("probabilities", class_count=3)])
        top = [int(t.decode().split(":")[1]) for t in r.as_numpy("probabilities")[1]]
        check(f"{name}: classification", top == list(np.argsort(-want[1], kind="stable")[:3]), str(top))

        pixels = np.asarray(pictures[1])[None]
        x = triton.InferInput("pixels", list(pixels.shape), "UINT8")
        x.set_data_from_numpy(pixels, binary_data=True)
        check(f"{name}: pixels are the file", np.array_equal(client.infer(name, [x]).as_numpy("logits"), png))

        at = f"http://{address}"
        for how, args in {
            "a file": ["--data-binary", "@" + files[1]],
            "a form": ["-F", "image=@" + files[1]],
        }.items():
            got = curl(*args, f"{at}/classify?model={name}&topk=3")["results"][0]["classes"]
            check(f"{name}: curl with {how}", [c["index"] for c in got] == top, str(got[0]))
            near(
                f"{name}: curl with {how}, logits",
                curl(*args, f"{at}/logits?model={name}")["results"][0]["logits"],
                want[1],
                2e-4,
            )
        got = curl(
            "-H",
            "Inference-Header-Content-Length: 0",
            "--data-binary",
            "@" + files[1],
            f"{at}/v2/models/{name}/infer",
        )
        near(f"{name}: curl with the protocol", got["outputs"][0]["data"], want[1], 2e-4)
        try:
            bad = triton.InferInput("image", [1], "BYTES")
            bad.set_data_from_numpy(np.array([contents[0][:200]], dtype=object))
            client.infer(name, [bad])
            check(f"{name}: a file that is cut off", False)
        except triton.InferenceServerException as e:
            check(f"{name}: a file that is cut off", "truncated" in str(e) and e.status() == "400", str(e))


if __name__ == "__main__":
    main()
