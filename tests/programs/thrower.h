/* What a library throws for the skeleton of exceptions.cc. */
#ifndef THROWER_H
#define THROWER_H

#include <stdexcept>

#define VISIBLE __attribute__((visibility("default")))

/* Its type information is in the library. */
struct VISIBLE Remote : std::runtime_error {
    explicit Remote(const char *what) : std::runtime_error(what) {}
    ~Remote() noexcept override;
};

struct VISIBLE Animal {
    virtual unsigned legs() const;
    virtual ~Animal();
};

struct VISIBLE Bird : Animal {
    unsigned legs() const override;
};

/* Throws a Remote. */
VISIBLE void throw_remote();
/* Calls, with an object of its own on the stack; whose destructor counts. */
VISIBLE void call_through(void (*callback)(), unsigned *destroyed);
/* Calls, and catches: the length of what() says. */
VISIBLE unsigned catches(void (*callback)());
/* Asks for the type. */
VISIBLE bool is_bird(const Animal &animal);

#endif
