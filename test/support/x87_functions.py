# Writes test/accel/tcg/x87-functions.json: x87 transcendental functions of random arguments by mpmath, rounded to nearest.
# Usage: python3 test/support/x87_functions.py > test/accel/tcg/x87-functions.json
import json
import random

from mpmath import mp, mpf

mp.prec = 400
random.seed(87)
# The x87 reduces angles by its 66-bit pi (SDM volume 1, section 8.3.8).
PI66 = mpf((0xC90FDAA22168C234 << 2) | 3) / mpf(2) ** 64


def value(bits):
    magnitude = mpf(bits & (2**64 - 1)) * mpf(2) ** (((bits >> 64) & 0x7FFF) - 16383 - 63)
    return -magnitude if bits >> 79 else magnitude


def number(exponent, sign=None):
    sign = random.getrandbits(1) if sign is None else sign
    return (sign << 79) | ((16383 + exponent) << 64) | (1 << 63) | random.getrandbits(63)


def rounded(x):
    sign, x = (1, -x) if x < 0 else (0, x)
    exponent = int(mp.floor(mp.log(x, 2)))
    significand = int(mp.nint(x / mpf(2) ** (exponent - 63)))
    if significand == 2**64:
        significand, exponent = 2**63, exponent + 1
    return (sign << 79) | ((16383 + exponent) << 64) | significand


def circular(name, x):
    quadrant = mp.nint(x / (PI66 / 2))
    s, c = mp.sin(x - quadrant * PI66 / 2), mp.cos(x - quadrant * PI66 / 2)
    sine = [s, c, -s, -c][int(quadrant) & 3]
    cosine = [c, -s, -c, s][int(quadrant) & 3]
    return {"fsin": sine, "fcos": cosine, "fptan": sine / cosine}[name]


def cases():
    for _ in range(40):
        x, y = number(-1 - random.randrange(30)), number(0)
        yield "f2xm1", x, y, mp.expm1(value(x) * mp.log(2))
        x, y = number(random.randrange(-40, 40), 0), number(random.randrange(-40, 40))
        yield "fyl2x", x, y, value(y) * mp.log(value(x)) / mp.log(2)
        x, y = number(-3 - random.randrange(40)), number(random.randrange(-40, 40))
        yield "fyl2xp1", x, y, value(y) * mp.log1p(value(x)) / mp.log(2)
        x, y = number(random.randrange(-30, 30)), number(random.randrange(-30, 30))
        yield "fpatan", x, y, mp.atan2(value(y), value(x))
        for name in ("fsin", "fcos", "fptan"):
            x = number(random.randrange(-30, 63))
            yield name, x, number(0), circular(name, value(x))


vectors = [
    {"name": name, "st0": f"{x:020x}", "st1": f"{y:020x}", "result": f"{rounded(result):020x}"}
    for name, x, y, result in cases()
]
print("[\n" + ",\n".join(json.dumps(vector) for vector in vectors) + "\n]")
