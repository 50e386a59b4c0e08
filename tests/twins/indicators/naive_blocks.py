"""Slow and obvious twins of the building blocks, each over a whole list, window by window."""

import math


def windows(values, period):
    """Every full window, at the bar where it ends."""
    for end in range(period, len(values) + 1):
        yield end - 1, values[end - period : end]


def over_windows(values, period, function):
    result = [math.nan] * len(values)
    for index, window in windows(values, period):
        result[index] = function(window)
    return result


def rolling_sum(values, period):
    return over_windows(values, period, math.fsum)


def weighted_average(values, period):
    weights = range(1, period + 1)
    return over_windows(
        values,
        period,
        lambda window: (
            math.fsum(w * v for w, v in zip(weights, window, strict=True)) / sum(weights)
        ),
    )


def highest(values, period):
    return over_windows(values, period, max)


def lowest(values, period):
    return over_windows(values, period, min)


def last_place_of_highest(values, period):
    """The newest of equal highest values, as its age."""
    return over_windows(values, period, lambda window: window[::-1].index(max(window)))


def variance(values, period):
    def spread(window):
        mean = math.fsum(window) / period
        return math.fsum((value - mean) ** 2 for value in window) / period

    return over_windows(values, period, spread)


def correlation(x, y, period):
    result = [math.nan] * len(x)
    for index in range(period - 1, len(x)):
        a, b = x[index - period + 1 : index + 1], y[index - period + 1 : index + 1]
        mean_a, mean_b = math.fsum(a) / period, math.fsum(b) / period
        ab = math.fsum((p - mean_a) * (q - mean_b) for p, q in zip(a, b, strict=True))
        aa = math.fsum((p - mean_a) ** 2 for p in a)
        bb = math.fsum((q - mean_b) ** 2 for q in b)
        result[index] = ab / math.sqrt(aa * bb)
    return result


def line(values, period):
    """Slope and value at the newest bar of the least-squares line."""

    def fit(window):
        middle = (period - 1) / 2
        mean = math.fsum(window) / period
        spread = math.fsum((k - middle) ** 2 for k in range(period))
        slope = math.fsum((k - middle) * (v - mean) for k, v in enumerate(window)) / spread
        return slope, mean + slope * middle

    return over_windows(values, period, fit)


def exponential(values, period):
    result = [math.nan] * len(values)
    share = 2 / (period + 1)
    for index, value in enumerate(values):
        if index == period - 1:
            result[index] = math.fsum(values[:period]) / period
        elif index >= period:
            result[index] = result[index - 1] + share * (value - result[index - 1])
    return result


def percentile(values, period, rank):
    return over_windows(values, period, lambda window: sorted(window)[rank])


def mean_deviation(values, period):
    def spread(window):
        mean = math.fsum(window) / period
        return math.fsum(abs(value - mean) for value in window) / period

    return over_windows(values, period, spread)
