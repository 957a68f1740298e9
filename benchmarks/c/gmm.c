/* Value and gradient of the Gaussian mixture, point by point and component by component, as one writes it by hand. */
#include "driver.h"
#include <float.h>

/* sizes: d, K, n; in: alphas, means, factors, points, (gamma, m, constant of the value); out: value, three gradients. */
WORK gmm_gradient_once(const long *sizes, const double *const *in, double *const *out) {
    const long d = sizes[0], K = sizes[1], n = sizes[2], width = d * (d + 1) / 2;
    const double *alphas = in[0], *means = in[1], *factors = in[2], *points = in[3];
    const double gamma = in[4][0], m = in[4][1], constant = in[4][2];
    double *d_alphas = out[1], *d_means = out[2], *d_factors = out[3];
    double diagonal[K * d], sum_log[K], inner[K], centred[K * d], scaled[K * d], total = 0.0;
    memset(d_alphas, 0, K * sizeof(double));
    memset(d_means, 0, K * d * sizeof(double));
    memset(d_factors, 0, K * width * sizeof(double));
    for (long k = 0; k < K; k++) {
        sum_log[k] = 0.0;
        for (long i = 0; i < d; i++) {
            diagonal[k * d + i] = exp(factors[k * width + i]);
            sum_log[k] += factors[k * width + i];
        }
    }
    for (long p = 0; p < n; p++) {
        const double *x = points + p * d;
        double top = -DBL_MAX, sum = 0.0;
        for (long k = 0; k < K; k++) {
            const double *lower = factors + k * width + d;
            double *c = centred + k * d, *y = scaled + k * d, square = 0.0;
            for (long i = 0; i < d; i++) {
                c[i] = x[i] - means[k * d + i];
                y[i] = diagonal[k * d + i] * c[i];
            }
            for (long j = 0; j < d; j++)
                for (long i = j + 1; i < d; i++) y[i] += *lower++ * c[j];
            for (long i = 0; i < d; i++) square += y[i] * y[i];
            inner[k] = alphas[k] + sum_log[k] - 0.5 * square;
            top = inner[k] > top ? inner[k] : top;
        }
        for (long k = 0; k < K; k++) {
            inner[k] = exp(inner[k] - top);
            sum += inner[k];
        }
        total += log(sum) + top;
        for (long k = 0; k < K; k++) {
            const double share = inner[k] / sum, *lower = factors + k * width + d;
            const double *c = centred + k * d, *y = scaled + k * d;
            double *d_lower = d_factors + k * width + d, *d_mean = d_means + k * d;
            d_alphas[k] += share;
            for (long i = 0; i < d; i++) {
                d_factors[k * width + i] += share * (1.0 - y[i] * diagonal[k * d + i] * c[i]);
                d_mean[i] += share * y[i] * diagonal[k * d + i];
            }
            for (long j = 0; j < d; j++) {
                double mean = 0.0;
                const double moved = share * c[j];
                for (long i = j + 1; i < d; i++) {
                    *d_lower++ -= moved * y[i];
                    mean += *lower++ * y[i];
                }
                d_mean[j] += share * mean;
            }
        }
    }
    double top = -DBL_MAX, sum = 0.0, prior = 0.0;
    for (long k = 0; k < K; k++) top = alphas[k] > top ? alphas[k] : top;
    for (long k = 0; k < K; k++) sum += exp(alphas[k] - top);
    for (long k = 0; k < K; k++) {
        d_alphas[k] -= n * exp(alphas[k] - top) / sum;
        for (long i = 0; i < width; i++) {
            const double entry = i < d ? diagonal[k * d + i] : factors[k * width + i];
            prior += 0.5 * gamma * gamma * entry * entry;
            d_factors[k * width + i] += gamma * gamma * entry * (i < d ? entry : 1.0) - (i < d ? m : 0.0);
        }
        prior -= m * sum_log[k];
    }
    out[0][0] = constant + total - n * (log(sum) + top) + prior;
}
DRIVER(gmm_gradient)
