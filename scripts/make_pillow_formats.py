#!/usr/bin/env python3
"""Make image files in many formats, and decode them with Pillow.

    pip install pillow numpy imagecodecs tifffile pillow-heif
    scripts/make_pillow_formats.py testdata/golden

writes pillow_formats.safetensors. file/<name> has the bytes of a small image file, and rgb/<name>
has its pixels from Pillow's convert("RGB"). scaled/<name> has the pixels of 16-bit grey images,
scaled to 8 bits; upright/<name> has the pixels turned by the EXIF orientation. The file in the
repository was made with Pillow 13.0.0 and libjpeg-turbo 3.2.0.
"""
import io
import json
import struct
import sys

import imagecodecs
import numpy as np
import tifffile
from PIL import Image, ImageOps
from pillow_heif import register_heif_opener

register_heif_opener()
H, W = 21, 29


def picture(seed, channels=3, height=H, width=W):
    """Returns a smooth image with some noise. It has edges of colour, and JPEG preserves it."""
    r = np.random.RandomState(seed)
    small = r.randint(0, 256, (height // 6 + 2, width // 6 + 2, channels)).astype(np.uint8)
    planes = [
        np.asarray(Image.fromarray(small[..., c]).resize((width, height), Image.BICUBIC)) for c in range(channels)
    ]
    a = np.stack(planes, -1).astype(int) + r.randint(-12, 13, (height, width, channels))
    a = a.clip(0, 255).astype(np.uint8)
    return a if channels > 1 else a[..., 0]


RGB, GREY, CMYK = picture(1), picture(2, 1), picture(3, 4)
BITS = Image.fromarray(np.kron(np.random.RandomState(4).randint(0, 2, (7, 10)), np.ones((3, 3))).astype(bool)[:H, :W])
DEEP = (picture(5, 1).astype(np.uint16) << 8) + picture(6, 1)
DEEP_RGB = (picture(7).astype(np.uint16) << 8) + picture(8)

FILES = {}


def add(name, content):
    FILES[name] = bytes(content)


def saved(image, format, **options):
    b = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(b, format, **options)
    return b.getvalue()


def without_segment(jpeg, marker):
    """Returns a JPEG file without the segments of a marker."""
    out, at = bytearray(jpeg[:2]), 2
    while jpeg[at + 1] != 0xDA:
        n = 2 + struct.unpack(">H", jpeg[at + 2 : at + 4])[0]
        if jpeg[at + 1] != marker:
            out += jpeg[at : at + n]
        at += n
    return bytes(out + jpeg[at:])


def pngs():
    add("png/rgb", saved(RGB, "png"))
    add("png/grey", saved(GREY, "png"))
    add("png/bits", saved(BITS, "png"))
    add("png/grey16", saved(DEEP, "png"))
    add("png/rgb16", imagecodecs.png_encode(DEEP_RGB))
    add("png/grey16alpha", imagecodecs.png_encode(np.stack([DEEP, DEEP[::-1]], -1)))
    add("png/rgba", saved(np.dstack([RGB, GREY]), "png"))
    add("png/palette", saved(Image.fromarray(RGB).quantize(30), "png", transparency=3))


def tiffs():
    for name, compression in {"g3": "group3", "g4": "group4"}.items():
        add(f"tif/{name}-min-is-black", saved(BITS, "tiff", compression=compression))
        add(f"tif/{name}-min-is-white", saved(BITS, "tiff", compression=compression, tiffinfo={262: 0}))
    add("tif/g4-lsb", saved(BITS, "tiff", compression="group4", tiffinfo={266: 2}))
    add("tif/bits", saved(BITS, "tiff"))
    for name, compression in {
        "plain": None,
        "lzw": "tiff_lzw",
        "deflate": "tiff_adobe_deflate",
        "packbits": "packbits",
    }.items():
        add(f"tif/rgb-{name}", saved(RGB, "tiff", compression=compression))
        add(f"tif/grey-{name}", saved(GREY, "tiff", compression=compression))
    add("tif/palette", saved(Image.fromarray(RGB).quantize(30), "tiff"))
    for order in "<>":
        name = "le" if order == "<" else "be"
        for kind, a, photometric in (("grey16", DEEP, "minisblack"), ("rgb16", DEEP_RGB, "rgb")):
            b = io.BytesIO()
            tifffile.imwrite(b, a, photometric=photometric, byteorder=order)
            add(f"tif/{kind}-{name}", b.getvalue())
    for name, options in {
        "tiled": {"tile": (16, 16)},
        "predictor": {"compression": "zlib", "predictor": True},
        "rows": {"rowsperstrip": 5},
        "rgba": {"extrasamples": ["unassalpha"]},
    }.items():
        b = io.BytesIO()
        tifffile.imwrite(b, np.dstack([RGB, GREY]) if name == "rgba" else RGB, photometric="rgb", **options)
        add(f"tif/{name}", b.getvalue())
    add("tif/pages", saved(RGB, "tiff", save_all=True, append_images=[Image.fromarray(RGB[::-1])]))


def jpegs():
    for sampling in ("444", "422", "420", "440", "411"):
        add(f"jpg/{sampling}", imagecodecs.jpeg8_encode(RGB, level=90, subsampling=sampling))
    for sampling, width in (("420", 4), ("422", 3), ("440", 2)):
        add(f"jpg/narrow-{sampling}", imagecodecs.jpeg8_encode(RGB[:, :width], level=90, subsampling=sampling))
    add("jpg/grey", saved(GREY, "jpeg", quality=90))
    add("jpg/progressive", saved(RGB, "jpeg", quality=90, progressive=True))
    add("jpg/rgb", imagecodecs.jpeg8_encode(RGB, level=90, colorspace="RGB", outcolorspace="RGB"))
    # The encoder always subsamples YCCK. For YCCK without subsampling, save CMYK and change the
    # last byte of Adobe's segment, which names the colour space.
    plain = imagecodecs.jpeg8_encode(CMYK, level=90, colorspace="CMYK", outcolorspace="CMYK")
    at = plain.index(b"Adobe") + 11
    inks = {
        "cmyk": plain,
        "ycck-444": plain[:at] + b"\2" + plain[at + 1 :],
        "ycck-420": imagecodecs.jpeg8_encode(CMYK, level=90, colorspace="CMYK", outcolorspace="YCCK"),
    }
    inks["ycck-even"] = imagecodecs.jpeg8_encode(CMYK[:, :-1], level=90, colorspace="CMYK", outcolorspace="YCCK")
    for name, content in inks.items():
        add(f"jpg/{name}", content)
        add(f"jpg/{name}-plain", without_segment(content, 0xEE))


def gifs():
    colours = Image.fromarray(RGB).quantize(40)
    other = Image.fromarray(picture(9)).quantize(30)
    add("gif/plain", saved(colours, "gif"))
    add("gif/interlaced", saved(colours, "gif", interlace=1))
    add("gif/transparent", saved(colours, "gif", transparency=5))
    add("gif/animated", saved(colours, "gif", save_all=True, append_images=[other, colours], duration=40))
    add("gif/grey", saved(GREY, "gif"))
    # The frame does not fill the screen.
    whole = saved(colours.crop((0, 0, 9, 7)), "gif")
    at = whole.index(b"\x2c\0\0\0\0")
    part = bytearray(whole)
    part[6:10] = struct.pack("<HH", 15, 12)
    part[at + 1 : at + 5] = struct.pack("<HH", 4, 3)
    add("gif/part", part)
    large = bytearray(part)
    large[6:10] = struct.pack("<HH", 10, 5)
    add("gif/part-outside", large)
    mark = b"\x21\xf9\x04\x01\0\0\x07\0"
    add("gif/part-transparent", bytes(part[:at]) + mark + bytes(part[at:]))


def webps():
    rgba = np.dstack([RGB, GREY])
    add("webp/lossy", saved(RGB, "webp", quality=80))
    add("webp/lossless", saved(RGB, "webp", lossless=True))
    add("webp/alpha", saved(rgba, "webp", quality=80, exact=True))
    add("webp/alpha-lossless", saved(rgba, "webp", lossless=True, exact=True))
    frames = [Image.fromarray(picture(s)) for s in (10, 11)]
    for name, options in {"lossy": {"quality": 80}, "lossless": {"lossless": True}}.items():
        add(f"webp/animated-{name}", saved(RGB, "webp", save_all=True, append_images=frames, duration=50, **options))
        clear = np.dstack([RGB, np.zeros_like(GREY)])
        clear[4:16, 6:20, 3] = GREY[4:16, 6:20] // 2 + 100
        add(
            f"webp/animated-part-{name}",
            saved(clear, "webp", save_all=True, append_images=frames, duration=50, exact=True, **options),
        )


def pnms():
    rows = lambda a: "\n".join(" ".join(str(v) for v in row.reshape(-1)) for row in a)
    small = RGB[:5, :7]
    add(
        "pnm/p1",
        b"P1\n# black and white\n10 7\n"
        + "\n".join(
            "".join("01"[v] for v in row) for row in np.random.RandomState(12).randint(0, 2, (7, 10))
        ).encode(),
    )
    add("pnm/p2", f"P2 7 5 255\n{rows(small[..., 0])}\n".encode())
    add("pnm/p2-shallow", f"P2 7 5\n9\n{rows(small[..., 0] // 26)}".encode())
    add("pnm/p3", f"P3\n#x\n7 5\n255\n{rows(small)}\n".encode())
    add("pnm/p4", b"P4 29 21\n" + np.packbits(np.asarray(BITS.resize((W, H))) == 0, axis=1).tobytes())
    add("pnm/p5", b"P5 29 21 255\n" + GREY.tobytes())
    add("pnm/p5-shallow", b"P5\n29 21 # as wide\n100\n" + (GREY // 3).tobytes())
    add("pnm/p6", b"P6 29 21 255\n" + RGB.tobytes())
    add("pnm/p6-deep", b"P6 29 21 65535\n" + DEEP_RGB.astype(">u2").tobytes())
    add("pnm/p6-1023", b"P6 29 21 1023\n" + (DEEP_RGB // 64).astype(">u2").tobytes())
    add("pnm/p5-deep", b"P5 29 21 65535\n" + DEEP.astype(">u2").tobytes())
    add("pnm/two", b"P6 29 21 255\n" + RGB.tobytes() + b"P6 29 21 255\n" + RGB[::-1].tobytes())


def bmps():
    add("bmp/rgb", saved(RGB, "bmp"))
    add("bmp/grey", saved(GREY, "bmp"))
    add("bmp/bits", saved(BITS, "bmp"))
    add("bmp/palette", saved(Image.fromarray(RGB).quantize(30), "bmp"))


def turned():
    """Adds the same picture with every EXIF orientation, in all formats that have EXIF."""
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        add(f"jpg/turned-{orientation}", saved(RGB, "jpeg", quality=90, exif=exif))
    exif = Image.Exif()
    exif[0x0112] = 6
    add("png/turned-6", saved(RGB, "png", exif=exif))
    add("webp/turned-6", saved(RGB, "webp", lossless=True, exif=exif))
    add(
        "jpg/turned-422-8",
        saved(
            RGB,
            "jpeg",
            quality=90,
            subsampling="4:2:2",
            exif=bytes(exif.tobytes()).replace(b"\x00\x06\x00\x00", b"\x00\x08\x00\x00"),
        ),
    )


def refused():
    """Adds images that cannot be decoded, to test the messages about them."""
    small = picture(13, 3, 8, 9)
    add("refused/tif-g3-2d", saved(BITS, "tiff", compression="group3", tiffinfo={292: 1}))
    add("refused/tif-cmyk", saved(Image.fromarray(small).convert("CMYK"), "tiff"))
    add("refused/tif-jpeg", saved(small, "tiff", compression="jpeg"))
    for name, a, options in (
        ("planes", small.transpose(2, 0, 1), {"photometric": "rgb", "planarconfig": "separate"}),
        ("float", small[..., 0].astype(np.float32), {}),
        ("bands", np.dstack([small, small]), {"photometric": "minisblack", "planarconfig": "contig"}),
        ("big", small, {"photometric": "rgb", "bigtiff": True}),
    ):
        b = io.BytesIO()
        tifffile.imwrite(b, a, **options)
        add(f"refused/tif-{name}", b.getvalue())
    add("refused/avif", saved(small, "avif"))
    add("refused/jp2", saved(small, "jpeg2000"))
    add("refused/jxl", imagecodecs.jpegxl_encode(small))
    add("refused/heic", saved(picture(13, 3, 64, 64), "heif"))
    add("refused/ico", saved(small, "ico", sizes=[(8, 8)]))
    add("refused/pcx", saved(small, "pcx"))
    add("refused/jpg-arithmetic", arithmetic(saved(small, "jpeg")))


def arithmetic(jpeg):
    """Returns a JPEG file that claims arithmetic coding."""
    return jpeg.replace(b"\xff\xc0", b"\xff\xc9", 1)


def as_array(image):
    return np.asarray(image.convert("RGB"))


def write_safetensors(path, tensors):
    header, body = {}, b""
    for name, a in tensors.items():
        a = np.ascontiguousarray(a)
        header[name] = {"dtype": "U8", "shape": list(a.shape), "data_offsets": [len(body), len(body) + a.size]}
        body += a.tobytes()
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + body)


def main(folder):
    for make in (pngs, tiffs, jpegs, gifs, webps, pnms, bmps, turned, refused):
        make()
    tensors = {}
    for name, content in FILES.items():
        tensors[f"file/{name}"] = np.frombuffer(content, np.uint8)
        if name.startswith("refused/"):
            continue
        image = Image.open(io.BytesIO(content))
        tensors[f"rgb/{name}"] = as_array(image)
        if image.mode.startswith("I"):
            deep = np.asarray(image).astype(int)
            # Treat as 16-bit colour: PNG and TIFF keep the high byte, PNM rounds.
            eight = np.round(deep * 255 / 65535) if name.startswith("pnm") else deep >> 8
            tensors[f"scaled/{name}"] = np.repeat(eight[..., None], 3, 2).astype(np.uint8)
        if "/turned-" in name:
            tensors[f"upright/{name}"] = as_array(ImageOps.exif_transpose(Image.open(io.BytesIO(content))))
    write_safetensors(f"{folder}/pillow_formats.safetensors", tensors)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
