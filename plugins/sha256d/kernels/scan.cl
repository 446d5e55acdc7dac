/* The scan of sha256d, FIPS 180-4, for OpenCL C and CUDA C++ alike: plugins/api/kernels has what differs.
 *
 * A header's second block has the nonce in message word 3 and constants from word 4 on. What no nonce reaches is worked
 * out by `prepare`; of the second hash only the last word is computed, which round 60 settles: it holds the
 * digest's highest 32 bits. `src/job.rs` and `src/kernel.rs` tell the same at more length.
 */

/* The words that `prepare` writes: names as in src/job.rs. */
#define TOP 0
#define MID0 1
#define MID1 2
#define MID2 3
#define MID3 4
#define MID4 5
#define MID5 6
#define MID6 7
#define MID7 8
#define EARLY0 9
#define EARLY1 10
#define EARLY2 11
#define EARLY3 12
#define EARLY4 13
#define EARLY5 14
#define EARLY6 15
#define EARLY7 16
#define KEYED4 17
#define KEYED5 18
#define KEYED6 19
#define W16 20
#define W17 21
#define W18 22
#define W19 23
#define KEYED16 24
#define KEYED17 25
#define LATE31 26
#define LATE32 27
/* 28 words. */

#define ROTR(x, n) ADIT_ROTATE_RIGHT(x, n)
#define BIG0(x) (ROTR(x, 2) ^ ROTR(x, 13) ^ ROTR(x, 22))
#define BIG1(x) (ROTR(x, 6) ^ ROTR(x, 11) ^ ROTR(x, 25))
#define SMALL0(x) (ROTR(x, 7) ^ ROTR(x, 18) ^ ((x) >> 3))
#define SMALL1(x) (ROTR(x, 17) ^ ROTR(x, 19) ^ ((x) >> 10))
#define CHOOSE(x, y, z) ((z) ^ ((x) & ((y) ^ (z))))
#define MAJORITY(x, y, z) (((x) & (y)) | ((z) & ((x) | (y))))

ADIT_TABLE const u32 ROUND_CONSTANTS[64] = {
    0x428a2f98u, 0x71374491u, 0xb5c0fbcfu, 0xe9b5dba5u, 0x3956c25bu, 0x59f111f1u, 0x923f82a4u, 0xab1c5ed5u,
    0xd807aa98u, 0x12835b01u, 0x243185beu, 0x550c7dc3u, 0x72be5d74u, 0x80deb1feu, 0x9bdc06a7u, 0xc19bf174u,
    0xe49b69c1u, 0xefbe4786u, 0x0fc19dc6u, 0x240ca1ccu, 0x2de92c6fu, 0x4a7484aau, 0x5cb0a9dcu, 0x76f988dau,
    0x983e5152u, 0xa831c66du, 0xb00327c8u, 0xbf597fc7u, 0xc6e00bf3u, 0xd5a79147u, 0x06ca6351u, 0x14292967u,
    0x27b70a85u, 0x2e1b2138u, 0x4d2c6dfcu, 0x53380d13u, 0x650a7354u, 0x766a0abbu, 0x81c2c92eu, 0x92722c85u,
    0xa2bfe8a1u, 0xa81a664bu, 0xc24b8b70u, 0xc76c51a3u, 0xd192e819u, 0xd6990624u, 0xf40e3585u, 0x106aa070u,
    0x19a4c116u, 0x1e376c08u, 0x2748774cu, 0x34b0bcb5u, 0x391c0cb3u, 0x4ed8aa4au, 0x5b9cca4fu, 0x682e6ff3u,
    0x748f82eeu, 0x78a5636fu, 0x84c87814u, 0x8cc70208u, 0x90befffau, 0xa4506cebu, 0xbef9a3f7u, 0xc67178f2u,
};

ADIT_TABLE const u32 INITIAL[8] = {
    0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au,
    0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u,
};

/* `rounds` rounds of the compression of `block`, which is used up, from `s` on. */
ADIT_FUNCTION void some_rounds(u32 *s, u32 *block, int rounds)
{
    for (int r = 0; r < rounds; ++r) {
        u32 word = block[r & 15];
        if (r >= 16) {
            word += SMALL0(block[(r + 1) & 15]) + block[(r + 9) & 15] + SMALL1(block[(r + 14) & 15]);
            block[r & 15] = word;
        }
        u32 sum = s[7] + ROUND_CONSTANTS[r] + word + BIG1(s[4]) + CHOOSE(s[4], s[5], s[6]);
        u32 rest = BIG0(s[0]) + MAJORITY(s[0], s[1], s[2]);
        s[7] = s[6];
        s[6] = s[5];
        s[5] = s[4];
        s[4] = s[3] + sum;
        s[3] = s[2];
        s[2] = s[1];
        s[1] = s[0];
        s[0] = sum + rest;
    }
}

ADIT_FUNCTION void compress(u32 *state, u32 *block)
{
    u32 s[8];
    for (int i = 0; i < 8; ++i) s[i] = state[i];
    some_rounds(s, block, 64);
    for (int i = 0; i < 8; ++i) state[i] += s[i];
}

ADIT_FUNCTION void first_block(ADIT_GLOBAL const u32 *job, u32 *state)
{
    u32 block[16];
    for (int i = 0; i < 8; ++i) state[i] = INITIAL[i];
    for (int i = 0; i < 16; ++i) block[i] = ADIT_SWAP(job[i]);
    compress(state, block);
}

ADIT_FUNCTION void second_block(ADIT_GLOBAL const u32 *job, u32 nonce, u32 *block)
{
    for (int i = 0; i < 3; ++i) block[i] = ADIT_SWAP(job[16 + i]);
    block[3] = ADIT_SWAP(nonce);
    block[4] = 0x80000000u;
    for (int i = 5; i < 15; ++i) block[i] = 0;
    block[15] = 640;
}

/* spec: KRN-3.1 */
ADIT_KERNEL(prepare)(ADIT_GLOBAL const u32 *job, ADIT_GLOBAL u32 *constants)
{
    u32 state[8], early[8], w[16];
    if (ADIT_ITEM != 0) return;
    constants[TOP] = job[139];
    first_block(job, state);
    second_block(job, 0, w);
    for (int i = 0; i < 8; ++i) {
        constants[MID0 + i] = state[i];
        early[i] = state[i];
    }
    some_rounds(early, w, 4);
    /* In round 4 the word called `a` stands at index 4, and `h` at 3; one lower in each round. */
    for (int i = 0; i < 8; ++i) constants[EARLY0 + ((i + 4) & 7)] = early[i];
    for (int i = 0; i < 3; ++i) constants[KEYED4 + i] = early[7 - i] + ROUND_CONSTANTS[4 + i] + w[4 + i];
    u32 w16 = w[0] + SMALL0(w[1]);
    u32 w17 = w[1] + SMALL0(w[2]) + SMALL1(640u);
    constants[W16] = w16;
    constants[W17] = w17;
    constants[W18] = w[2] + SMALL1(w16);
    constants[W19] = SMALL0(w[4]) + SMALL1(w17);
    constants[KEYED16] = ROUND_CONSTANTS[16] + w16;
    constants[KEYED17] = ROUND_CONSTANTS[17] + w17;
    constants[LATE31] = SMALL0(w16) + 640u;
    constants[LATE32] = SMALL0(w17) + w16;
}

/* A word of the message, of four that came before, where no constant is among them. */
#define SCHEDULE(w, x, y, z) w = ADIT_ADD(ADIT_ADD(ADIT_ADD(w, SMALL0(x)), y), SMALL1(z));

/* Adds round constant, message word and what `h` holds to a round; the roles move, the words stay. */
#define ROUND_OF(a, b, c, d, e, f, g, h, sum_of_h) { \
    u32 sum = ADIT_ADD(ADIT_ADD((sum_of_h), CHOOSE(e, f, g)), BIG1(e)); \
    d += sum; \
    h = ADIT_ADD(ADIT_ADD(sum, MAJORITY(a, b, c)), BIG0(a)); \
}
#define H0 s7
#define R0(sum_of_h) ROUND_OF(s0, s1, s2, s3, s4, s5, s6, s7, sum_of_h)
#define H1 s6
#define R1(sum_of_h) ROUND_OF(s7, s0, s1, s2, s3, s4, s5, s6, sum_of_h)
#define H2 s5
#define R2(sum_of_h) ROUND_OF(s6, s7, s0, s1, s2, s3, s4, s5, sum_of_h)
#define H3 s4
#define R3(sum_of_h) ROUND_OF(s5, s6, s7, s0, s1, s2, s3, s4, sum_of_h)
#define H4 s3
#define R4(sum_of_h) ROUND_OF(s4, s5, s6, s7, s0, s1, s2, s3, sum_of_h)
#define H5 s2
#define R5(sum_of_h) ROUND_OF(s3, s4, s5, s6, s7, s0, s1, s2, sum_of_h)
#define H6 s1
#define R6(sum_of_h) ROUND_OF(s2, s3, s4, s5, s6, s7, s0, s1, sum_of_h)
#define H7 s0
#define R7(sum_of_h) ROUND_OF(s1, s2, s3, s4, s5, s6, s7, s0, sum_of_h)

/* The digest's highest 32 bits, for the nonce as a big-endian word. */
ADIT_FUNCTION u32 highest_word(ADIT_CONSTANTS, u32 nonce)
{
    u32 s0 = ADIT_CONSTANT(EARLY0) + nonce;
    u32 s1 = ADIT_CONSTANT(EARLY1);
    u32 s2 = ADIT_CONSTANT(EARLY2);
    u32 s3 = ADIT_CONSTANT(EARLY3);
    u32 s4 = ADIT_CONSTANT(EARLY4) + nonce;
    u32 s5 = ADIT_CONSTANT(EARLY5);
    u32 s6 = ADIT_CONSTANT(EARLY6);
    u32 s7 = ADIT_CONSTANT(EARLY7);
    R4(ADIT_CONSTANT(KEYED4));
    R5(ADIT_CONSTANT(KEYED5));
    R6(ADIT_CONSTANT(KEYED6));
    R7(H7 + 0xab1c5ed5u);
    R0(H0 + 0xd807aa98u);
    R1(H1 + 0x12835b01u);
    R2(H2 + 0x243185beu);
    R3(H3 + 0x550c7dc3u);
    R4(H4 + 0x72be5d74u);
    R5(H5 + 0x80deb1feu);
    R6(H6 + 0x9bdc06a7u);
    R7(H7 + 0xc19bf3f4u);
    R0(H0 + ADIT_CONSTANT(KEYED16));
    R1(H1 + ADIT_CONSTANT(KEYED17));
    u32 w2 = SMALL0(nonce) + ADIT_CONSTANT(W18);
    R2(H2 + 0x0fc19dc6u + w2);
    u32 w3 = nonce + ADIT_CONSTANT(W19);
    R3(H3 + 0x240ca1ccu + w3);
    u32 w4 = SMALL1(w2) + 0x80000000u;
    R4(H4 + 0x2de92c6fu + w4);
    u32 w5 = SMALL1(w3);
    R5(H5 + 0x4a7484aau + w5);
    u32 w6 = SMALL1(w4) + 640u;
    R6(H6 + 0x5cb0a9dcu + w6);
    u32 w7 = SMALL1(w5) + ADIT_CONSTANT(W16);
    R7(H7 + 0x76f988dau + w7);
    u32 w8 = SMALL1(w6) + ADIT_CONSTANT(W17);
    R0(H0 + 0x983e5152u + w8);
    u32 w9 = SMALL1(w7) + w2;
    R1(H1 + 0xa831c66du + w9);
    u32 w10 = SMALL1(w8) + w3;
    R2(H2 + 0xb00327c8u + w10);
    u32 w11 = SMALL1(w9) + w4;
    R3(H3 + 0xbf597fc7u + w11);
    u32 w12 = SMALL1(w10) + w5;
    R4(H4 + 0xc6e00bf3u + w12);
    u32 w13 = SMALL1(w11) + w6;
    R5(H5 + 0xd5a79147u + w13);
    u32 w14 = SMALL1(w12) + w7 + 0x00a00055u;
    R6(H6 + 0x06ca6351u + w14);
    u32 w15 = SMALL1(w13) + w8 + ADIT_CONSTANT(LATE31);
    R7(H7 + 0x14292967u + w15);
    u32 w0 = SMALL1(w14) + w9 + ADIT_CONSTANT(LATE32);
    R0(H0 + 0x27b70a85u + w0);
    u32 w1 = SMALL1(w15) + w10 + SMALL0(w2) + ADIT_CONSTANT(W17);
    R1(H1 + 0x2e1b2138u + w1);
    SCHEDULE(w2, w3, w11, w0)
    R2(H2 + 0x4d2c6dfcu + w2);
    SCHEDULE(w3, w4, w12, w1)
    R3(H3 + 0x53380d13u + w3);
    SCHEDULE(w4, w5, w13, w2)
    R4(H4 + 0x650a7354u + w4);
    SCHEDULE(w5, w6, w14, w3)
    R5(H5 + 0x766a0abbu + w5);
    SCHEDULE(w6, w7, w15, w4)
    R6(H6 + 0x81c2c92eu + w6);
    SCHEDULE(w7, w8, w0, w5)
    R7(H7 + 0x92722c85u + w7);
    SCHEDULE(w8, w9, w1, w6)
    R0(H0 + 0xa2bfe8a1u + w8);
    SCHEDULE(w9, w10, w2, w7)
    R1(H1 + 0xa81a664bu + w9);
    SCHEDULE(w10, w11, w3, w8)
    R2(H2 + 0xc24b8b70u + w10);
    SCHEDULE(w11, w12, w4, w9)
    R3(H3 + 0xc76c51a3u + w11);
    SCHEDULE(w12, w13, w5, w10)
    R4(H4 + 0xd192e819u + w12);
    SCHEDULE(w13, w14, w6, w11)
    R5(H5 + 0xd6990624u + w13);
    SCHEDULE(w14, w15, w7, w12)
    R6(H6 + 0xf40e3585u + w14);
    SCHEDULE(w15, w0, w8, w13)
    R7(H7 + 0x106aa070u + w15);
    SCHEDULE(w0, w1, w9, w14)
    R0(H0 + 0x19a4c116u + w0);
    SCHEDULE(w1, w2, w10, w15)
    R1(H1 + 0x1e376c08u + w1);
    SCHEDULE(w2, w3, w11, w0)
    R2(H2 + 0x2748774cu + w2);
    SCHEDULE(w3, w4, w12, w1)
    R3(H3 + 0x34b0bcb5u + w3);
    SCHEDULE(w4, w5, w13, w2)
    R4(H4 + 0x391c0cb3u + w4);
    SCHEDULE(w5, w6, w14, w3)
    R5(H5 + 0x4ed8aa4au + w5);
    SCHEDULE(w6, w7, w15, w4)
    R6(H6 + 0x5b9cca4fu + w6);
    SCHEDULE(w7, w8, w0, w5)
    R7(H7 + 0x682e6ff3u + w7);
    SCHEDULE(w8, w9, w1, w6)
    R0(H0 + 0x748f82eeu + w8);
    SCHEDULE(w9, w10, w2, w7)
    R1(H1 + 0x78a5636fu + w9);
    SCHEDULE(w10, w11, w3, w8)
    R2(H2 + 0x84c87814u + w10);
    SCHEDULE(w11, w12, w4, w9)
    R3(H3 + 0x8cc70208u + w11);
    SCHEDULE(w12, w13, w5, w10)
    R4(H4 + 0x90befffau + w12);
    SCHEDULE(w13, w14, w6, w11)
    R5(H5 + 0xa4506cebu + w13);
    SCHEDULE(w14, w15, w7, w12)
    R6(H6 + 0xbef9a3f7u + w14);
    SCHEDULE(w15, w0, w8, w13)
    R7(H7 + 0xc67178f2u + w15);

    /* The second hash: eight words, a one bit, 256 bits. */
    w0 = s0 + ADIT_CONSTANT(MID0);
    w1 = s1 + ADIT_CONSTANT(MID1);
    w2 = s2 + ADIT_CONSTANT(MID2);
    w3 = s3 + ADIT_CONSTANT(MID3);
    w4 = s4 + ADIT_CONSTANT(MID4);
    w5 = s5 + ADIT_CONSTANT(MID5);
    w6 = s6 + ADIT_CONSTANT(MID6);
    w7 = s7 + ADIT_CONSTANT(MID7);
    s0 = 0x6a09e667u;
    s1 = 0xbb67ae85u;
    s2 = 0x3c6ef372u;
    s3 = 0x98c7e2a2u + w0;
    s4 = 0x510e527fu;
    s5 = 0x9b05688cu;
    s6 = 0x1f83d9abu;
    s7 = 0xfc08884du + w0;
    R1(0x90bb1e3cu + w1);
    R2(0x50c6645bu + w2);
    R3(0x3ac42e24u + w3);
    R4(H4 + 0x3956c25bu + w4);
    R5(H5 + 0x59f111f1u + w5);
    R6(H6 + 0x923f82a4u + w6);
    R7(H7 + 0xab1c5ed5u + w7);
    R0(H0 + 0x5807aa98u);
    R1(H1 + 0x12835b01u);
    R2(H2 + 0x243185beu);
    R3(H3 + 0x550c7dc3u);
    R4(H4 + 0x72be5d74u);
    R5(H5 + 0x80deb1feu);
    R6(H6 + 0x9bdc06a7u);
    R7(H7 + 0xc19bf274u);
    w0 += SMALL0(w1);
    R0(H0 + 0xe49b69c1u + w0);
    w1 += SMALL0(w2) + 0x00a00000u;
    R1(H1 + 0xefbe4786u + w1);
    w2 += SMALL0(w3) + SMALL1(w0);
    R2(H2 + 0x0fc19dc6u + w2);
    w3 += SMALL0(w4) + SMALL1(w1);
    R3(H3 + 0x240ca1ccu + w3);
    w4 += SMALL0(w5) + SMALL1(w2);
    R4(H4 + 0x2de92c6fu + w4);
    w5 += SMALL0(w6) + SMALL1(w3);
    R5(H5 + 0x4a7484aau + w5);
    w6 += SMALL0(w7) + SMALL1(w4) + 256u;
    R6(H6 + 0x5cb0a9dcu + w6);
    w7 += 0x11002000u + w0 + SMALL1(w5);
    R7(H7 + 0x76f988dau + w7);
    w8 = 0x80000000u + w1 + SMALL1(w6);
    R0(H0 + 0x983e5152u + w8);
    w9 = w2 + SMALL1(w7);
    R1(H1 + 0xa831c66du + w9);
    w10 = w3 + SMALL1(w8);
    R2(H2 + 0xb00327c8u + w10);
    w11 = w4 + SMALL1(w9);
    R3(H3 + 0xbf597fc7u + w11);
    w12 = w5 + SMALL1(w10);
    R4(H4 + 0xc6e00bf3u + w12);
    w13 = w6 + SMALL1(w11);
    R5(H5 + 0xd5a79147u + w13);
    w14 = 0x00400022u + w7 + SMALL1(w12);
    R6(H6 + 0x06ca6351u + w14);
    w15 = 256u + SMALL0(w0) + w8 + SMALL1(w13);
    R7(H7 + 0x14292967u + w15);
    SCHEDULE(w0, w1, w9, w14)
    R0(H0 + 0x27b70a85u + w0);
    SCHEDULE(w1, w2, w10, w15)
    R1(H1 + 0x2e1b2138u + w1);
    SCHEDULE(w2, w3, w11, w0)
    R2(H2 + 0x4d2c6dfcu + w2);
    SCHEDULE(w3, w4, w12, w1)
    R3(H3 + 0x53380d13u + w3);
    SCHEDULE(w4, w5, w13, w2)
    R4(H4 + 0x650a7354u + w4);
    SCHEDULE(w5, w6, w14, w3)
    R5(H5 + 0x766a0abbu + w5);
    SCHEDULE(w6, w7, w15, w4)
    R6(H6 + 0x81c2c92eu + w6);
    SCHEDULE(w7, w8, w0, w5)
    R7(H7 + 0x92722c85u + w7);
    SCHEDULE(w8, w9, w1, w6)
    R0(H0 + 0xa2bfe8a1u + w8);
    SCHEDULE(w9, w10, w2, w7)
    R1(H1 + 0xa81a664bu + w9);
    SCHEDULE(w10, w11, w3, w8)
    R2(H2 + 0xc24b8b70u + w10);
    SCHEDULE(w11, w12, w4, w9)
    R3(H3 + 0xc76c51a3u + w11);
    SCHEDULE(w12, w13, w5, w10)
    R4(H4 + 0xd192e819u + w12);
    SCHEDULE(w13, w14, w6, w11)
    R5(H5 + 0xd6990624u + w13);
    SCHEDULE(w14, w15, w7, w12)
    R6(H6 + 0xf40e3585u + w14);
    SCHEDULE(w15, w0, w8, w13)
    R7(H7 + 0x106aa070u + w15);
    SCHEDULE(w0, w1, w9, w14)
    R0(H0 + 0x19a4c116u + w0);
    SCHEDULE(w1, w2, w10, w15)
    R1(H1 + 0x1e376c08u + w1);
    SCHEDULE(w2, w3, w11, w0)
    R2(H2 + 0x2748774cu + w2);
    SCHEDULE(w3, w4, w12, w1)
    R3(H3 + 0x34b0bcb5u + w3);
    SCHEDULE(w4, w5, w13, w2)
    R4(H4 + 0x391c0cb3u + w4);
    SCHEDULE(w5, w6, w14, w3)
    R5(H5 + 0x4ed8aa4au + w5);
    SCHEDULE(w6, w7, w15, w4)
    R6(H6 + 0x5b9cca4fu + w6);
    SCHEDULE(w7, w8, w0, w5)
    R7(H7 + 0x682e6ff3u + w7);
    SCHEDULE(w8, w9, w1, w6)
    R0(H0 + 0x748f82eeu + w8);
    SCHEDULE(w9, w10, w2, w7)
    R1(H1 + 0x78a5636fu + w9);
    SCHEDULE(w10, w11, w3, w8)
    R2(H2 + 0x84c87814u + w10);
    SCHEDULE(w11, w12, w4, w9)
    R3(H3 + 0x8cc70208u + w11);
    SCHEDULE(w12, w13, w5, w10)
    return ADIT_SWAP(s7 + s3 + 0xec9fcd13u + w12 + BIG1(s0) + CHOOSE(s0, s1, s2));
}

/* spec: KRN-3.2, KRN-3.3 */
ADIT_KERNEL(search)(ADIT_CONSTANTS, ADIT_GLOBAL u32 *scratch, u32 start_low, u32 start_high, u32 count,
                    ADIT_GLOBAL u32 *results ADIT_SEARCH_END)
{
    u32 item = ADIT_ITEM;
    u32 nonce = start_low + item;
    if (item >= count) return;
    if (highest_word(adit_constants, ADIT_SWAP(nonce)) <= ADIT_CONSTANT(TOP)) {
        u32 at = ADIT_NEXT(results);
        if (at < results[1]) {
            results[4 + 2 * at] = nonce;
            results[5 + 2 * at] = 0;
        }
    }
}

/* spec: KRN-2.3, KRN-3.4 */
ADIT_KERNEL(digest)(ADIT_GLOBAL const u32 *job, ADIT_GLOBAL const u32 *results, ADIT_GLOBAL u32 *digests,
                    ADIT_GLOBAL u32 *scratch)
{
    u32 item = ADIT_ITEM;
    u32 first[8], second[8], block[16];
    if (item >= results[0] || item >= results[1]) return;
    first_block(job, first);
    second_block(job, results[4 + 2 * item], block);
    compress(first, block);
    for (int i = 0; i < 8; ++i) {
        second[i] = INITIAL[i];
        block[i] = first[i];
    }
    block[8] = 0x80000000u;
    for (int i = 9; i < 15; ++i) block[i] = 0;
    block[15] = 256;
    compress(second, block);
    int above = 0, below = 0;
    for (int i = 7; i >= 0; --i) {
        u32 word = ADIT_SWAP(second[i]);
        digests[9 * item + i] = word;
        if (!above && !below) {
            above = word > job[132 + i];
            below = word < job[132 + i];
        }
    }
    digests[9 * item + 8] = above ? 0 : 1;
}
