// Replays order commands from a file through the engine library, with compact reports in a ring that
// a second goroutine drains.
//
//	replay COMMANDS REPORTS
//
// The last line on standard output is the state hash, in decimal.
package main

/*
#cgo LDFLAGS: -ltradecaptain_engine
#include <stdlib.h>
#include "tradecaptain_engine.h"

static tc_engine *new_engine(const tc_engine_config *config)
{
    int64_t bytes = tc_engine_bytes(config);
    if (bytes <= 0)
        return NULL;
    void *memory = aligned_alloc(64, (size_t)(bytes + 63) / 64 * 64);
    memset(memory, 0, (size_t)bytes);
    return tc_engine_create(memory, config) == 0 ? memory : NULL;
}

static tc_report_ring *new_ring(int64_t reports)
{
    return aligned_alloc(64, (TC_RING_BYTES(reports) + 63) / 64 * 64);
}
*/
import "C"

import (
	"fmt"
	"math"
	"os"
	"unsafe"
)

const ringReports = 128

func require(holds bool, what string) {
	if !holds {
		fmt.Fprintln(os.Stderr, what)
		os.Exit(1)
	}
}

func drain(ring *C.tc_report_ring, done <-chan struct{}, out chan<- []byte) {
	var all []byte
	reports := make([]C.tc_report, 16)
	for ending := false; ; {
		count := int(C.tc_ring_drain(ring, &reports[0], C.int64_t(len(reports))))
		size := count * int(unsafe.Sizeof(reports[0]))
		all = append(all, unsafe.Slice((*byte)(unsafe.Pointer(&reports[0])), size)...)
		if count == 0 && ending {
			break
		}
		select {
		case <-done:
			ending = true
		default:
		}
	}
	out <- all
}

func main() {
	data, err := os.ReadFile(os.Args[1])
	require(err == nil, "the commands can't be read")
	config := C.tc_engine_config{
		orders: 512, levels: 512, instruments: 4, instrument_ids: 8, account_ids: 16,
		step_limit: 4, epoch: 1, replay_account_id: 1, report_form: C.TC_REPORT_FORM_COMPACT,
	}
	engine := C.new_engine(&config)
	require(engine != nil, "the engine can't be made")
	ring := C.new_ring(ringReports)
	require(C.tc_engine_attach_ring(engine, ring, 3) < 0, "a ring that is no power of two was taken")
	require(C.tc_engine_attach_ring(engine, ring, ringReports) == 0, "the ring is refused")
	for id := C.int64_t(1); id <= 2; id++ {
		rules := C.tc_instrument_rules{
			instrument_id: id, minimum_price_units: math.MinInt64, maximum_price_units: math.MaxInt64,
			maximum_quantity_units: math.MaxInt64, lot_units: 1, tick_units: 1,
			allocation: C.TC_ALLOCATION_PRICE_TIME,
		}
		require(C.tc_engine_add_instrument(engine, &rules) == id, "no book was opened")
	}
	done, out := make(chan struct{}), make(chan []byte)
	go drain(ring, done, out)
	size := int(unsafe.Sizeof(C.tc_order_command{}))
	count := len(data) / size
	memory := C.CBytes(data)
	for taken := 0; taken < count || C.tc_engine_is_idle(engine) == 0; {
		commands := (*C.tc_order_command)(unsafe.Add(memory, taken*size))
		taken += int(C.tc_engine_submit(engine, commands, C.int64_t(count-taken), nil))
	}
	close(done)
	require(os.WriteFile(os.Args[2], <-out, 0o644) == nil, "the reports can't be written")
	fmt.Println(int64(C.tc_engine_state_hash(engine)))
}
