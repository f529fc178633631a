/* One latent z for the next byte; see energy.py. */
#include "parts.h"

#include <string.h>

/* However a model was made or saved, everything stays finite while z does. */
static float bounded(float value)
{
    return value > 16 ? 16 : value < -16 ? -16 : value;
}

void cell_first_readout(float readout[WIDTH][256])
{
    for (unsigned number = 0; number < WIDTH * 256; number++) {
        const uint64_t drawn = mixed((number + 1) * UINT64_C(0x2545F4914F6CDD1D)) >> 40;
        readout[number / 256][number % 256] = ((float)drawn / (float)(1 << 23) - 1.0F) * 0.3F;
    }
}

void cell_prefetch(const struct cell *cell, const uint64_t hashes[CONTEXTS])
{
    for (unsigned order = 1; order <= ORDERS; order++) {
        const char *row = (const char *)cell->embedding[hashes[order] >> (64 - cell->bits)];
        for (unsigned byte = 0; byte < WIDTH * sizeof(float); byte += 64)
            __builtin_prefetch(row + byte);
    }
}

void cell_foresee(struct cell *cell, const uint64_t hashes[CONTEXTS])
{
    memset(cell->z, 0, sizeof cell->z);
    for (unsigned order = 0; order < ORDERS; order++) {
        cell->rows[order] = cell->embedding[hashes[order + 1] >> (64 - cell->bits)];
        for (unsigned d = 0; d < WIDTH; d++)
            cell->z[d] += cell->rows[order][d];
    }
    for (unsigned d = 0; d < WIDTH; d++)
        cell->z[d] = bounded(cell->z[d]);
    kernels()->softmax(cell->z, (const float(*)[256])cell->readout, cell->bias, cell->p);
    memcpy(cell->tree + 256, cell->p, sizeof cell->p);
    for (unsigned node = 255; node > 0; node--)
        cell->tree[node] = cell->tree[2 * node] + cell->tree[2 * node + 1];
}

float cell_bit(const struct cell *cell, unsigned node)
{
    const float one = cell->tree[2 * node + 1], zero = cell->tree[2 * node];
    const float p = (one + 1e-9F) / (one + zero + 2e-9F);
    return p < 1e-4F ? 1e-4F : p > 1 - 1e-4F ? 1 - 1e-4F : p;
}

unsigned cell_learn(struct cell *cell, uint8_t byte, const struct nx_flow_settings *settings)
{
    float missed[256], pull[256], force[WIDTH], z[WIDTH];
    unsigned steps = 0;
    for (unsigned v = 0; v < 256; v++)
        missed[v] = -cell->p[v];
    missed[byte] += 1;
    memcpy(z, cell->z, sizeof z);
    memcpy(pull, missed, sizeof pull);
    for (;;) {
        float moved = 0;
        kernels()->pull((const float(*)[256])cell->readout, pull, force);
        for (unsigned d = 0; d < WIDTH; d++) {
            const float step = 0.5F * (cell->z[d] - z[d] + force[d]);
            z[d] = bounded(z[d] + step);
            moved += step * step;
        }
        steps++;
        if (steps >= settings->relaxation_steps || moved < settings->relaxation_stop)
            break;
        kernels()->softmax(z, (const float(*)[256])cell->readout, cell->bias, pull);
        for (unsigned v = 0; v < 256; v++)
            pull[v] = -pull[v];
        pull[byte] += 1;
    }
    for (unsigned d = 0; d < WIDTH; d++)
        kernels()->add(cell->readout[d], missed, settings->readout_rate * cell->z[d], 256);
    kernels()->add(cell->bias, missed, settings->readout_rate, 256);
    for (unsigned d = 0; d < WIDTH; d++)
        z[d] -= cell->z[d];
    for (unsigned order = 0; order < ORDERS; order++)
        kernels()->add(cell->rows[order], z, settings->row_rate, WIDTH);
    return steps;
}
