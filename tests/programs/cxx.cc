/* A C++ skeleton without a C++ library: what the compiler leaves to the run-time library.
 *
 *   2 built() -> u32[3]        in which order constructors ran, how many, what a virtual function gives
 *   3 race() -> u32[3]         two threads want one static variable: its value in each, and how often it was made
 *   4 stay()                   a destructor will never return
 *   5 again()                  a static variable whose initialisation needs itself
 */
extern "C" {
#include "HAP.h"
#include "qurt.h"
void *malloc(unsigned);
void free(void *);
int atexit(void (*)(void));
}
#include "remote.h"

void *operator new(decltype(sizeof 0) n);
void operator delete(void *, decltype(sizeof 0)) noexcept;

namespace {

unsigned order, made;
volatile bool stays;

struct Probe {
    unsigned v;
    explicit Probe(unsigned x) : v(x) { order = order * 10 + x, made++; }
    ~Probe() { FARF(HIGH, "~Probe %u", v); }
};

Probe first(1), second(2);

__attribute__((destructor)) void gone()
{
    FARF(HIGH, "destructor");
    while (stays) {
    }
}

struct Shape {
    virtual unsigned area() const = 0;
    virtual ~Shape() {}
};

struct Square : Shape {
    unsigned side;
    explicit Square(unsigned s) : side(s) {}
    unsigned area() const override { return side * side; }
};

/* Takes long to make, so that a second thread comes meanwhile. */
unsigned slowly()
{
    static unsigned times;
    qurt_sleep(20000);
    return ++times;
}

unsigned lazy()
{
    static unsigned value = slowly();
    return value;
}

unsigned self();
unsigned (*volatile same)() = self;

unsigned self()
{
    static unsigned value = same() + 1;
    return value;
}

unsigned seen;
uint64_t stack[1024];

void work(void *)
{
    seen = lazy();
    qurt_thread_exit(0);
}

void registered() { FARF(HIGH, "atexit"); }

} // namespace

extern "C" __attribute__((visibility("default"))) int cxx_skel_handle_invoke(uint64_t, uint32_t sc, remote_arg *a)
{
    unsigned *out = static_cast<unsigned *>(a[0].buf.pv);
    switch (sc >> 24 & 0x1f) {
    case 0:
        a[2].h64 = 1;
        return 0;
    case 1:
        return 0;
    case 2: {
        Shape *s = new Square(12);
        out[0] = order, out[1] = made, out[2] = s->area();
        delete s;
        return atexit(registered);
    }
    case 3: {
        qurt_thread_attr_t attributes;
        qurt_thread_attr_init(&attributes);
        attributes.stack_addr = stack, attributes.stack_size = sizeof stack, attributes.priority = 50;
        qurt_thread_t thread;
        int status;
        if (qurt_thread_create(&thread, &attributes, work, nullptr))
            return 1;
        out[0] = lazy();
        qurt_thread_join(thread, &status);
        out[1] = seen, out[2] = slowly() - 1;
        return 0;
    }
    case 4:
        stays = true;
        return 0;
    default:
        return self();
    }
}
