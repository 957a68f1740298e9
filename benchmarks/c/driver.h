/* What every driver shares: one calling form, and a loop over repeats that the compiler cannot see through.

   Hand-written references for the benchmarks of compiled code. A driver gets its sizes, its input arrays and its output
   arrays; all are contiguous float64. The work is a static function that is never inlined. */
#include <math.h>
#include <string.h>

#define WORK static __attribute__((noinline)) void
#define DRIVER(name)                                                                                                   \
    void name(long repeats, const long *sizes, const double *const *in, double *const *out) {                          \
        for (long r = 0; r < repeats; r++) {                                                                           \
            name##_once(sizes, in, out);                                                                               \
            __asm__ volatile("" ::: "memory");                                                                         \
        }                                                                                                              \
    }
