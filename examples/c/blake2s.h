/* BLAKE2s (RFC 7693) with 32 bytes of digest and no key. */
#ifndef BLAKE2S_H
#define BLAKE2S_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The state after some bytes: copied, it is a midstate to go on from many times. */
typedef struct {
    uint32_t h[8];
    uint64_t compressed; /* bytes that are in h */
    size_t used;         /* bytes that wait in block: the last block is compressed in another way */
    uint8_t block[64];
} Blake2s;

static const uint32_t blake2s_iv[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                       0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

static const uint8_t blake2s_sigma[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

static inline uint32_t blake2s_rotate(uint32_t x, int n) { return x >> n | x << (32 - n); }

static inline void blake2s_mix(uint32_t *v, int a, int b, int c, int d, uint32_t x, uint32_t y) {
    v[a] += v[b] + x, v[d] = blake2s_rotate(v[d] ^ v[a], 16);
    v[c] += v[d], v[b] = blake2s_rotate(v[b] ^ v[c], 12);
    v[a] += v[b] + y, v[d] = blake2s_rotate(v[d] ^ v[a], 8);
    v[c] += v[d], v[b] = blake2s_rotate(v[b] ^ v[c], 7);
}

static inline void blake2s_compress(Blake2s *s, uint32_t last) {
    uint32_t m[16], v[16];
    for (int i = 0; i < 16; i++) {
        const uint8_t *b = s->block + 4 * i;
        m[i] = b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    }
    s->compressed += s->used;
    memcpy(v, s->h, sizeof s->h);
    memcpy(v + 8, blake2s_iv, sizeof blake2s_iv);
    v[12] ^= (uint32_t)s->compressed;
    v[13] ^= (uint32_t)(s->compressed >> 32);
    v[14] ^= last;
    for (int round = 0; round < 10; round++) {
        const uint8_t *p = blake2s_sigma[round];
        for (int i = 0; i < 4; i++) /* columns */
            blake2s_mix(v, i, 4 + i, 8 + i, 12 + i, m[p[2 * i]], m[p[2 * i + 1]]);
        for (int i = 0; i < 4; i++) /* diagonals */
            blake2s_mix(v, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4, m[p[8 + 2 * i]],
                        m[p[9 + 2 * i]]);
    }
    for (int i = 0; i < 8; i++) s->h[i] ^= v[i] ^ v[8 + i];
    s->used = 0;
}

static inline void blake2s_begin(Blake2s *s) {
    memset(s, 0, sizeof *s);
    memcpy(s->h, blake2s_iv, sizeof s->h);
    s->h[0] ^= 0x01010020; /* one leaf, no key, 32 bytes */
}

static inline void blake2s_add(Blake2s *s, const uint8_t *bytes, size_t count) {
    while (count > 0) {
        if (s->used == 64) blake2s_compress(s, 0); /* more follows, so it is not the last one */
        size_t part = count < 64 - s->used ? count : 64 - s->used;
        memcpy(s->block + s->used, bytes, part);
        s->used += part, bytes += part, count -= part;
    }
}

static inline void blake2s_end(Blake2s *s, uint8_t digest[32]) {
    memset(s->block + s->used, 0, 64 - s->used);
    blake2s_compress(s, UINT32_MAX);
    for (int i = 0; i < 32; i++) digest[i] = (uint8_t)(s->h[i / 4] >> (8 * (i % 4)));
}

#endif
