// The sweep of MARCH over many tiles: one thread marches one lane of one tile, and lanes never meet.
//
// A lane keeps three numbers for each row: voltage w and current c of its word line, and the current f that the bit
// line has collected down to there. Where they fit they lie in shared memory, one thread beside the other, so that a
// warp reads 32 neighbours; else in the global arrays, in the same order. The tile's own numbers are the same for all
// threads of a block: one read serves a warp.
//
// REAL: double or float. Compiled at run time for the device at hand; also as C++, for tests without one.

#ifndef REAL
#define REAL double
#endif

extern "C" __global__ void march(
    const REAL *d, const REAL *word, const REAL *th, const REAL *tr, const REAL *ladder,  // Columns of march_namespace
    REAL *w_all, REAL *c_all,      // (tiles, rows, lanes): the state, changed in place
    REAL *f_all,                   // the same, work space; not used in shared memory
    REAL *near, REAL *total,       // (tiles, last - first, lanes): currents at the bottom, sums of the cell currents
    int rows, int cols, int lanes, int first, int last, int in_shared)
{
    extern __shared__ REAL shared[];
    const int groups = (lanes + blockDim.x - 1) / blockDim.x;
    const int tile = blockIdx.x / groups;
    const int lane = (blockIdx.x % groups) * blockDim.x + threadIdx.x;
    if (lane >= lanes) return;     // no thread waits for another

    const size_t start = (size_t)tile * rows * lanes + lane;
    const int step = in_shared ? blockDim.x : lanes;
    REAL *w = in_shared ? shared + threadIdx.x : w_all + start;
    REAL *c = in_shared ? w + (size_t)rows * step : c_all + start;
    REAL *f = in_shared ? c + (size_t)rows * step : f_all + start;
    if (in_shared)
        for (int k = 0; k < rows; ++k) {
            w[(size_t)k * step] = w_all[start + (size_t)k * lanes];
            c[(size_t)k * step] = c_all[start + (size_t)k * lanes];
        }

    for (int j = last - 1; j >= first; --j) {
        const size_t column = ((size_t)tile * cols + j) * rows;
        const REAL *dj = d + column, *thj = th + column, *trj = tr + column, *rj = word + (size_t)j * rows;
        REAL x = dj[0] * w[0];
        f[0] = x;
        for (int k = 1; k < rows; ++k) {
            x = dj[k] * w[(size_t)k * step] + thj[k - 1] * x;
            f[(size_t)k * step] = x;
        }
        const REAL *weights = ladder + (size_t)tile * 2 * cols + j;
        const size_t out = ((size_t)tile * (last - first) + j - first) * lanes + lane;
        near[out] = weights[cols] * x;
        REAL b = weights[0] * x, sum = 0;
        for (int k = rows - 1; k >= 0; --k) {
            const size_t at = (size_t)k * step;
            if (k < rows - 1) b = thj[k] * b + trj[k] * f[at];
            const REAL y = dj[k] * (w[at] - b);
            sum += y;
            c[at] += y;
            w[at] += rj[k] * c[at];
        }
        total[out] = sum;
    }

    if (in_shared)
        for (int k = 0; k < rows; ++k) {
            w_all[start + (size_t)k * lanes] = w[(size_t)k * step];
            c_all[start + (size_t)k * lanes] = c[(size_t)k * step];
        }
}
