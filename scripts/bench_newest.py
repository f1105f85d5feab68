"""Times one of the newest engines on a model, to compare with `fasternet-train bench`.

usage: python bench_newest.py ENGINE MODEL MODE BATCH THREADS [--seconds S] [--onnx FILE] [--size N]

ENGINE  torch | torch-cl (channels-last) | compile | compile-cl | official | ort | ov
MODEL   fasternet_t0 … fasternet_l, vit_small, vit_base, swin_tiny, swin_base: timm's code;
        mim_vit_small, mim_vit_base, mim_swin_base: LocalMIM pre-training with the authors' code
MODE    train | infer | train-bf16 | infer-bf16 (PyTorch's autocast, OpenVINO's hint)

Prints one JSON object on the last line. PyTorch keeps freed memory, folds batch norms for
inference and uses the fused AdamW. ort and ov run --onnx FILE, whose input is called input.
Without --onnx the script exports timm's model once, to the folder for temporary files.

`official` reads two environment variables: LOCALMIM is a folder with the authors' code
(github.com/Haoqing-Wang/LocalMIM), and TIMM_LOCALMIM is a folder with timm 0.4.12. It replaces
the norm in their HOG by the root of the sum of squares, which is faster than the published code.

This is a developer's tool; nothing in the project depends on it. In a virtual environment:
  pip install torch torchvision timm onnxruntime openvino onnx onnxscript
torch.compile also needs a C++ compiler and Python's headers.
"""
import argparse
import contextlib
import ctypes
import json
import os
import resource
import statistics
import sys
import tempfile
import time
import warnings

TIMM = {"vit_base": "vit_base_patch16_224", "vit_small": "vit_small_patch16_224",
        "swin_tiny": "swin_tiny_patch4_window7_224", "swin_base": "swin_base_patch4_window7_224"}
OFFICIAL = {
    "mim_vit_small": ("ViT", "MIM_vit_small_patch16", dict(hog_nbins=9)),
    "mim_vit_base": ("ViT", "MIM_vit_base_patch16", dict(hog_nbins=9)),
    "mim_swin_base": ("Swin", "mim_swin_base_patch4_win7", dict(hog_nbins=18, hog_bias=True, target="HOG")),
}
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def arguments():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("engine", choices=["torch", "torch-cl", "compile", "compile-cl", "official", "ort", "ov"])
    parser.add_argument("model")
    parser.add_argument("mode", choices=["train", "infer", "train-bf16", "infer-bf16"])
    parser.add_argument("batch", type=int)
    parser.add_argument("threads", type=int)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--onnx")
    parser.add_argument("--size", type=int, default=224)
    return parser.parse_args()


def timm_model(args):
    """Returns timm's model. Its batch norms are not the identity, as after training."""
    import timm
    import torch
    torch.manual_seed(0)
    model = timm.create_model(TIMM.get(args.model, args.model), num_classes=1000)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1.5), module.bias.data.uniform_(-0.2, 0.2)
            module.running_mean.uniform_(-0.2, 0.2), module.running_var.uniform_(0.5, 1.5)
    return model


def official_model(name):
    import collections.abc
    import types

    import numpy
    import torch
    # Define what timm 0.4.12 and the authors' code import, but newer libraries no longer have.
    six = types.ModuleType("torch._six")
    six.container_abcs, six.string_classes, six.int_classes, six.inf = collections.abc, (str,), int, float("inf")
    sys.modules["torch._six"] = six
    numpy.float, numpy.bool = float, bool
    folder, constructor, named = OFFICIAL[name]
    sys.path[:0] = [os.path.join(os.environ["LOCALMIM"], folder), os.environ["TIMM_LOCALMIM"]]
    norm = torch.Tensor.norm

    def rooted(x, *args, **named):
        if args or set(named) != {"dim"}:
            return norm(x, *args, **named)
        return x.square().sum(named["dim"]).sqrt()

    torch.Tensor.norm = rooted
    import models_mim
    return getattr(models_mim, constructor)(**named)


def exported(args):
    """Exports timm's model to ONNX, once, and returns the name of the file."""
    if args.onnx:
        return args.onnx
    import torch
    name = os.path.join(tempfile.gettempdir(), f"{args.model}.{args.size}.timm.onnx")
    if not os.path.exists(name):
        x = torch.randn(2, 3, args.size, args.size)
        torch.onnx.export(timm_model(args).eval(), (x,), name, input_names=["input"], output_names=["logits"],
                          dynamic_axes={"input": {0: "N"}, "logits": {0: "N"}}, opset_version=17, dynamo=False)
    return name


def torch_step(args):
    import torch
    torch.set_num_threads(args.threads)
    official = args.engine == "official"
    model = official_model(args.model) if official else timm_model(args)
    x = torch.randn(args.batch, 3, args.size, args.size)
    if args.engine.endswith("-cl"):
        model, x = model.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)

    def cast():
        return torch.autocast("cpu", torch.bfloat16) if args.mode.endswith("-bf16") else contextlib.nullcontext()

    version = "PyTorch " + torch.__version__
    if not args.mode.startswith("train"):
        model.eval()
        if args.engine.startswith("compile"):
            import torch._inductor.config as inductor
            inductor.freezing = inductor.cpp_wrapper = True
            run = torch.compile(model)
        else:
            try:
                from torch.fx.experimental.optimization import fuse
                run = fuse(model)
            except Exception:  # a model that cannot be traced has no batch norms to fold
                run = model

        def infer():
            with torch.no_grad(), cast():
                run(x)

        return infer, version
    y = torch.randint(0, 1000, (args.batch,))
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], 1e-4, fused=True)
    run = torch.compile(model) if args.engine.startswith("compile") else model

    def train():
        optimizer.zero_grad(set_to_none=True)
        with cast():
            if official:
                loss = run(x, 0.75)
                loss = loss[0] if isinstance(loss, tuple) else loss
            else:
                loss = torch.nn.functional.cross_entropy(run(x), y)
        loss.backward()
        optimizer.step()

    return train, version


def ort_step(args):
    import numpy
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = args.threads, 1
    session = onnxruntime.InferenceSession(exported(args), options, providers=["CPUExecutionProvider"])
    x = numpy.random.randn(args.batch, 3, args.size, args.size).astype("float32")
    return lambda: session.run(None, {"input": x}), "ONNX Runtime " + onnxruntime.__version__


def ov_step(args):
    import numpy
    import openvino
    core = openvino.Core()
    model = core.read_model(exported(args))
    model.reshape({0: [args.batch, 3, args.size, args.size]})
    compiled = core.compile_model(model, "CPU", {
        "INFERENCE_NUM_THREADS": args.threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "bf16" if args.mode.endswith("-bf16") else "f32"})
    request = compiled.create_infer_request()
    x = numpy.random.randn(args.batch, 3, args.size, args.size).astype("float32")
    return (
        lambda: request.infer({0: x}, share_inputs=True, share_outputs=True),
        "OpenVINO " + openvino.__version__.split("-")[0],
    )


def main():
    warnings.filterwarnings("ignore")
    args = arguments()
    # Keep freed memory. Otherwise glibc returns large blocks to the system, and PyTorch pays for
    # new pages with every feature map.
    libc = ctypes.CDLL(None)
    libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    libc.mallopt(M_MMAP_MAX, 0)
    begin = time.perf_counter()
    step, version = {"ort": ort_step, "ov": ov_step}.get(args.engine, torch_step)(args)
    step()
    first = time.perf_counter() - begin
    for _ in range(2):
        step()
    times, end = [], time.perf_counter() + args.seconds
    while time.perf_counter() < end or len(times) < 5:
        begin = time.perf_counter()
        step()
        times.append(time.perf_counter() - begin)
    median = statistics.median(times)
    print(json.dumps(dict(
        engine=args.engine, version=version, model=args.model, mode=args.mode, batch=args.batch, threads=args.threads,
        runs=len(times), median_ms=1000 * median, img_per_s=args.batch / median, first_step_s=first,
        peak_rss_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)))


main()
