/* Logistic regression with the table read once: value and gradient, and a Hessian-vector product. */
#include "driver.h"

enum { ROWS = 4, LONGEST = 1024 };

static double softplus(double x) { return (x > 0 ? x : 0) + log1p(exp(-fabs(x))); }

/* sizes: rows, columns (at most 1024); in: w, table, sign; out: value, gradient. */
WORK logistic_gradient_once(const long *sizes, const double *const *in, double *const *out) {
    const long rows = sizes[0], columns = sizes[1];
    const double *restrict w = in[0], *restrict table = in[1], *restrict sign = in[2];
    double sums[LONGEST] = {0}, total = 0.0, squares = 0.0;
    for (long r = 0; r < rows; r += ROWS) {
        const long last = rows - r < ROWS ? rows - r : ROWS;
        double share[ROWS] = {0};
        const double *restrict x[ROWS];
        for (long i = 0; i < ROWS; i++) x[i] = table + (r + (i < last ? i : 0)) * columns;
        double a = 0, b = 0, c = 0, d = 0;
        for (long j = 0; j < columns; j++) {
            a += x[0][j] * w[j];
            b += x[1][j] * w[j];
            c += x[2][j] * w[j];
            d += x[3][j] * w[j];
        }
        const double products[ROWS] = {a, b, c, d};
        for (long i = 0; i < last; i++) {
            const double margin = sign[r + i] * products[i];
            total += softplus(-margin);
            share[i] = -sign[r + i] / (1.0 + exp(margin));
        }
        for (long j = 0; j < columns; j++)
            sums[j] += share[0] * x[0][j] + share[1] * x[1][j] + share[2] * x[2][j] + share[3] * x[3][j];
    }
    for (long j = 0; j < columns; j++) {
        out[1][j] = sums[j] / rows + 0.02 * w[j];
        squares += w[j] * w[j];
    }
    out[0][0] = total / rows + 0.01 * squares;
}
DRIVER(logistic_gradient)

/* sizes: rows, columns; in: w, table, sign, v; out: Hessian times v. */
WORK logistic_product_once(const long *sizes, const double *const *in, double *const *out) {
    const long rows = sizes[0], columns = sizes[1];
    const double *restrict w = in[0], *restrict table = in[1], *restrict v = in[3];
    double sums[LONGEST] = {0};
    for (long r = 0; r < rows; r += 2) {
        const long second = r + 1 < rows;
        const double *restrict x = table + r * columns, *restrict y = x + second * columns;
        double a = 0, b = 0, c = 0, d = 0;
        for (long j = 0; j < columns; j++) {
            a += x[j] * w[j];
            b += x[j] * v[j];
            c += y[j] * w[j];
            d += y[j] * v[j];
        }
        const double p = 1.0 / (1.0 + exp(-a)), q = 1.0 / (1.0 + exp(-c));
        const double first = p * (1.0 - p) * b, other = second * q * (1.0 - q) * d;
        for (long j = 0; j < columns; j++) sums[j] += first * x[j] + other * y[j];
    }
    for (long j = 0; j < columns; j++) out[0][j] = sums[j] / rows + 0.02 * v[j];
}
DRIVER(logistic_product)
