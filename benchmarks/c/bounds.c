/* What no program can do without: its multiply-adds at the peak of one core, its pass over memory, its exponentials. */
#include "driver.h"

typedef double lanes __attribute__((vector_size(64)));
#define EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
enum { CHAINS = 12, WIDTH = 8 };

/* sizes: how many; out: something that depends on them all. Twelve independent chains of vectors in registers. */
WORK multiply_adds_once(const long *sizes, const double *const *in, double *const *out) {
    const lanes factor = (lanes){0} + 0.999, term = (lanes){0} + 1e-9;
    lanes sum = {0};
#define BEGIN(k) lanes a##k = term * (double)(k + 1);
    EACH(BEGIN)
    (void)in;
    for (long step = 0; step < sizes[0] / (CHAINS * WIDTH); step++) {
#define STEP(k) a##k = a##k * factor + term;
        EACH(STEP)
    }
#define END(k) sum += a##k;
    EACH(END)
    for (int k = 0; k < WIDTH; k++) out[0][0] += sum[k];
}
DRIVER(multiply_adds)

/* sizes: n; in: x; out: y. */
WORK read_and_write_once(const long *sizes, const double *const *in, double *const *out) {
    const double *restrict x = in[0];
    double *restrict y = out[0];
    for (long i = 0; i < sizes[0]; i++) y[i] = 2.0 * x[i];
}
DRIVER(read_and_write)

/* sizes: n; in: x of 1024 places, read again and again; out: as long. */
WORK exponentials_once(const long *sizes, const double *const *in, double *const *out) {
    const double *restrict x = in[0];
    double *restrict y = out[0];
    for (long start = 0; start < sizes[0]; start += 1024) {
        const long n = sizes[0] - start < 1024 ? sizes[0] - start : 1024;
        for (long i = 0; i < n; i++) y[i] = exp(x[i]);
        __asm__ volatile("" ::: "memory");
    }
}
DRIVER(exponentials)
