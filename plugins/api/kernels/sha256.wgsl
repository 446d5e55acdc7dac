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

// Sixteen rounds, the first of which is number `r`.
fn sha256_rounds(begin: Words8, w: Words16, r: u32) -> Words8 {
    var s0 = begin.low.x;
    var s1 = begin.low.y;
    var s2 = begin.low.z;
    var s3 = begin.low.w;
    var s4 = begin.high.x;
    var s5 = begin.high.y;
    var s6 = begin.high.z;
    var s7 = begin.high.w;
    round_of(s0, s1, s2, &s3, s4, s5, s6, &s7, s7 + w.a.x + SHA256_ROUND[r]);
    round_of(s7, s0, s1, &s2, s3, s4, s5, &s6, s6 + w.a.y + SHA256_ROUND[r + 1u]);
    round_of(s6, s7, s0, &s1, s2, s3, s4, &s5, s5 + w.a.z + SHA256_ROUND[r + 2u]);
    round_of(s5, s6, s7, &s0, s1, s2, s3, &s4, s4 + w.a.w + SHA256_ROUND[r + 3u]);
    round_of(s4, s5, s6, &s7, s0, s1, s2, &s3, s3 + w.b.x + SHA256_ROUND[r + 4u]);
    round_of(s3, s4, s5, &s6, s7, s0, s1, &s2, s2 + w.b.y + SHA256_ROUND[r + 5u]);
    round_of(s2, s3, s4, &s5, s6, s7, s0, &s1, s1 + w.b.z + SHA256_ROUND[r + 6u]);
    round_of(s1, s2, s3, &s4, s5, s6, s7, &s0, s0 + w.b.w + SHA256_ROUND[r + 7u]);
    round_of(s0, s1, s2, &s3, s4, s5, s6, &s7, s7 + w.c.x + SHA256_ROUND[r + 8u]);
    round_of(s7, s0, s1, &s2, s3, s4, s5, &s6, s6 + w.c.y + SHA256_ROUND[r + 9u]);
    round_of(s6, s7, s0, &s1, s2, s3, s4, &s5, s5 + w.c.z + SHA256_ROUND[r + 10u]);
    round_of(s5, s6, s7, &s0, s1, s2, s3, &s4, s4 + w.c.w + SHA256_ROUND[r + 11u]);
    round_of(s4, s5, s6, &s7, s0, s1, s2, &s3, s3 + w.d.x + SHA256_ROUND[r + 12u]);
    round_of(s3, s4, s5, &s6, s7, s0, s1, &s2, s2 + w.d.y + SHA256_ROUND[r + 13u]);
    round_of(s2, s3, s4, &s5, s6, s7, s0, &s1, s1 + w.d.z + SHA256_ROUND[r + 14u]);
    round_of(s1, s2, s3, &s4, s5, s6, s7, &s0, s0 + w.d.w + SHA256_ROUND[r + 15u]);
    return Words8(vec4<u32>(s0, s1, s2, s3), vec4<u32>(s4, s5, s6, s7));
}

// The block's words for the next sixteen rounds.
fn sha256_extended(w: Words16) -> Words16 {
    let w0 = w.a.x + small0(w.a.y) + w.c.y + small1(w.d.z);
    let w1 = w.a.y + small0(w.a.z) + w.c.z + small1(w.d.w);
    let w2 = w.a.z + small0(w.a.w) + w.c.w + small1(w0);
    let w3 = w.a.w + small0(w.b.x) + w.d.x + small1(w1);
    let w4 = w.b.x + small0(w.b.y) + w.d.y + small1(w2);
    let w5 = w.b.y + small0(w.b.z) + w.d.z + small1(w3);
    let w6 = w.b.z + small0(w.b.w) + w.d.w + small1(w4);
    let w7 = w.b.w + small0(w.c.x) + w0 + small1(w5);
    let w8 = w.c.x + small0(w.c.y) + w1 + small1(w6);
    let w9 = w.c.y + small0(w.c.z) + w2 + small1(w7);
    let w10 = w.c.z + small0(w.c.w) + w3 + small1(w8);
    let w11 = w.c.w + small0(w.d.x) + w4 + small1(w9);
    let w12 = w.d.x + small0(w.d.y) + w5 + small1(w10);
    let w13 = w.d.y + small0(w.d.z) + w6 + small1(w11);
    let w14 = w.d.z + small0(w.d.w) + w7 + small1(w12);
    let w15 = w.d.w + small0(w0) + w8 + small1(w13);
    return Words16(
        vec4<u32>(w0, w1, w2, w3),
        vec4<u32>(w4, w5, w6, w7),
        vec4<u32>(w8, w9, w10, w11),
        vec4<u32>(w12, w13, w14, w15),
    );
}

// The state after one more block, whose words are big-endian numbers.
fn sha256(state: Words8, block: Words16) -> Words8 {
    var s = state;
    var w = block;
    for (var r = 0u; r < 64u; r += 16u) {
        s = sha256_rounds(s, w, r);
        w = sha256_extended(w);
    }
    return Words8(state.low + s.low, state.high + s.high);
}

// The same without a loop, for where most of the time goes.
fn sha256_flat(state: Words8, block: Words16) -> Words8 {
    let w1 = sha256_extended(block);
    let w2 = sha256_extended(w1);
    let w3 = sha256_extended(w2);
    var s = sha256_rounds(state, block, 0u);
    s = sha256_rounds(s, w1, 16u);
    s = sha256_rounds(s, w2, 32u);
    s = sha256_rounds(s, w3, 48u);
    return Words8(state.low + s.low, state.high + s.high);
}
