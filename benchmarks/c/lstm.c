/* Value and gradient of the character model: forward with every state kept, then backward. */
#include "driver.h"
#include <stdlib.h>

/* sizes: layers, characters, b; in: main, extra, state, sequence; out: value, gradients of main and extra. */
WORK lstm_gradient_once(const long *sizes, const double *const *in, double *const *out) {
    const long L = sizes[0], T = sizes[1] - 1, b = sizes[2], gates = 4 * b, kept = 7 * b;
    const double *main = in[0], *extra = in[1], *sequence = in[3];
    double *d_main = out[1], *d_extra = out[2];
    /* per time and layer: input, forget, admit, emit, change, tanh of the cell, (new) hidden; cells apart. */
    double *tape = malloc((T * L * kept + (T + 1) * L * b + T * (b + 1)) * sizeof(double));
    double *cells = tape + T * L * kept, *scores = cells + (T + 1) * L * b;
    double total = 0.0;
    for (long l = 0; l < L; l++) memcpy(cells + l * b, in[2] + (2 * l + 1) * b, b * sizeof(double));
    for (long t = 0; t < T; t++) {
        double x[b];
        for (long j = 0; j < b; j++) x[j] = sequence[t * b + j] * extra[j];
        for (long l = 0; l < L; l++) {
            const double *w = main + 2 * l * gates, *bias = w + gates, *cell = cells + (t * L + l) * b;
            const double *hidden = t ? tape + ((t - 1) * L + l) * kept + 6 * b : in[2] + 2 * l * b;
            double *k = tape + (t * L + l) * kept, *next = cells + ((t + 1) * L + l) * b;
            for (long j = 0; j < b; j++) {
                k[j] = x[j];
                k[b + j] = 1.0 / (1.0 + exp(-(x[j] * w[j] + bias[j])));
                k[2 * b + j] = 1.0 / (1.0 + exp(-(hidden[j] * w[b + j] + bias[b + j])));
                k[3 * b + j] = 1.0 / (1.0 + exp(-(x[j] * w[2 * b + j] + bias[2 * b + j])));
                k[4 * b + j] = tanh(hidden[j] * w[3 * b + j] + bias[3 * b + j]);
                next[j] = cell[j] * k[b + j] + k[2 * b + j] * k[4 * b + j];
                k[5 * b + j] = tanh(next[j]);
                k[6 * b + j] = x[j] = k[3 * b + j] * k[5 * b + j];
            }
        }
        double sum = 0.0, *y = scores + t * (b + 1);
        for (long j = 0; j < b; j++) {
            const double score = x[j] * extra[b + j] + extra[2 * b + j];
            y[j] = exp(score);
            sum += y[j];
            total += sequence[(t + 1) * b + j] * score;
        }
        y[b] = sum + 2.0;
        double mass = 0.0;
        for (long j = 0; j < b; j++) mass += sequence[(t + 1) * b + j];
        total -= mass * log(y[b]);
    }
    const double scale = -1.0 / (T * b);
    double d_hidden[L * b], d_cell[L * b];
    memset(d_main, 0, 2 * L * gates * sizeof(double));
    memset(d_extra, 0, 3 * b * sizeof(double));
    memset(d_hidden, 0, sizeof d_hidden);
    memset(d_cell, 0, sizeof d_cell);
    for (long t = T - 1; t >= 0; t--) {
        const double *y = scores + t * (b + 1), *top = tape + (t * L + L - 1) * kept + 6 * b;
        double mass = 0.0, d_x[b];
        for (long j = 0; j < b; j++) mass += sequence[(t + 1) * b + j];
        for (long j = 0; j < b; j++) {
            const double d_score = scale * (sequence[(t + 1) * b + j] - mass * y[j] / y[b]);
            d_extra[2 * b + j] += d_score;
            d_extra[b + j] += d_score * top[j];
            d_x[j] = d_score * extra[b + j];
        }
        for (long l = L - 1; l >= 0; l--) {
            const double *w = main + 2 * l * gates, *cell = cells + (t * L + l) * b;
            const double *hidden = t ? tape + ((t - 1) * L + l) * kept + 6 * b : in[2] + 2 * l * b;
            const double *k = tape + (t * L + l) * kept;
            double *dw = d_main + 2 * l * gates, *db = dw + gates, *dh = d_hidden + l * b, *dc = d_cell + l * b;
            for (long j = 0; j < b; j++) {
                const double forget = k[b + j], admit = k[2 * b + j], emit = k[3 * b + j], change = k[4 * b + j];
                const double bent = k[5 * b + j], up = d_x[j] + dh[j];
                const double down = dc[j] + up * emit * (1.0 - bent * bent);
                const double z0 = down * cell[j] * forget * (1.0 - forget), z1 = down * change * admit * (1.0 - admit);
                const double z2 = up * bent * emit * (1.0 - emit), z3 = down * admit * (1.0 - change * change);
                dw[j] += z0 * k[j];
                dw[b + j] += z1 * hidden[j];
                dw[2 * b + j] += z2 * k[j];
                dw[3 * b + j] += z3 * hidden[j];
                db[j] += z0;
                db[b + j] += z1;
                db[2 * b + j] += z2;
                db[3 * b + j] += z3;
                dc[j] = down * forget;
                dh[j] = z1 * w[b + j] + z3 * w[3 * b + j];
                d_x[j] = z0 * w[j] + z2 * w[2 * b + j];
            }
        }
        for (long j = 0; j < b; j++) d_extra[j] += d_x[j] * sequence[t * b + j];
    }
    out[0][0] = scale * total;
    free(tape);
}
DRIVER(lstm_gradient)
