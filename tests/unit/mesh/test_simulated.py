"""The simulated driver's faults, each repeatable from a seed."""

import numpy as np
import pytest
from support.mesh_kernels import read_numbers, write_numbers
from support.mesh_transports import SMALL_TERM
from tradecaptain.mesh import status
from tradecaptain.mesh.simulated import KILLED_KNOWN_CRANKS, SimulatedMesh

pytestmark = pytest.mark.twin

STREAMS = (1, 2)


def read(subscription: object) -> list[int]:
    numbers, lengths = np.zeros(256, np.int64), np.zeros(256, np.int64)
    count = read_numbers(subscription.images, 0, numbers, lengths)  # type: ignore[attr-defined]
    return numbers[:count].tolist()


def read_all(mesh: SimulatedMesh, subscription: object) -> list[int]:
    found: list[int] = []
    while numbers := read(subscription) or (mesh.crank(), read(subscription))[1]:
        found += numbers
    return found


def arrivals(seed: int, delay: float) -> list[tuple[int, int]]:
    """Two streams are written in turn; in which order do their records arrive?"""
    mesh = SimulatedMesh(seed)
    publications = {key: mesh.add_publication(key, term_bytes=SMALL_TERM) for key in STREAMS}
    subscriptions = {key: mesh.add_subscription(key, tether=True) for key in STREAMS}
    mesh.crank()
    for subscription in subscriptions.values():
        subscription.refresh()
    mesh.faults.delay_probability = delay
    arrived = []
    for number in range(40):
        for key in STREAMS:
            write_numbers(publications[key].state, number, 1, 1, 8)
        mesh.crank()
        for key in STREAMS:
            arrived += [(key, value) for value in read(subscriptions[key])]
    return arrived


def test_delays_reorder_streams_but_never_one_stream() -> None:
    calm, stormy = arrivals(1, 0.0), arrivals(1, 0.5)
    assert calm == [(key, number) for number in range(40) for key in STREAMS]
    assert stormy != calm
    for key in STREAMS:
        values = [value for stream, value in stormy if stream == key]
        assert values == list(range(len(values)))


def test_a_seed_repeats_a_run() -> None:
    assert arrivals(5, 0.5) == arrivals(5, 0.5) != arrivals(6, 0.5)


@pytest.mark.parametrize("tether", [True, False])
def test_a_cut_connection_is_seen_by_both_ends_and_can_be_mended(tether: bool) -> None:
    mesh = SimulatedMesh()
    publication = mesh.add_publication(1, term_bytes=SMALL_TERM)
    subscription = mesh.add_subscription(1, tether=tether)
    mesh.crank()
    subscription.refresh()
    assert write_numbers(publication.state, 1, 1, 1, 8) > 0
    mesh.faults.disconnected_streams = {1}
    mesh.crank()
    assert not publication.is_connected
    assert subscription.needs_refresh()
    subscription.refresh()
    assert subscription.image_count == 0
    assert read(subscription) == []
    # Nobody reads, and what nobody has read keeps its place.
    written = 0
    while (result := write_numbers(publication.state, 2, 1, 1, 8)) > 0:
        written += 1
    assert result == status.NOT_CONNECTED
    mesh.faults.disconnected_streams = set()
    mesh.crank()
    subscription.refresh()
    assert subscription.image_count == 1
    assert subscription.images[0]["join_position"] == 0
    mesh.crank()
    assert read_all(mesh, subscription) == [1, *[2] * written]
    assert write_numbers(publication.state, 3, 1, 1, 8) > 0
    assert read_all(mesh, subscription) == [3]


@pytest.mark.parametrize("takes_over", [True, False])
def test_a_killed_reader_is_known_for_a_while(takes_over: bool) -> None:
    mesh = SimulatedMesh()
    publication = mesh.add_publication(1, term_bytes=SMALL_TERM)
    killed = mesh.add_subscription(1, tether=True)
    mesh.crank()
    killed.refresh()
    write_numbers(publication.state, 1, 1, 1, 8)
    mesh.crank()
    mesh.kill([killed])
    successor = mesh.add_subscription(1, tether=True)
    mesh.crank()
    successor.refresh()
    write_numbers(publication.state, 2, 1, 1, 8)
    mesh.crank()
    assert read(successor) == [1, 2]
    mesh.kill([successor])
    last = mesh.add_subscription(1, tether=True, takes_over=takes_over)
    mesh.crank()
    last.refresh()
    mesh.crank()
    # The first one stands where it was killed, and a new reader joins there.
    assert read(last) == ([] if takes_over else [1, 2])
    for _ in range(KILLED_KNOWN_CRANKS):
        mesh.crank()
    following = mesh.add_subscription(1, tether=True)
    mesh.crank()
    following.refresh()
    mesh.crank()
    assert read(following) == []


def test_a_slow_link_delivers_a_few_frames_at_a_time() -> None:
    mesh = SimulatedMesh()
    publication = mesh.add_publication(1, term_bytes=SMALL_TERM)
    subscription = mesh.add_subscription(1, tether=True)
    mesh.crank()
    subscription.refresh()
    write_numbers(publication.state, 0, 10, 10, 8)
    mesh.faults.frames_per_crank_max = 3
    batches = []
    for _ in range(4):
        mesh.crank()
        batches.append(read(subscription))
    assert batches == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]


def test_closing_the_mesh_closes_all() -> None:
    mesh = SimulatedMesh()
    publication = mesh.add_publication(1, term_bytes=SMALL_TERM)
    mesh.close()
    assert write_numbers(publication.state, 0, 1, 1, 8) == status.CLOSED
