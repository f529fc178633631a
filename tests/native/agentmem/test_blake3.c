/* BLAKE3 on every path: the published vectors, every short length, and any way of giving the input. */
#include "blake3.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

static void hex(const uint8_t bytes[32], char text[65])
{
    for (int i = 0; i < 32; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

static void expect(const uint8_t got[32], const char *wanted, const char *what, size_t length)
{
    char text[65];
    hex(got, text);
    if (strcmp(text, wanted) != 0) {
        fprintf(stderr, "%s: %s of %zu bytes is %s, not %s\n", am_blake3_path(), what, length, text, wanted);
        failures++;
    }
}

/* The first 32 bytes of each case of the published test_vectors.json: byte i of the input is i % 251. */
static const struct { size_t length; const char *outputs[3]; } vectors[] = {
    {0,
     {"af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
      "92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26",
      "2cc39783c223154fea8dfb7c1b1660f2ac2dcbd1c1de8277b0b0dd39b7e50d7d"}},
    {1,
     {"2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
      "6d7878dfff2f485635d39013278ae14f1454b8c0a3a2d34bc1ab38228a80c95b",
      "b3e2e340a117a499c6cf2398a19ee0d29cca2bb7404c73063382693bf66cb06c"}},
    {1023,
     {"10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11",
      "c951ecdf03288d0fcc96ee3413563d8a6d3589547f2c2fb36d9786470f1b9d6e",
      "74a16c1c3d44368a86e1ca6df64be6a2f64cce8f09220787450722d85725dea5"}},
    {1024,
     {"42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
      "75c46f6f3d9eb4f55ecaaee480db732e6c2105546f1e675003687c31719c7ba4",
      "7356cd7720d5b66b6d0697eb3177d9f8d73a4a5c5e968896eb6a689684302706"}},
    {1025,
     {"d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444",
      "357dc55de0c7e382c900fd6e320acc04146be01db6a8ce7210b7189bd664ea69",
      "effaa245f065fbf82ac186839a249707c3bddf6d3fdda22d1b95a3c970379bcb"}},
    {2048,
     {"e776b6028c7cd22a4d0ba182a8bf62205d2ef576467e838ed6f2529b85fba24a",
      "879cf1fa2ea0e79126cb1063617a05b6ad9d0b696d0d757cf053439f60a99dd1",
      "7b2945cb4fef70885cc5d78a87bf6f6207dd901ff239201351ffac04e1088a23"}},
    {2049,
     {"5f4d72f40d7a5f82b15ca2b2e44b1de3c2ef86c426c95c1af0b6879522563030",
      "9f29700902f7c86e514ddc4df1e3049f258b2472b6dd5267f61bf13983b78dd5",
      "2ea477c5515cc3dd606512ee72bb3e0e758cfae7232826f35fb98ca1bcbdf273"}},
    {3072,
     {"b98cb0ff3623be03326b373de6b9095218513e64f1ee2edd2525c7ad1e5cffd2",
      "044a0e7b172a312dc02a4c9a818c036ffa2776368d7f528268d2e6b5df191770",
      "050df97f8c2ead654d9bb3ab8c9178edcd902a32f8495949feadcc1e0480c46b"}},
    {3073,
     {"7124b49501012f81cc7f11ca069ec9226cecb8a2c850cfe644e327d22d3e1cd3",
      "68dede9bef00ba89e43f31a6825f4cf433389fedae75c04ee9f0cf16a427c95a",
      "72613c9ec9ff7e40f8f5c173784c532ad852e827dba2bf85b2ab4b76f7079081"}},
    {4096,
     {"015094013f57a5277b59d8475c0501042c0b642e531b0a1c8f58d2163229e969",
      "befc660aea2f1718884cd8deb9902811d332f4fc4a38cf7c7300d597a081bfc0",
      "1e0d7f3db8c414c97c6307cbda6cd27ac3b030949da8e23be1a1a924ad2f25b9"}},
    {4097,
     {"9b4052b38f1c5fc8b1f9ff7ac7b27cd242487b3d890d15c96a1c25b8aa0fb995",
      "00df940cd36bb9fa7cbbc3556744e0dbc8191401afe70520ba292ee3ca80abbc",
      "aca51029626b55fda7117b42a7c211f8c6e9ba4fe5b7a8ca922f34299500ead8"}},
    {5120,
     {"9cadc15fed8b5d854562b26a9536d9707cadeda9b143978f319ab34230535833",
      "2c493e48e9b9bf31e0553a22b23503c0a3388f035cece68eb438d22fa1943e20",
      "7a7acac8a02adcf3038d74cdd1d34527de8a0fcc0ee3399d1262397ce5817f60"}},
    {5121,
     {"628bd2cb2004694adaab7bbd778a25df25c47b9d4155a55f8fbd79f2fe154cff",
      "6ccf1c34753e7a044db80798ecd0782a8f76f33563accaddbfbb2e0ea4b2d024",
      "b07f01e518e702f7ccb44a267e9e112d403a7b3f4883a47ffbed4b48339b3c34"}},
    {6144,
     {"3e2e5b74e048f3add6d21faab3f83aa44d3b2278afb83b80b3c35164ebeca205",
      "3d6b6d21281d0ade5b2b016ae4034c5dec10ca7e475f90f76eac7138e9bc8f1d",
      "2a95beae63ddce523762355cf4b9c1d8f131465780a391286a5d01abb5683a15"}},
    {6145,
     {"f1323a8631446cc50536a9f705ee5cb619424d46887f3c376c695b70e0f0507f",
      "9ac301e9e39e45e3250a7e3b3df701aa0fb6889fbd80eeecf28dbc6300fbc539",
      "379bcc61d0051dd489f686c13de00d5b14c505245103dc040d9e4dd1facab8e5"}},
    {7168,
     {"61da957ec2499a95d6b8023e2b0e604ec7f6b50e80a9678b89d2628e99ada77a",
      "b42835e40e9d4a7f42ad8cc04f85a963a76e18198377ed84adddeaecacc6f3fc",
      "11c37a112765370c94a51415d0d651190c288566e295d505defdad895dae2237"}},
    {7169,
     {"a003fc7a51754a9b3c7fae0367ab3d782dccf28855a03d435f8cfe74605e7817",
      "ed9b1a922c046fdb3d423ae34e143b05ca1bf28b710432857bf738bcedbfa511",
      "554b0a5efea9ef183f2f9b931b7497995d9eb26f5c5c6dad2b97d62fc5ac31d9"}},
    {8192,
     {"aae792484c8efe4f19e2ca7d371d8c467ffb10748d8a5a1ae579948f718a2a63",
      "dc9637c8845a770b4cbf76b8daec0eebf7dc2eac11498517f08d44c8fc00d58a",
      "ad01d7ae4ad059b0d33baa3c01319dcf8088094d0359e5fd45d6aeaa8b2d0c3d"}},
    {8193,
     {"bab6c09cb8ce8cf459261398d2e7aef35700bf488116ceb94a36d0f5f1b7bc3b",
      "954a2a75420c8d6547e3ba5b98d963e6fa6491addc8c023189cc519821b4a1f5",
      "af1e0346e389b17c23200270a64aa4e1ead98c61695d917de7d5b00491c9b0f1"}},
    {16384,
     {"f875d6646de28985646f34ee13be9a576fd515f76b5b0a26bb324735041ddde4",
      "9e9fc4eb7cf081ea7c47d1807790ed211bfec56aa25bb7037784c13c4b707b0d",
      "160e18b5878cd0df1c3af85eb25a0db5344d43a6fbd7a8ef4ed98d0714c3f7e1"}},
    {31744,
     {"62b6960e1a44bcc1eb1a611a8d6235b6b4b78f32e7abc4fb4c6cdcce94895c47",
      "efa53b389ab67c593dba624d898d0f7353ab99e4ac9d42302ee64cbf9939a419",
      "39772aef80e0ebe60596361e45b061e8f417429d529171b6764468c22928e28e"}},
    {102400,
     {"bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085",
      "1c35d1a5811083fd7119f5d5d1ba027b4d01c0c6c49fb6ff2cf75393ea5db4a7",
      "4652cff7a3f385a6103b5c260fc1593e13c778dbe608efb092fe7ee69df6e9c6"}},
};
static const char key[33] = "whats the Elvish word for friend";
static const char context[] = "BLAKE3 2019-12-27 16:29:52 test vectors context";

/* From the authors' own implementation: around one block, and more than one group of chunks. */
static const struct { size_t length; const char *output; } others[] = {
    {63, "e9bc37a594daad83be9470df7f7b3798297c3d834ce80ba85d6e207627b7db7b"},
    {64, "4eed7141ea4a5cd4b788606bd23f46e212af9cacebacdc7d1f4c6dc7f2511b98"},
    {65, "de1e5fa0be70df6d2be8fffd0e99ceaa8eb6e8c93a63f2d8d1c30ecb6b263dee"},
    {127, "d81293fda863f008c09e92fc382a81f5a0b4a1251cba1634016a0f86a6bd640d"},
    {128, "f17e570564b26578c33bb7f44643f539624b05df1a76c81f30acd548c44b45ef"},
    {129, "683aaae9f3c5ba37eaaf072aed0f9e30bac0865137bae68b1fde4ca2aebdcb12"},
    {262144, "d57dc906e20d3fd326ffaa85535500486f46a0979f5a323f028dcabfd381fd4a"},
    {262145, "531c319935cf78f34869faebd865e5748266b1799039103bfb851a680d9ed30c"},
    {1048576, "74cb441fd087764ca9c3694da742ebe30cbeb3060a17009ca81825c7a8d10343"},
    {3145745, "26003c63117013de5d02be76e5e32a2f75bfbc075f17180fd5f9f0b4752d2bfe"},
};

enum { LONGEST = 3 * 1048576 + 17 };
static uint8_t *input;

static void start(struct am_blake3 *hash, int mode)
{
    if (mode == 0)
        am_blake3_start(hash);
    else if (mode == 1)
        am_blake3_start_keyed(hash, (const uint8_t *)key);
    else
        am_blake3_start_derive(hash, context);
}

static void published(void)
{
    static const char *const modes[] = {"hash", "keyed hash", "derived key"};
    struct am_blake3 hash;
    uint8_t out[32];
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        for (int mode = 0; mode < 3; mode++) {
            start(&hash, mode);
            am_blake3_update(&hash, input, vectors[i].length);
            am_blake3_finish(&hash, out);
            expect(out, vectors[i].outputs[mode], modes[mode], vectors[i].length);
        }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        am_blake3_start(&hash);
        am_blake3_update(&hash, input, others[i].length);
        am_blake3_finish(&hash, out);
        expect(out, others[i].output, "hash", others[i].length);
    }
}

static void unit_ids(void)
{
    uint8_t realm[32], out[32];
    for (int i = 0; i < 32; i++)
        realm[i] = (uint8_t)i;
    am_unit_id(realm, 3, 1, "a tool", 6, out);
    expect(out, "c6243ea56de8bcf522a2380947fe852231f5bfbd5bbfe6645019cceaf1a71f1e", "unit id", 6);
    for (size_t length = 0; length < 1200000; length += length < 9000 ? 1 : 131071) {
        const uint8_t prefix[8] = {5, 2};
        struct am_blake3 hash;
        uint8_t wanted[32];
        am_blake3_start_keyed(&hash, realm);
        am_blake3_update(&hash, prefix, sizeof prefix);
        am_blake3_update(&hash, input + 3, length);
        am_blake3_finish(&hash, wanted);
        am_unit_id(realm, 5, 2, input + 3, length, out);
        if (memcmp(out, wanted, 32) != 0) {
            fprintf(stderr, "%s: the id of a unit of %zu bytes is not their hash\n", am_blake3_path(), length);
            failures++;
        }
    }
    am_unit_id(realm, 2, 1, input, 5000, out);
    expect(out, "c314154d7ef1c9711ffb3e540b355d0aee81a4ac338625de8dd804db8a2abe7d", "unit id", 5000);
}

/* Lengths 0 to 5000 from an odd address: as one piece, and cut in two where the length says. */
static void every_length(uint8_t (*outputs)[32], bool first)
{
    for (size_t length = 0; length <= 5000; length++) {
        struct am_blake3 hash;
        uint8_t whole[32], cut[32];
        am_blake3_start(&hash);
        am_blake3_update(&hash, input + 1, length);
        am_blake3_finish(&hash, whole);
        const size_t at = length * 7 % (length + 1);
        am_blake3_start(&hash);
        am_blake3_update(&hash, input + 1, at);
        am_blake3_update(&hash, input + 1 + at, length - at);
        am_blake3_finish(&hash, cut);
        if (first)
            memcpy(outputs[length], whole, 32);
        if (memcmp(whole, outputs[length], 32) != 0 || memcmp(cut, outputs[length], 32) != 0) {
            fprintf(stderr, "%s: %zu bytes, cut at %zu: another hash\n", am_blake3_path(), length, at);
            failures++;
        }
    }
}

static uint64_t seed = 0x9e3779b97f4a7c15u;

static size_t any(size_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (size_t)(seed % below);
}

/* Any pieces, with the hash asked for in between: the same as in one piece. */
static void splits(void)
{
    static const size_t widest[] = {3, 70, 1100, 5000, 70000, 700000};
    for (int round = 0; round < 60; round++) {
        const size_t length = any(round % 6 == 5 ? 2000000 : 300000), start_at = any(64);
        struct am_blake3 whole, pieces;
        uint8_t wanted[32], got[32];
        start(&whole, round % 3);
        am_blake3_update(&whole, input + start_at, length);
        am_blake3_finish(&whole, wanted);
        start(&pieces, round % 3);
        const size_t most = widest[round % 6];
        for (size_t at = 0, take; at < length; at += take) {
            take = any(most) + (any(4) == 0 ? 1024 : 0);
            take = take < length - at ? take : length - at;
            am_blake3_update(&pieces, input + start_at + at, take);
            if (any(64) == 0) {
                struct am_blake3 prefix;
                uint8_t early[32], again[32];
                am_blake3_finish(&pieces, early);
                start(&prefix, round % 3);
                am_blake3_update(&prefix, input + start_at, at + take);
                am_blake3_finish(&prefix, again);
                if (memcmp(early, again, 32) != 0) {
                    fprintf(stderr, "%s: prefix of %zu bytes: another hash\n", am_blake3_path(), at + take);
                    failures++;
                }
            }
        }
        am_blake3_finish(&pieces, got);
        if (memcmp(got, wanted, 32) != 0) {
            fprintf(stderr, "%s: %zu bytes in pieces below %zu: another\n", am_blake3_path(), length, most);
            failures++;
        }
    }
}

int main(void)
{
    static const char *const paths[] = {"plain", "avx2", "avx512"};
    uint8_t (*outputs)[32] = calloc(5001, 32);
    input = malloc(LONGEST);
    if (outputs == NULL || input == NULL)
        return 1;
    for (size_t i = 0; i < LONGEST; i++)
        input[i] = (uint8_t)(i % 251);
    printf("this processor takes %s\n", am_blake3_path());
    if (am_blake3_use("quantum") == 0) {
        fprintf(stderr, "a path that nobody wrote was taken\n");
        failures++;
    }
    for (int i = 0; i < 3; i++) {
        if (am_blake3_use(paths[i]) != 0) {
            printf("not on this processor: %s\n", paths[i]);
            continue;
        }
        published();
        unit_ids();
        every_length(outputs, i == 0);
        splits();
    }
    free(outputs);
    free(input);
    return failures != 0;
}
