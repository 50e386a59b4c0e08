/* The floor of an append: the same frame by memcpy and the CRC instruction, timed record by record.
 *
 * Frames are those of docs/journal.md; the ring is the caller's. */
#include <nmmintrin.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <x86intrin.h>

static inline uint64_t cycles(void) {
    _mm_lfence();
    uint64_t value = __rdtsc();
    _mm_lfence();
    return value;
}

void append_floor(uint8_t *ring, uint64_t mask, _Atomic uint64_t *tail, const uint8_t *record,
                  uint64_t length, uint64_t count, int64_t *samples) {
    uint64_t position = atomic_load(tail);
    uint64_t checksum = 0;
    for (uint64_t index = 0; index < count; index++) {
        uint64_t before = cycles();
        uint8_t *frame = ring + (position & mask);
        uint64_t state = _mm_crc32_u64(checksum ^ 0xffffffffu, length);
        state = _mm_crc32_u64(state, index);
        memcpy(frame + 16, record, length);
        for (uint64_t offset = 0; offset < length; offset += 8) {
            uint64_t word;
            memcpy(&word, record + offset, 8);
            state = _mm_crc32_u64(state, word);
        }
        checksum = state ^ 0xffffffffu;
        uint64_t head = length | (checksum << 32);
        memcpy(frame, &head, 8);
        memcpy(frame + 8, &index, 8);
        position += 16 + length;
        atomic_store_explicit(tail, position, memory_order_release);
        samples[index] = (int64_t)(cycles() - before);
    }
}
