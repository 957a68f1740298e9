/* Blocks of the bundle adjustment Jacobian by the chain rule: camera 11, point 3, weight 1 for two rows each. */
#include "driver.h"
#include <stdlib.h>

static void cross(const double *a, const double *b, double *c) {
    c[0] = a[1] * b[2] - a[2] * b[1];
    c[1] = a[2] * b[0] - a[0] * b[2];
    c[2] = a[0] * b[1] - a[1] * b[0];
}

static double dot(const double *a, const double *b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

/* Rotated vector, its derivatives by the vector (3x3) and by the axis (3x3). */
static void rotation(const double *axis, const double *v, double *out, double by_vector[3][3], double by_axis[3][3]) {
    const double square = dot(axis, axis);
    if (square == 0.0) {
        cross(axis, v, out);
        for (int i = 0; i < 3; i++) {
            double unit[3] = {0, 0, 0}, column[3];
            out[i] += v[i];
            unit[i] = 1.0;
            cross(axis, unit, column);
            for (int k = 0; k < 3; k++) by_vector[k][i] = unit[k] + column[k];
            cross(unit, v, column);
            for (int k = 0; k < 3; k++) by_axis[k][i] = column[k];
        }
        return;
    }
    const double angle = sqrt(square), c = cos(angle), s = sin(angle), rest = 1.0 - c;
    const double u[3] = {axis[0] / angle, axis[1] / angle, axis[2] / angle};
    const double skew[3][3] = {{0, -u[2], u[1]}, {u[2], 0, -u[0]}, {-u[1], u[0], 0}};
    double across[3];
    cross(u, v, across);
    const double along = dot(u, v);
    for (int k = 0; k < 3; k++) out[k] = v[k] * c + across[k] * s + u[k] * along * rest;
    for (int k = 0; k < 3; k++)
        for (int j = 0; j < 3; j++) by_vector[k][j] = (k == j ? c : 0.0) + s * skew[k][j] + rest * u[k] * u[j];
    for (int j = 0; j < 3; j++) {
        double du[3], moved[3];
        for (int k = 0; k < 3; k++) du[k] = ((k == j) - u[k] * u[j]) / angle;
        cross(du, v, moved);
        const double slope = dot(du, v);
        for (int k = 0; k < 3; k++)
            by_axis[k][j] = u[j] * (c * across[k] - s * v[k] + s * u[k] * along) + s * moved[k] +
                            rest * (du[k] * along + u[k] * slope);
    }
}

/* Two rows of 15 entries and the weight's entry of observation o. */
static void observation(const double *const *in, long o, double *const *rows, double *by_weight) {
    const double *camera = in[0] + 11 * (long)in[4][o], *point = in[1] + 3 * (long)in[5][o];
    const double weight = in[2][o], *feature = in[3] + 2 * o;
    double moved[3], seen[3], by_vector[3][3], by_axis[3][3];
    for (int k = 0; k < 3; k++) moved[k] = point[k] - camera[3 + k];
    rotation(camera, moved, seen, by_vector, by_axis);
    const double inverse = 1.0 / seen[2], x[2] = {seen[0] * inverse, seen[1] * inverse};
    const double square = x[0] * x[0] + x[1] * x[1];
    const double distortion = 1.0 + camera[9] * square + camera[10] * square * square;
    const double bend = 2.0 * camera[9] + 4.0 * camera[10] * square, focal = weight * camera[6];
    for (int r = 0; r < 2; r++) {
        const double first = focal * ((r == 0 ? distortion : 0.0) + bend * x[r] * x[0]) * inverse;
        const double second = focal * ((r == 1 ? distortion : 0.0) + bend * x[r] * x[1]) * inverse;
        const double third = -first * x[0] - second * x[1];
        double *row = rows[r];
        for (int j = 0; j < 3; j++) {
            row[j] = first * by_axis[0][j] + second * by_axis[1][j] + third * by_axis[2][j];
            row[11 + j] = first * by_vector[0][j] + second * by_vector[1][j] + third * by_vector[2][j];
            row[3 + j] = -row[11 + j];
        }
        row[6] = weight * distortion * x[r];
        row[7] = r == 0 ? weight : 0.0;
        row[8] = r == 1 ? weight : 0.0;
        row[9] = focal * x[r] * square;
        row[10] = focal * x[r] * square * square;
        row[14] = x[r] * distortion * camera[6] + camera[7 + r] - feature[r];
    }
    *by_weight = -2.0 * weight;
}

/* sizes: p; in: cameras, points, weights, features, camera of, point of (as numbers); out: blocks (p, 2, 15), weight
   entries (p). The values alone, into memory that is there. */
WORK ba_jacobian_once(const long *sizes, const double *const *in, double *const *out) {
    for (long o = 0; o < sizes[0]; o++) {
        double *rows[2] = {out[0] + 30 * o, out[0] + 30 * o + 15};
        observation(in, o, rows, out[1] + o);
    }
}
DRIVER(ba_jacobian)

/* A matrix in compressed sparse rows that grows entry by entry, as a container of the standard library does. */
static struct {
    double *values;
    long *columns, *starts;
    long entries, rows, room, row_room;
} matrix;

static void close_row(void) {
    if (matrix.rows == matrix.row_room) {
        matrix.row_room = matrix.row_room ? 2 * matrix.row_room : 1;
        matrix.starts = realloc(matrix.starts, matrix.row_room * sizeof(long));
    }
    matrix.starts[matrix.rows++] = matrix.entries;
}

static void push(double value, long column) {
    if (matrix.entries == matrix.room) {
        matrix.room = matrix.room ? 2 * matrix.room : 1;
        matrix.values = realloc(matrix.values, matrix.room * sizeof(double));
        matrix.columns = realloc(matrix.columns, matrix.room * sizeof(long));
    }
    matrix.values[matrix.entries] = value;
    matrix.columns[matrix.entries++] = column;
}

/* sizes: p, cameras, points; in as above: the sparse matrix itself, made anew in each run. */
WORK ba_matrix_once(const long *sizes, const double *const *in, double *const *out) {
    const long first_point = 11 * sizes[1], first_weight = first_point + 3 * sizes[2];
    (void)out;
    free(matrix.values);
    free(matrix.columns);
    free(matrix.starts);
    memset(&matrix, 0, sizeof matrix);
    close_row();
    for (long o = 0; o < sizes[0]; o++) {
        double block[2][15], by_weight, *rows[2] = {block[0], block[1]};
        observation(in, o, rows, &by_weight);
        for (int r = 0; r < 2; r++) {
            for (int j = 0; j < 11; j++) push(block[r][j], 11 * (long)in[4][o] + j);
            for (int j = 0; j < 3; j++) push(block[r][11 + j], first_point + 3 * (long)in[5][o] + j);
            push(block[r][14], first_weight + o);
            close_row();
        }
    }
    for (long o = 0; o < sizes[0]; o++) {
        push(-2.0 * in[2][o], first_weight + o);
        close_row();
    }
}
DRIVER(ba_matrix)

/* The values of the matrix made last. */
void ba_matrix_values(double *values) { memcpy(values, matrix.values, matrix.entries * sizeof(double)); }
