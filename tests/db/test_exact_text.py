"""The decimal of a float is the same in Python and in PostgreSQL, whatever its size."""

from __future__ import annotations

import math
import random
import struct
from decimal import Decimal

from sqlalchemy import Engine, text

from core import exact
from core.reporting import plain_number


def floats() -> list[float]:
    """Return floats of all magnitudes: any bits, whole ones, round ones, the ends of the range."""
    draw = random.Random(53)
    bits = [struct.unpack("<d", draw.randbytes(8))[0] for _ in range(30_000)]
    whole = [draw.uniform(-1, 1) * 2.0 ** draw.randint(50, 120) for _ in range(30_000)]
    round_ones = [draw.randint(1, 9999) * 10.0 ** draw.randint(-30, 40) for _ in range(10_000)]
    powers = [sign * 2.0**n for n in range(-1074, 1024) for sign in (1, -1)]
    beside = [math.nextafter(2.0**n, math.inf) for n in range(40, 120)]
    subnormal = [draw.randint(1, 1 << 52) * 5e-324 for _ in range(2_000)]
    ends = [0.0, -0.0, 5e-324, -5e-324, 1.7976931348623157e308, 2.0**53 - 1, 2.0**53, 1e23]
    found = bits + whole + round_ones + powers + beside + subnormal + ends
    return [value for value in found if math.isfinite(value)]


def test_postgresql_and_python_write_every_float_as_the_same_decimal(admin_engine: Engine) -> None:
    values = floats()
    with admin_engine.connect() as connection:
        written = connection.scalars(
            text("SELECT v::text::numeric FROM unnest(CAST(:v AS float8[])) WITH ORDINALITY u(v, n)"
                 " ORDER BY n"),
            {"v": values},
        ).all()  # fmt: skip
    different = [
        (value, theirs)
        for value, theirs in zip(values, written, strict=True)
        if exact.stored(value) != theirs
    ]
    assert different == []
    # and the test would see a difference: the shortest text of Python is another one at times
    assert sum(Decimal(repr(v)) != w for v, w in zip(values, written, strict=True)) > 100


def test_the_decimal_of_a_float_reads_back_as_the_float() -> None:
    for value in floats():
        assert float(exact.stored(value)) == value
        assert Decimal(plain_number(value)) == exact.stored(value)
