/* nexus_flowing.h keeps its word. That the numbers are those of the reference is checked from Python, in
 * tests/unit/flowing/test_reference.py; here the sanitizers see every table at its smallest. */
#include "nexus_flowing.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nexus_platform.h"
#include "parts.h"

static int failures;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);          \
            failures++;                                                                            \
        }                                                                                          \
    } while (0)

static const struct nx_flow_settings tiny = {6, 6, 6, 6, 4, 0.2F, 0.003F, 0.01F, 0.001F, 0.1F, 0.02F};
static const char text[] = "what was said is read again, and what is read again was said before. ";
enum { LENGTH = sizeof text - 1 };

static struct nx_flow *made(const struct nx_flow_settings *settings)
{
    struct nx_flow *flow = NULL;
    if (nx_flow_new(settings, &flow) != 0)
        abort();
    return flow;
}

static double surprise(struct nx_flow *flow, bool learn, unsigned kind)
{
    float bits[LENGTH];
    uint64_t steps;
    double sum = 0;
    CHECK(nx_flow_read(flow, (const uint8_t *)text, LENGTH, learn, kind, bits, &steps) == 0);
    CHECK(learn ? steps >= LENGTH && steps <= LENGTH * (uint64_t)tiny.relaxation_steps : steps == 0);
    for (size_t i = 0; i < LENGTH; i++) {
        CHECK(bits[i] >= 0 && bits[i] < 140);
        sum += bits[i];
    }
    return sum / LENGTH;
}

static size_t bytes_of(const struct nx_flow_array *array)
{
    static const size_t sizes[] = {1, 2, 4, 4};
    return array->rows * array->columns * sizes[array->type];
}

/* Whether the arrays whose names begin with `kind` are equal; with `copy` they are made so. */
static bool equal(struct nx_flow *from, struct nx_flow *to, const char *kind, bool copy)
{
    bool all = true;
    for (size_t number = 0; number < nx_flow_array_count(); number++) {
        struct nx_flow_array a, b;
        CHECK(nx_flow_get_array(from, number, &a) == 0 && nx_flow_get_array(to, number, &b) == 0);
        if (strncmp(a.name, kind, strlen(kind)) != 0)
            continue;
        if (copy)
            memcpy(b.data, a.data, bytes_of(&a));
        all = all && memcmp(a.data, b.data, bytes_of(&a)) == 0;
    }
    return all;
}

static void it_learns_and_only_when_told_to(void)
{
    struct nx_flow *flow = made(&tiny), *twin = made(&tiny);
    const double first = surprise(flow, true, 0), again = surprise(flow, true, 0);
    CHECK(again < first); /* by how much is for larger tables */
    surprise(twin, true, 0);
    surprise(twin, true, 0);
    CHECK(equal(flow, twin, "", false)); /* the same bytes make the same flow */
    surprise(flow, false, 0);
    surprise(flow, false, 1);
    CHECK(equal(flow, twin, "", false));
    surprise(flow, true, 1);
    CHECK(equal(flow, twin, "base", false) && !equal(flow, twin, "user", false));
    nx_flow_begin(flow);
    nx_flow_begin(twin);
    CHECK(surprise(flow, false, 0) == surprise(twin, false, 0));
    uint64_t totals[NX_FLOW_KINDS];
    nx_flow_totals(flow, totals);
    CHECK(totals[0] == 2 * LENGTH && totals[1] == LENGTH);
    nx_flow_free(flow);
    nx_flow_free(twin);
}

static void a_copy_goes_on_as_the_original(void)
{
    struct nx_flow *flow = made(&tiny), *copy = made(&tiny);
    uint64_t totals[NX_FLOW_KINDS];
    surprise(flow, true, 0);
    surprise(flow, true, 1);
    CHECK(equal(flow, copy, "", true));
    nx_flow_totals(flow, totals);
    nx_flow_set_totals(copy, totals);
    CHECK(nx_flow_check(copy) == 0);
    nx_flow_begin(flow);
    CHECK(surprise(flow, true, 1) == surprise(copy, true, 1));
    CHECK(equal(flow, copy, "", false));
    nx_flow_free(flow);
    nx_flow_free(copy);
}

static void predictions_are_what_is_then_read(void)
{
    struct nx_flow *flow = made(&tiny);
    for (unsigned kind = 0; kind < NX_FLOW_KINDS; kind++) {
        surprise(flow, true, kind);
        for (size_t i = 0; i < LENGTH; i++) {
            float p[256], bits, sum = 0;
            uint64_t steps;
            CHECK(nx_flow_predict(flow, kind, p) == 0);
            for (unsigned v = 0; v < 256; v++)
                sum += p[v];
            CHECK(fabsf(sum - 1) < 1e-4F);
            CHECK(nx_flow_read(flow, (const uint8_t *)text + i, 1, false, kind, &bits, &steps) == 0);
            CHECK(fabsf(-log2f(p[(uint8_t)text[i]]) - bits) < 1e-3F + 1e-3F * bits);
        }
    }
    nx_flow_free(flow);
}

static void it_refuses_and_changes_nothing(void)
{
    struct nx_flow *flow = made(&tiny), *none = flow, *twin = made(&tiny);
    struct nx_flow_settings bad[] = {tiny, tiny, tiny, tiny, tiny};
    bad[0].base_bits = NX_FLOW_MOST_BITS + 1;
    bad[1].match_bits = NX_FLOW_LEAST_BITS - 1;
    bad[2].relaxation_steps = 0;
    bad[3].mixer_rate = NAN;
    bad[4].row_rate = 1.5F;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        none = flow;
        CHECK(nx_flow_new(&bad[i], &none) == EINVAL && none == NULL);
    }
    CHECK(nx_flow_new(NULL, &none) == EINVAL && nx_flow_new(&tiny, NULL) == EINVAL);
    const uint8_t *data = (const uint8_t *)text;
    float bits[4], p[256];
    uint64_t steps;
    struct nx_flow_array array;
    errno = EPIPE;
    CHECK(nx_flow_read(NULL, data, 4, true, 0, bits, &steps) == EINVAL);
    CHECK(nx_flow_read(flow, NULL, 4, true, 0, bits, &steps) == EINVAL);
    CHECK(nx_flow_read(flow, data, 4, true, 0, NULL, &steps) == EINVAL);
    CHECK(nx_flow_read(flow, data, 4, true, 0, bits, NULL) == EINVAL);
    CHECK(nx_flow_read(flow, data, 4, true, NX_FLOW_KINDS, bits, &steps) == EINVAL);
    CHECK(nx_flow_read(flow, NULL, 0, true, 0, NULL, &steps) == 0 && steps == 0);
    CHECK(nx_flow_predict(flow, NX_FLOW_KINDS, p) == EINVAL && nx_flow_predict(NULL, 0, p) == EINVAL);
    CHECK(nx_flow_get_array(flow, nx_flow_array_count(), &array) == EINVAL);
    CHECK(nx_flow_check(NULL) == EINVAL && nx_flow_check(flow) == 0);
    CHECK(errno == EPIPE);
    CHECK(equal(flow, twin, "", false));
    for (size_t number = 0; number < nx_flow_array_count(); number++) {
        CHECK(nx_flow_get_array(flow, number, &array) == 0);
        const size_t last = bytes_of(&array) - 4;
        uint32_t kept;
        const float no_number = NAN;
        memcpy(&kept, (char *)array.data + last, 4);
        memcpy((char *)array.data + last, &no_number, 4);
        const bool unusable = array.type == NX_FLOW_F32;
        if (unusable)
            CHECK(nx_flow_check(flow) == EINVAL);
        memcpy((char *)array.data + last, &kept, 4);
    }
    CHECK(nx_flow_check(flow) == 0);
    nx_flow_free(flow);
    nx_flow_free(twin);
    nx_flow_free(NULL);
}

static void the_loops_agree(void)
{
#if defined(__x86_64__)
    struct nx_cpu_features cpu;
    nx_cpu_features(&cpu);
    if (!cpu.avx2 || !__builtin_cpu_supports("fma"))
        return;
    static float readout[WIDTH][256], bias[256], a[256], b[256], z[WIDTH], out[2][WIDTH];
    cell_first_readout(readout);
    for (unsigned v = 0; v < 256; v++) {
        bias[v] = sinf((float)v);
        a[v] = (float)(v + 1) / 258;
    }
    for (unsigned d = 0; d < WIDTH; d++)
        z[d] = cosf((float)d) * 16;
    const struct kernels *loops[] = {&kernels_plain, &kernels_avx2};
    float p[2][256], s[2][256];
    for (int i = 0; i < 2; i++) {
        loops[i]->softmax(z, (const float(*)[256])readout, bias, p[i]);
        loops[i]->stretch(a, s[i], 256);
        loops[i]->pull((const float(*)[256])readout, a, out[i]);
        memcpy(b, bias, sizeof b);
        loops[i]->add(b, a, 0.5F, 256);
        CHECK(fabsf(b[255] - (bias[255] + 0.5F * a[255])) < 1e-6F);
    }
    for (unsigned v = 0; v < 256; v++) {
        CHECK(fabsf(p[0][v] - p[1][v]) < 1e-4F);
        CHECK(fabsf(s[0][v] - s[1][v]) < 1e-5F && fabsf(s[0][v] - logf(a[v] / (1 - a[v]))) < 1e-5F);
    }
    for (unsigned d = 0; d < WIDTH; d++)
        CHECK(fabsf(out[0][d] - out[1][d]) < 1e-3F);
    CHECK(fabsf(loops[0]->dot(a, bias, 256) - loops[1]->dot(a, bias, 256)) < 1e-4F);
#endif
}

int main(void)
{
    it_learns_and_only_when_told_to();
    a_copy_goes_on_as_the_original();
    predictions_are_what_is_then_read();
    it_refuses_and_changes_nothing();
    the_loops_agree();
    if (failures == 0)
        printf("flowing: all held, with %s loops\n", nx_flow_kernels());
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
