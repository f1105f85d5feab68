"""A small server around ONNX Runtime, to compare "fasternet-train serve" with.

    python scripts/serve_onnxruntime.py t0.onnx [PORT] [THREADS]
    fasternet-train bench serve http://127.0.0.1:8001/classify cat.jpg --clients 1,8,64

It is a typical server of a few libraries: http.server with a thread for each connection, Pillow for
decoding and resizing (the same size, filter and crop), and ONNX Runtime for the network. It computes
each request alone. Requests that arrive together run at the same time on the same threads of ONNX
Runtime; Pillow and ONNX Runtime release Python's lock. The model is an export of this program, whose
metadata says how to prepare an image. Needs onnxruntime, numpy and pillow.
"""

import io
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import onnxruntime
from PIL import Image

path = sys.argv[1]
port = int(sys.argv[2]) if len(sys.argv) > 2 else 8001
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(sys.argv[3]) if len(sys.argv) > 3 else 0
options.add_session_config_entry("session.intra_op.allow_spinning", "1")
session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
meta = session.get_modelmeta().custom_metadata_map
size = json.loads(meta["input_size"])[1]
short = int(size / float(meta["crop_ratio"]))
mean = np.array(json.loads(meta["mean"]), np.float32)
std = np.array(json.loads(meta["std"]), np.float32)
filters = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC, "lanczos": Image.LANCZOS}
resample = filters[meta["interpolation"]]


def prepare(content):
    m = Image.open(io.BytesIO(content)).convert("RGB")
    if meta["crop_mode"] == "squash":
        m = m.resize((size, size), resample)
    else:
        w, h = m.size
        w, h = (short, short * h // w) if w <= h else (short * w // h, short)
        left, top = round((w - size) / 2), round((h - size) / 2)
        m = m.resize((w, h), resample).crop((left, top, left + size, top + size))
    x = (np.asarray(m, np.float32) / 255 - mean) / std
    return np.ascontiguousarray(x.transpose(2, 0, 1)[None])


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # send header and body in one packet

    def do_POST(self):
        x = prepare(self.rfile.read(int(self.headers["Content-Length"])))
        logits = session.run(["logits"], {"input": x})[0][0]
        p = np.exp(logits - logits.max())
        p /= p.sum()
        top = np.argsort(-logits, kind="stable")[:5]
        body = json.dumps({"results": [{"classes": [{"index": int(i), "prob": float(p[i])} for i in top]}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024


print(f"onnxruntime {onnxruntime.__version__}, pillow {Image.__version__}, port {port}", flush=True)
Server(("127.0.0.1", port), Handler).serve_forever()
