/* A shared object like a skeleton: calls through the linkage table, loops, compares with jumps, vectors. */
typedef int vector __attribute__((vector_size(128), aligned(128)));
extern void *outside(unsigned n);
extern int elsewhere(const char *text, int n);

static int count;
vector kept[4];

__attribute__((noinline)) static int inner(const char *p, int n)
{
    int sum = 0;
    for (int i = 0; i < n; i++)
        sum += p[i] * (i + 3);
    return sum;
}

int first(const char *p, int n)
{
    char *q = outside((unsigned)n);
    for (int i = 0; i < n; i++)
        q[i] = p[n - 1 - i];
    count += inner(q, n);
    return elsewhere(q, count);
}

int second(vector *a, const vector *b, int n, double d, float f)
{
    for (int i = 0; i < n; i++)
        kept[i & 3] += a[i] * 3 - (b[i] >> 2);
    if (n > 7 && f > 1.5f)
        return first((const char *)a, (int)(d * f));
    return n == 100 ? -elsewhere("text", 0x12345678) : (n & 5) << 3;
}
