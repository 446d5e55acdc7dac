// The scan of sha256d, FIPS 180-4, in WGSL: scan.cl tells what is done when, and why. Stands after the plugin API's
// wgpu.wgsl and sha256.wgsl.

// The words that `prepare` writes: names as in src/job.rs.
const TOP: u32 = 0u;
const MID0: u32 = 1u;
const MID1: u32 = 2u;
const MID2: u32 = 3u;
const MID3: u32 = 4u;
const MID4: u32 = 5u;
const MID5: u32 = 6u;
const MID6: u32 = 7u;
const MID7: u32 = 8u;
const EARLY0: u32 = 9u;
const EARLY1: u32 = 10u;
const EARLY2: u32 = 11u;
const EARLY3: u32 = 12u;
const EARLY4: u32 = 13u;
const EARLY5: u32 = 14u;
const EARLY6: u32 = 15u;
const EARLY7: u32 = 16u;
const KEYED4: u32 = 17u;
const KEYED5: u32 = 18u;
const KEYED6: u32 = 19u;
const W16: u32 = 20u;
const W17: u32 = 21u;
const W18: u32 = 22u;
const W19: u32 = 23u;
const KEYED16: u32 = 24u;
const KEYED17: u32 = 25u;
const LATE31: u32 = 26u;
const LATE32: u32 = 27u;
// 28 words.

fn first_block() -> Words8 {
    let block = Words16(swap4(job4(0u)), swap4(job4(4u)), swap4(job4(8u)), swap4(job4(12u)));
    return sha256(SHA256_INITIAL, block);
}

// spec: KRN-3.1
@compute @workgroup_size(1)
fn prepare() {
    let state = first_block();
    let m0 = swap(job[16]);
    let m1 = swap(job[17]);
    let m2 = swap(job[18]);
    var s0 = state.low.x;
    var s1 = state.low.y;
    var s2 = state.low.z;
    var s3 = state.low.w;
    var s4 = state.high.x;
    var s5 = state.high.y;
    var s6 = state.high.z;
    var s7 = state.high.w;
    prepared[TOP] = job[139];
    prepared[MID0] = s0;
    prepared[MID1] = s1;
    prepared[MID2] = s2;
    prepared[MID3] = s3;
    prepared[MID4] = s4;
    prepared[MID5] = s5;
    prepared[MID6] = s6;
    prepared[MID7] = s7;
    round_of(s0, s1, s2, &s3, s4, s5, s6, &s7, s7 + m0 + SHA256_ROUND[0]);
    round_of(s7, s0, s1, &s2, s3, s4, s5, &s6, s6 + m1 + SHA256_ROUND[1]);
    round_of(s6, s7, s0, &s1, s2, s3, s4, &s5, s5 + m2 + SHA256_ROUND[2]);
    // The nonce is added to both words that this round writes, by `search`.
    round_of(s5, s6, s7, &s0, s1, s2, s3, &s4, s4 + SHA256_ROUND[3]);
    prepared[EARLY0] = s0;
    prepared[EARLY1] = s1;
    prepared[EARLY2] = s2;
    prepared[EARLY3] = s3;
    prepared[EARLY4] = s4;
    prepared[EARLY5] = s5;
    prepared[EARLY6] = s6;
    prepared[EARLY7] = s7;
    // Word 4 is the bit behind the header, 5 to 14 are zero.
    prepared[KEYED4] = s3 + SHA256_ROUND[4] + 0x80000000u;
    prepared[KEYED5] = s2 + SHA256_ROUND[5];
    prepared[KEYED6] = s1 + SHA256_ROUND[6];
    let w16 = m0 + small0(m1);
    let w17 = m1 + small0(m2) + small1(640u);
    prepared[W16] = w16;
    prepared[W17] = w17;
    prepared[W18] = m2 + small1(w16);
    prepared[W19] = small0(0x80000000u) + small1(w17);
    prepared[KEYED16] = SHA256_ROUND[16] + w16;
    prepared[KEYED17] = SHA256_ROUND[17] + w17;
    prepared[LATE31] = small0(w16) + 640u;
    prepared[LATE32] = small0(w17) + w16;
}

// The digest's highest 32 bits, for the nonce as a big-endian word.
fn highest_word(nonce: u32) -> u32 {
    var s0 = constant(EARLY0) + nonce;
    var s1 = constant(EARLY1);
    var s2 = constant(EARLY2);
    var s3 = constant(EARLY3);
    var s4 = constant(EARLY4) + nonce;
    var s5 = constant(EARLY5);
    var s6 = constant(EARLY6);
    var s7 = constant(EARLY7);
    round_of(s4, s5, s6, &s7, s0, s1, s2, &s3, constant(KEYED4));
    round_of(s3, s4, s5, &s6, s7, s0, s1, &s2, constant(KEYED5));
    round_of(s2, s3, s4, &s5, s6, s7, s0, &s1, constant(KEYED6));
    round_of(s1, s2, s3, &s4, s5, s6, s7, &s0, s0 + 0xab1c5ed5u);
    round_of(s0, s1, s2, &s3, s4, s5, s6, &s7, s7 + 0xd807aa98u);
    round_of(s7, s0, s1, &s2, s3, s4, s5, &s6, s6 + 0x12835b01u);
    round_of(s6, s7, s0, &s1, s2, s3, s4, &s5, s5 + 0x243185beu);
    round_of(s5, s6, s7, &s0, s1, s2, s3, &s4, s4 + 0x550c7dc3u);
    round_of(s4, s5, s6, &s7, s0, s1, s2, &s3, s3 + 0x72be5d74u);
    round_of(s3, s4, s5, &s6, s7, s0, s1, &s2, s2 + 0x80deb1feu);
    round_of(s2, s3, s4, &s5, s6, s7, s0, &s1, s1 + 0x9bdc06a7u);
    round_of(s1, s2, s3, &s4, s5, s6, s7, &s0, s0 + 0xc19bf3f4u);
    round_of(s0, s1, s2, &s3, s4, s5, s6, &s7, s7 + constant(KEYED16));
    round_of(s7, s0, s1, &s2, s3, s4, s5, &s6, s6 + constant(KEYED17));
    var w2 = small0(nonce) + constant(W18);
    round_of(s6, s7, s0, &s1, s2, s3, s4, &s5, s5 + 0x0fc19dc6u + w2);
    var w3 = nonce + constant(W19);
    round_of(s5, s6, s7, &s0, s1, s2, s3, &s4, s4 + 0x240ca1ccu + w3);
    var w4 = small1(w2) + 0x80000000u;
    round_of(s4, s5, s6, &s7, s0, s1, s2, &s3, s3 + 0x2de92c6fu + w4);
    var w5 = small1(w3);
    round_of(s3, s4, s5, &s6, s7, s0, s1, &s2, s2 + 0x4a7484aau + w5);
    var w6 = small1(w4) + 640u;
    round_of(s2, s3, s4, &s5, s6, s7, s0, &s1, s1 + 0x5cb0a9dcu + w6);
    var w7 = small1(w5) + constant(W16);
    round_of(s1, s2, s3, &s4, s5, s6, s7, &s0, s0 + 0x76f988dau + w7);
    var w8 = small1(w6) + constant(W17);
    round_of(s0, s1, s2, &s3, s4, s5, s6, &s7, s7 + 0x983e5152u + w8);
    var w9 = small1(w7) + w2;
    round_of(s7, s0, s1, &s2, s3, s4, s5, &s6, s6 + 0xa831c66du + w9);
    var w10 = small1(w8) + w3;
    round_of(s6, s7, s0, &s1, s2, s3, s4, &s5, s5 + 0xb00327c8u + w10);
    var w11 = small1(w9) + w4;
    round_of(s5, s6, s7, &s0, s1, s2, s3, &s4, s4 + 0xbf597fc7u + w11);
    var w12 = small1(w10) + w5;
    round_of(s4, s5, s6, &s7, s0, s1, s2, &s3, s3 + 0xc6e00bf3u + w12);
    var w13 = small1(w11) + w6;
    round_of(s3, s4, s5, &s6, s7, s0, s1, &s2, s2 + 0xd5a79147u + w13);
    var w14 = small1(w12) + w7 + 0x00a00055u;
    round_of(s2, s3, s4, &s5, s6, s7, s0, &s1, s1 + 0x06ca6351u + w14);
    var w15 = small1(w13) + w8 + constant(LATE31);
    round_of(s1, s2, s3, &s4, s5, s6, s7, &s0, s0 + 0x14292967u + w15);
    var w0 = small1(w14) + w9 + constant(LATE32);
    round_of(s0, s1, s2, &s3, s4, s5, s6, &s7, s7 + 0x27b70a85u + w0);
    var w1 = small1(w15) + w10 + small0(w2) + constant(W17);
    round_of(s7, s0, s1, &s2, s3, s4, s5, &s6, s6 + 0x2e1b2138u + w1);
    w2 += small0(w3) + w11 + small1(w0);
    round_of(s6, s7, s0, &s1, s2, s3, s4, &s5, s5 + 0x4d2c6dfcu + w2);
    w3 += small0(w4) + w12 + small1(w1);
    round_of(s5, s6, s7, &s0, s1, s2, s3, &s4, s4 + 0x53380d13u + w3);
    w4 += small0(w5) + w13 + small1(w2);
    round_of(s4, s5, s6, &s7, s0, s1, s2, &s3, s3 + 0x650a7354u + w4);
    w5 += small0(w6) + w14 + small1(w3);
    round_of(s3, s4, s5, &s6, s7, s0, s1, &s2, s2 + 0x766a0abbu + w5);
    w6 += small0(w7) + w15 + small1(w4);
    round_of(s2, s3, s4, &s5, s6, s7, s0, &s1, s1 + 0x81c2c92eu + w6);
    w7 += small0(w8) + w0 + small1(w5);
    round_of(s1, s2, s3, &s4, s5, s6, s7, &s0, s0 + 0x92722c85u + w7);
    w8 += small0(w9) + w1 + small1(w6);
    round_of(s0, s1, s2, &s3, s4, s5, s6, &s7, s7 + 0xa2bfe8a1u + w8);
    w9 += small0(w10) + w2 + small1(w7);
    round_of(s7, s0, s1, &s2, s3, s4, s5, &s6, s6 + 0xa81a664bu + w9);
    w10 += small0(w11) + w3 + small1(w8);
    round_of(s6, s7, s0, &s1, s2, s3, s4, &s5, s5 + 0xc24b8b70u + w10);
    w11 += small0(w12) + w4 + small1(w9);
    round_of(s5, s6, s7, &s0, s1, s2, s3, &s4, s4 + 0xc76c51a3u + w11);
    w12 += small0(w13) + w5 + small1(w10);
    round_of(s4, s5, s6, &s7, s0, s1, s2, &s3, s3 + 0xd192e819u + w12);
    w13 += small0(w14) + w6 + small1(w11);
    round_of(s3, s4, s5, &s6, s7, s0, s1, &s2, s2 + 0xd6990624u + w13);
    w14 += small0(w15) + w7 + small1(w12);
    round_of(s2, s3, s4, &s5, s6, s7, s0, &s1, s1 + 0xf40e3585u + w14);
    w15 += small0(w0) + w8 + small1(w13);
    round_of(s1, s2, s3, &s4, s5, s6, s7, &s0, s0 + 0x106aa070u + w15);
    w0 += small0(w1) + w9 + small1(w14);
    round_of(s0, s1, s2, &s3, s4, s5, s6, &s7, s7 + 0x19a4c116u + w0);
    w1 += small0(w2) + w10 + small1(w15);
    round_of(s7, s0, s1, &s2, s3, s4, s5, &s6, s6 + 0x1e376c08u + w1);
    w2 += small0(w3) + w11 + small1(w0);
    round_of(s6, s7, s0, &s1, s2, s3, s4, &s5, s5 + 0x2748774cu + w2);
    w3 += small0(w4) + w12 + small1(w1);
    round_of(s5, s6, s7, &s0, s1, s2, s3, &s4, s4 + 0x34b0bcb5u + w3);
    w4 += small0(w5) + w13 + small1(w2);
    round_of(s4, s5, s6, &s7, s0, s1, s2, &s3, s3 + 0x391c0cb3u + w4);
    w5 += small0(w6) + w14 + small1(w3);
    round_of(s3, s4, s5, &s6, s7, s0, s1, &s2, s2 + 0x4ed8aa4au + w5);
    w6 += small0(w7) + w15 + small1(w4);
    round_of(s2, s3, s4, &s5, s6, s7, s0, &s1, s1 + 0x5b9cca4fu + w6);
    w7 += small0(w8) + w0 + small1(w5);
    round_of(s1, s2, s3, &s4, s5, s6, s7, &s0, s0 + 0x682e6ff3u + w7);
    w8 += small0(w9) + w1 + small1(w6);
    round_of(s0, s1, s2, &s3, s4, s5, s6, &s7, s7 + 0x748f82eeu + w8);
    w9 += small0(w10) + w2 + small1(w7);
    round_of(s7, s0, s1, &s2, s3, s4, s5, &s6, s6 + 0x78a5636fu + w9);
    w10 += small0(w11) + w3 + small1(w8);
    round_of(s6, s7, s0, &s1, s2, s3, s4, &s5, s5 + 0x84c87814u + w10);
    w11 += small0(w12) + w4 + small1(w9);
    round_of(s5, s6, s7, &s0, s1, s2, s3, &s4, s4 + 0x8cc70208u + w11);
    w12 += small0(w13) + w5 + small1(w10);
    round_of(s4, s5, s6, &s7, s0, s1, s2, &s3, s3 + 0x90befffau + w12);
    w13 += small0(w14) + w6 + small1(w11);
    round_of(s3, s4, s5, &s6, s7, s0, s1, &s2, s2 + 0xa4506cebu + w13);
    w14 += small0(w15) + w7 + small1(w12);
    round_of(s2, s3, s4, &s5, s6, s7, s0, &s1, s1 + 0xbef9a3f7u + w14);
    w15 += small0(w0) + w8 + small1(w13);
    round_of(s1, s2, s3, &s4, s5, s6, s7, &s0, s0 + 0xc67178f2u + w15);

    // The second hash: eight words, a one bit, 256 bits.
    w0 = s0 + constant(MID0);
    w1 = s1 + constant(MID1);
    w2 = s2 + constant(MID2);
    w3 = s3 + constant(MID3);
    w4 = s4 + constant(MID4);
    w5 = s5 + constant(MID5);
    w6 = s6 + constant(MID6);
    w7 = s7 + constant(MID7);
    s0 = 0x6a09e667u;
    s1 = 0xbb67ae85u;
    s2 = 0x3c6ef372u;
    s3 = 0x98c7e2a2u + w0;
    s4 = 0x510e527fu;
    s5 = 0x9b05688cu;
    s6 = 0x1f83d9abu;
    s7 = 0xfc08884du + w0;
    round_of(s7, s0, s1, &s2, s3, s4, s5, &s6, 0x90bb1e3cu + w1);
    round_of(s6, s7, s0, &s1, s2, s3, s4, &s5, 0x50c6645bu + w2);
    round_of(s5, s6, s7, &s0, s1, s2, s3, &s4, 0x3ac42e24u + w3);
    round_of(s4, s5, s6, &s7, s0, s1, s2, &s3, s3 + 0x3956c25bu + w4);
    round_of(s3, s4, s5, &s6, s7, s0, s1, &s2, s2 + 0x59f111f1u + w5);
    round_of(s2, s3, s4, &s5, s6, s7, s0, &s1, s1 + 0x923f82a4u + w6);
    round_of(s1, s2, s3, &s4, s5, s6, s7, &s0, s0 + 0xab1c5ed5u + w7);
    round_of(s0, s1, s2, &s3, s4, s5, s6, &s7, s7 + 0x5807aa98u);
    round_of(s7, s0, s1, &s2, s3, s4, s5, &s6, s6 + 0x12835b01u);
    round_of(s6, s7, s0, &s1, s2, s3, s4, &s5, s5 + 0x243185beu);
    round_of(s5, s6, s7, &s0, s1, s2, s3, &s4, s4 + 0x550c7dc3u);
    round_of(s4, s5, s6, &s7, s0, s1, s2, &s3, s3 + 0x72be5d74u);
    round_of(s3, s4, s5, &s6, s7, s0, s1, &s2, s2 + 0x80deb1feu);
    round_of(s2, s3, s4, &s5, s6, s7, s0, &s1, s1 + 0x9bdc06a7u);
    round_of(s1, s2, s3, &s4, s5, s6, s7, &s0, s0 + 0xc19bf274u);
    w0 += small0(w1);
    round_of(s0, s1, s2, &s3, s4, s5, s6, &s7, s7 + 0xe49b69c1u + w0);
    w1 += small0(w2) + 0x00a00000u;
    round_of(s7, s0, s1, &s2, s3, s4, s5, &s6, s6 + 0xefbe4786u + w1);
    w2 += small0(w3) + small1(w0);
    round_of(s6, s7, s0, &s1, s2, s3, s4, &s5, s5 + 0x0fc19dc6u + w2);
    w3 += small0(w4) + small1(w1);
    round_of(s5, s6, s7, &s0, s1, s2, s3, &s4, s4 + 0x240ca1ccu + w3);
    w4 += small0(w5) + small1(w2);
    round_of(s4, s5, s6, &s7, s0, s1, s2, &s3, s3 + 0x2de92c6fu + w4);
    w5 += small0(w6) + small1(w3);
    round_of(s3, s4, s5, &s6, s7, s0, s1, &s2, s2 + 0x4a7484aau + w5);
    w6 += small0(w7) + small1(w4) + 256u;
    round_of(s2, s3, s4, &s5, s6, s7, s0, &s1, s1 + 0x5cb0a9dcu + w6);
    w7 += 0x11002000u + w0 + small1(w5);
    round_of(s1, s2, s3, &s4, s5, s6, s7, &s0, s0 + 0x76f988dau + w7);
    w8 = 0x80000000u + w1 + small1(w6);
    round_of(s0, s1, s2, &s3, s4, s5, s6, &s7, s7 + 0x983e5152u + w8);
    w9 = w2 + small1(w7);
    round_of(s7, s0, s1, &s2, s3, s4, s5, &s6, s6 + 0xa831c66du + w9);
    w10 = w3 + small1(w8);
    round_of(s6, s7, s0, &s1, s2, s3, s4, &s5, s5 + 0xb00327c8u + w10);
    w11 = w4 + small1(w9);
    round_of(s5, s6, s7, &s0, s1, s2, s3, &s4, s4 + 0xbf597fc7u + w11);
    w12 = w5 + small1(w10);
    round_of(s4, s5, s6, &s7, s0, s1, s2, &s3, s3 + 0xc6e00bf3u + w12);
    w13 = w6 + small1(w11);
    round_of(s3, s4, s5, &s6, s7, s0, s1, &s2, s2 + 0xd5a79147u + w13);
    w14 = 0x00400022u + w7 + small1(w12);
    round_of(s2, s3, s4, &s5, s6, s7, s0, &s1, s1 + 0x06ca6351u + w14);
    w15 = 256u + small0(w0) + w8 + small1(w13);
    round_of(s1, s2, s3, &s4, s5, s6, s7, &s0, s0 + 0x14292967u + w15);
    w0 += small0(w1) + w9 + small1(w14);
    round_of(s0, s1, s2, &s3, s4, s5, s6, &s7, s7 + 0x27b70a85u + w0);
    w1 += small0(w2) + w10 + small1(w15);
    round_of(s7, s0, s1, &s2, s3, s4, s5, &s6, s6 + 0x2e1b2138u + w1);
    w2 += small0(w3) + w11 + small1(w0);
    round_of(s6, s7, s0, &s1, s2, s3, s4, &s5, s5 + 0x4d2c6dfcu + w2);
    w3 += small0(w4) + w12 + small1(w1);
    round_of(s5, s6, s7, &s0, s1, s2, s3, &s4, s4 + 0x53380d13u + w3);
    w4 += small0(w5) + w13 + small1(w2);
    round_of(s4, s5, s6, &s7, s0, s1, s2, &s3, s3 + 0x650a7354u + w4);
    w5 += small0(w6) + w14 + small1(w3);
    round_of(s3, s4, s5, &s6, s7, s0, s1, &s2, s2 + 0x766a0abbu + w5);
    w6 += small0(w7) + w15 + small1(w4);
    round_of(s2, s3, s4, &s5, s6, s7, s0, &s1, s1 + 0x81c2c92eu + w6);
    w7 += small0(w8) + w0 + small1(w5);
    round_of(s1, s2, s3, &s4, s5, s6, s7, &s0, s0 + 0x92722c85u + w7);
    w8 += small0(w9) + w1 + small1(w6);
    round_of(s0, s1, s2, &s3, s4, s5, s6, &s7, s7 + 0xa2bfe8a1u + w8);
    w9 += small0(w10) + w2 + small1(w7);
    round_of(s7, s0, s1, &s2, s3, s4, s5, &s6, s6 + 0xa81a664bu + w9);
    w10 += small0(w11) + w3 + small1(w8);
    round_of(s6, s7, s0, &s1, s2, s3, s4, &s5, s5 + 0xc24b8b70u + w10);
    w11 += small0(w12) + w4 + small1(w9);
    round_of(s5, s6, s7, &s0, s1, s2, s3, &s4, s4 + 0xc76c51a3u + w11);
    w12 += small0(w13) + w5 + small1(w10);
    round_of(s4, s5, s6, &s7, s0, s1, s2, &s3, s3 + 0xd192e819u + w12);
    w13 += small0(w14) + w6 + small1(w11);
    round_of(s3, s4, s5, &s6, s7, s0, s1, &s2, s2 + 0xd6990624u + w13);
    w14 += small0(w15) + w7 + small1(w12);
    round_of(s2, s3, s4, &s5, s6, s7, s0, &s1, s1 + 0xf40e3585u + w14);
    w15 += small0(w0) + w8 + small1(w13);
    round_of(s1, s2, s3, &s4, s5, s6, s7, &s0, s0 + 0x106aa070u + w15);
    w0 += small0(w1) + w9 + small1(w14);
    round_of(s0, s1, s2, &s3, s4, s5, s6, &s7, s7 + 0x19a4c116u + w0);
    w1 += small0(w2) + w10 + small1(w15);
    round_of(s7, s0, s1, &s2, s3, s4, s5, &s6, s6 + 0x1e376c08u + w1);
    w2 += small0(w3) + w11 + small1(w0);
    round_of(s6, s7, s0, &s1, s2, s3, s4, &s5, s5 + 0x2748774cu + w2);
    w3 += small0(w4) + w12 + small1(w1);
    round_of(s5, s6, s7, &s0, s1, s2, s3, &s4, s4 + 0x34b0bcb5u + w3);
    w4 += small0(w5) + w13 + small1(w2);
    round_of(s4, s5, s6, &s7, s0, s1, s2, &s3, s3 + 0x391c0cb3u + w4);
    w5 += small0(w6) + w14 + small1(w3);
    round_of(s3, s4, s5, &s6, s7, s0, s1, &s2, s2 + 0x4ed8aa4au + w5);
    w6 += small0(w7) + w15 + small1(w4);
    round_of(s2, s3, s4, &s5, s6, s7, s0, &s1, s1 + 0x5b9cca4fu + w6);
    w7 += small0(w8) + w0 + small1(w5);
    round_of(s1, s2, s3, &s4, s5, s6, s7, &s0, s0 + 0x682e6ff3u + w7);
    w8 += small0(w9) + w1 + small1(w6);
    round_of(s0, s1, s2, &s3, s4, s5, s6, &s7, s7 + 0x748f82eeu + w8);
    w9 += small0(w10) + w2 + small1(w7);
    round_of(s7, s0, s1, &s2, s3, s4, s5, &s6, s6 + 0x78a5636fu + w9);
    w10 += small0(w11) + w3 + small1(w8);
    round_of(s6, s7, s0, &s1, s2, s3, s4, &s5, s5 + 0x84c87814u + w10);
    w11 += small0(w12) + w4 + small1(w9);
    round_of(s5, s6, s7, &s0, s1, s2, s3, &s4, s4 + 0x8cc70208u + w11);
    w12 += small0(w13) + w5 + small1(w10);
    return swap(s7 + s3 + 0xec9fcd13u + w12 + big1(s0) + choose(s0, s1, s2));
}


// spec: KRN-3.2, KRN-3.3
@compute @workgroup_size(ADIT_GROUP)
fn search(@builtin(global_invocation_id) id: vec3<u32>) {
    let item = item_of(id);
    if item >= range.z {
        return;
    }
    let nonce = range.x + item;
    if highest_word(swap(nonce)) <= constant(TOP) {
        append(vec2<u32>(nonce, 0u));
    }
}

// spec: KRN-3.4
@compute @workgroup_size(ADIT_GROUP)
fn digest(@builtin(global_invocation_id) id: vec3<u32>) {
    if !is_candidate(id.x) {
        return;
    }
    let nonce = swap(results.nonces[id.x].x);
    let header = vec4<u32>(swap(job[16]), swap(job[17]), swap(job[18]), nonce);
    let length = vec4<u32>(0u, 0u, 0u, 640u);
    let first = sha256(first_block(), Words16(header, SHA256_END, vec4<u32>(), length));
    let block = Words16(first.low, first.high, SHA256_END, vec4<u32>(0u, 0u, 0u, 256u));
    let second = sha256(SHA256_INITIAL, block);
    store_digest(id.x, swap4(second.low), swap4(second.high));
}
