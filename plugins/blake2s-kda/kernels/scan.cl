/* The scan of a Chainweb header's blake2s (RFC 7693), for OpenCL C and CUDA C++ alike: plugins/api/kernels has what
 * differs.
 *
 * The first 256 bytes of a header are hashed once per job; a nonce costs one compression, whose words are m0 to m4 and the
 * low half of m5 of the job, the rest of m5, m6 and the low half of m7 of the nonce, and zero. What no nonce reaches of
 * the first round is done by `prepare`. Of the digest only the word with its highest 32 bits is computed.
 * `src/job.rs` and `src/kernel.rs` tell the same at more length.
 */

/* The words that `prepare` writes. */
#define TOP 0
#define MIDSTATE7 1
#define M0 2
#define M1 3
#define M2 4
#define M3 5
#define M4 6
#define M5 7
#define EARLY0 8
#define EARLY1 9
#define EARLY2 10
#define EARLY3 11
#define EARLY4 12
#define EARLY5 13
#define EARLY6 14
#define EARLY7 15
#define EARLY8 16
#define EARLY9 17
#define EARLY10 18
#define EARLY11 19
#define EARLY12 20
#define EARLY13 21
#define EARLY14 22
#define EARLY15 23
/* 24 words. */

#define ROTR(x, n) ADIT_ROTATE_RIGHT(x, n)
#define HEADER_BYTES 286u

ADIT_TABLE const u32 INITIAL[8] = {
    0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au, 0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u,
};

ADIT_TABLE const unsigned char SIGMA[10][16] = {
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

/* Half a mix once `a` has its message word. */
#define SPREAD(a, b, c, d, rotate_d, rotate_b) { \
    d = ROTR(d ^ a, rotate_d); \
    c += d; \
    b = ROTR(b ^ c, rotate_b); \
}
#define HALF1(a, b, c, d, m) { a = ADIT_ADD(ADIT_ADD(a, b), (m)); SPREAD(a, b, c, d, 16, 12) }
#define HALF2(a, b, c, d, m) { a = ADIT_ADD(ADIT_ADD(a, b), (m)); SPREAD(a, b, c, d, 8, 7) }
/* The same for message words that are zero. */
#define BARE1(a, b, c, d) { a += b; SPREAD(a, b, c, d, 16, 12) }
#define BARE2(a, b, c, d) { a += b; SPREAD(a, b, c, d, 8, 7) }
#define MIX(a, b, c, d, m, n) { HALF1(a, b, c, d, m) HALF2(a, b, c, d, n) }

/* The state before the first round of the block that ends after `bytes` bytes. */
ADIT_FUNCTION void begin(const u32 *h, u32 bytes, int last, u32 *v)
{
    for (int i = 0; i < 8; ++i) {
        v[i] = h[i];
        v[8 + i] = INITIAL[i];
    }
    v[12] ^= bytes;
    if (last) v[14] = ~v[14];
}

ADIT_FUNCTION void compress(u32 *h, const u32 *m, u32 bytes, int last)
{
    u32 v[16];
    begin(h, bytes, last, v);
    for (int r = 0; r < 10; ++r) {
        MIX(v[0], v[4], v[8], v[12], m[SIGMA[r][0]], m[SIGMA[r][1]])
        MIX(v[1], v[5], v[9], v[13], m[SIGMA[r][2]], m[SIGMA[r][3]])
        MIX(v[2], v[6], v[10], v[14], m[SIGMA[r][4]], m[SIGMA[r][5]])
        MIX(v[3], v[7], v[11], v[15], m[SIGMA[r][6]], m[SIGMA[r][7]])
        MIX(v[0], v[5], v[10], v[15], m[SIGMA[r][8]], m[SIGMA[r][9]])
        MIX(v[1], v[6], v[11], v[12], m[SIGMA[r][10]], m[SIGMA[r][11]])
        MIX(v[2], v[7], v[8], v[13], m[SIGMA[r][12]], m[SIGMA[r][13]])
        MIX(v[3], v[4], v[9], v[14], m[SIGMA[r][14]], m[SIGMA[r][15]])
    }
    for (int i = 0; i < 8; ++i) h[i] ^= v[i] ^ v[8 + i];
}

/* The chain value after the header's first 256 bytes. */
ADIT_FUNCTION void midstate(ADIT_GLOBAL const u32 *job, u32 *h)
{
    u32 m[16];
    for (int i = 0; i < 8; ++i) h[i] = INITIAL[i];
    h[0] ^= 0x01010020u;
    for (u32 block = 0; block < 4; ++block) {
        for (int i = 0; i < 16; ++i) m[i] = job[16 * block + i];
        compress(h, m, 64 * (block + 1), 0);
    }
}

/* The last block with this nonce in it. */
ADIT_FUNCTION void last_block(ADIT_GLOBAL const u32 *job, u32 low, u32 high, u32 *m)
{
    for (int i = 0; i < 16; ++i) m[i] = i < 6 ? job[64 + i] : 0;
    m[5] = (m[5] & 0xffffu) | (low << 16);
    m[6] = (low >> 16) | (high << 16);
    m[7] = high >> 16;
}

/* spec: KRN-3.1 */
ADIT_KERNEL(prepare)(ADIT_GLOBAL const u32 *job, ADIT_GLOBAL u32 *constants)
{
    u32 h[8], m[16], v[16];
    if (ADIT_ITEM != 0) return;
    midstate(job, h);
    last_block(job, 0, 0, m);
    begin(h, HEADER_BYTES, 1, v);
    MIX(v[0], v[4], v[8], v[12], m[0], m[1])
    MIX(v[1], v[5], v[9], v[13], m[2], m[3])
    HALF1(v[2], v[6], v[10], v[14], m[4])
    /* What m5 and m6 are added to; the first diagonal takes two zero words. */
    v[2] += v[6];
    v[3] += v[7];
    v[0] += v[5];
    constants[TOP] = job[139];
    constants[MIDSTATE7] = h[7];
    for (int i = 0; i < 6; ++i) constants[M0 + i] = m[i];
    for (int i = 0; i < 16; ++i) constants[EARLY0 + i] = v[i];
}

/* The digest's highest 32 bits. */
ADIT_FUNCTION u32 highest_word(ADIT_CONSTANTS, u32 low, u32 high)
{
    u32 m0 = ADIT_CONSTANT(M0);
    u32 m1 = ADIT_CONSTANT(M1);
    u32 m2 = ADIT_CONSTANT(M2);
    u32 m3 = ADIT_CONSTANT(M3);
    u32 m4 = ADIT_CONSTANT(M4);
    u32 m5 = ADIT_CONSTANT(M5) | (low << 16);
    u32 m6 = (low >> 16) | (high << 16);
    u32 m7 = high >> 16;
    u32 v0 = ADIT_CONSTANT(EARLY0);
    u32 v1 = ADIT_CONSTANT(EARLY1);
    u32 v2 = ADIT_CONSTANT(EARLY2);
    u32 v3 = ADIT_CONSTANT(EARLY3);
    u32 v4 = ADIT_CONSTANT(EARLY4);
    u32 v5 = ADIT_CONSTANT(EARLY5);
    u32 v6 = ADIT_CONSTANT(EARLY6);
    u32 v7 = ADIT_CONSTANT(EARLY7);
    u32 v8 = ADIT_CONSTANT(EARLY8);
    u32 v9 = ADIT_CONSTANT(EARLY9);
    u32 v10 = ADIT_CONSTANT(EARLY10);
    u32 v11 = ADIT_CONSTANT(EARLY11);
    u32 v12 = ADIT_CONSTANT(EARLY12);
    u32 v13 = ADIT_CONSTANT(EARLY13);
    u32 v14 = ADIT_CONSTANT(EARLY14);
    u32 v15 = ADIT_CONSTANT(EARLY15);

    v2 += m5;
    SPREAD(v2, v6, v10, v14, 8, 7)
    v3 += m6;
    SPREAD(v3, v7, v11, v15, 16, 12)
    HALF2(v3, v7, v11, v15, m7)
    SPREAD(v0, v5, v10, v15, 16, 12)
    BARE2(v0, v5, v10, v15)
    BARE1(v1, v6, v11, v12)
    BARE2(v1, v6, v11, v12)
    BARE1(v2, v7, v8, v13)
    BARE2(v2, v7, v8, v13)
    BARE1(v3, v4, v9, v14)
    BARE2(v3, v4, v9, v14)

    BARE1(v0, v4, v8, v12)
    HALF1(v1, v5, v9, v13, m4)
    BARE1(v2, v6, v10, v14)
    BARE1(v3, v7, v11, v15)
    BARE2(v0, v4, v8, v12)
    BARE2(v1, v5, v9, v13)
    BARE2(v2, v6, v10, v14)
    HALF2(v3, v7, v11, v15, m6)
    HALF1(v0, v5, v10, v15, m1)
    HALF1(v1, v6, v11, v12, m0)
    BARE1(v2, v7, v8, v13)
    HALF1(v3, v4, v9, v14, m5)
    BARE2(v0, v5, v10, v15)
    HALF2(v1, v6, v11, v12, m2)
    HALF2(v2, v7, v8, v13, m7)
    HALF2(v3, v4, v9, v14, m3)

    BARE1(v0, v4, v8, v12)
    BARE1(v1, v5, v9, v13)
    HALF1(v2, v6, v10, v14, m5)
    BARE1(v3, v7, v11, v15)
    BARE2(v0, v4, v8, v12)
    HALF2(v1, v5, v9, v13, m0)
    HALF2(v2, v6, v10, v14, m2)
    BARE2(v3, v7, v11, v15)
    BARE1(v0, v5, v10, v15)
    HALF1(v1, v6, v11, v12, m3)
    HALF1(v2, v7, v8, v13, m7)
    BARE1(v3, v4, v9, v14)
    BARE2(v0, v5, v10, v15)
    HALF2(v1, v6, v11, v12, m6)
    HALF2(v2, v7, v8, v13, m1)
    HALF2(v3, v4, v9, v14, m4)

    HALF1(v0, v4, v8, v12, m7)
    HALF1(v1, v5, v9, v13, m3)
    BARE1(v2, v6, v10, v14)
    BARE1(v3, v7, v11, v15)
    BARE2(v0, v4, v8, v12)
    HALF2(v1, v5, v9, v13, m1)
    BARE2(v2, v6, v10, v14)
    BARE2(v3, v7, v11, v15)
    HALF1(v0, v5, v10, v15, m2)
    HALF1(v1, v6, v11, v12, m5)
    HALF1(v2, v7, v8, v13, m4)
    BARE1(v3, v4, v9, v14)
    HALF2(v0, v5, v10, v15, m6)
    BARE2(v1, v6, v11, v12)
    HALF2(v2, v7, v8, v13, m0)
    BARE2(v3, v4, v9, v14)

    BARE1(v0, v4, v8, v12)
    HALF1(v1, v5, v9, v13, m5)
    HALF1(v2, v6, v10, v14, m2)
    BARE1(v3, v7, v11, v15)
    HALF2(v0, v4, v8, v12, m0)
    HALF2(v1, v5, v9, v13, m7)
    HALF2(v2, v6, v10, v14, m4)
    BARE2(v3, v7, v11, v15)
    BARE1(v0, v5, v10, v15)
    BARE1(v1, v6, v11, v12)
    HALF1(v2, v7, v8, v13, m6)
    HALF1(v3, v4, v9, v14, m3)
    HALF2(v0, v5, v10, v15, m1)
    BARE2(v1, v6, v11, v12)
    BARE2(v2, v7, v8, v13)
    BARE2(v3, v4, v9, v14)

    HALF1(v0, v4, v8, v12, m2)
    HALF1(v1, v5, v9, v13, m6)
    HALF1(v2, v6, v10, v14, m0)
    BARE1(v3, v7, v11, v15)
    BARE2(v0, v4, v8, v12)
    BARE2(v1, v5, v9, v13)
    BARE2(v2, v6, v10, v14)
    HALF2(v3, v7, v11, v15, m3)
    HALF1(v0, v5, v10, v15, m4)
    HALF1(v1, v6, v11, v12, m7)
    BARE1(v2, v7, v8, v13)
    HALF1(v3, v4, v9, v14, m1)
    BARE2(v0, v5, v10, v15)
    HALF2(v1, v6, v11, v12, m5)
    BARE2(v2, v7, v8, v13)
    BARE2(v3, v4, v9, v14)

    BARE1(v0, v4, v8, v12)
    HALF1(v1, v5, v9, v13, m1)
    BARE1(v2, v6, v10, v14)
    HALF1(v3, v7, v11, v15, m4)
    HALF2(v0, v4, v8, v12, m5)
    BARE2(v1, v5, v9, v13)
    BARE2(v2, v6, v10, v14)
    BARE2(v3, v7, v11, v15)
    HALF1(v0, v5, v10, v15, m0)
    HALF1(v1, v6, v11, v12, m6)
    BARE1(v2, v7, v8, v13)
    BARE1(v3, v4, v9, v14)
    HALF2(v0, v5, v10, v15, m7)
    HALF2(v1, v6, v11, v12, m3)
    HALF2(v2, v7, v8, v13, m2)
    BARE2(v3, v4, v9, v14)

    BARE1(v0, v4, v8, v12)
    HALF1(v1, v5, v9, v13, m7)
    BARE1(v2, v6, v10, v14)
    HALF1(v3, v7, v11, v15, m3)
    BARE2(v0, v4, v8, v12)
    BARE2(v1, v5, v9, v13)
    HALF2(v2, v6, v10, v14, m1)
    BARE2(v3, v7, v11, v15)
    HALF1(v0, v5, v10, v15, m5)
    BARE1(v1, v6, v11, v12)
    BARE1(v2, v7, v8, v13)
    HALF1(v3, v4, v9, v14, m2)
    HALF2(v0, v5, v10, v15, m0)
    HALF2(v1, v6, v11, v12, m4)
    HALF2(v2, v7, v8, v13, m6)
    BARE2(v3, v4, v9, v14)

    HALF1(v0, v4, v8, v12, m6)
    BARE1(v1, v5, v9, v13)
    BARE1(v2, v6, v10, v14)
    HALF1(v3, v7, v11, v15, m0)
    BARE2(v0, v4, v8, v12)
    BARE2(v1, v5, v9, v13)
    HALF2(v2, v6, v10, v14, m3)
    BARE2(v3, v7, v11, v15)
    BARE1(v0, v5, v10, v15)
    BARE1(v1, v6, v11, v12)
    HALF1(v2, v7, v8, v13, m1)
    BARE1(v3, v4, v9, v14)
    HALF2(v0, v5, v10, v15, m2)
    HALF2(v1, v6, v11, v12, m7)
    HALF2(v2, v7, v8, v13, m4)
    HALF2(v3, v4, v9, v14, m5)

    BARE1(v0, v4, v8, v12)
    BARE1(v1, v5, v9, v13)
    HALF1(v2, v6, v10, v14, m7)
    HALF1(v3, v7, v11, v15, m1)
    HALF2(v0, v4, v8, v12, m2)
    HALF2(v1, v5, v9, v13, m4)
    HALF2(v2, v6, v10, v14, m6)
    HALF2(v3, v7, v11, v15, m5)
    BARE1(v0, v5, v10, v15)
    BARE1(v1, v6, v11, v12)
    HALF1(v2, v7, v8, v13, m3)
    BARE1(v3, v4, v9, v14)
    BARE2(v0, v5, v10, v15)
    BARE2(v1, v6, v11, v12)
    BARE2(v2, v7, v8, v13)
    HALF2(v3, v4, v9, v14, m0)
    return ADIT_CONSTANT(MIDSTATE7) ^ v7 ^ v15;
}

/* spec: KRN-3.2, KRN-3.3 */
ADIT_KERNEL(search)(ADIT_CONSTANTS, ADIT_GLOBAL u32 *scratch, u32 start_low, u32 start_high, u32 count,
                    ADIT_GLOBAL u32 *results ADIT_SEARCH_END)
{
    u32 item = ADIT_ITEM;
    u32 low = start_low + item;
    u32 high = start_high + (low < start_low ? 1u : 0u);
    if (item >= count) return;
    if (highest_word(adit_constants, low, high) <= ADIT_CONSTANT(TOP)) {
        u32 at = ADIT_NEXT(results);
        if (at < results[1]) {
            results[4 + 2 * at] = low;
            results[5 + 2 * at] = high;
        }
    }
}

/* spec: KRN-2.3, KRN-3.4 */
ADIT_KERNEL(digest)(ADIT_GLOBAL const u32 *job, ADIT_GLOBAL const u32 *results, ADIT_GLOBAL u32 *digests,
                    ADIT_GLOBAL u32 *scratch)
{
    u32 item = ADIT_ITEM;
    u32 h[8], m[16];
    int above = 0, below = 0;
    if (item >= results[0] || item >= results[1]) return;
    midstate(job, h);
    last_block(job, results[4 + 2 * item], results[5 + 2 * item], m);
    compress(h, m, HEADER_BYTES, 1);
    for (int i = 7; i >= 0; --i) {
        digests[9 * item + i] = h[i];
        if (!above && !below) {
            above = h[i] > job[132 + i];
            below = h[i] < job[132 + i];
        }
    }
    digests[9 * item + 8] = above ? 0 : 1;
}
