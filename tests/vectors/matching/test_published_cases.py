"""Published matching cases, and that the judge fails a case whose expectation is wrong."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from support.truth import truth_path
from tradecaptain.cli.verify.matching import judge

STEPS = {
    "setups": {
        "book": [
            {
                "op": "new",
                "id": 1,
                "side": "sell",
                "type": "limit",
                "tif": "GTC",
                "qty": 5,
                "price": 10,
                "owner": "A",
            }
        ]
    },
    "cases": [
        {
            "id": "take",
            "setup": "book",
            "steps": [
                {
                    "op": "new",
                    "id": 2,
                    "side": "buy",
                    "type": "limit",
                    "tif": "IOC",
                    "qty": 7,
                    "price": 10.5,
                    "owner": "B",
                }
            ],
            "expect": {
                "trades": [{"maker": 1, "taker": 2, "price": 10, "qty": 5}],
                "bids": [],
                "asks": [],
                "expired": [[2, 2]],
                "fills": {"1": 5, "2": 5},
                "traded_qty": 5,
                "trade_sizes": [5],
                "resting": {},
            },
        }
    ],
}


def judged(tmp_path: Path, document: Any) -> Any:
    path = tmp_path / "cases.json"
    path.write_text(json.dumps(document))
    return judge([path])


@pytest.mark.parametrize(
    ("name", "passed", "not_applicable"),
    [("matching_vectors.json", 33, 7), ("cointossx_vectors.json", 28, 0)],
)
def test_published_cases_pass(name: str, passed: int, not_applicable: int) -> None:
    result = judge([truth_path(f"matching/{name}")])
    assert list(result.failures) == []
    assert result.passed == passed
    assert sum(result.not_applicable.values()) == not_applicable


@pytest.mark.parametrize(
    ("name", "count"), [("venue_rules.json", 45), ("johannesburg_rules.json", 16)]
)
def test_cases_written_from_published_rules_pass(name: str, count: int) -> None:
    result = judge([Path(__file__).parent / name])
    assert list(result.failures) == []
    assert (result.passed, sum(result.not_applicable.values())) == (count, 0)


def changed(value: Any) -> Any:
    """The same shape with another number or name in it."""
    if isinstance(value, bool) or value is None:
        return 1
    if isinstance(value, (int, float)):
        return value + 1
    if isinstance(value, list):
        return [*value, value[-1] if value else 1]
    return {"999": 1, **value}


RULES = json.loads((Path(__file__).parent / "venue_rules.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("case", "key"),
    [
        (case, key)
        for case in RULES["cases"]
        for key in case["expect"]
        if key not in ("algorithm", "resting", "aggressing", "initial_last_price")
    ],
    ids=lambda value: value["id"] if isinstance(value, dict) else value,
)
def test_every_expectation_is_read(tmp_path: Path, case: dict[str, Any], key: str) -> None:
    wrong = copy.deepcopy(case)
    wrong["expect"][key] = changed(wrong["expect"][key])
    result = judged(tmp_path, {"cases": [wrong]})
    assert (result.passed, result.failed_count) == (0, 1)


def test_right_case_passes(tmp_path: Path) -> None:
    result = judged(tmp_path, STEPS)
    assert (result.passed, result.failed_count) == (1, 0)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("trades", []),
        ("trades", [{"maker": 1, "taker": 2, "price": 10, "qty": 4}]),
        ("bids", [[10, 1]]),
        ("expired", []),
        ("fills", {"1": 5, "2": 4}),
        ("traded_qty", 6),
        ("trade_sizes", [4, 1]),
        ("resting", {"2": 2}),
        ("rejected", [0]),
    ],
)
def test_wrong_expectation_fails(tmp_path: Path, key: str, value: Any) -> None:
    document = copy.deepcopy(STEPS)
    document["cases"][0]["expect"][key] = value  # type: ignore[index]
    result = judged(tmp_path, document)
    assert (result.passed, result.failed_count) == (0, 1)


@pytest.mark.parametrize(
    "change",
    [
        {"note": "policy case: something"},
        {"phase": 1},
        {"steps": [], "expect": {"resting": {"a": 1}, "aggressing": 1}},
    ],
)
def test_what_is_not_offered_never_passes(tmp_path: Path, change: dict[str, Any]) -> None:
    document = copy.deepcopy(STEPS)
    document["cases"][0] |= change  # type: ignore[index]
    result = judged(tmp_path, document)
    assert (result.passed, result.failed_count) == (0, 0)
    assert sum(result.not_applicable.values()) == 1


@pytest.mark.parametrize(
    "step", [{"type": "pegged"}, {"tif": "GFA"}, {"budget": 5}, {"stp": "xx"}, {"op": "halt"}]
)
def test_step_that_is_not_offered_never_passes(tmp_path: Path, step: dict[str, Any]) -> None:
    document = copy.deepcopy(STEPS)
    document["cases"][0]["steps"][0] |= step  # type: ignore[index]
    result = judged(tmp_path, document)
    assert (result.passed, result.failed_count) == (0, 0)


@pytest.mark.parametrize(
    ("step", "field"),
    [
        ({"type": "iceberg"}, "peak"),
        ({"type": "stop"}, "stop"),
        ({"type": "limit", "price": None}, "price"),
        ({"qty": "many"}, "ConversionSyntax"),
        ({"side": 3}, "side"),
    ],
)
def test_malformed_step_fails_with_its_field(
    tmp_path: Path, step: dict[str, Any], field: str
) -> None:
    document = copy.deepcopy(STEPS)
    document["cases"][0]["steps"][0] |= step  # type: ignore[index]
    result = judged(tmp_path, document)
    assert result.passed == 0
    whys = [failure.why for failure in result.failures] + list(result.not_applicable)
    assert any(field in why for why in whys)


def test_malformed_case_fails_by_name(tmp_path: Path) -> None:
    document = copy.deepcopy(STEPS)
    del document["cases"][0]["steps"][0]["qty"]  # type: ignore[index]
    result = judged(tmp_path, document)
    assert [failure.id for failure in result.failures] == ["take"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"cases": 3}', "\x00"])
def test_file_of_another_kind_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "cases.json"
    path.write_text(text)
    result = judge([path])
    assert (result.passed, result.failed_count) == (0, 1)
    assert str(path) in result.failures[0].id


def test_self_trade_prevention_cancels_the_newest(tmp_path: Path) -> None:
    document = copy.deepcopy(STEPS)
    step = document["cases"][0]["steps"][0]  # type: ignore[index]
    step |= {"owner": "A", "stp": "cn"}
    document["cases"][0]["expect"] = {  # type: ignore[index]
        "trades": [],
        "bids": [],
        "asks": [[10, 5, 1]],
        "cancelled": [[2, 7]],
    }
    assert judged(tmp_path, document).passed == 1


def row(side: str, order_id: str, kind: str, size: int, **more: Any) -> dict[str, Any]:
    """An order of a case in JSE style."""
    return {"side": side, "id": order_id, "type": kind, "qty": size, **more}


def book_case(
    group: str,
    initial: list[dict[str, Any]],
    entered: list[dict[str, Any]],
    trades: list[tuple[int, int]],
    left: list[dict[str, Any]],
) -> dict[str, Any]:
    """A case of an initial book and requests, whose orders come a minute apart."""
    orders = [{"time": f"09:{place:02}", **order} for place, order in enumerate(initial)]
    expected = [{"price": price, "qty": size} for price, size in trades]
    return {
        "cases": [
            {
                "id": f"{group}/1",
                "description": "",
                "initial_book": orders,
                "input": entered,
                "expected_trades": expected,
                "expected_book": left,
                "stock": [{"StockCode": "1", "MRS": "1", "TickSize": "1"}],
            }
        ]
    }


BID, ASK = row("buy", "1", "limit", 10, price=99), row("sell", "2", "limit", 10, price=101)


def test_trades_of_the_initial_book_are_trades_of_the_case(tmp_path: Path) -> None:
    initial = [ASK, row("buy", "4", "limit", 4, price=101)]
    stop = row("buy", "5", "stop", 3, stop=100)
    case = book_case(
        "uncross/stopOrder",
        initial,
        [stop],
        [(101, 4), (101, 3)],
        [row("sell", "2", "limit", 3, price=101)],
    )
    assert judged(tmp_path, case).passed == 1
    case["cases"][0]["expected_trades"].pop(0)
    assert judged(tmp_path, case).failed_count == 1


def test_a_new_order_may_have_the_id_of_a_stop_that_waits(tmp_path: Path) -> None:
    initial = [row("buy", "1", "limit", 9, price=99), row("sell", "7", "stop", 4, stop=99)]
    seller = row("sell", "7", "limit", 5, price=99)
    case = book_case("uncross/stopOrder", initial, [seller], [(99, 5), (99, 4)], [])
    assert judged(tmp_path, case).passed == 1


def test_two_orders_of_one_id_are_told_apart(tmp_path: Path) -> None:
    initial = [
        ASK,
        row("sell", "8", "limit", 5, price=102),
        row("sell", "8", "limit", 6, price=103),
    ]
    left = [row("sell", "8", "limit", 5, price=102), row("sell", "8", "limit", 6, price=103)]
    case = book_case("uncross/limitOrder", initial, [{**BID, "price": 101}], [(101, 10)], left)
    assert judged(tmp_path, case).passed == 1
    case["cases"][0]["expected_book"].pop()
    assert judged(tmp_path, case).failed_count == 1


def test_trades_of_an_uncrossing_have_no_order(tmp_path: Path) -> None:
    initial = [
        row("buy", "1", "limit", 10, price=101),
        row("sell", "2", "limit", 4, price=100),
        row("sell", "3", "market", 6),
        row("sell", "4", "limit", 1, price=101),
    ]
    left = [row("sell", "4", "limit", 1, price=101)]
    for trades in ([(100, 4), (100, 6)], [(100, 6), (100, 4)]):
        case = book_case("auction", initial, [], trades, left)
        assert judged(tmp_path, case).passed == 1
    case["cases"][0]["expected_trades"][0]["qty"] = 5
    assert judged(tmp_path, case).failed_count == 1


@pytest.mark.parametrize(
    ("group", "initial", "entered", "policy"),
    [
        (
            "uncross/stopLimitOrder",
            [
                BID,
                ASK,
                row("buy", "4", "stop_limit", 2, price=105, stop=99),
                row("buy", "5", "stop_limit", 3, price=105, stop=98),
            ],
            row("sell", "6", "limit", 1, price=99),
            "by time",
        ),
        (
            "replaceOrder",
            [BID, row("sell", "4", "limit", 6, price=99)],
            {**BID, "qty": 6},
            "ends the order",
        ),
        (
            "replaceOrder",
            [
                BID,
                row("sell", "4", "limit", 1, price=99),
                row("buy", "5", "stop_limit", 3, price=90, stop=98),
            ],
            row("buy", "5", "stop_limit", 3, price=90, stop=97),
            "another stop price",
        ),
    ],
)
def test_what_another_venue_decides_otherwise_is_not_applicable(
    tmp_path: Path, group: str, initial: Any, entered: Any, policy: str
) -> None:
    result = judged(tmp_path, book_case(group, initial, [entered], [], []))
    assert (result.passed, result.failed_count) == (0, 0)
    assert all(policy in why for why in result.not_applicable)


def test_a_case_that_contradicts_itself_is_not_applicable(tmp_path: Path) -> None:
    left = [{**BID, "side": "sell"}, ASK]
    result = judged(tmp_path, book_case("uncross/limitOrder", [BID], [ASK], [], left))
    assert (result.passed, result.failed_count) == (0, 0)
    waits = row("buy", "5", "stop", 3, stop=105)
    left = [BID, ASK, {**waits, "stop": 106}]
    result = judged(tmp_path, book_case("uncross/stopOrder", [BID, waits], [ASK], [], left))
    assert (result.passed, result.failed_count) == (0, 0)
    left = [{**BID, "price": 98}, ASK]
    result = judged(tmp_path, book_case("uncross/limitOrder", [BID], [ASK], [], left))
    assert result.failed_count == 1


def test_a_book_that_its_trades_do_not_leave_is_not_applicable(tmp_path: Path) -> None:
    seller = row("sell", "4", "limit", 4, price=99)
    left = [{**BID, "qty": 4}]
    request = [{**BID, "qty": 8}]
    case = book_case("replaceOrder", [BID, seller], request, [(99, 4)], left)
    assert judged(tmp_path, case).passed == 1
    case = book_case("replaceOrder", [BID, seller], request, [(99, 4)], [{**BID, "qty": 5}])
    result = judged(tmp_path, case)
    assert (result.passed, result.failed_count) == (0, 0)


def new(order_id: str, side: str, kind: str, size: int, **more: Any) -> dict[str, Any]:
    """A step that enters an order of an owner of its own."""
    order = {"op": "new", "id": order_id, "side": side, "type": kind, "tif": "GTC", "qty": size}
    return {**order, "owner": order_id, **more}


ICEBERG = new("1", "buy", "iceberg", 100, price=10, peak=4, min_visible=2)
AUCTION = [
    {"op": "phase", "phase": "auction"},
    new("1", "buy", "limit", 11, price=12),
    new("2", "sell", "limit", 10, price=9),
    {"op": "phase", "phase": "uncross"},
]
POLICY_CASES: list[tuple[str, list[dict[str, Any]], dict[str, Any], dict[str, Any], str]] = [
    (
        "an auction takes the middle",
        AUCTION,
        {"uncross_price": 12},
        {"uncross_price": 10},
        "uncross_price",
    ),
    (
        "before that is shown anew",
        [ICEBERG, new("2", "sell", "limit", 10, price=10)],
        {"iceberg": {"1": [2, 88]}, "trade_sizes": [4, 4, 2]},
        {"iceberg": {"1": [4, 86]}, "trade_sizes": [10]},
        "iceberg",
    ),
    (
        "share what is beyond",
        [ICEBERG, {**ICEBERG, "id": "5"}, new("2", "sell", "limit", 12, price=10)],
        {"trade_sizes": [4, 4, 4]},
        {"trade_sizes": [6, 6]},
        "trade_sizes",
    ),
    (
        "give way",
        [
            new("1", "sell", "limit", 4, price=10),
            new("2", "sell", "limit", 4, price=10, aon=True),
            new("3", "sell", "limit", 4, price=11),
            new("4", "buy", "limit", 6, price=11),
        ],
        {"fills": {"1": 4, "3": 2, "4": 6}},
        {"fills": {"1": 2, "2": 4, "4": 6}},
        "",
    ),
    (
        "market orders rest",
        [new("1", "buy", "market", 5), new("2", "sell", "limit", 5, price=10)],
        {"traded_qty": 0},
        {"traded_qty": 5},
        "",
    ),
]


@pytest.mark.parametrize(("policy", "steps", "ours", "others", "exact"), POLICY_CASES)
def test_a_case_that_turns_on_another_policy_is_not_applicable(
    tmp_path: Path, policy: str, steps: Any, ours: Any, others: Any, exact: str
) -> None:
    case = {"id": "one", "steps": steps, "expect": ours}
    assert judged(tmp_path, {"cases": [case]}).passed == 1
    result = judged(tmp_path, {"cases": [{**case, "expect": others}]})
    assert (result.passed, result.failed_count) == (0, 0)
    assert all(policy in why for why in result.not_applicable)
    if exact:
        wrong = {**others, exact: changed(others[exact])}
        if exact == "iceberg":
            wrong[exact] = {"1": [5, 86]}
        assert judged(tmp_path, {"cases": [{**case, "expect": wrong}]}).failed_count == 1


@pytest.mark.parametrize(
    ("allocation", "verdict"),
    [
        ([5, 3, 2], "passes"),
        ([4, 3, 3], "other"),
        ([4, 3, 2], "other"),
        ([4, 4, 2], "other"),
        ([3, 4, 3], "fails"),
        ([6, 2, 2], "fails"),
    ],
)
def test_what_shares_leave_over_goes_by_time_here(
    tmp_path: Path, allocation: list[int], verdict: str
) -> None:
    """Of 10 lots, 40, 30 and 25 in 95 get 4, 3 and 2."""
    level = {"resting": [40, 30, 25], "aggressing": 10, "algorithm": "pro_rata_min2"}
    case = {"id": "one", "steps": [], "expect": {**level, "allocation": allocation}}
    result = judged(tmp_path, {"cases": [case]})
    other = sum(result.not_applicable.values())
    assert {"passes": result.passed, "fails": result.failed_count, "other": other}[verdict] == 1


def test_displays_of_an_iceberg_may_be_told_together(tmp_path: Path) -> None:
    steps = [ICEBERG, new("2", "sell", "limit", 10, price=10)]
    for sizes, passes in (([4, 4, 2], True), ([10], True), ([8, 2], False)):
        case = {"id": "one", "steps": steps, "expect": {"trade_sizes": sizes}}
        assert judged(tmp_path, {"cases": [case]}).passed == passes
