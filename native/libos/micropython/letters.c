/* Tables as ranges: most alphabets lie in Unicode as runs of letters, with the other case at a fixed
 * distance or as the neighbour. */
#include "letters.h"

static const struct {
    uint16_t first, last;
} ranges[] = {
    {'A', 'Z'},
    {'a', 'z'},
    {0xaa, 0xaa},
    {0xb5, 0xb5},
    {0xba, 0xba},
    {0xc0, 0xd6},
    {0xd8, 0xf6},
    {0xf8, 0x2c1},
    {0x370, 0x373},
    {0x376, 0x377},
    {0x37b, 0x37d},
    {0x386, 0x386},
    {0x388, 0x3ff},
    {0x400, 0x481},
    {0x48a, 0x52f},
    {0x531, 0x556},
    {0x561, 0x587},
    {0x5d0, 0x5ea},
    {0x620, 0x64a},
    {0x671, 0x6d3},
    {0x904, 0x939},
    {0xe01, 0xe30},
    {0x10a0, 0x10ff},
    {0x1100, 0x11ff},
    {0x1e00, 0x1fff},
    {0x3041, 0x3096},
    {0x30a1, 0x30fa},
    {0x3105, 0x312f},
    {0x3400, 0x4dbf},
    {0x4e00, 0x9fff},
    {0xac00, 0xd7a3},
    {0xff21, 0xff3a},
    {0xff41, 0xff5a},
};

bool nx_is_letter(unichar c)
{
    for (size_t i = 0; i < MP_ARRAY_SIZE(ranges); i++)
        if (c <= ranges[i].last)
            return c >= ranges[i].first;
    return c >= 0x20000 && c <= 0x3134a;
}

/* Capitals first .. last have their small letter `distance` further on; 1: the small one is each one's
 * neighbour, capitals being those of the first's parity. */
static const struct {
    uint16_t first, last, distance;
} cases[] = {
    {'A', 'Z', 32},
    {0xc0, 0xd6, 32},
    {0xd8, 0xde, 32},
    {0x100, 0x12e, 1},
    {0x132, 0x136, 1},
    {0x139, 0x147, 1},
    {0x14a, 0x176, 1},
    {0x179, 0x17d, 1},
    {0x1cd, 0x1db, 1},
    {0x1de, 0x1ee, 1},
    {0x1f8, 0x21e, 1},
    {0x222, 0x232, 1},
    {0x246, 0x24e, 1},
    {0x388, 0x38a, 37},
    {0x391, 0x3a1, 32},
    {0x3a3, 0x3ab, 32},
    {0x3d8, 0x3ee, 1},
    {0x400, 0x40f, 80},
    {0x410, 0x42f, 32},
    {0x460, 0x480, 1},
    {0x48a, 0x4be, 1},
    {0x4c1, 0x4cd, 1},
    {0x4d0, 0x52e, 1},
    {0x531, 0x556, 48},
    {0x1e00, 0x1e94, 1},
    {0x1ea0, 0x1efe, 1},
    {0xff21, 0xff3a, 32},
};

unichar nx_to_lower(unichar c)
{
    for (size_t i = 0; i < MP_ARRAY_SIZE(cases); i++)
        if (c >= cases[i].first && c <= cases[i].last)
            return cases[i].distance != 1 || (c - cases[i].first) % 2 == 0 ? c + cases[i].distance : c;
    return c == 0x178 ? 0xff : c == 0x386 ? 0x3ac : c == 0x38c ? 0x3cc : c == 0x1e9e ? 0xdf : c;
}

unichar nx_to_upper(unichar c)
{
    for (size_t i = 0; i < MP_ARRAY_SIZE(cases); i++) {
        unichar distance = cases[i].distance;
        if (c >= cases[i].first + distance && c <= cases[i].last + distance)
            if (distance != 1 || (c - cases[i].first) % 2 == 1)
                return c - distance;
    }
    return c == 0xff    ? 0x178
           : c == 0x3ac ? 0x386
           : c == 0x3cc ? 0x38c
           : c == 0x3c2 ? 0x3a3
           : c == 0xb5  ? 0x39c
                        : c;
}
