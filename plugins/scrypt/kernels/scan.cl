/* The scan of scrypt (1024, 1, 1; RFC 7914) over headers of 80 bytes, for OpenCL C and CUDA C++ alike: plugins/api/kernels
 * has what differs.
 *
 * An item has a table of its own, 1,024 rows of 32 words, between those of its neighbours: rows are read whole, at places
 * that only the data knows. Per job stand the hash of the header's first block and its words; all else depends on the nonce.
 */

/* The words that `prepare` writes: highest word of the target, state after the header's first 64 bytes, the
 * header's words as SHA-256 reads them, but for the nonce. */
#define TOP 0
#define FIRST 1
#define WORDS 9
/* 28 words. */

#define ROWS 1024
#define ROW_WORDS 32
/* Of four words each: how memory is read and written. */
#define ROW_VECTORS 8
/* From a row of a table to the next: those of the neighbours stand between. */
#define STRIDE (ROW_VECTORS * ADIT_NEIGHBOURS)
/* Items of a work group. */
#define GROUP 32
/* How many rows an item writes, or reads, between two looks whether its job lives. */
#define LOOK 256

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

/* One block of SHA-256, which is used up. */
ADIT_FUNCTION void compress(u32 *state, u32 *block)
{
    u32 s[8];
    ADIT_UNROLL for (int i = 0; i < 8; ++i) s[i] = state[i];
    for (int part = 0; part < 64; part += 16) {
        ADIT_UNROLL for (int i = 0; i < 16; ++i) {
            u32 sum = s[7] + ROUND_CONSTANTS[part + i] + block[i] + BIG1(s[4]) + CHOOSE(s[4], s[5], s[6]);
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
        if (part == 48) break;
        ADIT_UNROLL for (int i = 0; i < 16; ++i)
            block[i] += SMALL0(block[(i + 1) & 15]) + block[(i + 9) & 15] + SMALL1(block[(i + 14) & 15]);
    }
    ADIT_UNROLL for (int i = 0; i < 8; ++i) state[i] += s[i];
}

/* The state of an HMAC after the block with its key, which is the hash of the header: inner or outer by `pad`. */
ADIT_FUNCTION void keyed(const u32 *key, u32 pad, u32 *state)
{
    u32 block[16];
    ADIT_UNROLL for (int i = 0; i < 8; ++i) {
        state[i] = INITIAL[i];
        block[i] = key[i] ^ pad;
        block[8 + i] = pad;
    }
    compress(state, block);
}

/* The end of an HMAC: the outer hash of an inner one. */
ADIT_FUNCTION void finish(const u32 *outer, u32 *inner)
{
    u32 block[16];
    ADIT_UNROLL for (int i = 0; i < 8; ++i) block[i] = inner[i];
    block[8] = 0x80000000u;
    ADIT_UNROLL for (int i = 9; i < 15; ++i) block[i] = 0;
    block[15] = 8 * (64 + 32);
    ADIT_UNROLL for (int i = 0; i < 8; ++i) inner[i] = outer[i];
    compress(inner, block);
}

/* Half a quarter round of Salsa20: four steps on words that stand in a circle. */
#define STEP(a, b, c, n) a ^= ADIT_ROTATE_RIGHT((b) + (c), 32 - n);
#define QUARTER(a, b, c, d) STEP(b, a, d, 7) STEP(c, b, a, 9) STEP(d, c, b, 13) STEP(a, d, c, 18)

/* x = Salsa20/8(x xor with). */
ADIT_FUNCTION void salsa(u32 *x, const u32 *with)
{
    u32 y[16];
    ADIT_UNROLL for (int i = 0; i < 16; ++i) {
        x[i] ^= with[i];
        y[i] = x[i];
    }
    for (int round = 0; round < 4; ++round) {
        QUARTER(y[0], y[4], y[8], y[12])
        QUARTER(y[5], y[9], y[13], y[1])
        QUARTER(y[10], y[14], y[2], y[6])
        QUARTER(y[15], y[3], y[7], y[11])
        QUARTER(y[0], y[1], y[2], y[3])
        QUARTER(y[5], y[6], y[7], y[4])
        QUARTER(y[10], y[11], y[8], y[9])
        QUARTER(y[15], y[12], y[13], y[14])
    }
    ADIT_UNROLL for (int i = 0; i < 16; ++i) x[i] += y[i];
}

/* Where the table of an item stands. spec: KRN-3.7 */
ADIT_FUNCTION ADIT_GLOBAL ADIT_VECTOR *table_of(ADIT_GLOBAL u32 *scratch, u32 item)
{
    u32 first = item / ADIT_NEIGHBOURS * ADIT_NEIGHBOURS;
    return (ADIT_GLOBAL ADIT_VECTOR *)scratch + (u64)first * (ROWS * ROW_VECTORS) + (item - first) * ROW_VECTORS;
}

/* Memory-hard mixing of 32 words, with `table` as memory; nothing of use if the job dies meanwhile. */
ADIT_FUNCTION void mix(u32 *x, ADIT_GLOBAL ADIT_VECTOR *table, AditLife life)
{
    ADIT_VECTOR words;
    for (u32 row = 0; row < ROWS; ++row) {
        if (row % LOOK == 0 && !adit_lives(life, row / LOOK)) return;
        ADIT_UNROLL for (int i = 0; i < ROW_VECTORS; ++i) {
            words.x = x[4 * i];
            words.y = x[4 * i + 1];
            words.z = x[4 * i + 2];
            words.w = x[4 * i + 3];
            table[row * STRIDE + i] = words;
        }
        salsa(x, x + 16);
        salsa(x + 16, x);
    }
    for (u32 turn = 0; turn < ROWS; ++turn) {
        ADIT_GLOBAL ADIT_VECTOR *row = table + (x[16] & (ROWS - 1)) * STRIDE;
        if (turn % LOOK == 0 && !adit_lives(life, turn / LOOK)) return;
        ADIT_UNROLL for (int i = 0; i < ROW_VECTORS; ++i) {
            words = row[i];
            x[4 * i] ^= words.x;
            x[4 * i + 1] ^= words.y;
            x[4 * i + 2] ^= words.z;
            x[4 * i + 3] ^= words.w;
        }
        salsa(x, x + 16);
        salsa(x + 16, x);
    }
}

/* The hash of a header whose words and first block's state are given, with `table` as memory. */
ADIT_FUNCTION void hash(const u32 *first, const u32 *header, ADIT_GLOBAL ADIT_VECTOR *table, AditLife life,
                        u32 *digest)
{
    u32 key[8], inner[8], outer[8], block[16], x[ROW_WORDS];
    ADIT_UNROLL for (int i = 0; i < 8; ++i) key[i] = first[i];
    ADIT_UNROLL for (int i = 0; i < 4; ++i) block[i] = header[16 + i];
    block[4] = 0x80000000u;
    ADIT_UNROLL for (int i = 5; i < 15; ++i) block[i] = 0;
    block[15] = 8 * 80;
    compress(key, block);
    keyed(key, 0x36363636u, inner);
    keyed(key, 0x5c5c5c5cu, outer);

    /* PBKDF2 of the header with itself: 128 bytes, four hashes of 32, each of which comes in from behind. */
    u32 salted[8];
    ADIT_UNROLL for (int i = 0; i < 8; ++i) salted[i] = inner[i];
    ADIT_UNROLL for (int i = 0; i < 16; ++i) block[i] = header[i];
    ADIT_UNROLL for (int i = 0; i < ROW_WORDS; ++i) x[i] = 0;
    compress(salted, block);
    for (u32 part = 0; part < 4; ++part) {
        u32 state[8];
        ADIT_UNROLL for (int i = 0; i < 8; ++i) state[i] = salted[i];
        ADIT_UNROLL for (int i = 0; i < 4; ++i) block[i] = header[16 + i];
        block[4] = part + 1;
        block[5] = 0x80000000u;
        ADIT_UNROLL for (int i = 6; i < 15; ++i) block[i] = 0;
        block[15] = 8 * (64 + 80 + 4);
        compress(state, block);
        finish(outer, state);
        ADIT_UNROLL for (int i = 0; i < 24; ++i) x[i] = x[8 + i];
        ADIT_UNROLL for (int i = 0; i < 8; ++i) x[24 + i] = ADIT_SWAP(state[i]);
    }

    mix(x, table, life);

    /* PBKDF2 of the header with that: 32 bytes. */
    ADIT_UNROLL for (int row = 0; row < 2; ++row) {
        ADIT_UNROLL for (int i = 0; i < 16; ++i) block[i] = ADIT_SWAP(x[16 * row + i]);
        compress(inner, block);
    }
    block[0] = 1;
    block[1] = 0x80000000u;
    ADIT_UNROLL for (int i = 2; i < 15; ++i) block[i] = 0;
    block[15] = 8 * (64 + 128 + 4);
    compress(inner, block);
    finish(outer, inner);
    ADIT_UNROLL for (int i = 0; i < 8; ++i) digest[i] = ADIT_SWAP(inner[i]);
}

ADIT_FUNCTION void first_block(ADIT_GLOBAL const u32 *job, u32 *state)
{
    u32 block[16];
    ADIT_UNROLL for (int i = 0; i < 8; ++i) state[i] = INITIAL[i];
    ADIT_UNROLL for (int i = 0; i < 16; ++i) block[i] = ADIT_SWAP(job[i]);
    compress(state, block);
}

/* spec: KRN-3.1 */
ADIT_KERNEL(prepare)(ADIT_GLOBAL const u32 *job, ADIT_GLOBAL u32 *constants)
{
    u32 state[8];
    if (ADIT_ITEM != 0) return;
    constants[TOP] = job[139];
    first_block(job, state);
    for (int i = 0; i < 8; ++i) constants[FIRST + i] = state[i];
    for (int i = 0; i < 19; ++i) constants[WORDS + i] = ADIT_SWAP(job[i]);
}

/* spec: KRN-3.2, KRN-3.3 */
ADIT_KERNEL(search)(ADIT_CONSTANTS, ADIT_GLOBAL u32 *scratch, u32 start_low, u32 start_high, u32 count,
                    ADIT_GLOBAL u32 *results ADIT_SEARCH_END)
{
    u32 item = ADIT_ITEM;
    u32 nonce = start_low + item;
    u32 first[8], header[20], digest[8];
    if (item >= count) return;
    ADIT_UNROLL for (int i = 0; i < 8; ++i) first[i] = ADIT_CONSTANT(FIRST + i);
    ADIT_UNROLL for (int i = 0; i < 19; ++i) header[i] = ADIT_CONSTANT(WORDS + i);
    header[19] = ADIT_SWAP(nonce);
    hash(first, header, table_of(scratch, item), ADIT_LIFE((count + GROUP - 1) / GROUP), digest);
    if (digest[7] <= ADIT_CONSTANT(TOP)) {
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
    u32 first[8], header[20], words[8];
    int above = 0, below = 0;
    if (item >= results[0] || item >= results[1]) return;
    first_block(job, first);
    ADIT_UNROLL for (int i = 0; i < 19; ++i) header[i] = ADIT_SWAP(job[i]);
    header[19] = ADIT_SWAP(results[4 + 2 * item]);
    hash(first, header, table_of(scratch, item), ADIT_FOR_EVER, words);
    for (int i = 7; i >= 0; --i) {
        digests[9 * item + i] = words[i];
        if (!above && !below) {
            above = words[i] > job[132 + i];
            below = words[i] < job[132 + i];
        }
    }
    digests[9 * item + 8] = above ? 0 : 1;
}
