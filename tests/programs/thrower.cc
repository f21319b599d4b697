/* A library that throws, catches and lets through (see thrower.h). Its C++ library is another library. */
#include "thrower.h"

#include <string>
#include <typeinfo>

Remote::~Remote() noexcept = default;
Animal::~Animal() = default;
unsigned Animal::legs() const { return 4; }
unsigned Bird::legs() const { return 2; }

namespace {
struct Counter {
    unsigned *to;
    ~Counter() { ++*to; }
};
} // namespace

void throw_remote() { throw Remote("thrown by a library"); }

void call_through(void (*callback)(), unsigned *destroyed)
{
    Counter counter{destroyed};
    callback();
}

unsigned catches(void (*callback)())
{
    try {
        callback();
    } catch (const std::exception &e) {
        return unsigned(std::string(e.what()).size());
    }
    return 0;
}

bool is_bird(const Animal &animal) { return typeid(animal) == typeid(Bird) && dynamic_cast<const Bird *>(&animal); }
