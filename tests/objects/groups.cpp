// What C++ makes: groups of sections, constructors under two names, thunks, tables of virtual functions, mangled names.
struct Base {
    int a;
    explicit Base(int v);
    virtual ~Base();
    virtual int get() const { return a; }
};
struct Other {
    int b = 2;
    virtual int other() { return b; }
    virtual ~Other() = default;
};
struct Derived : Base, Other {
    explicit Derived(int v);
    ~Derived() override;
    int get() const override { return a + 1; }
    int other() override { return b + a; }
};
void operator delete(void *, unsigned) noexcept;
Base::Base(int v) : a(v) {}
Base::~Base() {}
Derived::Derived(int v) : Base(v) {}
Derived::~Derived() {}

template <typename T> __attribute__((noinline)) T twice(T v) { return v + v; }
inline __attribute__((noinline)) int shared_inline(int v) { return twice(v) * 3; }

int use(int v) {
    Derived d(v);
    return d.get() + d.other() + twice(v) + (int)twice((long long)v) + shared_inline(v);
}
