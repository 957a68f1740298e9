/* Rosenbrock, an element-wise chain and an ordinary differential equation: value and gradient by hand. */
#include "driver.h"

WORK scalar_gradient_once(const long *sizes, const double *const *in, double *const *out) {
    const double x = in[0][0], y = in[0][1], s = sin(x), e = exp(-y), q = 1.0 + x * x;
    (void)sizes;
    out[0][0] = s * e + x * y / q;
    out[1][0] = cos(x) * e + y * (1.0 - x * x) / (q * q);
    out[1][1] = -s * e + x / q;
}
DRIVER(scalar_gradient)

/* sizes: n; in: x; out: value, gradient. */
WORK rosenbrock_gradient_once(const long *sizes, const double *const *in, double *const *out) {
    const long n = sizes[0];
    const double *restrict x = in[0];
    double *restrict g = out[1], total = 0.0;
    g[0] = -400.0 * x[0] * (x[1] - x[0] * x[0]) - 2.0 * (1.0 - x[0]);
    for (long i = 1; i < n - 1; i++) {
        const double back = x[i] - x[i - 1] * x[i - 1], ahead = x[i + 1] - x[i] * x[i], rest = 1.0 - x[i];
        total += 100.0 * ahead * ahead + rest * rest;
        g[i] = 200.0 * back - 400.0 * x[i] * ahead - 2.0 * rest;
    }
    const double ahead = x[1] - x[0] * x[0], rest = 1.0 - x[0];
    g[n - 1] = 200.0 * (x[n - 1] - x[n - 2] * x[n - 2]);
    out[0][0] = total + 100.0 * ahead * ahead + rest * rest;
}
DRIVER(rosenbrock_gradient)

enum { TILE = 256 };

/* sum(tanh(sin x exp(-x^2) + log1p(x^2))) with sine and cosine in loops apart, so that both become vector calls. */
WORK chain_gradient_once(const long *sizes, const double *const *in, double *const *out) {
    const double *restrict x = in[0];
    double *restrict g = out[1], total = 0.0;
    for (long start = 0; start < sizes[0]; start += TILE) {
        const long n = sizes[0] - start < TILE ? sizes[0] - start : TILE;
        double sine[TILE], cosine[TILE], bell[TILE], bent[TILE];
        for (long i = 0; i < n; i++) sine[i] = sin(x[start + i]);
        for (long i = 0; i < n; i++) cosine[i] = cos(x[start + i]);
        for (long i = 0; i < n; i++) bell[i] = exp(-x[start + i] * x[start + i]);
        for (long i = 0; i < n; i++) bent[i] = log1p(x[start + i] * x[start + i]);
        for (long i = 0; i < n; i++) bent[i] = tanh(sine[i] * bell[i] + bent[i]);
        for (long i = 0; i < n; i++) {
            const double y = x[start + i];
            total += bent[i];
            g[start + i] = (1.0 - bent[i] * bent[i]) *
                           (bell[i] * (cosine[i] - 2.0 * y * sine[i]) + 2.0 * y / (1.0 + y * y));
        }
    }
    out[0][0] = total;
}
DRIVER(chain_gradient)

typedef double lanes __attribute__((vector_size(32)));

/* Lotka-Volterra by Runge and Kutta's method with the four tangents of the parameters in one register.
   sizes: steps; in: parameters, initial state, (step); out: value, gradient. */
WORK lotka_gradient_once(const long *sizes, const double *const *in, double *const *out) {
    const double a = in[0][0], b = in[0][1], c = in[0][2], d = in[0][3], step = in[2][0];
    const double share[4] = {0.0, 0.5, 0.5, 1.0}, weight[4] = {1.0 / 6, 1.0 / 3, 1.0 / 3, 1.0 / 6};
    const lanes da = {1, 0, 0, 0}, db = {0, 1, 0, 0}, dc = {0, 0, 1, 0}, dd = {0, 0, 0, 1};
    double x = in[1][0], y = in[1][1];
    lanes dx = {0}, dy = {0};
    for (long t = 0; t < sizes[0]; t++) {
        double kx = 0, ky = 0, sx = 0, sy = 0;
        lanes dkx = {0}, dky = {0}, dsx = {0}, dsy = {0};
        for (int stage = 0; stage < 4; stage++) {
            const double h = share[stage] * step, u = x + h * kx, v = y + h * ky, uv = u * v;
            const lanes du = dx + h * dkx, dv = dy + h * dky, duv = du * v + u * dv;
            kx = a * u - b * uv;
            ky = d * uv - c * v;
            dkx = da * u + a * du - db * uv - b * duv;
            dky = dd * uv + d * duv - dc * v - c * dv;
            sx += weight[stage] * kx;
            sy += weight[stage] * ky;
            dsx += weight[stage] * dkx;
            dsy += weight[stage] * dky;
        }
        x += step * sx;
        y += step * sy;
        dx += step * dsx;
        dy += step * dsy;
    }
    const lanes total = dx + 2.0 * y * dy;
    out[0][0] = x + y * y;
    for (int i = 0; i < 4; i++) out[1][i] = total[i];
}
DRIVER(lotka_gradient)
