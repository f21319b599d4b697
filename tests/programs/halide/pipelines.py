"""Pipelines for tests/tests/halide.rs: each one compiled for the DSP, and computed on this host by Halide itself.

    python3 pipelines.py FOLDER TARGET

writes, for each pipeline, NAME.o, and in NAME.txt its buffers, one a line: type code, bits, extents, file. The last one is the output,
as it is right.

All vectors have as many elements as one of bytes: Halide 21 fails without a word for some that are shorter, and what it makes of a
16-bit stage with a buffer of its own before an 8-bit one has its elements in a wrong order (qemu-hexagon says so, too).
"""
import random
import struct
import sys

import halide as hl

W, H = 256, 48
x, y, c, k = hl.Var("x"), hl.Var("y"), hl.Var("c"), hl.Var("k")

CODES = {"i": 0, "u": 1, "f": 2}
FORMATS = {"u8": "B", "i16": "h", "u16": "H", "i32": "i", "u32": "I", "f32": "f"}
TYPES = {"u8": hl.UInt(8), "i16": hl.Int(16), "u16": hl.UInt(16), "i32": hl.Int(32), "u32": hl.UInt(32), "f32": hl.Float(32)}


def places(extents):
    """All places of a buffer, in the order in which they lie in memory."""
    found = [()]
    for extent in reversed(extents):
        found = [(v, *place) for place in found for v in range(extent)]
    return [place if len(place) > 1 else place[0] for place in found]


def made(kind, extents, seed):
    """An input that looks like noise and has every value."""
    noise = random.Random(seed)
    buffer = hl.Buffer(TYPES[kind], extents)
    bits = int(kind[1:])
    for place in places(extents):
        # Sums and products of these floats are exact.
        value = noise.randrange(-32, 32) / 4 if kind == "f32" else noise.getrandbits(bits)
        buffer[place] = value - (1 << bits) if kind[0] == "i" and value >> (bits - 1) else value
    return buffer


class Pipeline:
    def __init__(self, define, inputs, output):
        self.name = define.__name__
        self.params = [hl.ImageParam(TYPES[kind], len(extents), f"in{n}") for n, (kind, extents) in enumerate(inputs)]
        self.inputs = inputs
        self.output = output
        self.define = define

    def func(self, lanes):
        """What is to be computed, by vectors of so many elements; 0: one by one."""
        global LANES
        LANES = lanes
        func = hl.Func(self.name)
        self.define(func, *[hl.BoundaryConditions.repeat_edge(p) for p in self.params])
        return func


ALL = []
LANES = 0


def wide(stage):
    if LANES:
        stage.vectorize(x, LANES)



def pipeline(inputs, output):
    def register(define):
        ALL.append(Pipeline(define, inputs, output))
        return define

    return register


image = ("u8", [W, H])


@pipeline([image], image)
def blur(f, i):
    row = lambda dy: hl.u16(i[x - 1, y + dy]) + 2 * hl.u16(i[x, y + dy]) + hl.u16(i[x + 1, y + dy])
    f[x, y] = hl.u8((row(-1) + 2 * row(0) + row(1) + 8) / 16)
    wide(f)


@pipeline([image], ("i16", [W, H]))
def sobel(f, i):
    v = lambda dx, dy: hl.i16(i[x + dx, y + dy])
    gx = v(1, -1) + 2 * v(1, 0) + v(1, 1) - v(-1, -1) - 2 * v(-1, 0) - v(-1, 1)
    gy = v(-1, 1) + 2 * v(0, 1) + v(1, 1) - v(-1, -1) - 2 * v(0, -1) - v(1, -1)
    f[x, y] = hl.i16(hl.abs(gx)) + hl.i16(hl.abs(gy))
    wide(f)


@pipeline([image], ("u32", [256]))
def histogram(f, i):
    r = hl.RDom([(0, W), (0, H)])
    f[x] = hl.u32(0)
    f[hl.i32(i[r.x, r.y])] += hl.u32(1)
    f.update(0).unscheduled()
    wide(f)


@pipeline([("f32", [64, 32]), ("f32", [128, 64])], ("f32", [128, 32]))
def gemm_f32(f, a, b):
    r = hl.RDom([(0, 64)])
    f[x, y] = hl.f32(0)
    f[x, y] += a[r.x, y] * b[x, r.x]
    wide(f)
    wide(f.update(0))


@pipeline([("u8", [64, 32]), ("u8", [128, 64])], ("u32", [128, 32]))
def gemm_u8(f, a, b):
    r = hl.RDom([(0, 64)])
    f[x, y] = hl.u32(0)
    f[x, y] += hl.u32(hl.u16(a[r.x, y]) * hl.u16(b[x, r.x]))
    wide(f)
    wide(f.update(0))


@pipeline([image], ("u8", [2 * W, 2 * H]))
def upsample(f, i):
    v = lambda dx, dy: hl.u16(i[x / 2 + dx, y / 2 + dy])
    across = hl.select(x % 2 == 0, 2 * v(0, 0), v(0, 0) + v(1, 0))
    below = hl.select(x % 2 == 0, 2 * v(0, 1), v(0, 1) + v(1, 1))
    f[x, y] = hl.u8(hl.select(y % 2 == 0, 2 * across, across + below) / 4)
    wide(f)


@pipeline([("u16", [2 * W, 2 * H])], ("u16", [W, H]))
def downsample(f, i):
    v = lambda dx, dy: hl.u32(i[2 * x + dx, 2 * y + dy])
    f[x, y] = hl.u16((v(0, 0) + v(1, 0) + v(0, 1) + v(1, 1) + 2) >> 2)
    wide(f)


@pipeline([image, ("u8", [256])], image)
def lut(f, i, table):
    f[x, y] = table[hl.i32(i[x, y])]
    wide(f)


@pipeline([image, ("u16", [256])], ("u16", [W, H]))
def lut_vtcm(f, i, table):
    near = hl.Func("near")
    near[x] = table[x]
    out = hl.Func("out")
    out[x, y] = near[hl.clamp(hl.i32(i[x, y]), 0, 255)]
    f[x, y] = out[x, y]
    wide(near.compute_root().store_in(hl.MemoryType.VTCM))
    wide(out.compute_at(f, y).store_in(hl.MemoryType.VTCM))
    wide(f)


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
    wide(f)


@pipeline([image], image)
def dilate(f, i):
    r = hl.RDom([(-2, 5), (-2, 5)])
    f[x, y] = hl.maximum(i[x + r.x, y + r.y])
    wide(f)


@pipeline([("i16", [W, H]), ("i16", [5, 5])], ("i32", [W, H]))
def conv(f, i, kernel):
    # What a sum of 32 bits cannot hold has no value in Halide.
    r = hl.RDom([(0, 5), (0, 5)])
    f[x, y] = hl.i32(0)
    f[x, y] += hl.i32(i[x + r.x - 2, y + r.y - 2]) * hl.i32(kernel[r.x, r.y] >> 6)
    wide(f)
    wide(f.update(0))


@pipeline([("i32", [W, H])], ("i32", [W, H]))
def integral(f, i):
    r = hl.RDom([(1, W - 1)])
    s = hl.RDom([(1, H - 1)])
    f[x, y] = i[x, y]
    f[r.x, y] += f[r.x - 1, y]
    f[x, s.x] += f[x, s.x - 1]
    f.update(0).unscheduled()
    wide(f.update(1))


@pipeline([("u8", [W, H, 3])], image)
def grey(f, i):
    f[x, y] = hl.u8((77 * hl.u16(i[x, y, 0]) + 150 * hl.u16(i[x, y, 1]) + 29 * hl.u16(i[x, y, 2])) >> 8)
    wide(f)


@pipeline([("i16", [W, H]), ("i16", [W, H])], ("i16", [W, H]))
def saturate(f, a, b):
    total = hl.i32(a[x, y]) + hl.i32(b[x, y])
    f[x, y] = hl.i16(hl.clamp(total, -32768, 32767)) - (hl.i16(hl.absd(a[x, y], b[x, y]) >> 3))
    wide(f)


@pipeline([("f32", [W, H])], ("f32", [W, H]))
def rectify(f, i):
    v = i[x, y]
    f[x, y] = hl.select(v < 0.0, v * 0.125, hl.min(v * 1.5, 6.0)) + hl.abs(i[x + 1, y])
    wide(f)


def main(folder, target):
    for one in ALL:
        name = one.name
        one.func(128).compile_to({hl.OutputFileType.object: f"{folder}/{name}.o"}, one.params, name, hl.Target(target))
        buffers = [made(kind, extents, n + 1) for n, (kind, extents) in enumerate(one.inputs)]
        for param, buffer in zip(one.params, buffers):
            param.set(buffer)
        buffers.append(one.func(0).realize(one.output[1]))
        with open(f"{folder}/{name}.txt", "w") as lines:
            for n, (kind, extents) in enumerate(one.inputs + [one.output]):
                file = f"{name}.{n}"
                format = FORMATS[kind]
                with open(f"{folder}/{file}", "wb") as raw:
                    values = [buffers[n][place] for place in places(extents)]
                    raw.write(struct.pack(f"<{len(values)}{format}", *values))
                print(CODES[kind[0]], kind[1:], ",".join(map(str, extents)), file, file=lines)


main(*sys.argv[1:])
