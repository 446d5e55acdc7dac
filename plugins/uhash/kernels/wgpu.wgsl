// The scan of UniversalHash, version 4, in WGSL: scan.cl tells why. Stands after the plugin API's wgpu.wgsl and sha256.wgsl.
//
// WGSL has no numbers of 64 bits: the nonce is two words, low one first. AES takes its table from the work group's
// memory, where every item may look elsewhere; it is worked out anew in each group, which is little beside a hash.
//
// Mesa's CPU device ends an item's loops after 65,535 turns in all, without a word. A hash has 4 times 32,768 vectors to
// fill and 12,288 rounds; so a turn fills four vectors or makes two rounds, and the hashes of a round have no loops.

// The words that `prepare` writes: highest word of the target, the header's 15 words before the nonce.
const TOP = 0u;
const HEADER = 1u;
// 16 words.

const HEADER_WORDS = 15u;
const CHAINS = 4u;
const BLOCKS = 8192u;
const BLOCK_VECTORS = 4u;
const ROUNDS = 12288u;

// By how much a chain's nonce differs from the one before, modulo 2^64, before it is xored: low word first.
const GOLDEN = vec2<u32>(0x7f4a7c15u, 0x9e3779b9u);

const CHUNK_START = 1u;
const CHUNK_END = 2u;
const ROOT = 8u;

// A column of the matrix times what the box makes of a byte: 2, 1, 1, 3 times it.
var<workgroup> AES: array<u32, 256>;

// Works out each `group`th entry of the table: goes through all bytes but 0 as powers of 3, with their inverses as
// powers of its inverse. All items of a group must come here.
fn fill_aes(first: u32, group: u32) {
    var x = 1u;
    var inverse = 1u;
    for (var step = 0u; step < 256u; step += 1u) {
        // The last step is for 0, which has no inverse.
        if step == 255u {
            x = 0u;
            inverse = 0u;
        }
        if x % group == first {
            let turned = inverse | (inverse << 8u);
            let once = 0x63u
                ^ ((turned ^ (turned >> 4u) ^ (turned >> 5u) ^ (turned >> 6u) ^ (turned >> 7u)) & 0xffu);
            let twice = (once << 1u) ^ (0x11bu * (once >> 7u));
            AES[x] = twice | (once << 8u) | (once << 16u) | ((twice ^ once) << 24u);
        }
        x ^= (x << 1u) ^ (0x11bu * (x >> 7u));
        inverse ^= inverse << 1u;
        inverse ^= inverse << 2u;
        inverse = (inverse ^ (inverse << 4u)) & 0xffu;
        inverse ^= 0x09u * (inverse >> 7u);
    }
    workgroupBarrier();
}

fn column(a: u32, b: u32, c: u32, d: u32) -> u32 {
    return AES[a & 0xffu] ^ rotate_right(AES[(b >> 8u) & 0xffu], 24u)
        ^ rotate_right(AES[(c >> 16u) & 0xffu], 16u) ^ rotate_right(AES[d >> 24u], 8u);
}

// One round of AES, as AESENC makes it: four columns.
fn aes(s: vec4<u32>, key: vec4<u32>) -> vec4<u32> {
    return key ^ vec4<u32>(
        column(s.x, s.y, s.z, s.w),
        column(s.y, s.z, s.w, s.x),
        column(s.z, s.w, s.x, s.y),
        column(s.w, s.x, s.y, s.z),
    );
}

fn aes4(s: vec4<u32>, key1: vec4<u32>, key2: vec4<u32>, key3: vec4<u32>, key4: vec4<u32>) -> vec4<u32> {
    return aes(aes(aes(aes(s, key1), key2), key3), key4);
}

fn box(x: u32) -> u32 {
    return (AES[x & 0xffu] >> 8u) & 0xffu;
}

// The round key of AES-128 after this one; `power` is the round's constant.
fn next_key(key: vec4<u32>, power: u32) -> vec4<u32> {
    let w = key.w;
    let first = key.x ^ power
        ^ (box(w >> 8u) | (box(w >> 16u) << 8u) | (box(w >> 24u) << 16u) | (box(w) << 24u));
    let second = key.y ^ first;
    let third = key.z ^ second;
    return vec4<u32>(first, second, third, w ^ third);
}

// Half a mix of each of four columns, or diagonals, once `a` has its message words.
fn spread(v: Words16, rotate_d: u32, rotate_b: u32) -> Words16 {
    let d = rotate_right4(v.d ^ v.a, rotate_d);
    let c = v.c + d;
    return Words16(v.a, rotate_right4(v.b ^ c, rotate_b), c, d);
}

fn rotate_right4(x: vec4<u32>, n: u32) -> vec4<u32> {
    return (x >> vec4<u32>(n)) | (x << vec4<u32>(32u - n));
}

fn mix(begin: Words16, x: vec4<u32>, y: vec4<u32>) -> Words16 {
    var v = begin;
    v.a += v.b + x;
    v = spread(v, 16u, 12u);
    v.a += v.b + y;
    return spread(v, 8u, 7u);
}

fn blake3_round(begin: Words16, m: Words16) -> Words16 {
    let v = mix(begin, vec4<u32>(m.a.xz, m.b.xz), vec4<u32>(m.a.yw, m.b.yw));
    let w = mix(
        Words16(v.a, v.b.yzwx, v.c.zwxy, v.d.wxyz), vec4<u32>(m.c.xz, m.d.xz), vec4<u32>(m.c.yw, m.d.yw));
    return Words16(w.a, w.b.wxyz, w.c.zwxy, w.d.yzwx);
}

// The message words of the next round.
fn permuted(m: Words16) -> Words16 {
    return Words16(
        vec4<u32>(m.a.z, m.b.z, m.a.w, m.c.z),
        vec4<u32>(m.b.w, m.a.x, m.b.x, m.d.y),
        vec4<u32>(m.a.y, m.c.w, m.d.x, m.b.y),
        vec4<u32>(m.c.y, m.d.z, m.d.w, m.c.x),
    );
}

// The seven rounds of BLAKE3 from a chain value and its last four words on, folded.
fn blake3(h: Words8, last: vec4<u32>, block: Words16) -> Words8 {
    let m1 = permuted(block);
    let m2 = permuted(m1);
    let m3 = permuted(m2);
    let m4 = permuted(m3);
    let m5 = permuted(m4);
    var v = Words16(h.low, h.high, SHA256_INITIAL.low, last);
    v = blake3_round(v, block);
    v = blake3_round(v, m1);
    v = blake3_round(v, m2);
    v = blake3_round(v, m3);
    v = blake3_round(v, m4);
    v = blake3_round(v, m5);
    v = blake3_round(v, permuted(m5));
    return Words8(v.a ^ v.c, v.b ^ v.d);
}

// A block of the only chunk of a message: the chain value after it, or the hash.
fn blake3_block(h: Words8, block: Words16, length: u32, flags: u32) -> Words8 {
    return blake3(h, vec4<u32>(0u, 0u, length, flags), block);
}

// BLAKE3 of the header, whose last word is the nonce's low one, and the nonce's high word: 68 bytes.
fn seed_of(header: Words16, nonce: vec2<u32>) -> Words8 {
    var block = header;
    block.d.w = nonce.x;
    let first = blake3_block(SHA256_INITIAL, block, 64u, CHUNK_START);
    let rest = Words16(vec4<u32>(nonce.y, 0u, 0u, 0u), vec4<u32>(), vec4<u32>(), vec4<u32>());
    return blake3_block(first, rest, 4u, CHUNK_END | ROOT);
}

// Fills the table from a seed.
fn fill(seed: Words8, table: u32) {
    let key1 = next_key(seed.low, 1u);
    let key2 = next_key(key1, 2u);
    let key3 = next_key(key2, 4u);
    var s = seed.high;
    for (var at = table; at < table + BLOCKS * BLOCK_VECTORS; at += 4u) {
        let t = aes4(s, seed.low, key1, key2, key3);
        let u = aes4(t, seed.low, key1, key2, key3);
        let v = aes4(u, seed.low, key1, key2, key3);
        s = aes4(v, seed.low, key1, key2, key3);
        scratch[at] = t;
        scratch[at + 1u] = u;
        scratch[at + 2u] = v;
        scratch[at + 3u] = s;
    }
}

// One of the three ways to make a new state of a state and a block.
fn step(way: u32, state: Words8, block: Words16) -> Words8 {
    if way == 0u {
        return Words8(
            aes4(state.low, block.a, block.b, block.c, block.d),
            aes4(state.high, block.c, block.d, block.a, block.b),
        );
    }
    if way == 1u {
        let swapped = Words16(swap4(block.a), swap4(block.b), swap4(block.c), swap4(block.d));
        let hash = sha256_flat(Words8(swap4(state.low), swap4(state.high)), swapped);
        return Words8(swap4(hash.low), swap4(hash.high));
    }
    return blake3(state, SHA256_INITIAL.high, block);
}

fn next_way(way: u32) -> u32 {
    return select(way + 1u, 0u, way == 2u);
}

// Round `r`: takes a block of the table that the state names, and leaves its new state there.
fn round(r: u32, way: u32, state: Words8, table: u32) -> Words8 {
    // Only 13 bits of the address count, and both multiples of the round's number wrap.
    let x = state.low.x ^ state.low.z ^ (r << 13u) ^ (r * 0x27220a95u);
    let row = table + (x & (BLOCKS - 1u)) * BLOCK_VECTORS;
    let block = Words16(scratch[row], scratch[row + 1u], scratch[row + 2u], scratch[row + 3u]);
    let next = step(way, state, block);
    scratch[row] = next.low;
    scratch[row + 1u] = next.high;
    return next;
}

fn chain(seed: Words8, way_before: u32, table: u32) -> Words8 {
    fill(seed, table);
    var way = way_before;
    var state = seed;
    for (var r = 0u; r < ROUNDS; r += 2u) {
        way = next_way(way);
        state = round(r, way, state, table);
        way = next_way(way);
        state = round(r + 1u, way, state, table);
    }
    return state;
}

// The remainder by three; 2^32 leaves one.
fn by_three(x: vec2<u32>) -> u32 {
    return (x.x % 3u + x.y % 3u) % 3u;
}

fn plus(x: vec2<u32>, y: vec2<u32>) -> vec2<u32> {
    let low = x.x + y.x;
    return vec2<u32>(low, x.y + y.y + select(0u, 1u, low < x.x));
}

// The hash as a number, least significant word first.
fn hash(header: Words16, nonce: vec2<u32>, table: u32) -> Words8 {
    var sum = Words8();
    var golden = vec2<u32>();
    for (var c = 0u; c < CHAINS; c += 1u) {
        let state = chain(seed_of(header, nonce ^ golden), by_three(plus(nonce, vec2<u32>(c, 0u))), table);
        sum = Words8(sum.low ^ state.low, sum.high ^ state.high);
        golden = plus(golden, GOLDEN);
    }
    let end = vec4<u32>(0u, 0u, 0u, 256u);
    let inner = sha256(SHA256_INITIAL, Words16(swap4(sum.low), swap4(sum.high), SHA256_END, end));
    let words = Words16(swap4(inner.low), swap4(inner.high), vec4<u32>(), vec4<u32>());
    let outer = blake3_block(SHA256_INITIAL, words, 32u, CHUNK_START | CHUNK_END | ROOT);
    return Words8(swap4(outer.high.wzyx), swap4(outer.low.wzyx));
}

// spec: KRN-3.1
@compute @workgroup_size(1)
fn prepare() {
    prepared[TOP] = job[139];
    for (var i = 0u; i < HEADER_WORDS; i += 1u) {
        prepared[HEADER + i] = job[i];
    }
}

// Three words of the header and, after the last of them, room for the nonce.
fn constant3(at: u32) -> vec3<u32> {
    return vec3<u32>(constant(at), constant(at + 1u), constant(at + 2u));
}

fn constant4(at: u32) -> vec4<u32> {
    return vec4<u32>(constant3(at), constant(at + 3u));
}

// spec: KRN-3.2, KRN-3.3
@compute @workgroup_size(ADIT_GROUP)
fn search(@builtin(global_invocation_id) id: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    fill_aes(local, ADIT_GROUP);
    let item = item_of(id);
    if item >= range.z {
        return;
    }
    let nonce = nonce_of(item);
    let header = Words16(
        constant4(HEADER),
        constant4(HEADER + 4u),
        constant4(HEADER + 8u),
        vec4<u32>(constant3(HEADER + 12u), 0u),
    );
    let digest = hash(header, nonce, item * BLOCKS * BLOCK_VECTORS);
    if digest.high.w <= constant(TOP) {
        append(nonce);
    }
}

// spec: KRN-3.4
@compute @workgroup_size(ADIT_GROUP)
fn digest(@builtin(global_invocation_id) id: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    fill_aes(local, ADIT_GROUP);
    if !is_candidate(id.x) {
        return;
    }
    let header = Words16(job4(0u), job4(4u), job4(8u), vec4<u32>(job[12], job[13], job[14], 0u));
    let words = hash(header, results.nonces[id.x], id.x * BLOCKS * BLOCK_VECTORS);
    store_digest(id.x, words.low, words.high);
}
