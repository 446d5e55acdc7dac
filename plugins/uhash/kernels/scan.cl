/* The scan of UniversalHash, version 4, for OpenCL C and CUDA C++ alike: plugins/api/kernels has what differs.
 *
 * A nonce has four chains that do not meet before the end; each is an item of its own, with a table of 512 KiB. What a chain
 * does in a round depends on (nonce + chain + round) mod 3. Of 24 nonces that follow each other there are 96 chains, and
 * among these each remainder comes 32 times: so the items are put in an order in which 32 neighbours, which a GPU runs as
 * one, do the same in every round. A work group has two such sets. Memory is read and written in 16 bytes.
 */

/* The words that `prepare` writes: highest word of the target, the header's 15 words before the nonce. */
#define TOP 0
#define HEADER 1
/* 16 words. */

#define HEADER_WORDS 15
#define CHAINS 4
#define BLOCKS 8192
/* Of four words each, in a block and in a table. */
#define BLOCK_VECTORS 4
#define VECTORS (BLOCKS * BLOCK_VECTORS)
/* From a block of a table to the next: those of the neighbours stand between. */
#define STRIDE (BLOCK_VECTORS * ADIT_NEIGHBOURS)
#define ROUNDS 12288
/* How many vectors a chain fills between two looks whether its job lives, and how many rounds it makes. On a GPU that is
 * full either takes about a millisecond. */
#define LOOK 1024
#define LOOK_ROUNDS 128

/* Items and nonces of a work group. */
#define SET 96
#define GROUP (2 * SET)
#define NONCES (GROUP / CHAINS)

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

/* SubBytes and MixColumns of a byte in the first row; the byte of the S-box itself stands second and third. */
ADIT_TABLE const u32 AES[256] = {
    0xa56363c6u, 0x847c7cf8u, 0x997777eeu, 0x8d7b7bf6u, 0x0df2f2ffu, 0xbd6b6bd6u, 0xb16f6fdeu, 0x54c5c591u,
    0x50303060u, 0x03010102u, 0xa96767ceu, 0x7d2b2b56u, 0x19fefee7u, 0x62d7d7b5u, 0xe6abab4du, 0x9a7676ecu,
    0x45caca8fu, 0x9d82821fu, 0x40c9c989u, 0x877d7dfau, 0x15fafaefu, 0xeb5959b2u, 0xc947478eu, 0x0bf0f0fbu,
    0xecadad41u, 0x67d4d4b3u, 0xfda2a25fu, 0xeaafaf45u, 0xbf9c9c23u, 0xf7a4a453u, 0x967272e4u, 0x5bc0c09bu,
    0xc2b7b775u, 0x1cfdfde1u, 0xae93933du, 0x6a26264cu, 0x5a36366cu, 0x413f3f7eu, 0x02f7f7f5u, 0x4fcccc83u,
    0x5c343468u, 0xf4a5a551u, 0x34e5e5d1u, 0x08f1f1f9u, 0x937171e2u, 0x73d8d8abu, 0x53313162u, 0x3f15152au,
    0x0c040408u, 0x52c7c795u, 0x65232346u, 0x5ec3c39du, 0x28181830u, 0xa1969637u, 0x0f05050au, 0xb59a9a2fu,
    0x0907070eu, 0x36121224u, 0x9b80801bu, 0x3de2e2dfu, 0x26ebebcdu, 0x6927274eu, 0xcdb2b27fu, 0x9f7575eau,
    0x1b090912u, 0x9e83831du, 0x742c2c58u, 0x2e1a1a34u, 0x2d1b1b36u, 0xb26e6edcu, 0xee5a5ab4u, 0xfba0a05bu,
    0xf65252a4u, 0x4d3b3b76u, 0x61d6d6b7u, 0xceb3b37du, 0x7b292952u, 0x3ee3e3ddu, 0x712f2f5eu, 0x97848413u,
    0xf55353a6u, 0x68d1d1b9u, 0x00000000u, 0x2cededc1u, 0x60202040u, 0x1ffcfce3u, 0xc8b1b179u, 0xed5b5bb6u,
    0xbe6a6ad4u, 0x46cbcb8du, 0xd9bebe67u, 0x4b393972u, 0xde4a4a94u, 0xd44c4c98u, 0xe85858b0u, 0x4acfcf85u,
    0x6bd0d0bbu, 0x2aefefc5u, 0xe5aaaa4fu, 0x16fbfbedu, 0xc5434386u, 0xd74d4d9au, 0x55333366u, 0x94858511u,
    0xcf45458au, 0x10f9f9e9u, 0x06020204u, 0x817f7ffeu, 0xf05050a0u, 0x443c3c78u, 0xba9f9f25u, 0xe3a8a84bu,
    0xf35151a2u, 0xfea3a35du, 0xc0404080u, 0x8a8f8f05u, 0xad92923fu, 0xbc9d9d21u, 0x48383870u, 0x04f5f5f1u,
    0xdfbcbc63u, 0xc1b6b677u, 0x75dadaafu, 0x63212142u, 0x30101020u, 0x1affffe5u, 0x0ef3f3fdu, 0x6dd2d2bfu,
    0x4ccdcd81u, 0x140c0c18u, 0x35131326u, 0x2fececc3u, 0xe15f5fbeu, 0xa2979735u, 0xcc444488u, 0x3917172eu,
    0x57c4c493u, 0xf2a7a755u, 0x827e7efcu, 0x473d3d7au, 0xac6464c8u, 0xe75d5dbau, 0x2b191932u, 0x957373e6u,
    0xa06060c0u, 0x98818119u, 0xd14f4f9eu, 0x7fdcdca3u, 0x66222244u, 0x7e2a2a54u, 0xab90903bu, 0x8388880bu,
    0xca46468cu, 0x29eeeec7u, 0xd3b8b86bu, 0x3c141428u, 0x79dedea7u, 0xe25e5ebcu, 0x1d0b0b16u, 0x76dbdbadu,
    0x3be0e0dbu, 0x56323264u, 0x4e3a3a74u, 0x1e0a0a14u, 0xdb494992u, 0x0a06060cu, 0x6c242448u, 0xe45c5cb8u,
    0x5dc2c29fu, 0x6ed3d3bdu, 0xefacac43u, 0xa66262c4u, 0xa8919139u, 0xa4959531u, 0x37e4e4d3u, 0x8b7979f2u,
    0x32e7e7d5u, 0x43c8c88bu, 0x5937376eu, 0xb76d6ddau, 0x8c8d8d01u, 0x64d5d5b1u, 0xd24e4e9cu, 0xe0a9a949u,
    0xb46c6cd8u, 0xfa5656acu, 0x07f4f4f3u, 0x25eaeacfu, 0xaf6565cau, 0x8e7a7af4u, 0xe9aeae47u, 0x18080810u,
    0xd5baba6fu, 0x887878f0u, 0x6f25254au, 0x722e2e5cu, 0x241c1c38u, 0xf1a6a657u, 0xc7b4b473u, 0x51c6c697u,
    0x23e8e8cbu, 0x7cdddda1u, 0x9c7474e8u, 0x211f1f3eu, 0xdd4b4b96u, 0xdcbdbd61u, 0x868b8b0du, 0x858a8a0fu,
    0x907070e0u, 0x423e3e7cu, 0xc4b5b571u, 0xaa6666ccu, 0xd8484890u, 0x05030306u, 0x01f6f6f7u, 0x120e0e1cu,
    0xa36161c2u, 0x5f35356au, 0xf95757aeu, 0xd0b9b969u, 0x91868617u, 0x58c1c199u, 0x271d1d3au, 0xb99e9e27u,
    0x38e1e1d9u, 0x13f8f8ebu, 0xb398982bu, 0x33111122u, 0xbb6969d2u, 0x70d9d9a9u, 0x898e8e07u, 0xa7949433u,
    0xb69b9b2du, 0x221e1e3cu, 0x92878715u, 0x20e9e9c9u, 0x49cece87u, 0xff5555aau, 0x78282850u, 0x7adfdfa5u,
    0x8f8c8c03u, 0xf8a1a159u, 0x80898909u, 0x170d0d1au, 0xdabfbf65u, 0x31e6e6d7u, 0xc6424284u, 0xb86868d0u,
    0xc3414182u, 0xb0999929u, 0x772d2d5au, 0x110f0f1eu, 0xcbb0b07bu, 0xfc5454a8u, 0xd6bbbb6du, 0x3a16162cu,
};

/* The table stands in the work group's memory as often as that has banks, word by word: neighbours that look up what
 * they like then do not meet in a bank. */
#define COPIES ADIT_BANKS
ADIT_HIDDEN u32 ENTRY_BYTES = 4 * COPIES;

/* Every item of a work group must come here. */
ADIT_FUNCTION void copy_aes(ADIT_LOCAL u32 *copies)
{
    for (u32 at = ADIT_LOCAL_ITEM; at < 256 * COPIES; at += GROUP) copies[at] = AES[at / COPIES];
    ADIT_BARRIER;
}

#define ROTL(x, n) ADIT_ROTATE_RIGHT(x, 32 - (n))
/* `aes` is an item's own copy. */
#define LOOK_UP(x, n) \
    (*(ADIT_LOCAL const u32 *)((ADIT_LOCAL const unsigned char *)aes + ADIT_BYTE(x, n) * ENTRY_BYTES))
#define SUB(x, n) ADIT_BYTE(LOOK_UP(x, n), 1)

/* A column of a round: a byte of each of four columns, from four rows. */
#define COLUMN(a, b, c, d) \
    (LOOK_UP(a, 0) ^ ROTL(LOOK_UP(b, 1), 8) ^ ROTL(LOOK_UP(c, 2), 16) ^ ROTL(LOOK_UP(d, 3), 24))

/* One round of AES, as AESENC makes it: `s` and `key` are four columns. */
ADIT_FUNCTION void aes_round(ADIT_LOCAL const u32 *aes, u32 *s, const u32 *key)
{
    u32 a = COLUMN(s[0], s[1], s[2], s[3]) ^ key[0];
    u32 b = COLUMN(s[1], s[2], s[3], s[0]) ^ key[1];
    u32 c = COLUMN(s[2], s[3], s[0], s[1]) ^ key[2];
    u32 d = COLUMN(s[3], s[0], s[1], s[2]) ^ key[3];
    s[0] = a;
    s[1] = b;
    s[2] = c;
    s[3] = d;
}

/* The first four round keys of AES-128, the key itself included. */
ADIT_FUNCTION void expand_key(ADIT_LOCAL const u32 *aes, u32 *keys)
{
    ADIT_UNROLL for (int i = 4; i < 16; ++i) {
        u32 word = keys[i - 1];
        if ((i & 3) == 0) {
            word = SUB(word, 1) | SUB(word, 2) << 8 | SUB(word, 3) << 16 | SUB(word, 0) << 24;
            word ^= 1u << (i / 4 - 1);
        }
        keys[i] = keys[i - 4] ^ word;
    }
}

#define MIX(a, b, c, d, x, y) { \
    a += b + (x); d = ADIT_ROTATE_RIGHT(d ^ a, 16); c += d; b = ADIT_ROTATE_RIGHT(b ^ c, 12); \
    a += b + (y); d = ADIT_ROTATE_RIGHT(d ^ a, 8); c += d; b = ADIT_ROTATE_RIGHT(b ^ c, 7); \
}

/* The message is used up: each round takes its words in an order made from that of the round before. */
ADIT_FUNCTION void blake3_rounds(u32 *v, u32 *m)
{
    ADIT_UNROLL for (int r = 0; r < 7; ++r) {
        u32 n[16];
        MIX(v[0], v[4], v[8], v[12], m[0], m[1])
        MIX(v[1], v[5], v[9], v[13], m[2], m[3])
        MIX(v[2], v[6], v[10], v[14], m[4], m[5])
        MIX(v[3], v[7], v[11], v[15], m[6], m[7])
        MIX(v[0], v[5], v[10], v[15], m[8], m[9])
        MIX(v[1], v[6], v[11], v[12], m[10], m[11])
        MIX(v[2], v[7], v[8], v[13], m[12], m[13])
        MIX(v[3], v[4], v[9], v[14], m[14], m[15])
        n[0] = m[2]; n[1] = m[6]; n[2] = m[3]; n[3] = m[10];
        n[4] = m[7]; n[5] = m[0]; n[6] = m[4]; n[7] = m[13];
        n[8] = m[1]; n[9] = m[11]; n[10] = m[12]; n[11] = m[5];
        n[12] = m[9]; n[13] = m[14]; n[14] = m[15]; n[15] = m[8];
        ADIT_UNROLL for (int i = 0; i < 16; ++i) m[i] = n[i];
    }
}

#define CHUNK_START 1u
#define CHUNK_END 2u
#define ROOT 8u

/* A block of the only chunk of a message, which is used up; `h` becomes the chain value, or the hash. */
ADIT_FUNCTION void blake3_block(u32 *h, u32 *m, u32 length, u32 flags)
{
    u32 v[16];
    ADIT_UNROLL for (int i = 0; i < 8; ++i) v[i] = h[i];
    ADIT_UNROLL for (int i = 0; i < 4; ++i) v[8 + i] = INITIAL[i];
    v[12] = 0;
    v[13] = 0;
    v[14] = length;
    v[15] = flags;
    blake3_rounds(v, m);
    ADIT_UNROLL for (int i = 0; i < 8; ++i) h[i] = v[i] ^ v[8 + i];
}

/* BLAKE3 of the header and this nonce, 68 bytes: two blocks. The second has but one word. */
ADIT_FUNCTION void seed_of(const u32 *header, u32 low, u32 high, u32 *seed)
{
    u32 block[16];
    ADIT_UNROLL for (int i = 0; i < 8; ++i) seed[i] = INITIAL[i];
    for (int part = 0; part < 2; ++part) {
        ADIT_UNROLL for (int i = 0; i < HEADER_WORDS; ++i) block[i] = part == 0 ? header[i] : 0;
        block[15] = part == 0 ? low : 0;
        if (part == 1) block[0] = high;
        blake3_block(seed, block, part == 0 ? 64 : 4, part == 0 ? CHUNK_START : CHUNK_END | ROOT);
    }
}

/* Fills the table from a seed. */
ADIT_FUNCTION void fill(ADIT_LOCAL const u32 *aes, const u32 *seed, ADIT_GLOBAL ADIT_VECTOR *table, AditLife life)
{
    u32 keys[16], s[4];
    ADIT_VECTOR words;
    ADIT_UNROLL for (int i = 0; i < 4; ++i) {
        keys[i] = seed[i];
        s[i] = seed[4 + i];
    }
    expand_key(aes, keys);
    for (u32 at = 0; at < VECTORS; ++at) {
        if (at % LOOK == 0 && !adit_lives(life, at / LOOK)) return;
        ADIT_UNROLL for (int r = 0; r < 4; ++r) aes_round(aes, s, keys + 4 * r);
        words.x = s[0];
        words.y = s[1];
        words.z = s[2];
        words.w = s[3];
        table[at / BLOCK_VECTORS * STRIDE + at % BLOCK_VECTORS] = words;
    }
}

/* One of the three ways to make a new state of a state and a block, which is used up. */
ADIT_FUNCTION void step(ADIT_LOCAL const u32 *aes, u32 way, u32 *state, u32 *block)
{
    if (way == 0) {
        ADIT_UNROLL for (int i = 0; i < 4; ++i) {
            aes_round(aes, state, block + 4 * i);
            aes_round(aes, state + 4, block + ((8 + 4 * i) & 15));
        }
    } else if (way == 1) {
        ADIT_UNROLL for (int i = 0; i < 8; ++i) state[i] = ADIT_SWAP(state[i]);
        ADIT_UNROLL for (int i = 0; i < 16; ++i) block[i] = ADIT_SWAP(block[i]);
        compress(state, block);
        ADIT_UNROLL for (int i = 0; i < 8; ++i) state[i] = ADIT_SWAP(state[i]);
    } else {
        u32 v[16];
        ADIT_UNROLL for (int i = 0; i < 8; ++i) {
            v[i] = state[i];
            v[8 + i] = INITIAL[i];
        }
        blake3_rounds(v, block);
        ADIT_UNROLL for (int i = 0; i < 8; ++i) state[i] = v[i] ^ v[8 + i];
    }
}

/* Where the table of an item stands. spec: KRN-3.7 */
ADIT_FUNCTION ADIT_GLOBAL ADIT_VECTOR *table_of(ADIT_GLOBAL u32 *scratch)
{
    u32 item = ADIT_GROUP_NUMBER * GROUP + ADIT_LOCAL_ITEM;
    u32 first = item / ADIT_NEIGHBOURS * ADIT_NEIGHBOURS;
    return (ADIT_GLOBAL ADIT_VECTOR *)scratch + (u64)first * VECTORS + (item - first) * BLOCK_VECTORS;
}

/* What a chain comes to; nothing of use if its job dies meanwhile. */
ADIT_FUNCTION void run_chain(ADIT_LOCAL const u32 *aes, const u32 *header, u32 low, u32 high, u32 chain,
                             ADIT_GLOBAL u32 *scratch, AditLife life, u32 *state)
{
    ADIT_GLOBAL ADIT_VECTOR *table = table_of(scratch);
    u64 nonce = (u64)high << 32 | low;
    u64 other = nonce ^ (u64)chain * 0x9e3779b97f4a7c15ul;
    /* Nonce and chain together may be more than 64 bits hold: then the sum begins at 0 again. 2^32 mod 3 is 1. */
    u64 sum = nonce + chain;
    u32 way = ((u32)sum % 3 + (u32)(sum >> 32) % 3) % 3;
    u32 block[16];
    seed_of(header, (u32)other, (u32)(other >> 32), state);
    fill(aes, state, table, life);
    for (u32 r = 0; r < ROUNDS; ++r) {
        /* Only 13 bits of the address count, and both multiples of the round's number wrap. */
        u32 x = state[0] ^ state[2] ^ (r << 13) ^ (r * 0x27220a95u);
        ADIT_GLOBAL ADIT_VECTOR *row = table + (x & (BLOCKS - 1)) * STRIDE;
        if (r % LOOK_ROUNDS == 0 && !adit_lives(life, r / LOOK_ROUNDS)) return;
        ADIT_UNROLL for (int i = 0; i < BLOCK_VECTORS; ++i) {
            ADIT_VECTOR words = row[i];
            block[4 * i] = words.x;
            block[4 * i + 1] = words.y;
            block[4 * i + 2] = words.z;
            block[4 * i + 3] = words.w;
        }
        way = way == 2 ? 0 : way + 1;
        step(aes, way, state, block);
        ADIT_UNROLL for (int i = 0; i < 2; ++i) {
            ADIT_VECTOR words;
            words.x = state[4 * i];
            words.y = state[4 * i + 1];
            words.z = state[4 * i + 2];
            words.w = state[4 * i + 3];
            row[i] = words;
        }
    }
}

/* The hash that four chains come to, as a number, least significant word first. */
ADIT_FUNCTION void join(ADIT_LOCAL const u32 *states, u32 *digest)
{
    u32 state[8], block[16];
    ADIT_UNROLL for (int i = 0; i < 8; ++i) {
        block[i] = ADIT_SWAP(states[i] ^ states[8 + i] ^ states[16 + i] ^ states[24 + i]);
        state[i] = INITIAL[i];
    }
    block[8] = 0x80000000u;
    ADIT_UNROLL for (int i = 9; i < 15; ++i) block[i] = 0;
    block[15] = 256;
    compress(state, block);
    ADIT_UNROLL for (int i = 0; i < 8; ++i) {
        block[i] = ADIT_SWAP(state[i]);
        block[8 + i] = 0;
        state[i] = INITIAL[i];
    }
    blake3_block(state, block, 32, CHUNK_START | CHUNK_END | ROOT);
    ADIT_UNROLL for (int i = 0; i < 8; ++i) digest[i] = ADIT_SWAP(state[7 - i]);
}

/* spec: KRN-3.1 */
ADIT_KERNEL(prepare)(ADIT_GLOBAL const u32 *job, ADIT_GLOBAL u32 *constants)
{
    if (ADIT_ITEM != 0) return;
    constants[TOP] = job[139];
    for (int i = 0; i < HEADER_WORDS; ++i) constants[HEADER + i] = job[i];
}

/* spec: KRN-3.3, KRN-3.6 */
ADIT_KERNEL(search)(ADIT_CONSTANTS, ADIT_GLOBAL u32 *scratch, u32 start_low, u32 start_high, u32 count,
                    ADIT_GLOBAL u32 *results ADIT_SEARCH_END)
{
    ADIT_SHARED u32 copies[256 * COPIES];
    ADIT_SHARED u32 states[GROUP * 8];
    u32 place = ADIT_LOCAL_ITEM;
    u32 first = ADIT_GROUP_NUMBER * NONCES;
    u32 low = start_low + first;
    u32 high = start_high + (low < start_low ? 1u : 0u);
    /* Of each three nonces that follow each other, a warp takes the one whose chain has the warp's remainder. */
    u32 chain = place % CHAINS;
    u32 turn = (place / 32 + 2 * (low % 3 + high % 3 + chain)) % 3;
    u32 nonce = place / SET * (SET / CHAINS) + 3 * (place % 32 / CHAINS) + turn;
    u32 header[HEADER_WORDS], words[8];
    copy_aes(copies);
    if (first + nonce < count) {
        u32 mine = low + nonce;
        u32 carried = high + (mine < low ? 1u : 0u);
        AditLife life = ADIT_LIFE((count + NONCES - 1) / NONCES);
        ADIT_UNROLL for (int i = 0; i < HEADER_WORDS; ++i) header[i] = ADIT_CONSTANT(HEADER + i);
        run_chain(copies + place % COPIES, header, mine, carried, chain, scratch, life, words);
        ADIT_UNROLL for (int i = 0; i < 8; ++i) states[8 * (nonce * CHAINS + chain) + i] = words[i];
    }
    ADIT_BARRIER;
    if (place >= NONCES || first + place >= count) return;
    join(states + 8 * CHAINS * place, words);
    if (words[7] <= ADIT_CONSTANT(TOP)) {
        u32 at = ADIT_NEXT(results);
        u32 mine = low + place;
        if (at < results[1]) {
            results[4 + 2 * at] = mine;
            results[5 + 2 * at] = high + (mine < low ? 1u : 0u);
        }
    }
}

/* spec: KRN-2.3, KRN-3.4 */
ADIT_KERNEL(digest)(ADIT_GLOBAL const u32 *job, ADIT_GLOBAL const u32 *results, ADIT_GLOBAL u32 *digests,
                    ADIT_GLOBAL u32 *scratch)
{
    ADIT_SHARED u32 copies[256 * COPIES];
    ADIT_SHARED u32 states[GROUP * 8];
    u32 place = ADIT_LOCAL_ITEM;
    u32 first = ADIT_GROUP_NUMBER * NONCES;
    u32 count = results[0] < results[1] ? results[0] : results[1];
    u32 item = first + place / CHAINS;
    u32 header[HEADER_WORDS], words[8];
    int above = 0, below = 0;
    copy_aes(copies);
    if (item < count) {
        u32 chain = place % CHAINS;
        ADIT_UNROLL for (int i = 0; i < HEADER_WORDS; ++i) header[i] = job[i];
        run_chain(copies + place % COPIES, header, results[4 + 2 * item], results[5 + 2 * item], chain,
                  scratch, ADIT_FOR_EVER, words);
        ADIT_UNROLL for (int i = 0; i < 8; ++i) states[8 * place + i] = words[i];
    }
    ADIT_BARRIER;
    item = first + place;
    if (place >= NONCES || item >= count) return;
    join(states + 8 * CHAINS * place, words);
    for (int i = 7; i >= 0; --i) {
        digests[9 * item + i] = words[i];
        if (!above && !below) {
            above = words[i] > job[132 + i];
            below = words[i] < job[132 + i];
        }
    }
    digests[9 * item + 8] = above ? 0 : 1;
}
