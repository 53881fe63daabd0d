"""The generator of the golden scripts' inputs, which the C++ tests repeat (src/quantize/test_rows.h)."""


def splitmix64(count, state=1):
    """Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014."""
    mask = (1 << 64) - 1
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        yield z ^ (z >> 31)


def centred_sum(bits):
    """About normal: four integers of 12 bits, less their mean."""
    return sum((bits >> shift) & 0xFFF for shift in (0, 12, 24, 36)) - 8190
