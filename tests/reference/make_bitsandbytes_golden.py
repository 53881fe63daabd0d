"""Records what bitsandbytes makes of a few hundred blocks, which src/quantize's tests hold NF4 and FP4 against.

    python make_bitsandbytes_golden.py > ../golden/bitsandbytes.txt

Needs the PyPI packages bitsandbytes (0.50.2 when the file was made) and torch, on any CPU. The input comes
from a generator that src/quantize/absmax4_test.cpp repeats.

The second level of double quantization, the 8-bit codes of the block scales, is computed here from
bitsandbytes' own code book by its portable definition (quantize_blockwise of its default backend: the
nearest value, the lower on a tie). Its library for CPUs rounds to one of 65,536 steps first and therefore
gives the neighbouring code for about one block in 500; the script checks that it is never further off.
"""

import numpy as np
import torch
from bitsandbytes import functional

from splitmix64 import centred_sum, splitmix64

BLOCKS, SIZE, SPECIAL = 300, 64, 6


def thresholds(kind):
    code = np.sort(functional.get_4bit_type(kind, device="cpu").numpy())
    middle = (code[:-1] + code[1:]) / np.float32(2)
    return np.concatenate([np.nextafter(middle, np.float32(-2)), middle, np.nextafter(middle, np.float32(2))])


def make_input():
    x = np.empty(BLOCKS * SIZE, np.float32)
    for i, bits in enumerate(splitmix64(x.size)):
        x[i] = centred_sum(bits) * (16 + i // SIZE % 64) * 2.0**-20
    x = x.reshape(BLOCKS, SIZE)
    x[0] = 0
    for block, kind in ((1, "nf4"), (2, "fp4")):
        x[block] = 0
        x[block, :45] = thresholds(kind)
        x[block, 45:48] = (1, -1, -0.0)
    x[3] *= np.float32(1e30)
    x[4] *= np.float32(1e-38)
    x[5] = 0
    x[5, 17] = 0.5
    return x.reshape(-1)


def main():
    x = make_input()
    print("# made by tests/reference/make_bitsandbytes_golden.py; arrays as hexadecimal bytes")
    for kind in ("nf4", "fp4"):
        codes, state = functional.quantize_4bit(torch.from_numpy(x), blocksize=SIZE, quant_type=kind)
        print(f"{kind}_codes", codes.numpy().tobytes().hex())
        print(f"{kind}_absmax", state.absmax.numpy().astype("<f4").tobytes().hex())

    ordinary = torch.from_numpy(x[SPECIAL * SIZE :])
    _, plain = functional.quantize_4bit(ordinary, blocksize=SIZE, quant_type="nf4")
    _, nested = functional.quantize_4bit(ordinary, blocksize=SIZE, quant_type="nf4", compress_statistics=True)
    book = nested.state2.code
    shifted = plain.absmax - nested.offset
    inverse = (1.0 / nested.state2.absmax).repeat_interleave(256)[: shifted.numel()]
    codes = torch.bucketize((shifted * inverse).clamp(-1, 1), (book[:-1] + book[1:]) / 2).to(torch.uint8)
    assert (codes.int() - nested.absmax.int()).abs().max() <= 1
    print("scale_codes", codes.numpy().tobytes().hex())
    print("scale2", nested.state2.absmax.numpy().astype("<f4").tobytes().hex())
    print("offset", nested.offset.numpy().astype("<f4").tobytes().hex())
    print("dynamic8", book.numpy().astype("<f4").tobytes().hex())


if __name__ == "__main__":
    main()
