// Drives the peers' order books natively over a tape, without Python in between.
//
//     book_peers liquibook TAPE WARM
//     book_peers orderly-chaos TAPE WARM LIBRARY
//
// A tape is a run of five 64-bit integers a command: kind (0 limit, 1 immediate or cancel, 2 market,
// 3 cancel, 4 replace), side (1 buy, 2 sell), order number, price, quantity (of a replace: the
// change). Prints nanoseconds of processor time a command behind the first WARM ones, and how many trades there were.
#include <book/order.h>
#include <book/order_book.h>

#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <time.h>
#include <vector>

namespace {

struct Command {
    int64_t kind, side, number, price, quantity;
};

struct Order : liquibook::book::Order {
    bool buy = false, immediate = false;
    liquibook::book::Price limit = 0;
    liquibook::book::Quantity quantity = 0;
    bool is_buy() const override { return buy; }
    liquibook::book::Price price() const override { return limit; }
    liquibook::book::Quantity order_qty() const override { return quantity; }
    bool immediate_or_cancel() const override { return immediate; }
};

struct Liquibook : liquibook::book::OrderBook<Order*> {
    using Base = liquibook::book::OrderBook<Order*>;
    std::vector<Order> orders;
    uint64_t trades = 0;
    explicit Liquibook(size_t count) : orders(count) {}
    void perform_callback(TypedCallback& callback) override
    {
        if (callback.type == TypedCallback::cb_order_fill)
            ++trades;
        else if (callback.type == TypedCallback::cb_order_replace) {
            callback.order->quantity += callback.delta;
            callback.order->limit = callback.price;
        }
    }
    void apply(const Command& command)
    {
        Order& order = orders[command.number];
        if (command.kind <= 2) {
            order.buy = command.side == 1;
            order.immediate = command.kind != 0;
            order.limit = command.kind == 2 ? 0 : command.price;
            order.quantity = command.quantity;
            add(&order, order.immediate ? liquibook::book::oc_immediate_or_cancel : 0);
        } else if (command.kind == 3) {
            cancel(&order);
        } else {
            replace(&order, command.quantity, command.price);
        }
    }
};

struct OrderlyChaos {
    using Trade = void (*)(const void*, void*);
    void* library;
    void* book;
    int (*limit)(void*, int32_t, uint64_t, uint32_t, uint64_t, uint32_t*);
    int (*market)(void*, int32_t, uint64_t, uint32_t, uint32_t*);
    int (*remove)(void*, uint64_t);
    std::vector<uint32_t> quantities;
    uint64_t trades = 0;
    template <class Function> void bind(Function& function, const char* name)
    {
        function = reinterpret_cast<Function>(dlsym(library, name));
        if (!function) { std::fprintf(stderr, "%s is missing\n", name); std::exit(1); }
    }
    OrderlyChaos(const char* path, size_t count) : quantities(count)
    {
        library = dlopen(path, RTLD_NOW);
        if (!library) { std::fprintf(stderr, "%s\n", dlerror()); std::exit(1); }
        void* (*create)();
        int (*listen)(void*, Trade, void*);
        bind(create, "oc_book_new");
        bind(listen, "oc_book_set_trade_callback");
        bind(limit, "oc_book_limit");
        bind(market, "oc_book_market");
        bind(remove, "oc_book_cancel");
        book = create();
        listen(book, [](const void*, void* self) { ++static_cast<OrderlyChaos*>(self)->trades; }, this);
    }
    void apply(const Command& command)
    {
        uint32_t filled = 0;
        int32_t side = command.side == 1 ? BUY : SELL;
        uint64_t number = command.number;
        if (command.kind == 0 || command.kind == 1) {
            quantities[number] = command.quantity;
            limit(book, side, number, command.quantity, command.price, &filled);
            if (command.kind == 1 && filled < command.quantity)
                remove(book, number);
        } else if (command.kind == 2) {
            market(book, side, number, command.quantity, &filled);
        } else if (remove(book, number) == 0 && command.kind == 4) {
            quantities[number] += command.quantity;
            limit(book, side, number, quantities[number], command.price, &filled);
        }
    }
    static constexpr int32_t BUY = 1, SELL = 0;
};

double processor_ns()
{
    timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * 1e9 + now.tv_nsec;
}

template <class Book> void run(Book& book, const std::vector<Command>& tape, size_t warm)
{
    for (size_t index = 0; index < warm; ++index)
        book.apply(tape[index]);
    double start = processor_ns();
    for (size_t index = warm; index < tape.size(); ++index)
        book.apply(tape[index]);
    double elapsed = processor_ns() - start;
    std::printf("%.3f %llu\n", elapsed / (tape.size() - warm),
                static_cast<unsigned long long>(book.trades));
}

}  // namespace

int main(int count, char** arguments)
{
    if (count < 4)
        return 2;
    std::vector<Command> tape;
    std::FILE* file = std::fopen(arguments[2], "rb");
    if (!file)
        return 1;
    std::fseek(file, 0, SEEK_END);
    tape.resize(std::ftell(file) / sizeof(Command));
    std::rewind(file);
    if (std::fread(tape.data(), sizeof(Command), tape.size(), file) != tape.size())
        return 1;
    size_t orders = 1;
    for (const Command& command : tape)
        orders = std::max<size_t>(orders, command.number + 1);
    size_t warm = std::strtoull(arguments[3], nullptr, 10);
    if (std::string(arguments[1]) == "liquibook") {
        Liquibook book(orders);
        run(book, tape, warm);
    } else {
        OrderlyChaos book(arguments[4], orders);
        run(book, tape, warm);
    }
    return 0;
}
