// SHA-256 (FIPS 180-4) in WGSL, for the algorithms that have it as a part. Stands after wgpu.wgsl.

const SHA256_INITIAL = Words8(
    vec4<u32>(0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au),
    vec4<u32>(0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u),
);

// The bit behind a message's end, as the first word of a vector.
const SHA256_END = vec4<u32>(0x80000000u, 0u, 0u, 0u);

// Not `const`: an index that only the shader knows would copy all of it to every place that asks.
var<private> SHA256_ROUND: array<u32, 64> = array<u32, 64>(
    0x428a2f98u, 0x71374491u, 0xb5c0fbcfu, 0xe9b5dba5u, 0x3956c25bu, 0x59f111f1u, 0x923f82a4u, 0xab1c5ed5u,
    0xd807aa98u, 0x12835b01u, 0x243185beu, 0x550c7dc3u, 0x72be5d74u, 0x80deb1feu, 0x9bdc06a7u, 0xc19bf174u,
    0xe49b69c1u, 0xefbe4786u, 0x0fc19dc6u, 0x240ca1ccu, 0x2de92c6fu, 0x4a7484aau, 0x5cb0a9dcu, 0x76f988dau,
    0x983e5152u, 0xa831c66du, 0xb00327c8u, 0xbf597fc7u, 0xc6e00bf3u, 0xd5a79147u, 0x06ca6351u, 0x14292967u,
    0x27b70a85u, 0x2e1b2138u, 0x4d2c6dfcu, 0x53380d13u, 0x650a7354u, 0x766a0abbu, 0x81c2c92eu, 0x92722c85u,
    0xa2bfe8a1u, 0xa81a664bu, 0xc24b8b70u, 0xc76c51a3u, 0xd192e819u, 0xd6990624u, 0xf40e3585u, 0x106aa070u,
    0x19a4c116u, 0x1e376c08u, 0x2748774cu, 0x34b0bcb5u, 0x391c0cb3u, 0x4ed8aa4au, 0x5b9cca4fu, 0x682e6ff3u,
    0x748f82eeu, 0x78a5636fu, 0x84c87814u, 0x8cc70208u, 0x90befffau, 0xa4506cebu, 0xbef9a3f7u, 0xc67178f2u,
);

fn big0(x: u32) -> u32 {
    return rotate_right(x, 2u) ^ rotate_right(x, 13u) ^ rotate_right(x, 22u);
}

fn big1(x: u32) -> u32 {
    return rotate_right(x, 6u) ^ rotate_right(x, 11u) ^ rotate_right(x, 25u);
}

fn small0(x: u32) -> u32 {
    return rotate_right(x, 7u) ^ rotate_right(x, 18u) ^ (x >> 3u);
}

fn small1(x: u32) -> u32 {
    return rotate_right(x, 17u) ^ rotate_right(x, 19u) ^ (x >> 10u);
}

fn choose(x: u32, y: u32, z: u32) -> u32 {
    return z ^ (x & (y ^ z));
}

fn majority(x: u32, y: u32, z: u32) -> u32 {
    return (x & y) | (z & (x | y));
}

// A round; `sum_of_h` is what `h` holds and what is added to it. The roles move, the words stay.
fn round_of(a: u32, b: u32, c: u32, d: ptr<function, u32>, e: u32, f: u32, g: u32, h: ptr<function, u32>,
            sum_of_h: u32) {
    let sum = sum_of_h + big1(e) + choose(e, f, g);
    *d += sum;
    *h = sum + big0(a) + majority(a, b, c);
}

// The state after one more block, whose words are big-endian numbers.
fn sha256(state: Words8, block: Words16) -> Words8 {
    var s0 = state.low.x;
    var s1 = state.low.y;
    var s2 = state.low.z;
    var s3 = state.low.w;
    var s4 = state.high.x;
    var s5 = state.high.y;
    var s6 = state.high.z;
    var s7 = state.high.w;
    var w0 = block.a.x;
    var w1 = block.a.y;
    var w2 = block.a.z;
    var w3 = block.a.w;
    var w4 = block.b.x;
    var w5 = block.b.y;
    var w6 = block.b.z;
    var w7 = block.b.w;
    var w8 = block.c.x;
    var w9 = block.c.y;
    var w10 = block.c.z;
    var w11 = block.c.w;
    var w12 = block.d.x;
    var w13 = block.d.y;
    var w14 = block.d.z;
    var w15 = block.d.w;
    for (var r = 0u; r < 64u; r += 16u) {
        if r > 0u {
            w0 += small0(w1) + w9 + small1(w14);
            w1 += small0(w2) + w10 + small1(w15);
            w2 += small0(w3) + w11 + small1(w0);
            w3 += small0(w4) + w12 + small1(w1);
            w4 += small0(w5) + w13 + small1(w2);
            w5 += small0(w6) + w14 + small1(w3);
            w6 += small0(w7) + w15 + small1(w4);
            w7 += small0(w8) + w0 + small1(w5);
            w8 += small0(w9) + w1 + small1(w6);
            w9 += small0(w10) + w2 + small1(w7);
            w10 += small0(w11) + w3 + small1(w8);
            w11 += small0(w12) + w4 + small1(w9);
            w12 += small0(w13) + w5 + small1(w10);
            w13 += small0(w14) + w6 + small1(w11);
            w14 += small0(w15) + w7 + small1(w12);
            w15 += small0(w0) + w8 + small1(w13);
        }
        round_of(s0, s1, s2, &s3, s4, s5, s6, &s7, s7 + w0 + SHA256_ROUND[r]);
        round_of(s7, s0, s1, &s2, s3, s4, s5, &s6, s6 + w1 + SHA256_ROUND[r + 1u]);
        round_of(s6, s7, s0, &s1, s2, s3, s4, &s5, s5 + w2 + SHA256_ROUND[r + 2u]);
        round_of(s5, s6, s7, &s0, s1, s2, s3, &s4, s4 + w3 + SHA256_ROUND[r + 3u]);
        round_of(s4, s5, s6, &s7, s0, s1, s2, &s3, s3 + w4 + SHA256_ROUND[r + 4u]);
        round_of(s3, s4, s5, &s6, s7, s0, s1, &s2, s2 + w5 + SHA256_ROUND[r + 5u]);
        round_of(s2, s3, s4, &s5, s6, s7, s0, &s1, s1 + w6 + SHA256_ROUND[r + 6u]);
        round_of(s1, s2, s3, &s4, s5, s6, s7, &s0, s0 + w7 + SHA256_ROUND[r + 7u]);
        round_of(s0, s1, s2, &s3, s4, s5, s6, &s7, s7 + w8 + SHA256_ROUND[r + 8u]);
        round_of(s7, s0, s1, &s2, s3, s4, s5, &s6, s6 + w9 + SHA256_ROUND[r + 9u]);
        round_of(s6, s7, s0, &s1, s2, s3, s4, &s5, s5 + w10 + SHA256_ROUND[r + 10u]);
        round_of(s5, s6, s7, &s0, s1, s2, s3, &s4, s4 + w11 + SHA256_ROUND[r + 11u]);
        round_of(s4, s5, s6, &s7, s0, s1, s2, &s3, s3 + w12 + SHA256_ROUND[r + 12u]);
        round_of(s3, s4, s5, &s6, s7, s0, s1, &s2, s2 + w13 + SHA256_ROUND[r + 13u]);
        round_of(s2, s3, s4, &s5, s6, s7, s0, &s1, s1 + w14 + SHA256_ROUND[r + 14u]);
        round_of(s1, s2, s3, &s4, s5, s6, s7, &s0, s0 + w15 + SHA256_ROUND[r + 15u]);
    }
    return Words8(state.low + vec4<u32>(s0, s1, s2, s3), state.high + vec4<u32>(s4, s5, s6, s7));
}
