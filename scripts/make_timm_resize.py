#!/usr/bin/env python3
"""Make reference values for resized position embeddings and bias tables, with timm.

    scripts/make_timm_resize.py testdata/golden

writes timm_resize.safetensors. positions/<from>to<to>/in and /out are position embeddings
[1, 1 + from², 3], the class token first; from and to are the sides of the grids.
table/<from>to<to>/in and /out are tables of relative position bias [(2·from-1)², 2]; from and to
are the sides of the windows. Needs torch, timm and safetensors. The file in the repository was made
with timm 1.0.31 and PyTorch 2.15.
"""
import sys

import torch
from safetensors.torch import save_file
from timm.layers import resample_abs_pos_embed, resize_rel_pos_bias_table


def main(folder):
    generator = torch.Generator().manual_seed(1)
    out = {}
    for a, b in [(4, 6), (6, 3), (7, 5), (14, 10), (2, 9), (5, 1), (1, 3)]:
        x = torch.randn(1, 1 + a * a, 3, generator=generator)
        out[f"positions/{a}to{b}/in"] = x
        out[f"positions/{a}to{b}/out"] = resample_abs_pos_embed(x, [b, b], num_prefix_tokens=1).contiguous()
    for a, b in [(7, 12), (7, 4), (4, 7), (2, 5), (3, 8), (8, 2), (1, 3), (6, 7)]:
        x = torch.randn((2 * a - 1) ** 2, 2, generator=generator)
        y = resize_rel_pos_bias_table(x, new_window_size=(b, b), new_bias_shape=((2 * b - 1) ** 2, 2))
        out[f"table/{a}to{b}/in"], out[f"table/{a}to{b}/out"] = x, y.contiguous()
    save_file(out, f"{folder}/timm_resize.safetensors")


if __name__ == "__main__":
    main(sys.argv[1])
