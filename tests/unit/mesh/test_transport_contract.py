"""What every transport promises; with the JIT off the simulated one alone is asked."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from support.mesh_kernels import is_intact, look_ahead, offer, peek, read_numbers, write_numbers
from support.mesh_transports import (
    SMALL_TERM,
    TransportUnderTest,
    aeron_transport,
    simulated_transport,
)
from tradecaptain.base.jit import JIT_DISABLED
from tradecaptain.base.memory import address_of
from tradecaptain.mesh import status
from tradecaptain.mesh.errors import MeshError
from tradecaptain.mesh.layout import PACE_FRACTION

pytestmark = pytest.mark.twin

TRANSPORTS = {"simulated": simulated_transport}
if not JIT_DISABLED:
    TRANSPORTS["aeron"] = aeron_transport


@pytest.fixture(params=list(TRANSPORTS), scope="module")
def transport(request: pytest.FixtureRequest) -> Iterator[TransportUnderTest]:
    with TRANSPORTS[request.param]() as opened:
        yield opened


@pytest.fixture
def stream_id() -> int:
    stream_id.last += 1  # type: ignore[attr-defined]
    return stream_id.last  # type: ignore[attr-defined]


stream_id.last = 100  # type: ignore[attr-defined]


def test_a_batch_arrives_whole_and_in_order(transport: TransportUnderTest, stream_id: int) -> None:
    publication, subscription = transport.pair(stream_id)
    position = write_numbers(publication.state, 5, 4, 4, 40)
    assert position == publication.position == 4 * 96
    assert transport.read_until(subscription, 4) == [5, 6, 7, 8]


def test_looking_ahead_takes_nothing(transport: TransportUnderTest, stream_id: int) -> None:
    publication, subscription = transport.pair(stream_id)
    images = subscription.images
    assert look_ahead(images, 0) == -1
    write_numbers(publication.state, 5, 2, 2, 40)
    transport.until(lambda: look_ahead(images, 0) == 5)
    assert peek(images, 0) != 0
    assert look_ahead(images, 0) == 6
    assert transport.read(subscription) == [6]
    assert look_ahead(images, 0) == -1


def test_every_length_arrives_as_it_was_written(
    transport: TransportUnderTest, stream_id: int
) -> None:
    publication, subscription = transport.pair(stream_id)
    sizes = [8, 24, 32, 40, 64, 96, 128, 1000, 4096, 8160]
    for number, size in enumerate(sizes):
        assert write_numbers(publication.state, number, 1, 1, size) > 0
    numbers, lengths = np.zeros(64, np.int64), np.zeros(64, np.int64)
    transport.until(lambda: True)
    count = read_numbers(subscription.images, 0, numbers, lengths)
    assert lengths[:count].tolist() == sizes


def test_records_beyond_the_committed_ones_were_never_there(
    transport: TransportUnderTest, stream_id: int
) -> None:
    publication, subscription = transport.pair(stream_id)
    assert write_numbers(publication.state, 0, 10, 3, 40) > 0
    assert write_numbers(publication.state, 100, 20, 0, 8) == publication.position
    assert write_numbers(publication.state, 3, 5, 2, 8) > 0
    assert write_numbers(publication.state, 5, 1, 1, 200) > 0
    assert transport.read_until(subscription, 6) == [0, 1, 2, 3, 4, 5]


def test_the_log_goes_round_many_times(transport: TransportUnderTest, stream_id: int) -> None:
    publication, subscription = transport.pair(stream_id)
    expected = 0
    written = 0
    while publication.position < 8 * SMALL_TERM:
        if write_numbers(publication.state, written, 7, 7, 72) > 0:
            written += 7
        for number in transport.read(subscription):
            assert number == expected
            expected += 1
    while expected < written:
        for number in transport.read_until(subscription, 1):
            assert number == expected
            expected += 1
    assert publication.state[0]["admin_action_count"] >= 7
    assert publication.state[0]["record_count"] == written


def test_a_tethered_reader_holds_the_writer_back(
    transport: TransportUnderTest, stream_id: int
) -> None:
    publication, subscription = transport.pair(stream_id)
    written = 0
    while write_numbers(publication.state, written, 1, 1, 480) > 0:
        written += 1
    assert write_numbers(publication.state, written, 1, 1, 480) == status.BACK_PRESSURED
    assert publication.state[0]["back_pressured_count"] == 2
    assert SMALL_TERM // 2 <= publication.position <= SMALL_TERM // 2 + 512
    assert transport.read_until(subscription, written) == list(range(written))
    transport.until(lambda: write_numbers(publication.state, written, 1, 1, 480) > 0)
    assert transport.read_until(subscription, 1) == [written]


def test_a_writer_without_readers_is_told(transport: TransportUnderTest, stream_id: int) -> None:
    publication = transport.mesh.add_publication(stream_id, term_bytes=SMALL_TERM)
    assert write_numbers(publication.state, 0, 1, 1, 8) == status.NOT_CONNECTED
    assert publication.state[0]["not_connected_count"] == 1
    assert not publication.is_connected


@pytest.mark.parametrize(
    ("count", "record_bytes"), [(0, 8), (-1, 8), (1, 8161), (1, -8), (1000, 64), (86, 64)]
)
def test_an_impossible_claim_is_refused_by_name(
    transport: TransportUnderTest, stream_id: int, count: int, record_bytes: int
) -> None:
    publication, _ = transport.pair(stream_id)
    result = write_numbers(publication.state, 0, count, count, record_bytes)
    assert status.status_name(result) == "CLAIM_TOO_LONG"
    assert write_numbers(publication.state, 0, 85, 85, 64) == 85 * 96


def test_a_closed_publication_takes_nothing(transport: TransportUnderTest, stream_id: int) -> None:
    publication, _ = transport.pair(stream_id)
    publication.close()
    publication.close()
    assert write_numbers(publication.state, 0, 1, 1, 8) == status.CLOSED


def test_what_was_written_before_closing_is_still_read(
    transport: TransportUnderTest, stream_id: int
) -> None:
    publication, subscription = transport.pair(stream_id)
    assert write_numbers(publication.state, 0, 3, 3, 8) > 0
    publication.close()
    assert transport.read_until(subscription, 3) == [0, 1, 2]
    transport.until(lambda: subscription.image_count == 0, subscription)
    assert subscription.images[0]["is_open"] == 0
    assert transport.read(subscription) == []


def test_slots_that_were_ever_used_are_counted(
    transport: TransportUnderTest, stream_id: int
) -> None:
    subscription = transport.mesh.add_subscription(stream_id, image_capacity=4)
    assert subscription.images[0]["used_slots"] == 0
    first = transport.mesh.add_publication(stream_id, term_bytes=SMALL_TERM)
    transport.until(lambda: subscription.image_count == 1, subscription, first)
    second = transport.mesh.add_publication(stream_id, term_bytes=SMALL_TERM)
    transport.until(lambda: subscription.image_count == 2, subscription, second)
    assert subscription.images[0]["used_slots"] == 2
    first.close()
    transport.until(lambda: subscription.image_count == 1, subscription)
    assert subscription.images[0]["used_slots"] == 2


def test_each_writer_has_an_image_of_its_own(transport: TransportUnderTest, stream_id: int) -> None:
    first, subscription = transport.pair(stream_id, image_capacity=3)
    second = transport.mesh.add_publication(stream_id, term_bytes=SMALL_TERM)
    transport.until(lambda: subscription.image_count == 2, subscription)
    transport.until(lambda: write_numbers(second.state, 70, 2, 2, 8) > 0)
    assert write_numbers(first.state, 10, 2, 2, 8) > 0
    assert transport.read_until(subscription, 2, index=0) == [10, 11]
    assert transport.read_until(subscription, 2, index=1) == [70, 71]
    assert transport.read(subscription, index=2) == []
    first.close()
    transport.until(lambda: subscription.image_count == 1, subscription)
    assert write_numbers(second.state, 72, 1, 1, 8) > 0
    assert transport.read_until(subscription, 1, index=1) == [72]


def test_a_slow_untethered_reader_is_dropped_and_sees_that_it_was(
    transport: TransportUnderTest, stream_id: int
) -> None:
    publication, slow = transport.pair(stream_id, tether=False)
    fast = transport.mesh.add_subscription(stream_id, tether=True)
    transport.until(lambda: fast.image_count == 1, fast)
    written = 0
    expected = 0
    generation = int(slow.images[0]["generation"])
    session_id = int(slow.images[0]["session_id"])
    assert transport.until(lambda: write_numbers(publication.state, written, 1, 1, 480) > 0)
    written += 1
    transport.until(lambda: peek(slow.images, 0) != 0)
    assert is_intact(slow.images, 0) == 1

    def step() -> bool:
        nonlocal written, expected
        if write_numbers(publication.state, written, 1, 1, 480) > 0:
            written += 1
        for number in transport.read(fast):
            assert number == expected
            expected += 1
        return publication.position > 2 * SMALL_TERM

    transport.until(step)
    assert is_intact(slow.images, 0) == 0
    transport.until(lambda: slow.images[0]["generation"] == generation + 1, slow)
    assert slow.images[0]["session_id"] == session_id
    assert slow.images[0]["join_position"] > SMALL_TERM // 2


def write_past(publication: Any, position: int) -> bool:
    """Write one record; true once the writer is behind ``position``."""
    write_numbers(publication.state, 1, 1, 1, 480)
    return bool(publication.position > position)


def test_a_writer_that_outruns_its_readers_needs_none(
    transport: TransportUnderTest, stream_id: int
) -> None:
    publication = transport.mesh.add_publication(
        stream_id, term_bytes=SMALL_TERM, outruns_readers=True
    )
    transport.until(lambda: publication.is_connected)
    transport.until(lambda: write_past(publication, 4 * SMALL_TERM))
    assert publication.state[0]["not_connected_count"] == 0
    late = transport.mesh.add_subscription(stream_id, tether=True)
    transport.until(lambda: late.image_count == 1, late)
    # Who joins may find what was written just before, but not more than the writer's pace is.
    joined_behind = publication.position - int(late.images[0]["join_position"])
    assert 0 <= joined_behind <= 2 * SMALL_TERM // PACE_FRACTION
    transport.read(late)
    write_numbers(publication.state, 7, 1, 1, 8)
    assert transport.read_until(late, 1)[-1] == 7


def test_the_last_reader_that_stands_still_is_dropped_by_a_writer_that_outruns_it(
    transport: TransportUnderTest, stream_id: int
) -> None:
    publication, last = transport.pair(stream_id, tether=False, outruns_readers=True)
    generation = int(last.images[0]["generation"])
    transport.until(lambda: write_past(publication, 0))
    transport.until(lambda: peek(last.images, 0) != 0)
    assert is_intact(last.images, 0) == 1
    transport.until(lambda: write_past(publication, 4 * SMALL_TERM))
    assert is_intact(last.images, 0) == 0
    transport.until(lambda: last.images[0]["generation"] == generation + 1, last)
    assert last.images[0]["join_position"] > SMALL_TERM


def test_a_tethered_reader_holds_also_a_writer_that_outruns_the_others(
    transport: TransportUnderTest, stream_id: int
) -> None:
    publication, subscription = transport.pair(stream_id, outruns_readers=True)
    written = 0

    def is_held() -> bool:
        nonlocal written
        while write_numbers(publication.state, written, 1, 1, 480) > 0:
            written += 1
        return bool(publication.position >= SMALL_TERM // 2)

    transport.until(is_held)
    assert write_numbers(publication.state, written, 1, 1, 480) == status.BACK_PRESSURED
    assert publication.position <= SMALL_TERM // 2 + 512
    assert transport.read_until(subscription, written) == list(range(written))
    transport.until(lambda: write_numbers(publication.state, written, 1, 1, 480) > 0)


def test_outrunning_is_for_shared_memory(transport: TransportUnderTest, stream_id: int) -> None:
    with pytest.raises(MeshError, match="outruns_readers is for aeron:ipc only"):
        transport.mesh.add_publication(
            stream_id, channel="aeron:udp?endpoint=127.0.0.1:40123", outruns_readers=True
        )


def test_a_record_is_offered_by_copy(transport: TransportUnderTest, stream_id: int) -> None:
    publication, subscription = transport.pair(stream_id)
    record = np.array([41, 0, 0], np.int64)
    assert offer(publication.state, address_of(record), 24) == 64
    record[0] = 0
    assert transport.read_until(subscription, 1) == [41]


@pytest.mark.parametrize("bad", [0, -1, 2**31])
def test_a_stream_id_outside_the_range_is_refused(transport: TransportUnderTest, bad: int) -> None:
    with pytest.raises(MeshError, match="stream_id"):
        transport.mesh.add_publication(bad)


@pytest.mark.parametrize("bad", [0, 1000, 65_537, 2**31])
def test_a_term_length_outside_the_rule_is_refused(
    transport: TransportUnderTest, stream_id: int, bad: int
) -> None:
    with pytest.raises(MeshError, match="term_bytes"):
        transport.mesh.add_publication(stream_id, term_bytes=bad)


def test_who_takes_over_reads_nothing_again(transport: TransportUnderTest, stream_id: int) -> None:
    publication, killed = transport.pair(stream_id)
    write_numbers(publication.state, 1, 4, 4, 40)
    assert transport.read_until(killed, 4) == [1, 2, 3, 4]
    # The next ones find the reader of before still there, though it will never read again.
    successors = []
    for first in (5, 9):
        successor = transport.mesh.add_subscription(stream_id, tether=True, takes_over=True)
        transport.until(lambda successor=successor: successor.image_count == 1, successor)  # type: ignore[misc]
        assert transport.read(successor) == []
        write_numbers(publication.state, first, 4, 4, 40)
        assert transport.read_until(successor, 4) == list(range(first, first + 4))
        successors.append(successor)
    for successor in successors:
        successor.close()
