/* A C++ skeleton with exceptions and run-time type information (tests/src/cxx_runtime.rs): libc++, libc++abi and libunwind are part of
 * it, or of a library that it needs (SHARED, with thrower.cc).
 *
 *   2 thrown() -> u32[9]       one word for each way in which something is thrown and caught
 *   3 kinds() -> u32[6]        dynamic_cast, typeid, containers, what std::bad_cast and std::bad_alloc need
 *   4 threads() -> u32[4]      caught in threads, handed over, thread-local objects destroyed
 *   5 uncaught(how)            nobody catches: 0 in the call, 1 in a thread, 2 through noexcept, 3 through qsort
 *   6 other() -> u32[4]        thrown by another library (SHARED)
 *   7 local()                  makes a thread-local object, in the thread that serves the caller
 */
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <typeinfo>
#include <vector>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FARF_HIGH 1
#include "HAP_farf.h"
#include "remote.h"
#ifdef SHARED
#include "thrower.h"
#endif

/* typeid of a null pointer's object is what one method is about. */
#pragma clang diagnostic ignored "-Wpotentially-evaluated-expression"

namespace {

unsigned alive;

/* Counts who was destroyed on the way. */
struct Probe {
    Probe() { alive++; }
    Probe(const Probe &) { alive++; }
    ~Probe() { alive--; }
};

struct Failure : std::runtime_error {
    unsigned code;
    Failure(unsigned n, const std::string &what) : std::runtime_error(what), code(n) {}
};

[[gnu::noinline]] unsigned deep(unsigned n)
{
    Probe probe;
    if (n == 0)
        throw Failure(42, "at the end of " + std::to_string(200) + " calls");
    std::string text(n, 'x');
    return deep(n - 1) + unsigned(text.size());
}

[[gnu::noinline]] void by_value(unsigned n)
{
    Probe probe;
    switch (n) {
    case 0: throw 7;
    case 1: throw "text";
    case 2: throw 1.5;
    case 3: throw Probe();
    default: return;
    }
}

struct Function {
    ~Function()
    {
        /* Thrown and caught while another one is on its way. */
        try {
            throw std::logic_error("inner");
        } catch (const std::exception &e) {
            *to += unsigned(strlen(e.what()));
        }
    }
    unsigned *to;
};

unsigned tries;

unsigned failing() { return ++tries == 1 ? throw 7 : tries; }

[[gnu::noinline]] unsigned second_try()
{
    static unsigned value = failing();
    return value;
}

void thrown(unsigned *out)
{
    try {
        deep(200);
    } catch (const std::out_of_range &) {
        out[0] = 1;
    } catch (const std::runtime_error &e) {
        out[0] = dynamic_cast<const Failure &>(e).code;
        FARF(HIGH, "caught: %s", e.what());
    }
    for (unsigned n = 0; n < 4; n++) {
        try {
            by_value(n);
        } catch (int v) {
            out[1] += unsigned(v);
        } catch (const char *s) {
            out[1] += 10 * unsigned(strlen(s));
        } catch (double d) {
            out[1] += unsigned(100 * d * 2);
        } catch (...) {
            out[1] += 1000;
        }
    }
    try {
        std::vector<int> v(3);
        v.at(5) = 1;
    } catch (const std::out_of_range &e) {
        out[2] = unsigned(strlen(e.what()));
    }
    /* Rethrown by throw; and as a nested one. */
    try {
        try {
            std::stoi("no number");
        } catch (const std::invalid_argument &) {
            out[3] = 1;
            throw;
        }
    } catch (const std::logic_error &e) {
        out[3] += 10 * (std::string(e.what()).find("stoi") != std::string::npos);
    }
    try {
        try {
            throw Failure(1, "the reason");
        } catch (...) {
            std::throw_with_nested(Failure(2, "what came of it"));
        }
    } catch (const Failure &e) {
        out[4] = e.code;
        try {
            std::rethrow_if_nested(e);
        } catch (const Failure &inner) {
            out[4] = 10 * out[4] + inner.code;
        }
    }
    try {
        Function f{&out[5]};
        throw 1;
    } catch (int n) {
        out[5] = 10 * out[5] + unsigned(n) + unsigned(std::uncaught_exceptions());
    }
    std::function<unsigned(unsigned)> f = [](unsigned n) -> unsigned {
        if (n > 2)
            throw std::bad_function_call();
        return n;
    };
    for (unsigned n = 0; n < 6; n++) {
        try {
            out[6] += f(n);
        } catch (const std::exception &) {
            out[6] += 100;
        }
    }
    out[7] = alive;
    /* A static variable whose first initialisation fails. */
    for (unsigned n = 0; n < 3; n++) {
        try {
            out[8] = 10 * out[8] + second_try();
        } catch (int failed) {
            out[8] = 10 * out[8] + unsigned(failed);
        }
    }
}

struct Shape {
    virtual unsigned sides() const { return 0; }
    virtual ~Shape() {}
};
struct Named {
    virtual const char *name() const { return "named"; }
    virtual ~Named() {}
};
struct Square : Shape, virtual Named {
    unsigned sides() const override { return 4; }
};
struct Tiny : Square {};

void kinds(unsigned *out)
{
    Tiny tiny;
    Shape base, *square = &tiny, *shape = &base;
    out[0] = (dynamic_cast<Square *>(square) != nullptr) + 10 * (dynamic_cast<Named *>(square) != nullptr) +
        100 * (dynamic_cast<Named *>(shape) != nullptr) +
        1000 * (dynamic_cast<void *>(dynamic_cast<Named *>(square)) == square);
    try {
        out[1] = dynamic_cast<Square &>(*shape).sides();
    } catch (const std::bad_cast &e) {
        out[1] = unsigned(strlen(e.what()));
    }
    out[2] = (typeid(*square) == typeid(Tiny)) + 10 * (typeid(*shape) == typeid(Square)) + 100 * (std::string(typeid(int).name()) == "i");
    try {
        Shape *volatile none = nullptr;
        out[2] += typeid(*none).hash_code() != 0;
    } catch (const std::bad_typeid &) {
        out[2] += 1000;
    }
    std::map<std::string, std::vector<std::string>> words;
    for (unsigned n = 0; n < 500; n++)
        words["w" + std::to_string(n % 50)].push_back(std::to_string(n) + std::string(n % 40, '-'));
    for (const auto &[word, all] : words)
        for (const std::string &one : all)
            out[3] += unsigned(word.size() * one.size());
    try {
        volatile size_t much = 0x7ffffff0;
        void *volatile block = new char[much];
        out[4] = block == nullptr;
    } catch (const std::bad_alloc &e) {
        out[4] = unsigned(strlen(e.what()));
    }
    /* Text that goes through snprintf. */
    out[5] = std::to_string(2.5) == "2.500000";
}

std::mutex lock;
unsigned destroyed;

struct Local {
    unsigned n = 0;
    ~Local()
    {
        FARF(HIGH, "~Local %u", n);
        std::lock_guard<std::mutex> guard(lock);
        destroyed += n;
    }
};

thread_local Local local;

void work(unsigned id, unsigned *caught, std::exception_ptr *last)
{
    local.n = id;
    for (unsigned n = 0; n < 50; n++) {
        try {
            deep(n % 20);
        } catch (const Failure &) {
            std::lock_guard<std::mutex> guard(lock);
            ++*caught;
        }
    }
    try {
        throw Failure(id, "of thread " + std::to_string(id));
    } catch (...) {
        *last = std::current_exception();
    }
}

void threads(unsigned *out)
{
    std::exception_ptr last[4];
    std::vector<std::thread> all;
    unsigned caught = 0;
    destroyed = 0;
    for (unsigned n = 0; n < 4; n++)
        all.emplace_back(work, n + 1, &caught, &last[n]);
    for (std::thread &one : all)
        one.join();
    out[0] = caught;
    for (const std::exception_ptr &one : last) {
        try {
            std::rethrow_exception(one);
        } catch (const Failure &e) {
            out[1] = 10 * out[1] + e.code;
            out[2] += unsigned(strlen(e.what()));
        }
    }
    out[3] = destroyed;
}

void quiet() noexcept { deep(3); }

int compare(const void *, const void *) { throw Failure(5, "in the middle of qsort"); }

unsigned uncaught(unsigned how)
{
    int two[2] = {2, 1};
    switch (how) {
    case 0: return deep(3);
    case 1: std::thread([] { deep(3); }).join(); return 0;
    case 2: try { quiet(); } catch (...) { return 0; } return 0;
    default: try { qsort(two, 2, sizeof *two, compare); } catch (...) { return 0; } return 0;
    }
}

#ifdef SHARED
struct Swan : Bird {};

void other(unsigned *out)
{
    try {
        throw_remote();
    } catch (const Remote &e) {
        out[0] = unsigned(strlen(e.what()));
    }
    try {
        call_through([] { throw Failure(9, "through a library"); }, &out[1]);
    } catch (const Failure &e) {
        out[1] = 10 * out[1] + e.code;
    }
    /* Its own type, and one of the C++ library's. */
    out[2] = catches([] { throw Failure(1, "caught by a library"); }) + 100 * catches([] { std::string().at(1); });
    Animal animal;
    Bird bird;
    Swan swan;
    out[3] = is_bird(bird) + 10 * is_bird(animal) + 100 * is_bird(swan) +
        1000 * (dynamic_cast<Swan *>(static_cast<Animal *>(&swan)) != nullptr);
}
#endif

} // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT int cxx_skel_handle_invoke(uint64_t, uint32_t sc, remote_arg *a)
{
    unsigned *out = static_cast<unsigned *>(a[0].buf.pv);
    unsigned method = sc >> 24 & 0x1f;
    if (method >= 2 && method != 5 && method != 7)
        memset(out, 0, a[0].buf.nLen);
    switch (method) {
    case 0: a[2].h64 = 1; return 0;
    case 1: return 0;
    case 2: thrown(out); return 0;
    case 3: kinds(out); return 0;
    case 4: threads(out); return 0;
    case 5: return int(uncaught(*out));
    case 7: local.n = 77; return 0;
#ifdef SHARED
    case 6: other(out); return 0;
#endif
    default: return 20;
    }
}
