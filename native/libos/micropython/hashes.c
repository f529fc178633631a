/* Module _hashes: md5, sha1, sha384 and sha512 of one whole buffer, which MicroPython lacks (RFC 1321, FIPS 180-4).
 * hashlib.py keeps what was given to update() and asks once. */
#include <string.h>

#include "py/obj.h"
#include "py/runtime.h"

#define LEFT(x, n) ((uint32_t)((x) << (n) | (x) >> (32 - (n))))
#define RIGHT(x, n) ((x) >> (n) | (x) << (64 - (n)))

typedef void block_function(void *state, const uint8_t *block);

/* Every block of the padded message; the length in bits stands at its end, of `length_size` bytes. */
static void digest(const uint8_t *data, size_t size, size_t block, size_t length_size, int big, block_function *f, void *state)
{
    uint8_t last[256] = {0};
    size_t whole = size / block * block, left = size - whole;
    for (size_t i = 0; i < whole; i += block)
        f(state, data + i);
    memcpy(last, data + whole, left);
    last[left] = 0x80;
    size_t end = left + 1 + length_size > block ? 2 * block : block;
    for (size_t i = 0; i < 8; i++) {
        uint8_t byte = (uint8_t)((uint64_t)size * 8 >> 8 * i);
        last[big ? end - 1 - i : end - length_size + i] = byte;
    }
    for (size_t i = 0; i < end; i += block)
        f(state, last + i);
}

static void md5_block(void *at, const uint8_t *block)
{
    static const uint8_t turns[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
    static const uint32_t sines[64] = {
        0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
        0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
        0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
        0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
        0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
        0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
        0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
        0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};
    uint32_t *h = at, w[16], a = h[0], b = h[1], c = h[2], d = h[3];
    memcpy(w, block, sizeof w);
    for (unsigned i = 0; i < 64; i++) {
        uint32_t f;
        unsigned g;
        switch (i / 16) {
        case 0: f = (b & c) | (~b & d), g = i; break;
        case 1: f = (d & b) | (~d & c), g = (5 * i + 1) % 16; break;
        case 2: f = b ^ c ^ d, g = (3 * i + 5) % 16; break;
        default: f = c ^ (b | ~d), g = 7 * i % 16;
        }
        f += a + sines[i] + w[g];
        a = d, d = c, c = b;
        b += LEFT(f, turns[i / 16][i % 4]);
    }
    h[0] += a, h[1] += b, h[2] += c, h[3] += d;
}

static void sha1_block(void *at, const uint8_t *block)
{
    static const uint32_t constants[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
    uint32_t *h = at, w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (unsigned i = 0; i < 80; i++) {
        if (i < 16) {
            memcpy(&w[i], block + 4 * i, 4);
            w[i] = __builtin_bswap32(w[i]);
        } else {
            uint32_t x = w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16];
            w[i] = LEFT(x, 1);
        }
        uint32_t f = i < 20 ? (b & c) | (~b & d) : i >= 40 && i < 60 ? (b & c) | (b & d) | (c & d) : b ^ c ^ d;
        f += LEFT(a, 5) + e + constants[i / 20] + w[i];
        e = d, d = c, c = LEFT(b, 30), b = a, a = f;
    }
    h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
}

static void sha512_block(void *at, const uint8_t *block)
{
    static const uint64_t k[80] = {
#include "sha512_constants.h"
    };
    uint64_t *h = at, w[80], s[8];
    memcpy(s, h, sizeof s);
    for (unsigned i = 0; i < 80; i++) {
        if (i < 16) {
            memcpy(&w[i], block + 8 * i, 8);
            w[i] = __builtin_bswap64(w[i]);
        } else {
            uint64_t x = w[i - 15], y = w[i - 2];
            w[i] = w[i - 16] + w[i - 7] + (RIGHT(x, 1) ^ RIGHT(x, 8) ^ x >> 7) + (RIGHT(y, 19) ^ RIGHT(y, 61) ^ y >> 6);
        }
        uint64_t one = s[7] + (RIGHT(s[4], 14) ^ RIGHT(s[4], 18) ^ RIGHT(s[4], 41)) + ((s[4] & s[5]) ^ (~s[4] & s[6]))
                       + k[i] + w[i];
        uint64_t two = (RIGHT(s[0], 28) ^ RIGHT(s[0], 34) ^ RIGHT(s[0], 39))
                       + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += one;
        s[0] = one + two;
    }
    for (unsigned i = 0; i < 8; i++)
        h[i] += s[i];
}

static mp_buffer_info_t buffer(mp_obj_t data)
{
    mp_buffer_info_t info;
    mp_get_buffer_raise(data, &info, MP_BUFFER_READ);
    return info;
}

static mp_obj_t hash_md5(mp_obj_t data)
{
    mp_buffer_info_t info = buffer(data);
    uint32_t state[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
    digest(info.buf, info.len, 64, 8, 0, md5_block, state);
    return mp_obj_new_bytes((const byte *)state, 16);
}
static MP_DEFINE_CONST_FUN_OBJ_1(hash_md5_obj, hash_md5);

static mp_obj_t hash_sha1(mp_obj_t data)
{
    mp_buffer_info_t info = buffer(data);
    uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    digest(info.buf, info.len, 64, 8, 1, sha1_block, state);
    for (unsigned i = 0; i < 5; i++)
        state[i] = __builtin_bswap32(state[i]);
    return mp_obj_new_bytes((const byte *)state, 20);
}
static MP_DEFINE_CONST_FUN_OBJ_1(hash_sha1_obj, hash_sha1);

static mp_obj_t sha512_family(mp_obj_t data, const uint64_t *start, size_t size)
{
    mp_buffer_info_t info = buffer(data);
    uint64_t state[8];
    memcpy(state, start, sizeof state);
    digest(info.buf, info.len, 128, 16, 1, sha512_block, state);
    for (unsigned i = 0; i < 8; i++)
        state[i] = __builtin_bswap64(state[i]);
    return mp_obj_new_bytes((const byte *)state, size);
}

static mp_obj_t hash_sha512(mp_obj_t data)
{
    static const uint64_t start[8] = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
                                      0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};
    return sha512_family(data, start, 64);
}
static MP_DEFINE_CONST_FUN_OBJ_1(hash_sha512_obj, hash_sha512);

static mp_obj_t hash_sha384(mp_obj_t data)
{
    static const uint64_t start[8] = {0xcbbb9d5dc1059ed8, 0x629a292a367cd507, 0x9159015a3070dd17, 0x152fecd8f70e5939,
                                      0x67332667ffc00b31, 0x8eb44a8768581511, 0xdb0c2e0d64f98fa7, 0x47b5481dbefa4fa4};
    return sha512_family(data, start, 48);
}
static MP_DEFINE_CONST_FUN_OBJ_1(hash_sha384_obj, hash_sha384);

static const mp_rom_map_elem_t hashes_table[] = {
    {MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR__hashes)},
    {MP_ROM_QSTR(MP_QSTR_md5), MP_ROM_PTR(&hash_md5_obj)},
    {MP_ROM_QSTR(MP_QSTR_sha1), MP_ROM_PTR(&hash_sha1_obj)},
    {MP_ROM_QSTR(MP_QSTR_sha384), MP_ROM_PTR(&hash_sha384_obj)},
    {MP_ROM_QSTR(MP_QSTR_sha512), MP_ROM_PTR(&hash_sha512_obj)},
};
static MP_DEFINE_CONST_DICT(hashes_globals, hashes_table);

const mp_obj_module_t nx_hashes = {.base = {&mp_type_module}, .globals = (mp_obj_dict_t *)&hashes_globals};
MP_REGISTER_MODULE(MP_QSTR__hashes, nx_hashes);
