// LADDER-PCG, one block a vector, each vector with conductances of its own; the steps of ladder_kernel.py in its order.
//
// A line is one thread's: word lines are solved M at a time, bit lines N at a time. Between the two kinds of lines,
// and around every sum, the block waits. All arrays lie (rows, cols) in global memory: threads of a bit-line sweep read
// neighbours, those of a word-line sweep rows apart, where the next steps find the rest of what a read has brought.
// Sums go thread by thread in one order: a vector's bits depend on the number of threads, never on the batch.
//
// REAL: double or float. Compiled at run time for the device at hand; also as C++, for tests without one.

#ifndef REAL
#define REAL double
#endif

struct Lines {                     // cell k of line n, counted from the far end, is number first + n across + k along
    const REAL *ohm, *far, *ga, *ro;   // segments on the near side of the cells; ends, one number a line
    int lines, cells, first, across, along;
};

#define EACH(n, count) for (int n = threadIdx.x; n < (count); n += blockDim.x)

static __device__ void factor(Lines L, const REAL *d, REAL *th, REAL *x0, REAL *xs)
{
    EACH(n, L.lines) {
        int p = L.first + n * L.across;
        REAL x = L.far[n] + d[p];
        for (int k = 1; k < L.cells; ++k, p += L.along) {
            th[p] = 1 / (1 + L.ohm[p] * x);
            x = d[p + L.along] + th[p] * x;
        }
        const REAL sum = L.ga[n] + L.ro[n] * x;
        x0[n] = sum > 0 ? L.ro[n] / sum : 0;
        xs[n] = sum > 0 ? L.ga[n] / sum : 0;
    }                              // no barrier: a line's factors are its own thread's alone
}

// Currents into the nodes become voltages, in place; `source`: behind the near ends, or none.
static __device__ void solve_lines(Lines L, const REAL *th, const REAL *x0, const REAL *xs, const REAL *source, REAL *z)
{
    EACH(n, L.lines) {
        int p = L.first + n * L.across;
        for (int k = 1; k < L.cells; ++k, p += L.along) z[p + L.along] += th[p] * z[p];
        z[p] = z[p] * x0[n] + (source ? xs[n] * source[n] : 0);
        for (int k = 1; k < L.cells; ++k, p -= L.along) {
            const int q = p - L.along;
            z[q] = th[q] * (z[p] + L.ohm[q] * z[q]);
        }
    }
    __syncthreads();
}

static __device__ REAL dot(const REAL *a, const REAL *b, int cells, REAL *shared)
{
    REAL part = 0, sum = 0;
    EACH(n, cells) part += a[n] * b[n];
    shared[threadIdx.x] = part;
    __syncthreads();
    for (int t = 0; t < blockDim.x; ++t) sum += shared[t];
    __syncthreads();               // before anybody writes there again
    return sum;
}

extern "C" __global__ void ladder_pcg(
    const REAL *d_all,                                   // (batch, rows, cols)
    const REAL *word_ohm, const REAL *word_far, const REAL *word_ga, const REAL *word_ro,
    const REAL *bit_ohm, const REAL *bit_far, const REAL *bit_ga, const REAL *bit_ro,
    const REAL *left, const REAL *bottom,                // (batch, rows), (batch, cols): behind the near ends
    const REAL *into_word, const REAL *into_bit,         // (batch, rows, cols): currents into the nodes
    REAL *word_out, REAL *bit_out, REAL *short_out,      // (batch, rows, cols)
    int *counts,                                         // (batch,)
    REAL *work,                                          // (batch, 6 rows cols + 2 rows + 2 cols)
    int rows, int cols, int most, REAL tolerance)
{
    extern __shared__ REAL shared[];
    const int cells = rows * cols;
    const size_t v = blockIdx.x, at = v * cells;
    const REAL *d = d_all + at;
    const Lines words = {word_ohm, word_far, word_ga, word_ro, rows, cols, cols - 1, cols, -1};
    const Lines bits = {bit_ohm, bit_far, bit_ga, bit_ro, cols, rows, 0, 1, cols};
    REAL *w = word_out + at, *b = bit_out + at, *z = short_out + at;
    REAL *th_w = work + v * (6 * (size_t)cells + 2 * rows + 2 * cols), *th_b = th_w + cells;
    REAL *r = th_b + cells, *p = r + cells, *mp = p + cells, *q = mp + cells;
    REAL *x0_w = q + cells, *xs_w = x0_w + rows, *x0_b = xs_w + rows, *xs_b = x0_b + cols;

    factor(words, d, th_w, x0_w, xs_w);
    factor(bits, d, th_b, x0_b, xs_b);
    EACH(n, cells) w[n] = into_word[at + n];
    __syncthreads();
    solve_lines(words, th_w, x0_w, xs_w, left + v * rows, w);
    EACH(n, cells) { q[n] = d[n] * w[n]; b[n] = q[n] + into_bit[at + n]; }
    __syncthreads();
    solve_lines(bits, th_b, x0_b, xs_b, bottom + v * cols, b);
    EACH(n, cells) z[n] = mp[n] = r[n] = d[n] * b[n];
    __syncthreads();
    const REAL scale = dot(q, w, cells, shared) + dot(r, b, cells, shared);
    solve_lines(words, th_w, x0_w, xs_w, 0, z);
    EACH(n, cells) p[n] = z[n];
    REAL rz = dot(r, z, cells, shared);

    int k = 0;
    while (k < most && rz > tolerance * tolerance * scale) {
        EACH(n, cells) q[n] = d[n] * p[n];
        __syncthreads();
        solve_lines(bits, th_b, x0_b, xs_b, 0, q);
        EACH(n, cells) q[n] = mp[n] - d[n] * q[n];
        const REAL pq = dot(p, q, cells, shared);
        if (!(pq > 0)) break;      // all threads see the same sum
        const REAL alpha = rz / pq;
        EACH(n, cells) { w[n] += alpha * p[n]; r[n] -= alpha * q[n]; z[n] = r[n]; }
        __syncthreads();
        solve_lines(words, th_w, x0_w, xs_w, 0, z);
        const REAL more = dot(r, z, cells, shared), beta = more / rz;
        EACH(n, cells) { p[n] = z[n] + beta * p[n]; mp[n] = r[n] + beta * mp[n]; }
        rz = more;
        ++k;
    }

    // One more step of the line iteration: it costs a solution of the bit lines, no new direction.
    EACH(n, cells) { b[n] = d[n] * w[n] + into_bit[at + n]; q[n] = d[n] * z[n]; }
    __syncthreads();
    solve_lines(bits, th_b, x0_b, xs_b, bottom + v * cols, b);
    solve_lines(bits, th_b, x0_b, xs_b, 0, q);
    // z, the correction of the word nodes, makes room for the currents that they are short of.
    EACH(n, cells) { w[n] += z[n]; b[n] += q[n]; z[n] = d[n] * q[n]; }
    if (threadIdx.x == 0) counts[v] = k;
}
