// The scan of a Chainweb header's blake2s (RFC 7693), in WGSL: scan.cl tells what is done when, and why. Stands after the
// plugin API's wgpu.wgsl.

// The words that `prepare` writes.
const TOP: u32 = 0u;
const MIDSTATE7: u32 = 1u;
const M0: u32 = 2u;
const M1: u32 = 3u;
const M2: u32 = 4u;
const M3: u32 = 5u;
const M4: u32 = 6u;
const M5: u32 = 7u;
const EARLY0: u32 = 8u;
const EARLY1: u32 = 9u;
const EARLY2: u32 = 10u;
const EARLY3: u32 = 11u;
const EARLY4: u32 = 12u;
const EARLY5: u32 = 13u;
const EARLY6: u32 = 14u;
const EARLY7: u32 = 15u;
const EARLY8: u32 = 16u;
const EARLY9: u32 = 17u;
const EARLY10: u32 = 18u;
const EARLY11: u32 = 19u;
const EARLY12: u32 = 20u;
const EARLY13: u32 = 21u;
const EARLY14: u32 = 22u;
const EARLY15: u32 = 23u;
// 24 words.

const HEADER_BYTES = 286u;

const INITIAL = Words8(
    vec4<u32>(0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au),
    vec4<u32>(0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u),
);

// Which message word goes where: eight of four bits a number, two numbers a round.
var<private> SIGMA: array<vec2<u32>, 10> = array<vec2<u32>, 10>(
    vec2<u32>(0x76543210u, 0xfedcba98u),
    vec2<u32>(0x6df984aeu, 0x357b20c1u),
    vec2<u32>(0xdf250c8bu, 0x491763eau),
    vec2<u32>(0xebcd1397u, 0x8f04a562u),
    vec2<u32>(0xfa427509u, 0xd386cb1eu),
    vec2<u32>(0x38b0a6c2u, 0x91ef57d4u),
    vec2<u32>(0xa4def15cu, 0xb8293670u),
    vec2<u32>(0x931ce7bdu, 0xa2684f05u),
    vec2<u32>(0x803b9ef6u, 0x5a417d2cu),
    vec2<u32>(0x5167482au, 0x0dc3e9bfu),
);

// Half a mix once `a` has its message word.
fn spread(a: ptr<function, u32>, b: ptr<function, u32>, c: ptr<function, u32>, d: ptr<function, u32>,
          rotate_d: u32, rotate_b: u32) {
    *d = rotate_right(*d ^ *a, rotate_d);
    *c += *d;
    *b = rotate_right(*b ^ *c, rotate_b);
}

fn half1(a: ptr<function, u32>, b: ptr<function, u32>, c: ptr<function, u32>, d: ptr<function, u32>, m: u32) {
    *a += *b + m;
    spread(a, b, c, d, 16u, 12u);
}

fn half2(a: ptr<function, u32>, b: ptr<function, u32>, c: ptr<function, u32>, d: ptr<function, u32>, m: u32) {
    *a += *b + m;
    spread(a, b, c, d, 8u, 7u);
}

// The same for message words that are zero.
fn bare1(a: ptr<function, u32>, b: ptr<function, u32>, c: ptr<function, u32>, d: ptr<function, u32>) {
    *a += *b;
    spread(a, b, c, d, 16u, 12u);
}

fn bare2(a: ptr<function, u32>, b: ptr<function, u32>, c: ptr<function, u32>, d: ptr<function, u32>) {
    *a += *b;
    spread(a, b, c, d, 8u, 7u);
}

// A word of a block, by the lowest four bits of `which` after `at` others.
fn pick(block: ptr<function, array<u32, 16>>, which: u32, at: u32) -> u32 {
    return (*block)[(which >> (4u * at)) & 15u];
}

// The chain value after the block that ends after `bytes` bytes. Not unrolled: it runs once for a job or a candidate.
fn compress(h: Words8, block: ptr<function, array<u32, 16>>, bytes: u32, last: u32) -> Words8 {
    var v0 = h.low.x;
    var v1 = h.low.y;
    var v2 = h.low.z;
    var v3 = h.low.w;
    var v4 = h.high.x;
    var v5 = h.high.y;
    var v6 = h.high.z;
    var v7 = h.high.w;
    var v8 = INITIAL.low.x;
    var v9 = INITIAL.low.y;
    var v10 = INITIAL.low.z;
    var v11 = INITIAL.low.w;
    var v12 = INITIAL.high.x ^ bytes;
    var v13 = INITIAL.high.y;
    var v14 = INITIAL.high.z ^ last;
    var v15 = INITIAL.high.w;
    for (var r = 0u; r < 10u; r += 1u) {
        let first = SIGMA[r].x;
        let second = SIGMA[r].y;
        half1(&v0, &v4, &v8, &v12, pick(block, first, 0u));
        half2(&v0, &v4, &v8, &v12, pick(block, first, 1u));
        half1(&v1, &v5, &v9, &v13, pick(block, first, 2u));
        half2(&v1, &v5, &v9, &v13, pick(block, first, 3u));
        half1(&v2, &v6, &v10, &v14, pick(block, first, 4u));
        half2(&v2, &v6, &v10, &v14, pick(block, first, 5u));
        half1(&v3, &v7, &v11, &v15, pick(block, first, 6u));
        half2(&v3, &v7, &v11, &v15, pick(block, first, 7u));
        half1(&v0, &v5, &v10, &v15, pick(block, second, 0u));
        half2(&v0, &v5, &v10, &v15, pick(block, second, 1u));
        half1(&v1, &v6, &v11, &v12, pick(block, second, 2u));
        half2(&v1, &v6, &v11, &v12, pick(block, second, 3u));
        half1(&v2, &v7, &v8, &v13, pick(block, second, 4u));
        half2(&v2, &v7, &v8, &v13, pick(block, second, 5u));
        half1(&v3, &v4, &v9, &v14, pick(block, second, 6u));
        half2(&v3, &v4, &v9, &v14, pick(block, second, 7u));
    }
    return Words8(
        h.low ^ vec4<u32>(v0 ^ v8, v1 ^ v9, v2 ^ v10, v3 ^ v11),
        h.high ^ vec4<u32>(v4 ^ v12, v5 ^ v13, v6 ^ v14, v7 ^ v15),
    );
}

// The chain value after the header's first 256 bytes.
fn midstate() -> Words8 {
    var h = INITIAL;
    h.low.x ^= 0x01010020u;
    for (var number = 0u; number < 4u; number += 1u) {
        var block: array<u32, 16>;
        for (var i = 0u; i < 16u; i += 1u) {
            block[i] = job[16u * number + i];
        }
        h = compress(h, &block, 64u * (number + 1u), 0u);
    }
    return h;
}

// Words 5 to 7 of the last block with this nonce, low word first, in them.
fn words_of(nonce: vec2<u32>) -> vec3<u32> {
    return vec3<u32>(
        (job[69] & 0xffffu) | (nonce.x << 16u),
        (nonce.x >> 16u) | (nonce.y << 16u),
        nonce.y >> 16u,
    );
}

// spec: KRN-3.1
@compute @workgroup_size(1)
fn prepare() {
    let h = midstate();
    var v0 = h.low.x;
    var v1 = h.low.y;
    var v2 = h.low.z;
    var v3 = h.low.w;
    var v4 = h.high.x;
    var v5 = h.high.y;
    var v6 = h.high.z;
    var v7 = h.high.w;
    var v8 = INITIAL.low.x;
    var v9 = INITIAL.low.y;
    var v10 = INITIAL.low.z;
    var v11 = INITIAL.low.w;
    var v12 = INITIAL.high.x ^ HEADER_BYTES;
    var v13 = INITIAL.high.y;
    var v14 = ~INITIAL.high.z;
    var v15 = INITIAL.high.w;
    half1(&v0, &v4, &v8, &v12, job[64]);
    half2(&v0, &v4, &v8, &v12, job[65]);
    half1(&v1, &v5, &v9, &v13, job[66]);
    half2(&v1, &v5, &v9, &v13, job[67]);
    half1(&v2, &v6, &v10, &v14, job[68]);
    // What m5 and m6 are added to; the first diagonal takes two zero words.
    v2 += v6;
    v3 += v7;
    v0 += v5;
    prepared[TOP] = job[139];
    prepared[MIDSTATE7] = h.high.w;
    for (var i = 0u; i < 5u; i += 1u) {
        prepared[M0 + i] = job[64u + i];
    }
    prepared[M5] = job[69] & 0xffffu;
    prepared[EARLY0] = v0;
    prepared[EARLY1] = v1;
    prepared[EARLY2] = v2;
    prepared[EARLY3] = v3;
    prepared[EARLY4] = v4;
    prepared[EARLY5] = v5;
    prepared[EARLY6] = v6;
    prepared[EARLY7] = v7;
    prepared[EARLY8] = v8;
    prepared[EARLY9] = v9;
    prepared[EARLY10] = v10;
    prepared[EARLY11] = v11;
    prepared[EARLY12] = v12;
    prepared[EARLY13] = v13;
    prepared[EARLY14] = v14;
    prepared[EARLY15] = v15;
}

// The digest's highest 32 bits.
fn highest_word(low: u32, high: u32) -> u32 {
    let m0 = constant(M0);
    let m1 = constant(M1);
    let m2 = constant(M2);
    let m3 = constant(M3);
    let m4 = constant(M4);
    let m5 = constant(M5) | (low << 16);
    let m6 = (low >> 16) | (high << 16);
    let m7 = high >> 16;
    var v0 = constant(EARLY0);
    var v1 = constant(EARLY1);
    var v2 = constant(EARLY2);
    var v3 = constant(EARLY3);
    var v4 = constant(EARLY4);
    var v5 = constant(EARLY5);
    var v6 = constant(EARLY6);
    var v7 = constant(EARLY7);
    var v8 = constant(EARLY8);
    var v9 = constant(EARLY9);
    var v10 = constant(EARLY10);
    var v11 = constant(EARLY11);
    var v12 = constant(EARLY12);
    var v13 = constant(EARLY13);
    var v14 = constant(EARLY14);
    var v15 = constant(EARLY15);

    v2 += m5;
    spread(&v2, &v6, &v10, &v14, 8u, 7u);
    v3 += m6;
    spread(&v3, &v7, &v11, &v15, 16u, 12u);
    half2(&v3, &v7, &v11, &v15, m7);
    spread(&v0, &v5, &v10, &v15, 16u, 12u);
    bare2(&v0, &v5, &v10, &v15);
    bare1(&v1, &v6, &v11, &v12);
    bare2(&v1, &v6, &v11, &v12);
    bare1(&v2, &v7, &v8, &v13);
    bare2(&v2, &v7, &v8, &v13);
    bare1(&v3, &v4, &v9, &v14);
    bare2(&v3, &v4, &v9, &v14);

    bare1(&v0, &v4, &v8, &v12);
    half1(&v1, &v5, &v9, &v13, m4);
    bare1(&v2, &v6, &v10, &v14);
    bare1(&v3, &v7, &v11, &v15);
    bare2(&v0, &v4, &v8, &v12);
    bare2(&v1, &v5, &v9, &v13);
    bare2(&v2, &v6, &v10, &v14);
    half2(&v3, &v7, &v11, &v15, m6);
    half1(&v0, &v5, &v10, &v15, m1);
    half1(&v1, &v6, &v11, &v12, m0);
    bare1(&v2, &v7, &v8, &v13);
    half1(&v3, &v4, &v9, &v14, m5);
    bare2(&v0, &v5, &v10, &v15);
    half2(&v1, &v6, &v11, &v12, m2);
    half2(&v2, &v7, &v8, &v13, m7);
    half2(&v3, &v4, &v9, &v14, m3);

    bare1(&v0, &v4, &v8, &v12);
    bare1(&v1, &v5, &v9, &v13);
    half1(&v2, &v6, &v10, &v14, m5);
    bare1(&v3, &v7, &v11, &v15);
    bare2(&v0, &v4, &v8, &v12);
    half2(&v1, &v5, &v9, &v13, m0);
    half2(&v2, &v6, &v10, &v14, m2);
    bare2(&v3, &v7, &v11, &v15);
    bare1(&v0, &v5, &v10, &v15);
    half1(&v1, &v6, &v11, &v12, m3);
    half1(&v2, &v7, &v8, &v13, m7);
    bare1(&v3, &v4, &v9, &v14);
    bare2(&v0, &v5, &v10, &v15);
    half2(&v1, &v6, &v11, &v12, m6);
    half2(&v2, &v7, &v8, &v13, m1);
    half2(&v3, &v4, &v9, &v14, m4);

    half1(&v0, &v4, &v8, &v12, m7);
    half1(&v1, &v5, &v9, &v13, m3);
    bare1(&v2, &v6, &v10, &v14);
    bare1(&v3, &v7, &v11, &v15);
    bare2(&v0, &v4, &v8, &v12);
    half2(&v1, &v5, &v9, &v13, m1);
    bare2(&v2, &v6, &v10, &v14);
    bare2(&v3, &v7, &v11, &v15);
    half1(&v0, &v5, &v10, &v15, m2);
    half1(&v1, &v6, &v11, &v12, m5);
    half1(&v2, &v7, &v8, &v13, m4);
    bare1(&v3, &v4, &v9, &v14);
    half2(&v0, &v5, &v10, &v15, m6);
    bare2(&v1, &v6, &v11, &v12);
    half2(&v2, &v7, &v8, &v13, m0);
    bare2(&v3, &v4, &v9, &v14);

    bare1(&v0, &v4, &v8, &v12);
    half1(&v1, &v5, &v9, &v13, m5);
    half1(&v2, &v6, &v10, &v14, m2);
    bare1(&v3, &v7, &v11, &v15);
    half2(&v0, &v4, &v8, &v12, m0);
    half2(&v1, &v5, &v9, &v13, m7);
    half2(&v2, &v6, &v10, &v14, m4);
    bare2(&v3, &v7, &v11, &v15);
    bare1(&v0, &v5, &v10, &v15);
    bare1(&v1, &v6, &v11, &v12);
    half1(&v2, &v7, &v8, &v13, m6);
    half1(&v3, &v4, &v9, &v14, m3);
    half2(&v0, &v5, &v10, &v15, m1);
    bare2(&v1, &v6, &v11, &v12);
    bare2(&v2, &v7, &v8, &v13);
    bare2(&v3, &v4, &v9, &v14);

    half1(&v0, &v4, &v8, &v12, m2);
    half1(&v1, &v5, &v9, &v13, m6);
    half1(&v2, &v6, &v10, &v14, m0);
    bare1(&v3, &v7, &v11, &v15);
    bare2(&v0, &v4, &v8, &v12);
    bare2(&v1, &v5, &v9, &v13);
    bare2(&v2, &v6, &v10, &v14);
    half2(&v3, &v7, &v11, &v15, m3);
    half1(&v0, &v5, &v10, &v15, m4);
    half1(&v1, &v6, &v11, &v12, m7);
    bare1(&v2, &v7, &v8, &v13);
    half1(&v3, &v4, &v9, &v14, m1);
    bare2(&v0, &v5, &v10, &v15);
    half2(&v1, &v6, &v11, &v12, m5);
    bare2(&v2, &v7, &v8, &v13);
    bare2(&v3, &v4, &v9, &v14);

    bare1(&v0, &v4, &v8, &v12);
    half1(&v1, &v5, &v9, &v13, m1);
    bare1(&v2, &v6, &v10, &v14);
    half1(&v3, &v7, &v11, &v15, m4);
    half2(&v0, &v4, &v8, &v12, m5);
    bare2(&v1, &v5, &v9, &v13);
    bare2(&v2, &v6, &v10, &v14);
    bare2(&v3, &v7, &v11, &v15);
    half1(&v0, &v5, &v10, &v15, m0);
    half1(&v1, &v6, &v11, &v12, m6);
    bare1(&v2, &v7, &v8, &v13);
    bare1(&v3, &v4, &v9, &v14);
    half2(&v0, &v5, &v10, &v15, m7);
    half2(&v1, &v6, &v11, &v12, m3);
    half2(&v2, &v7, &v8, &v13, m2);
    bare2(&v3, &v4, &v9, &v14);

    bare1(&v0, &v4, &v8, &v12);
    half1(&v1, &v5, &v9, &v13, m7);
    bare1(&v2, &v6, &v10, &v14);
    half1(&v3, &v7, &v11, &v15, m3);
    bare2(&v0, &v4, &v8, &v12);
    bare2(&v1, &v5, &v9, &v13);
    half2(&v2, &v6, &v10, &v14, m1);
    bare2(&v3, &v7, &v11, &v15);
    half1(&v0, &v5, &v10, &v15, m5);
    bare1(&v1, &v6, &v11, &v12);
    bare1(&v2, &v7, &v8, &v13);
    half1(&v3, &v4, &v9, &v14, m2);
    half2(&v0, &v5, &v10, &v15, m0);
    half2(&v1, &v6, &v11, &v12, m4);
    half2(&v2, &v7, &v8, &v13, m6);
    bare2(&v3, &v4, &v9, &v14);

    half1(&v0, &v4, &v8, &v12, m6);
    bare1(&v1, &v5, &v9, &v13);
    bare1(&v2, &v6, &v10, &v14);
    half1(&v3, &v7, &v11, &v15, m0);
    bare2(&v0, &v4, &v8, &v12);
    bare2(&v1, &v5, &v9, &v13);
    half2(&v2, &v6, &v10, &v14, m3);
    bare2(&v3, &v7, &v11, &v15);
    bare1(&v0, &v5, &v10, &v15);
    bare1(&v1, &v6, &v11, &v12);
    half1(&v2, &v7, &v8, &v13, m1);
    bare1(&v3, &v4, &v9, &v14);
    half2(&v0, &v5, &v10, &v15, m2);
    half2(&v1, &v6, &v11, &v12, m7);
    half2(&v2, &v7, &v8, &v13, m4);
    half2(&v3, &v4, &v9, &v14, m5);

    bare1(&v0, &v4, &v8, &v12);
    bare1(&v1, &v5, &v9, &v13);
    half1(&v2, &v6, &v10, &v14, m7);
    half1(&v3, &v7, &v11, &v15, m1);
    half2(&v0, &v4, &v8, &v12, m2);
    half2(&v1, &v5, &v9, &v13, m4);
    half2(&v2, &v6, &v10, &v14, m6);
    half2(&v3, &v7, &v11, &v15, m5);
    bare1(&v0, &v5, &v10, &v15);
    bare1(&v1, &v6, &v11, &v12);
    half1(&v2, &v7, &v8, &v13, m3);
    bare1(&v3, &v4, &v9, &v14);
    bare2(&v0, &v5, &v10, &v15);
    bare2(&v1, &v6, &v11, &v12);
    bare2(&v2, &v7, &v8, &v13);
    half2(&v3, &v4, &v9, &v14, m0);
    return constant(MIDSTATE7) ^ v7 ^ v15;
}


// spec: KRN-3.2, KRN-3.3
@compute @workgroup_size(ADIT_GROUP)
fn search(@builtin(global_invocation_id) id: vec3<u32>) {
    let item = item_of(id);
    if item >= range.z {
        return;
    }
    let nonce = nonce_of(item);
    if highest_word(nonce.x, nonce.y) <= constant(TOP) {
        append(nonce);
    }
}

// spec: KRN-3.4
@compute @workgroup_size(ADIT_GROUP)
fn digest(@builtin(global_invocation_id) id: vec3<u32>) {
    if !is_candidate(id.x) {
        return;
    }
    var block: array<u32, 16>;
    for (var i = 0u; i < 5u; i += 1u) {
        block[i] = job[64u + i];
    }
    let words = words_of(results.nonces[id.x]);
    block[5] = words.x;
    block[6] = words.y;
    block[7] = words.z;
    let h = compress(midstate(), &block, HEADER_BYTES, 0xffffffffu);
    store_digest(id.x, h.low, h.high);
}
