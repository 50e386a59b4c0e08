/* Replays order commands from a file through the engine library and writes what it reports.
 *
 *     replay COMMANDS EXECUTIONS BOOKS SNAPSHOT_AFTER
 *
 * After SNAPSHOT_AFTER commands the engine is replaced by one restored from its own snapshot.
 * The last line on standard output is the state hash, in decimal.
 */
#include "tradecaptain_engine.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { EXECUTION_ROOM = 64, BOOK_ROOM = 64 };

static void require(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "%s\n", what);
        exit(1);
    }
}

static tc_engine *new_engine(int64_t orders)
{
    tc_engine_config config = {
        .orders = orders, .levels = 512, .instruments = 4, .instrument_ids = 8,
        .account_ids = 16, .step_limit = 4, .epoch = 1, .replay_account_id = 1,
        .report_form = TC_REPORT_FORM_WIRE, .order_ids = TC_ORDER_IDS_ENGINE,
    };
    int64_t bytes = tc_engine_bytes(&config);
    require(bytes > 0, "the configuration is refused");
    void *memory = aligned_alloc(64, (size_t)(bytes + 63) / 64 * 64);
    require(memory != NULL, "no memory");
    memset(memory, 0, (size_t)bytes);
    require(tc_engine_create(memory, &config) == 0, "the engine can't be made");
    return memory;
}

static void add_instruments(tc_engine *engine)
{
    for (int64_t id = 1; id <= 2; id++) {
        tc_instrument_rules rules = {
            .instrument_id = id, .minimum_price_units = INT64_MIN,
            .maximum_price_units = INT64_MAX, .maximum_quantity_units = INT64_MAX,
            .lot_units = 1, .tick_units = 1, .allocation = TC_ALLOCATION_PRICE_TIME,
        };
        require(tc_engine_add_instrument(engine, &rules) == id, "no book was opened");
        require(tc_engine_add_instrument(engine, &rules) < 0, "a second book was opened");
    }
}

static tc_engine *restored(tc_engine *engine)
{
    int64_t hash = tc_engine_state_hash(engine);
    int64_t bytes = tc_engine_snapshot_bytes(engine);
    char *snapshot = malloc((size_t)bytes);
    require(tc_engine_snapshot(engine, snapshot, bytes - 1) < 0, "a short buffer was taken");
    require(tc_engine_snapshot(engine, snapshot, bytes) == bytes, "no snapshot was written");
    tc_engine *second = new_engine(2048);
    require(tc_engine_restore(second, snapshot, bytes) == 0, "the snapshot can't be restored");
    require(tc_engine_state_hash(second) == hash, "the restored engine is another");
    require(tc_engine_destroy(engine) == 0, "the engine can't be ended");
    require(tc_engine_state_hash(engine) == TC_NOT_AN_ENGINE, "an ended engine answers");
    free(engine);
    free(snapshot);
    return second;
}

static void write_events(tc_event_buffer *buffer, FILE *executions, FILE *books)
{
    fwrite(buffer->executions, sizeof *buffer->executions, (size_t)buffer->execution_count,
           executions);
    fwrite(buffer->books, sizeof *buffer->books, (size_t)buffer->book_count, books);
    buffer->execution_count = buffer->book_count = 0;
}

static void run(tc_engine *engine, const tc_order_command *commands, int64_t count,
                FILE *executions, FILE *books)
{
    static tc_execution_event execution_room[EXECUTION_ROOM];
    static tc_book_event book_room[BOOK_ROOM];
    tc_event_buffer buffer = { execution_room, EXECUTION_ROOM, 0, book_room, BOOK_ROOM, 0 };
    int64_t done = 0;
    while (done < count || tc_engine_is_idle(engine) == 0) {
        int64_t taken = tc_engine_submit(engine, commands + done, count - done, &buffer);
        require(taken >= 0, "a run of commands is refused");
        done += taken;
        write_events(&buffer, executions, books);
    }
}

int main(int argument_count, char **arguments)
{
    require(argument_count == 5, "usage: replay COMMANDS EXECUTIONS BOOKS SNAPSHOT_AFTER");
    FILE *source = fopen(arguments[1], "rb");
    FILE *executions = fopen(arguments[2], "wb");
    FILE *books = fopen(arguments[3], "wb");
    require(source && executions && books, "a file can't be opened");
    tc_order_command *commands = malloc(100000 * sizeof *commands);
    int64_t count = (int64_t)fread(commands, sizeof *commands, 100000, source);
    int64_t first = atoll(arguments[4]);
    require(tc_engine_version() == TC_ENGINE_VERSION, "library and header differ");
    tc_engine *engine = new_engine(512);
    add_instruments(engine);
    run(engine, commands, first, executions, books);
    engine = restored(engine);
    run(engine, commands + first, count - first, executions, books);
    tc_level best;
    if (tc_engine_best(engine, 1, TC_SIDE_BUY, &best) == 1)
        require(tc_engine_quantity_at(engine, 1, TC_SIDE_BUY, best.price_units)
                    == best.quantity_units, "best and depth differ");
    printf("%" PRId64 "\n", tc_engine_state_hash(engine));
    fclose(executions);
    fclose(books);
    return 0;
}
