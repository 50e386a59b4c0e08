"""The one shape in which verifications answer."""

from tradecaptain.cli.verify_result import Failure, VerifyResult


def test_counts_add_up_and_extra_figures_stand_beside_them() -> None:
    result = VerifyResult(
        passed=5,
        failures=[Failure("a", "off by one"), Failure("b", "off by one")],
        not_applicable={"no such family": 3},
        extra={"rows": 10},
    )
    answer = result.as_dict(1.23456)
    assert answer == {
        "checked": 10,
        "passed": 5,
        "failed": 2,
        "not_applicable": 3,
        "failures": [{"id": "a", "why": "off by one"}, {"id": "b", "why": "off by one"}],
        "reasons": [{"why": "no such family", "count": 3}, {"why": "off by one", "count": 2}],
        "seconds": 1.235,
        "rows": 10,
    }
    assert not result.is_good


def test_at_most_fifty_failures_are_listed_and_all_are_counted() -> None:
    result = VerifyResult(passed=0, failures=[Failure(str(n), "bad") for n in range(60)])
    answer = result.as_dict(0)
    assert (len(answer["failures"]), answer["failed"], answer["checked"]) == (50, 60, 60)
    cut = VerifyResult(passed=0, failures=[Failure("1", "bad")], failed=1000)
    assert cut.as_dict(0)["failed"] == 1000


def test_nothing_passed_is_not_good() -> None:
    assert not VerifyResult(passed=0).is_good
    assert not VerifyResult(passed=0, not_applicable={"x": 3}).is_good
    assert VerifyResult(passed=1, not_applicable={"x": 3}).is_good
