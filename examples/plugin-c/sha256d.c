/*
 * A whole plugin in one file: Bitcoin's double SHA-256 in portable C11.
 *
 *     cc -std=c11 -O2 -fPIC -shared -I ../../runtime/abi/include -o libsha256d-c.so sha256d.c
 *     adit mine --plugin ./libsha256d-c.so --algorithm sha256d-c
 *
 * What the functions must do stands in docs/spec/plugin.md, whose clauses are cited here. The table at the end of
 * the file is all that the host sees. To make another algorithm of it, replace `sha256d` and the header's layout.
 */

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "adit.h"

#define HEADER_LEN 80u
#define NONCE_OFFSET 76u
#define DIGEST_LEN 32u

/* ---- SHA-256 (FIPS 180-4) ---- */

static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static const uint32_t INITIAL[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static uint32_t rotate(uint32_t word, int by) { return word >> by | word << (32 - by); }

static void compress(uint32_t state[8], const uint8_t block[64])
{
    uint32_t w[64], s[8];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | (uint32_t)block[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    memcpy(s, state, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t big1 = rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25);
        uint32_t choose = s[6] ^ (s[4] & (s[5] ^ s[6]));
        uint32_t one = s[7] + big1 + choose + K[i] + w[i];
        uint32_t big0 = rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22);
        uint32_t two = big0 + ((s[0] & s[1]) | (s[2] & (s[0] | s[1])));
        memmove(s + 1, s, 7 * sizeof s[0]);
        s[4] += one;
        s[0] = one + two;
    }
    for (int i = 0; i < 8; i++)
        state[i] += s[i];
}

static void put_big_endian(uint8_t *bytes, const uint32_t state[8])
{
    for (int i = 0; i < 32; i++)
        bytes[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
}

/* Pads a message of `length` bytes, of which the last `length % 64` stand in `rest`, and ends its hash. */
static void finish(uint32_t state[8], const uint8_t *rest, uint32_t length, uint8_t digest[32])
{
    uint8_t block[64] = {0};
    uint32_t left = length % 64;
    memcpy(block, rest, left);
    block[left] = 0x80;
    if (left >= 56) {
        compress(state, block);
        memset(block, 0, sizeof block);
    }
    for (int i = 0; i < 4; i++)
        block[60 + i] = (uint8_t)(length * 8u >> (24 - 8 * i));
    compress(state, block);
    put_big_endian(digest, state);
}

static void sha256(const uint8_t *bytes, uint32_t length, uint8_t digest[32])
{
    uint32_t state[8];
    memcpy(state, INITIAL, sizeof state);
    uint32_t at = 0;
    for (; length - at >= 64; at += 64)
        compress(state, bytes + at);
    finish(state, bytes + at, length, digest);
}

static void sha256d(const uint8_t *bytes, uint32_t length, uint8_t digest[32])
{
    uint8_t first[DIGEST_LEN];
    sha256(bytes, length, first);
    sha256(first, sizeof first, digest);
}

/* ---- the algorithm: spec: PLG-3.1, PLG-3.3 ---- */

static int32_t digest(const uint8_t *header, uint32_t header_len, uint8_t *out)
{
    if (header_len != HEADER_LEN)
        return ADIT_PLUGIN_INVALID;
    sha256d(header, header_len, out);
    return ADIT_PLUGIN_OK;
}

static void put_little_endian(uint8_t *bytes, uint64_t value, int width)
{
    for (int i = 0; i < width; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
}

/* Version 0x20000000, parent, the digest of height and roll, time, no bits, nonce 0. */
static int32_t dev_header(const AditPluginBlock *block, uint8_t *header, uint32_t header_len)
{
    uint8_t coinbase[16];
    if (header_len != HEADER_LEN)
        return ADIT_PLUGIN_INVALID;
    put_little_endian(coinbase, block->height, 8);
    put_little_endian(coinbase + 8, block->roll, 8);
    memset(header, 0, HEADER_LEN);
    header[3] = 0x20;
    memcpy(header + 4, block->parent, sizeof block->parent);
    sha256d(coinbase, sizeof coinbase, header + 36);
    put_little_endian(header + 68, block->time_us / 1000000u, 4);
    return ADIT_PLUGIN_OK;
}

/* ---- searchers: spec: PLG-4.1, PLG-4.2, PLG-4.3, PLG-4.4 ---- */

typedef struct {
    int has_job;
    uint32_t midstate[8]; /* after the header's first 64 bytes, which have no nonce in them */
    uint8_t rest[16];     /* the other 16, the nonce last */
    uint8_t target[DIGEST_LEN];
} Searcher;

static int32_t searcher_new(uint32_t variant, void **searcher)
{
    if (variant != ADIT_VARIANT_ONLY)
        return ADIT_PLUGIN_INVALID;
    *searcher = calloc(1, sizeof(Searcher));
    return *searcher ? ADIT_PLUGIN_OK : ADIT_PLUGIN_FAILED;
}

static void searcher_free(void *searcher) { free(searcher); }

static int32_t set_job(void *searcher, const uint8_t *header, uint32_t header_len, const uint8_t *target)
{
    Searcher *self = searcher;
    if (header_len != HEADER_LEN)
        return ADIT_PLUGIN_INVALID;
    memcpy(self->midstate, INITIAL, sizeof self->midstate);
    compress(self->midstate, header);
    memcpy(self->rest, header + 64, sizeof self->rest);
    memcpy(self->target, target, sizeof self->target);
    self->has_job = 1;
    return ADIT_PLUGIN_OK;
}

/* Both are 256-bit integers, least significant byte first. */
static int is_above(const uint8_t *digest, const uint8_t *target)
{
    for (int i = DIGEST_LEN - 1; i >= 0; i--)
        if (digest[i] != target[i])
            return digest[i] > target[i];
    return 0;
}

static int32_t search(void *searcher, uint64_t start, uint64_t last, const AditPluginHits *hits)
{
    Searcher *self = searcher;
    if (!self->has_job)
        return ADIT_PLUGIN_OK;
    for (uint64_t nonce = start;; nonce++) {
        uint8_t first[DIGEST_LEN], second[DIGEST_LEN];
        uint32_t state[8];
        put_little_endian(self->rest + (NONCE_OFFSET - 64), nonce, 4);
        memcpy(state, self->midstate, sizeof state);
        finish(state, self->rest, HEADER_LEN, first);
        sha256(first, sizeof first, second);
        if (!is_above(second, self->target))
            hits->hit(hits->context, nonce, second);
        if (nonce == last)
            return ADIT_PLUGIN_OK;
    }
}

static int32_t describe(void *searcher, AditPluginSearcher *facts)
{
    (void)searcher;
    facts->group = 1;
    facts->scratch = ADIT_SCRATCH_NONE;
    facts->reserved = 0;
    return ADIT_PLUGIN_OK;
}

/* ---- the table: spec: PLG-1.1, PLG-1.2, PLG-1.3, PLG-5.1, PLG-5.2 ---- */

/* Difficulty 1 of Bitcoin's pools: 0x00000000ffff, then zeros. */
static const AditStratumExtension stratum = {
    .struct_size = sizeof(AditStratumExtension),
    .difficulty_one = {[26] = 0xff, [27] = 0xff},
};

static const void *get_extension(const char *id)
{
    return strcmp(id, ADIT_EXTENSION_STRATUM) == 0 ? &stratum : NULL;
}

static const AditPlugin plugin = {
    .magic = ADIT_PLUGIN_MAGIC,
    .abi_version = ADIT_PLUGIN_ABI_VERSION,
    .struct_size = sizeof(AditPlugin),
    .name = "sha256d-c",
    .version = "1.0",
    .id = 'S' | 'H' << 8 | 'A' << 16 | 'C' << 24,
    .header_len = HEADER_LEN,
    .nonce_offset = NONCE_OFFSET,
    .nonce_width = 4,
    .variant_count = 0,
    .digest = digest,
    .dev_header = dev_header,
    .searcher_new = searcher_new,
    .searcher_free = searcher_free,
    .set_job = set_job,
    .search = search,
    .describe = describe,
    .get_extension = get_extension,
};

const AditPlugin *adit_plugin_entry(void);

const AditPlugin *adit_plugin_entry(void) { return &plugin; }
