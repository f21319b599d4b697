"""Pipelines for tests/tests/halide.rs: each one compiled for the DSP, and computed on this host by Halide itself.

    python3 pipelines.py FOLDER TARGET

writes, for each pipeline, NAME.o, and in NAME.txt its buffers, one a line: type code, bits, extents, file. The last one is the output,
as it is right.

All vectors have as many elements as one of bytes: Halide 21 fails without a word for some that are shorter, and what it makes of a
16-bit stage with a buffer of its own before an 8-bit one has its elements in a wrong order (qemu-hexagon says so, too).
"""
import struct
import sys

import halide as hl

W, H = 256, 48
x, y, c, k = hl.Var("x"), hl.Var("y"), hl.Var("c"), hl.Var("k")

CODES = {"i": 0, "u": 1, "f": 2}
FORMATS = {"u8": "B", "i16": "h", "u16": "H", "i32": "i", "u32": "I", "f32": "f"}
TYPES = {"u8": hl.UInt(8), "i16": hl.Int(16), "u16": hl.UInt(16), "i32": hl.Int(32), "u32": hl.UInt(32), "f32": hl.Float(32)}


def made(kind, extents, seed):
    """An input that looks like noise and has every value."""
    f = hl.Func()
    at = [hl.Var() for _ in extents]
    value = hl.u32(seed * 2654435761 % 2**32)
    for v in at:
        value = (value ^ hl.u32(v)) * hl.u32(2246822519)
        value = value ^ (value >> 15)
    if kind == "f32":
        # Sums and products of these are exact.
        f[tuple(at)] = hl.f32(hl.i32(value & 63) - 32) / 4.0
    else:
        f[tuple(at)] = hl.cast(TYPES[kind], value)
    return f.realize(extents)


class Pipeline:
    def __init__(self, name, inputs, output):
        self.name = name
        self.params = [hl.ImageParam(TYPES[kind], len(extents), f"in{n}") for n, (kind, extents) in enumerate(inputs)]
        self.inputs = inputs
        self.output = output
        self.func = hl.Func(name)


ALL = []


def pipeline(inputs, output):
    def register(define):
        one = Pipeline(define.__name__, inputs, output)
        edged = [hl.BoundaryConditions.repeat_edge(p) for p in one.params]
        define(one.func, *edged)
        ALL.append(one)
        return define

    return register


image = ("u8", [W, H])


@pipeline([image], image)
def blur(f, i):
    row = lambda dy: hl.u16(i[x - 1, y + dy]) + 2 * hl.u16(i[x, y + dy]) + hl.u16(i[x + 1, y + dy])
    f[x, y] = hl.u8((row(-1) + 2 * row(0) + row(1) + 8) / 16)
    f.vectorize(x, 128)


@pipeline([image], ("i16", [W, H]))
def sobel(f, i):
    v = lambda dx, dy: hl.i16(i[x + dx, y + dy])
    gx = v(1, -1) + 2 * v(1, 0) + v(1, 1) - v(-1, -1) - 2 * v(-1, 0) - v(-1, 1)
    gy = v(-1, 1) + 2 * v(0, 1) + v(1, 1) - v(-1, -1) - 2 * v(0, -1) - v(1, -1)
    f[x, y] = hl.i16(hl.abs(gx)) + hl.i16(hl.abs(gy))
    f.vectorize(x, 128)


@pipeline([image], ("u32", [256]))
def histogram(f, i):
    r = hl.RDom([(0, W), (0, H)])
    f[x] = hl.u32(0)
    f[hl.i32(i[r.x, r.y])] += hl.u32(1)
    f.update(0).unscheduled()
    f.vectorize(x, 128)


@pipeline([("f32", [64, 32]), ("f32", [128, 64])], ("f32", [128, 32]))
def gemm_f32(f, a, b):
    r = hl.RDom([(0, 64)])
    f[x, y] = hl.f32(0)
    f[x, y] += a[r.x, y] * b[x, r.x]
    f.vectorize(x, 128)
    f.update(0).vectorize(x, 128)


@pipeline([("u8", [64, 32]), ("u8", [128, 64])], ("u32", [128, 32]))
def gemm_u8(f, a, b):
    r = hl.RDom([(0, 64)])
    f[x, y] = hl.u32(0)
    f[x, y] += hl.u32(hl.u16(a[r.x, y]) * hl.u16(b[x, r.x]))
    f.vectorize(x, 128)
    f.update(0).vectorize(x, 128)


@pipeline([image], ("u8", [2 * W, 2 * H]))
def upsample(f, i):
    v = lambda dx, dy: hl.u16(i[x / 2 + dx, y / 2 + dy])
    across = hl.select(x % 2 == 0, 2 * v(0, 0), v(0, 0) + v(1, 0))
    below = hl.select(x % 2 == 0, 2 * v(0, 1), v(0, 1) + v(1, 1))
    f[x, y] = hl.u8(hl.select(y % 2 == 0, 2 * across, across + below) / 4)
    f.vectorize(x, 128)


@pipeline([("u16", [2 * W, 2 * H])], ("u16", [W, H]))
def downsample(f, i):
    v = lambda dx, dy: hl.u32(i[2 * x + dx, 2 * y + dy])
    f[x, y] = hl.u16((v(0, 0) + v(1, 0) + v(0, 1) + v(1, 1) + 2) >> 2)
    f.vectorize(x, 128)


@pipeline([image, ("u8", [256])], image)
def lut(f, i, table):
    f[x, y] = table[hl.i32(i[x, y])]
    f.vectorize(x, 128)


@pipeline([image, ("u16", [256])], ("u16", [W, H]))
def lut_vtcm(f, i, table):
    near = hl.Func("near")
    near[x] = table[x]
    out = hl.Func("out")
    out[x, y] = near[hl.clamp(hl.i32(i[x, y]), 0, 255)]
    f[x, y] = out[x, y]
    near.compute_root().store_in(hl.MemoryType.VTCM).vectorize(x, 128)
    out.compute_at(f, y).store_in(hl.MemoryType.VTCM).vectorize(x, 128)
    f.vectorize(x, 128)


@pipeline([image], image)
def median(f, i):
    low = lambda a, b: hl.min(a, b)
    high = lambda a, b: hl.max(a, b)
    middle = lambda a, b, d: high(low(a, b), low(high(a, b), d))
    column = lambda dx: (i[x + dx, y - 1], i[x + dx, y], i[x + dx, y + 1])
    lows, mids, highs = [], [], []
    for dx in (-1, 0, 1):
        a, b, d = column(dx)
        lows.append(low(low(a, b), d))
        mids.append(middle(a, b, d))
        highs.append(high(high(a, b), d))
    f[x, y] = middle(high(high(lows[0], lows[1]), lows[2]), middle(*mids), low(low(highs[0], highs[1]), highs[2]))
    f.vectorize(x, 128)


@pipeline([image], image)
def dilate(f, i):
    r = hl.RDom([(-2, 5), (-2, 5)])
    f[x, y] = hl.maximum(i[x + r.x, y + r.y])
    f.vectorize(x, 128)


@pipeline([("i16", [W, H]), ("i16", [5, 5])], ("i32", [W, H]))
def conv(f, i, kernel):
    # What a sum of 32 bits cannot hold has no value in Halide.
    r = hl.RDom([(0, 5), (0, 5)])
    f[x, y] = hl.i32(0)
    f[x, y] += hl.i32(i[x + r.x - 2, y + r.y - 2]) * hl.i32(kernel[r.x, r.y] >> 6)
    f.vectorize(x, 128)
    f.update(0).vectorize(x, 128)


@pipeline([("i32", [W, H])], ("i32", [W, H]))
def integral(f, i):
    r = hl.RDom([(1, W - 1)])
    s = hl.RDom([(1, H - 1)])
    f[x, y] = i[x, y]
    f[r.x, y] += f[r.x - 1, y]
    f[x, s.x] += f[x, s.x - 1]
    f.update(0).unscheduled()
    f.update(1).vectorize(x, 128)


@pipeline([("u8", [W, H, 3])], image)
def grey(f, i):
    f[x, y] = hl.u8((77 * hl.u16(i[x, y, 0]) + 150 * hl.u16(i[x, y, 1]) + 29 * hl.u16(i[x, y, 2])) >> 8)
    f.vectorize(x, 128)


@pipeline([("i16", [W, H]), ("i16", [W, H])], ("i16", [W, H]))
def saturate(f, a, b):
    total = hl.i32(a[x, y]) + hl.i32(b[x, y])
    f[x, y] = hl.i16(hl.clamp(total, -32768, 32767)) - (hl.i16(hl.absd(a[x, y], b[x, y]) >> 3))
    f.vectorize(x, 128)


@pipeline([("f32", [W, H])], ("f32", [W, H]))
def rectify(f, i):
    v = i[x, y]
    f[x, y] = hl.select(v < 0.0, v * 0.125, hl.min(v * 1.5, 6.0)) + hl.abs(i[x + 1, y])
    f.vectorize(x, 128)


def main(folder, target):
    for one in ALL:
        name = one.name
        one.func.compile_to({hl.OutputFileType.object: f"{folder}/{name}.o"}, one.params, name, hl.Target(target))
        buffers = [made(kind, extents, n + 1) for n, (kind, extents) in enumerate(one.inputs)]
        for param, buffer in zip(one.params, buffers):
            param.set(buffer)
        buffers.append(one.func.realize(one.output[1]))
        with open(f"{folder}/{name}.txt", "w") as lines:
            for n, (kind, extents) in enumerate(one.inputs + [one.output]):
                file = f"{name}.{n}"
                places = [()]
                for extent in reversed(extents):
                    places = [(v, *place) for place in places for v in range(extent)]
                format = FORMATS[kind]
                with open(f"{folder}/{file}", "wb") as raw:
                    values = [buffers[n][place if len(place) > 1 else place[0]] for place in places]
                    raw.write(struct.pack(f"<{len(values)}{format}", *values))
                print(CODES[kind[0]], kind[1:], ",".join(map(str, extents)), file, file=lines)


main(*sys.argv[1:])
