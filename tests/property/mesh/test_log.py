"""Any sequence of claims, commits, deliveries and reads against a list."""

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from support.mesh_kernels import read_numbers, write_numbers
from support.mesh_transports import SMALL_TERM
from tradecaptain.mesh import status
from tradecaptain.mesh.layout import METADATA_ACTIVE_TERM_COUNT
from tradecaptain.mesh.publication import wrap_i32
from tradecaptain.mesh.simulated import SimulatedMesh
from twins.mesh.log import ListLog

pytestmark = pytest.mark.twin

STREAM = 5
MAX_PAYLOAD = 8160
term_ids = st.sampled_from([0, 1, -1, 2**31 - 1, 2**31 - 3, -(2**31), 12345])
lengths = st.one_of(
    st.sampled_from([8, 16, 24, 32, 40, 64, 96, 128, 4064, 8160]),
    st.integers(1, 1020).map(lambda words: 8 * words),
)


class LogMachine(RuleBasedStateMachine):
    """One publication, one tethered reader, a driver that works when it is told to."""

    @initialize(initial_term_id=term_ids)
    def open(self, initial_term_id: int) -> None:
        self.mesh = SimulatedMesh(seed=1, max_payload_length=MAX_PAYLOAD)
        self.publication = self.mesh.add_publication(
            STREAM, term_bytes=SMALL_TERM, initial_term_id=initial_term_id
        )
        self.subscription = self.mesh.add_subscription(STREAM, tether=True, image_capacity=1)
        self.mesh.crank()
        self.subscription.refresh()
        self.twin = ListLog()
        self.written = 0

    @rule(claimed=st.integers(1, 60), share=st.integers(0, 60), length=lengths)
    def write(self, claimed: int, share: int, length: int) -> None:
        committed = min(share, claimed)
        before = self.publication.position
        result = write_numbers(self.publication.state, self.written, claimed, committed, length)
        stride = (length + 32 + 31) // 32 * 32
        if stride * claimed > SMALL_TERM // 8:
            assert result == status.CLAIM_TOO_LONG
        elif result < 0:
            assert result == status.BACK_PRESSURED
        else:
            assert result == self.publication.position
            rotated = before + stride * claimed > (before // SMALL_TERM + 1) * SMALL_TERM
            start = (before // SMALL_TERM + 1) * SMALL_TERM if rotated else before
            assert result == start + committed * stride
            self.twin.commit(self.written, committed, length)
            self.written += committed

    @rule(frames=st.one_of(st.none(), st.integers(0, 20)))
    def drive(self, frames: int | None) -> None:
        self.mesh.faults.frames_per_crank_max = frames
        self.mesh.crank()

    @rule(limit=st.integers(1, 100))
    def read(self, limit: int) -> None:
        numbers, sizes = np.zeros(limit, np.int64), np.zeros(limit, np.int64)
        count = read_numbers(self.subscription.images, 0, numbers, sizes)
        got = list(zip(numbers[:count].tolist(), sizes[:count].tolist(), strict=True))
        assert got == self.twin.take(count)

    @invariant()
    def tails_are_as_the_driver_expects_them(self) -> None:
        if not hasattr(self, "publication"):
            return
        log, state = self.publication.log, self.publication.state[0]
        assert log.producer_position() == self.publication.position
        words = np.frombuffer(log._memory[3 * SMALL_TERM :].tobytes(), np.uint8)
        count = int(words[METADATA_ACTIVE_TERM_COUNT:][:4].view("<i4")[0])
        assert count == self.publication.position // SMALL_TERM or (
            self.publication.position == (count + 1) * SMALL_TERM
        )
        tail = int(words[8 * (count % 3) :][:8].view("<i8")[0])
        assert tail >> 32 == wrap_i32(int(state["initial_term_id"]) + count)

    def teardown(self) -> None:
        """Everything that was committed arrives in the end."""
        if not hasattr(self, "publication"):
            return
        self.mesh.faults.frames_per_crank_max = None
        for _ in range(64):
            self.mesh.crank()
            self.read(1000)
        assert self.twin.take(1) == []


TestLog = LogMachine.TestCase
