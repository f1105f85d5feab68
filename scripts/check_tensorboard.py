#!/usr/bin/env python3
"""Reads event files with code of other projects and prints what is in them.

    scripts/check_tensorboard.py runs/quickstart/tensorboard

If TensorBoard is installed, the script uses its reader. Otherwise it checks the framing
itself, with its own CRC-32C, and parses the messages with the Protocol Buffers library
(Debian: python3-protobuf), with the fields of TensorFlow's event.proto and summary.proto.
This is a developer's check; no test needs it.
"""

import collections
import glob
import io
import os
import struct
import sys


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def event_class():
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    kind = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="event.proto", package="t", syntax="proto3")

    def message(name, *fields):
        m = file.message_type.add(name=name)
        for number, field, type_, repeated in fields:
            f = m.field.add(name=field, number=number, label=3 if repeated else 1)
            if isinstance(type_, str):
                f.type, f.type_name = kind.TYPE_MESSAGE, ".t." + type_
            else:
                f.type = type_

    double, float_, int64, int32 = kind.TYPE_DOUBLE, kind.TYPE_FLOAT, kind.TYPE_INT64, kind.TYPE_INT32
    string, raw = kind.TYPE_STRING, kind.TYPE_BYTES
    message("SessionLog", (1, "status", int32, False))
    message(
        "Image",
        (1, "height", int32, False),
        (2, "width", int32, False),
        (3, "colorspace", int32, False),
        (4, "encoded", raw, False),
    )
    message(
        "Histogram",
        (1, "min", double, False),
        (2, "max", double, False),
        (3, "num", double, False),
        (4, "sum", double, False),
        (5, "sum_squares", double, False),
        (6, "limits", double, True),
        (7, "buckets", double, True),
    )
    message(
        "Value",
        (1, "tag", string, False),
        (2, "simple_value", float_, False),
        (4, "image", "Image", False),
        (5, "histo", "Histogram", False),
    )
    message("Summary", (1, "value", "Value", True))
    message("Event", (1, "wall_time", double, False), (2, "step", int64, False), (3, "file_version", string, False),
            (5, "summary", "Summary", False), (7, "session_log", "SessionLog", False))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = pool.FindMessageTypeByName("t.Event")
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(found)
    return message_factory.MessageFactory(pool).GetPrototype(found)


def events(path, event):
    with open(path, "rb") as f:
        content = f.read()
    at = 0
    while at < len(content):
        (length, crc) = struct.unpack_from("<QI", content, at)
        assert crc == masked(content[at:at + 8]), f"{path}: wrong checksum of the length at byte {at}"
        data = content[at + 12:at + 12 + length]
        (crc,) = struct.unpack_from("<I", content, at + 12 + length)
        assert crc == masked(data), f"{path}: wrong checksum of the data at byte {at}"
        yield event.FromString(data)
        at += length + 16


def check(path):
    tags = collections.OrderedDict()
    for e in events(path, event_class()):
        if e.file_version:
            print(f"{path}: {e.file_version}")
        for v in e.summary.value:
            if v.HasField("image"):
                from PIL import Image
                size = Image.open(io.BytesIO(v.image.encoded)).size
                assert size == (v.image.width, v.image.height), size
                value = "picture of %d×%d" % size
            elif v.HasField("histo"):
                h = v.histo
                assert (
                    len(h.limits) == len(h.buckets)
                    and sum(h.buckets) == h.num
                    and list(h.limits) == sorted(h.limits)
                )
                value = f"histogram of {h.num:.0f} values from {h.min:.4g} to {h.max:.4g}"
            else:
                value = f"{v.simple_value:.6g}"
            tags.setdefault(v.tag, []).append((e.step, value))
    for tag, values in tags.items():
        steps = [s for s, _ in values]
        assert steps == sorted(steps), tag
        print(f"  {tag}: {len(values)} values, steps {steps[0]} to {steps[-1]}, the last: {values[-1][1]}")


def main():
    folder = sys.argv[1]
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    except ImportError:
        paths = sorted(glob.glob(os.path.join(folder, "**", "*tfevents*"), recursive=True))
        assert paths, f"{folder}: no event files"
        for path in paths:
            check(path)
        return
    for sub in sorted(os.listdir(folder)):
        a = EventAccumulator(os.path.join(folder, sub)).Reload()
        for kind, tags in a.Tags().items():
            print(sub, kind, tags)


main()
