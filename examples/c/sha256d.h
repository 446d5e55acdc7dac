/* SHA-256 (FIPS 180-4), as far as hashing 80-byte headers needs it, and Bitcoin's double hash. */
#ifndef SHA256D_H
#define SHA256D_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The state after some bytes: copied, it is a midstate to go on from many times. */
typedef struct {
    uint32_t h[8];
    uint64_t length; /* bytes so far; the last length % 64 of them wait in block */
    uint8_t block[64];
} Sha256;

static const uint32_t sha256_k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t sha256_rotate(uint32_t x, int n) { return x >> n | x << (32 - n); }

static inline void sha256_compress(Sha256 *s) {
    uint32_t w[64];
    for (int i = 0; i < 16; i++) {
        const uint8_t *b = s->block + 4 * i;
        w[i] = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    }
    for (int i = 16; i < 64; i++) {
        uint32_t x = w[i - 15], y = w[i - 2];
        w[i] = w[i - 16] + (sha256_rotate(x, 7) ^ sha256_rotate(x, 18) ^ x >> 3) + w[i - 7]
             + (sha256_rotate(y, 17) ^ sha256_rotate(y, 19) ^ y >> 10);
    }
    uint32_t a = s->h[0], b = s->h[1], c = s->h[2], d = s->h[3];
    uint32_t e = s->h[4], f = s->h[5], g = s->h[6], h = s->h[7];
    for (int i = 0; i < 64; i++) {
        uint32_t t1 = h + (sha256_rotate(e, 6) ^ sha256_rotate(e, 11) ^ sha256_rotate(e, 25))
                    + ((e & f) ^ (~e & g)) + sha256_k[i] + w[i];
        uint32_t t2 = (sha256_rotate(a, 2) ^ sha256_rotate(a, 13) ^ sha256_rotate(a, 22))
                    + ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + t1;
        d = c, c = b, b = a, a = t1 + t2;
    }
    s->h[0] += a, s->h[1] += b, s->h[2] += c, s->h[3] += d;
    s->h[4] += e, s->h[5] += f, s->h[6] += g, s->h[7] += h;
}

static inline void sha256_begin(Sha256 *s) {
    *s = (Sha256){.h = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

static inline void sha256_add(Sha256 *s, const uint8_t *bytes, size_t count) {
    while (count > 0) {
        size_t used = s->length % 64, part = count < 64 - used ? count : 64 - used;
        memcpy(s->block + used, bytes, part);
        s->length += part, bytes += part, count -= part;
        if (s->length % 64 == 0) sha256_compress(s); /* a full block never waits */
    }
}

static inline void sha256_end(Sha256 *s, uint8_t digest[32]) {
    uint64_t bits = s->length * 8;
    size_t used = s->length % 64;
    s->block[used++] = 0x80;
    memset(s->block + used, 0, 64 - used);
    if (used > 56) {
        sha256_compress(s);
        memset(s->block, 0, 64);
    }
    for (int i = 0; i < 8; i++) s->block[56 + i] = (uint8_t)(bits >> (56 - 8 * i));
    sha256_compress(s);
    for (int i = 0; i < 32; i++) digest[i] = (uint8_t)(s->h[i / 4] >> (24 - 8 * (i % 4)));
}

/* Ends the first hash and hashes its digest. */
static inline void sha256d_end(Sha256 *s, uint8_t digest[32]) {
    Sha256 second;
    sha256_end(s, digest);
    sha256_begin(&second);
    sha256_add(&second, digest, 32);
    sha256_end(&second, digest);
}

#endif
