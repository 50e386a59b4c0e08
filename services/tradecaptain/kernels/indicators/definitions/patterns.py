"""Candlestick patterns: which thresholds each asks for, and how many candles it takes.

A threshold is given as its setting and how many bars back it is asked for. Each has a mean of its
own that begins where the pattern's warm-up says, so that ties fall as they do in TA-Lib.

Outputs are whole numbers: 100 and -100 (80, 200 and their negatives where a pattern says so), 0 for
none and in the warm-up. Conventions and errors: as the package says.

Sources: Morris, Candlestick Charting Explained (1995); Nison, Japanese Candlestick Charting
Techniques (1991); thresholds and warm-up are those of TA-Lib 0.8.1's functions of the registered
names.
"""

from __future__ import annotations

from typing import Final

from tradecaptain.kernels.indicators.graph import Column, Graph
from tradecaptain.kernels.indicators.node import Block
from tradecaptain.kernels.indicators.patterns import candle, double, longer, single, triple
from tradecaptain.kernels.indicators.registry import Parameter, indicator, real

GROUP: Final = "Pattern Recognition"
BAR: Final = ("open", "high", "low", "close")

Threshold = tuple[str, int]
Thresholds = tuple[Threshold, ...]

LONG: Final = "body_long"
SHORT: Final = "body_short"
DOJI: Final = "body_doji"
SHADOW_LONG: Final = "shadow_long"
SHADOW_VERY_LONG: Final = "shadow_very_long"
SHADOW_SHORT: Final = "shadow_short"
TINY: Final = "shadow_very_short"
NEAR: Final = "near"
FAR: Final = "far"
EQUAL: Final = "equal"

_ONE: Final[dict[str, Thresholds]] = {
    "CDLBELTHOLD": ((LONG, 0), (TINY, 0)),
    "CDLCLOSINGMARUBOZU": ((LONG, 0), (TINY, 0)),
    "CDLMARUBOZU": ((LONG, 0), (TINY, 0)),
    "CDLLONGLINE": ((LONG, 0), (SHADOW_SHORT, 0)),
    "CDLSHORTLINE": ((SHORT, 0), (SHADOW_SHORT, 0)),
    "CDLDOJI": ((DOJI, 0),),
    "CDLDRAGONFLYDOJI": ((DOJI, 0), (TINY, 0)),
    "CDLGRAVESTONEDOJI": ((DOJI, 0), (TINY, 0)),
    "CDLLONGLEGGEDDOJI": ((DOJI, 0), (SHADOW_LONG, 0)),
    "CDLRICKSHAWMAN": ((DOJI, 0), (SHADOW_LONG, 0), (NEAR, 0)),
    "CDLTAKURI": ((DOJI, 0), (TINY, 0), (SHADOW_VERY_LONG, 0)),
    "CDLHIGHWAVE": ((SHORT, 0), (SHADOW_VERY_LONG, 0)),
    "CDLSPINNINGTOP": ((SHORT, 0),),
}
_PLACED: Final[dict[str, Thresholds]] = {
    "CDLHAMMER": ((SHORT, 0), (SHADOW_LONG, 0), (TINY, 0), (NEAR, 1)),
    "CDLHANGINGMAN": ((SHORT, 0), (SHADOW_LONG, 0), (TINY, 0), (NEAR, 1)),
    "CDLINVERTEDHAMMER": ((SHORT, 0), (SHADOW_LONG, 0), (TINY, 0)),
    "CDLSHOOTINGSTAR": ((SHORT, 0), (SHADOW_LONG, 0), (TINY, 0)),
}
_TWO: Final[dict[str, Thresholds]] = {
    "CDLCOUNTERATTACK": ((LONG, 1), (LONG, 0), (EQUAL, 1)),
    "CDLDARKCLOUDCOVER": ((LONG, 1),),
    "CDLDOJISTAR": ((LONG, 1), (DOJI, 0)),
    "CDLENGULFING": (),
    "CDLHARAMI": ((LONG, 1), (SHORT, 0)),
    "CDLHARAMICROSS": ((LONG, 1), (DOJI, 0)),
    "CDLHOMINGPIGEON": ((LONG, 1), (SHORT, 0)),
    "CDLINNECK": ((LONG, 1), (EQUAL, 1)),
    "CDLONNECK": ((LONG, 1), (EQUAL, 1)),
    "CDLTHRUSTING": ((LONG, 1), (EQUAL, 1)),
    "CDLPIERCING": ((LONG, 1), (LONG, 0)),
    "CDLKICKING": ((LONG, 1), (LONG, 0), (TINY, 1), (TINY, 0)),
    "CDLKICKINGBYLENGTH": ((LONG, 1), (LONG, 0), (TINY, 1), (TINY, 0)),
    "CDLMATCHINGLOW": ((EQUAL, 1),),
    "CDLSEPARATINGLINES": ((LONG, 0), (TINY, 0), (EQUAL, 1)),
}
_STARS: Final[dict[str, Thresholds]] = {
    "CDL2CROWS": ((LONG, 2),),
    "CDL3INSIDE": ((LONG, 2), (SHORT, 1)),
    "CDL3OUTSIDE": (),
    "CDLABANDONEDBABY": ((LONG, 2), (DOJI, 1), (SHORT, 0)),
    "CDLEVENINGDOJISTAR": ((LONG, 2), (DOJI, 1), (SHORT, 0)),
    "CDLEVENINGSTAR": ((LONG, 2), (SHORT, 1), (SHORT, 0)),
    "CDLMORNINGDOJISTAR": ((LONG, 2), (DOJI, 1), (SHORT, 0)),
    "CDLMORNINGSTAR": ((LONG, 2), (SHORT, 1), (SHORT, 0)),
    "CDLTRISTAR": ((DOJI, 2),),
    "CDLUNIQUE3RIVER": ((LONG, 2), (SHORT, 0)),
    "CDLUPSIDEGAP2CROWS": ((LONG, 2), (SHORT, 1)),
}
_SOLDIERS: Final[dict[str, Thresholds]] = {
    "CDL3STARSINSOUTH": ((LONG, 2), (SHADOW_LONG, 2), (TINY, 1), (TINY, 0), (SHORT, 0)),
    "CDL3WHITESOLDIERS": (
        (TINY, 2),
        (TINY, 1),
        (TINY, 0),
        (NEAR, 2),
        (NEAR, 1),
        (FAR, 2),
        (FAR, 1),
        (SHORT, 0),
    ),
    "CDLADVANCEBLOCK": (
        (NEAR, 2),
        (NEAR, 1),
        (FAR, 2),
        (FAR, 1),
        (LONG, 2),
        (SHADOW_SHORT, 2),
        (SHADOW_SHORT, 1),
        (SHADOW_SHORT, 0),
        (SHADOW_LONG, 0),
    ),
    "CDLSTALLEDPATTERN": ((LONG, 2), (LONG, 1), (TINY, 1), (NEAR, 2), (NEAR, 1), (SHORT, 0)),
    "CDLIDENTICAL3CROWS": ((TINY, 2), (TINY, 1), (TINY, 0), (EQUAL, 2), (EQUAL, 1)),
    "CDLGAPSIDESIDEWHITE": ((NEAR, 1), (EQUAL, 1)),
    "CDLSTICKSANDWICH": ((EQUAL, 2),),
    "CDLTASUKIGAP": ((NEAR, 1),),
    "CDLXSIDEGAP3METHODS": (),
}
_LONGER: Final[dict[str, Thresholds]] = {
    "CDL3BLACKCROWS": ((TINY, 2), (TINY, 1), (TINY, 0)),
    "CDL3LINESTRIKE": ((NEAR, 3), (NEAR, 2)),
    "CDLCONCEALBABYSWALL": ((TINY, 3), (TINY, 2), (TINY, 1)),
    "CDLBREAKAWAY": ((LONG, 4),),
    "CDLLADDERBOTTOM": ((TINY, 1),),
    "CDLMATHOLD": ((LONG, 4), (SHORT, 3), (SHORT, 2), (SHORT, 1)),
    "CDLRISEFALL3METHODS": ((LONG, 4), (SHORT, 3), (SHORT, 2), (SHORT, 1), (LONG, 0)),
}
_CANDLES_BEFORE: Final = {
    **dict.fromkeys(_ONE, 0),
    **dict.fromkeys(_PLACED, 1),
    **dict.fromkeys(_TWO, 1),
    **dict.fromkeys(_STARS, 2),
    **dict.fromkeys(_SOLDIERS, 2),
    **dict.fromkeys(_LONGER, 4),
    "CDL3BLACKCROWS": 3,
    "CDL3LINESTRIKE": 3,
    "CDLCONCEALBABYSWALL": 3,
    "CDLENGULFING": 2,
    "CDL3OUTSIDE": 3,
}
"""How many candles before the last one a pattern takes."""
_PENETRATION: Final = {
    "CDLABANDONEDBABY": 0.3,
    "CDLDARKCLOUDCOVER": 0.5,
    "CDLEVENINGDOJISTAR": 0.3,
    "CDLEVENINGSTAR": 0.3,
    "CDLMATHOLD": 0.5,
    "CDLMORNINGDOJISTAR": 0.3,
    "CDLMORNINGSTAR": 0.3,
}
TRAP_BARS: Final = 5


def _threshold(graph: Graph, prices: list[Column], setting: str, begin: int) -> Column:
    """A threshold's column from bar ``begin`` on."""
    rule = graph.settings.candles[setting]
    return graph.node(
        candle.threshold,
        prices,
        integers=[candle.MEASURES.index(rule.measure), rule.period],
        reals=[rule.factor],
        begin=begin,
        look_back=rule.period,
        state_words=1,
    )


def _pattern(
    graph: Graph,
    prices: list[Column],
    block: Block,
    kind: int,
    thresholds: Thresholds,
    before: int,
    penetration: float,
) -> Column:
    periods = [graph.settings.candles[setting].period for setting, _ in thresholds]
    begin = max(periods, default=0) + before
    columns = [
        Column(_threshold(graph, prices, setting, begin - back).number, begin)
        for setting, back in thresholds
    ]
    inputs = [*prices, *columns]
    return graph.node(
        block,
        inputs,
        integers=[kind, len(inputs)],
        reals=[penetration],
        begin=begin,
        look_back=before,
    )


def _register(
    name: str, block: Block, kind: int, thresholds: Thresholds, before: int, summary: str
) -> None:
    parameters: list[Parameter] = []
    if name in _PENETRATION:
        parameters.append(real("penetration", _PENETRATION[name], 0.0))

    def definition(
        graph: Graph,
        opens: Column,
        high: Column,
        low: Column,
        close: Column,
        *,
        penetration: float = 0.0,
    ) -> list[Column]:
        prices = [opens, high, low, close]
        return [_pattern(graph, prices, block, kind, thresholds, before, penetration)]

    definition.__doc__ = summary
    indicator(name, GROUP, BAR, parameters, ["integer"], ["integer"])(definition)


SUMMARIES: Final = {
    "CDL2CROWS": "Two crows.",
    "CDL3BLACKCROWS": "Three black crows.",
    "CDL3INSIDE": "Three inside up or down.",
    "CDL3LINESTRIKE": "Three-line strike.",
    "CDL3OUTSIDE": "Three outside up or down.",
    "CDL3STARSINSOUTH": "Three stars in the south.",
    "CDL3WHITESOLDIERS": "Three advancing white soldiers.",
    "CDLABANDONEDBABY": "Abandoned baby.",
    "CDLADVANCEBLOCK": "Advance block.",
    "CDLBELTHOLD": "Belt hold.",
    "CDLBREAKAWAY": "Breakaway.",
    "CDLCLOSINGMARUBOZU": "Closing marubozu.",
    "CDLCONCEALBABYSWALL": "Concealing baby swallow.",
    "CDLCOUNTERATTACK": "Counterattack.",
    "CDLDARKCLOUDCOVER": "Dark cloud cover.",
    "CDLDOJI": "Doji.",
    "CDLDOJISTAR": "Doji star.",
    "CDLDRAGONFLYDOJI": "Dragonfly doji.",
    "CDLENGULFING": "Engulfing pattern.",
    "CDLEVENINGDOJISTAR": "Evening doji star.",
    "CDLEVENINGSTAR": "Evening star.",
    "CDLGAPSIDESIDEWHITE": "Gap with side-by-side white lines.",
    "CDLGRAVESTONEDOJI": "Gravestone doji.",
    "CDLHAMMER": "Hammer.",
    "CDLHANGINGMAN": "Hanging man.",
    "CDLHARAMI": "Harami.",
    "CDLHARAMICROSS": "Harami cross.",
    "CDLHIGHWAVE": "High wave.",
    "CDLHOMINGPIGEON": "Homing pigeon.",
    "CDLIDENTICAL3CROWS": "Identical three crows.",
    "CDLINNECK": "In-neck.",
    "CDLINVERTEDHAMMER": "Inverted hammer.",
    "CDLKICKING": "Kicking.",
    "CDLKICKINGBYLENGTH": "Kicking, its sign that of the longer candle.",
    "CDLLADDERBOTTOM": "Ladder bottom.",
    "CDLLONGLEGGEDDOJI": "Long-legged doji.",
    "CDLLONGLINE": "Long line.",
    "CDLMARUBOZU": "Marubozu.",
    "CDLMATCHINGLOW": "Matching low.",
    "CDLMATHOLD": "Mat hold.",
    "CDLMORNINGDOJISTAR": "Morning doji star.",
    "CDLMORNINGSTAR": "Morning star.",
    "CDLONNECK": "On-neck.",
    "CDLPIERCING": "Piercing line.",
    "CDLRICKSHAWMAN": "Rickshaw man.",
    "CDLRISEFALL3METHODS": "Rising or falling three methods.",
    "CDLSEPARATINGLINES": "Separating lines.",
    "CDLSHOOTINGSTAR": "Shooting star.",
    "CDLSHORTLINE": "Short line.",
    "CDLSPINNINGTOP": "Spinning top.",
    "CDLSTALLEDPATTERN": "Stalled pattern.",
    "CDLSTICKSANDWICH": "Stick sandwich.",
    "CDLTAKURI": "Takuri: dragonfly doji with a very long lower shadow.",
    "CDLTASUKIGAP": "Tasuki gap.",
    "CDLTHRUSTING": "Thrusting.",
    "CDLTRISTAR": "Tristar.",
    "CDLUNIQUE3RIVER": "Unique three river.",
    "CDLUPSIDEGAP2CROWS": "Upside gap two crows.",
    "CDLXSIDEGAP3METHODS": "Upside or downside gap three methods.",
}

for _block, _names, _asked in (
    (single.one_candle, single.ONE_CANDLE, _ONE),
    (single.placed_candle, single.PLACED, _PLACED),
    (double.two_candles, double.TWO_CANDLES, _TWO),
    (triple.stars, triple.STARS, _STARS),
    (triple.soldiers, triple.SOLDIERS, _SOLDIERS),
    (longer.longer, longer.LONGER, _LONGER),
):
    for _kind, _name in enumerate(_names):
        _register(_name, _block, _kind, _asked[_name], _CANDLES_BEFORE[_name], SUMMARIES[_name])


@indicator("CDLHIKKAKE", GROUP, BAR, (), ["integer"], ["integer"])
def hikkake(graph: Graph, opens: Column, high: Column, low: Column, close: Column) -> list[Column]:
    """Hikkake: a false break of an inside bar, and its confirmation."""
    del opens
    trap = graph.node(
        longer.confirmed_trap,
        [high, low, close, close],
        integers=[0],
        begin=TRAP_BARS - longer.CONFIRMATION_BARS,
        look_back=2,
        state_words=4,
    )
    return [Column(trap.number, TRAP_BARS)]


@indicator("CDLHIKKAKEMOD", GROUP, BAR, (), ["integer"], ["integer"])
def modified_hikkake(
    graph: Graph, opens: Column, high: Column, low: Column, close: Column
) -> list[Column]:
    """Modified hikkake: one that closes near an end within two inside bars."""
    last = max(1, graph.settings.candles[NEAR].period) + TRAP_BARS
    begin = last - longer.CONFIRMATION_BARS
    near = _threshold(graph, [opens, high, low, close], NEAR, begin - 2)
    trap = graph.node(
        longer.confirmed_trap,
        [high, low, close, near],
        integers=[1],
        begin=begin,
        look_back=3,
        state_words=4,
    )
    return [Column(trap.number, last)]
