// The scan of scrypt (1024, 1, 1; RFC 7914) over headers of 80 bytes, in WGSL. Stands after the plugin API's wgpu.wgsl and
// sha256.wgsl.
//
// An item has a table of its own, 1,024 rows of 128 bytes, one after the other: rows are read whole, at places that only the
// data knows. Words are kept in the order of Salsa20's diagonals throughout, so that a step works on four columns or
// four rows at once.

// The words that `prepare` writes: highest word of the target, state after the header's first 64 bytes, the
// header's words as SHA-256 reads them, but for the nonce.
const TOP = 0u;
const FIRST = 1u;
const WORDS = 9u;
// 28 words.

const ROWS = 1024u;
const ROW_VECTORS = 8u;

const ZERO = vec4<u32>(0u, 0u, 0u, 0u);

// The last vector of a block that ends a message of so many bytes.
fn length_of(bytes: u32) -> vec4<u32> {
    return vec4<u32>(0u, 0u, 0u, 8u * bytes);
}

// The state of an HMAC after the block with its key, which is the hash of the header: inner or outer by `pad`.
fn keyed(key: Words8, pad: u32) -> Words8 {
    let pads = vec4<u32>(pad, pad, pad, pad);
    return sha256(SHA256_INITIAL, Words16(key.low ^ pads, key.high ^ pads, pads, pads));
}

// The end of an HMAC: the outer hash of an inner one.
fn finish(outer: Words8, inner: Words8) -> Words8 {
    return sha256(outer, Words16(inner.low, inner.high, SHA256_END, length_of(64u + 32u)));
}

fn rotate_left4(x: vec4<u32>, n: u32) -> vec4<u32> {
    return (x << vec4<u32>(n)) | (x >> vec4<u32>(32u - n));
}

// Sixteen words by Salsa20's diagonals, from rows of four.
fn to_diagonals(x: Words16) -> Words16 {
    return Words16(
        vec4<u32>(x.a.x, x.b.y, x.c.z, x.d.w),
        vec4<u32>(x.b.x, x.c.y, x.d.z, x.a.w),
        vec4<u32>(x.c.x, x.d.y, x.a.z, x.b.w),
        vec4<u32>(x.d.x, x.a.y, x.b.z, x.c.w),
    );
}

fn to_rows(x: Words16) -> Words16 {
    return Words16(
        vec4<u32>(x.a.x, x.d.y, x.c.z, x.b.w),
        vec4<u32>(x.b.x, x.a.y, x.d.z, x.c.w),
        vec4<u32>(x.c.x, x.b.y, x.a.z, x.d.w),
        vec4<u32>(x.d.x, x.c.y, x.b.z, x.a.w),
    );
}

// Salsa20/8 of x xor with.
fn salsa(x: Words16, with_: Words16) -> Words16 {
    let a0 = x.a ^ with_.a;
    let b0 = x.b ^ with_.b;
    let c0 = x.c ^ with_.c;
    let d0 = x.d ^ with_.d;
    var a = a0;
    var b = b0;
    var c = c0;
    var d = d0;
    for (var round = 0u; round < 4u; round += 1u) {
        // The columns.
        b ^= rotate_left4(a + d, 7u);
        c ^= rotate_left4(b + a, 9u);
        d ^= rotate_left4(c + b, 13u);
        a ^= rotate_left4(d + c, 18u);
        // The rows: the same words one place on.
        var e = d.yzwx;
        var f = c.zwxy;
        var g = b.wxyz;
        e ^= rotate_left4(a + g, 7u);
        f ^= rotate_left4(e + a, 9u);
        g ^= rotate_left4(f + e, 13u);
        a ^= rotate_left4(g + f, 18u);
        b = g.yzwx;
        c = f.zwxy;
        d = e.wxyz;
    }
    return Words16(a + a0, b + b0, c + c0, d + d0);
}

// The hash of a header, given as SHA-256 reads it with its first block's state, with the table from `table` on.
fn hash(first: Words8, header: Words16, tail: vec4<u32>, table: u32) -> Words8 {
    let key = sha256(first, Words16(tail, SHA256_END, ZERO, length_of(80u)));
    var inner = keyed(key, 0x36363636u);
    let outer = keyed(key, 0x5c5c5c5cu);

    // PBKDF2 of the header with itself: 128 bytes, four hashes of 32.
    let salted = sha256(inner, header);
    var parts: array<Words8, 4>;
    for (var part = 0u; part < 4u; part += 1u) {
        let number = vec4<u32>(part + 1u, 0x80000000u, 0u, 0u);
        let state = sha256(salted, Words16(tail, number, ZERO, length_of(64u + 80u + 4u)));
        let end = finish(outer, state);
        parts[part] = Words8(swap4(end.low), swap4(end.high));
    }
    var x = to_diagonals(Words16(parts[0].low, parts[0].high, parts[1].low, parts[1].high));
    var y = to_diagonals(Words16(parts[2].low, parts[2].high, parts[3].low, parts[3].high));

    for (var row = 0u; row < ROWS; row += 1u) {
        let at = table + ROW_VECTORS * row;
        scratch[at] = x.a;
        scratch[at + 1u] = x.b;
        scratch[at + 2u] = x.c;
        scratch[at + 3u] = x.d;
        scratch[at + 4u] = y.a;
        scratch[at + 5u] = y.b;
        scratch[at + 6u] = y.c;
        scratch[at + 7u] = y.d;
        x = salsa(x, y);
        y = salsa(y, x);
    }
    for (var turn = 0u; turn < ROWS; turn += 1u) {
        let at = table + ROW_VECTORS * (y.a.x & (ROWS - 1u));
        x = Words16(x.a ^ scratch[at], x.b ^ scratch[at + 1u], x.c ^ scratch[at + 2u], x.d ^ scratch[at + 3u]);
        y = Words16(
            y.a ^ scratch[at + 4u], y.b ^ scratch[at + 5u], y.c ^ scratch[at + 6u], y.d ^ scratch[at + 7u]);
        x = salsa(x, y);
        y = salsa(y, x);
    }

    // PBKDF2 of the header with that: 32 bytes.
    x = to_rows(x);
    y = to_rows(y);
    inner = sha256(inner, Words16(swap4(x.a), swap4(x.b), swap4(x.c), swap4(x.d)));
    inner = sha256(inner, Words16(swap4(y.a), swap4(y.b), swap4(y.c), swap4(y.d)));
    let last = vec4<u32>(1u, 0x80000000u, 0u, 0u);
    inner = finish(outer, sha256(inner, Words16(last, ZERO, ZERO, length_of(64u + 128u + 4u))));
    return Words8(swap4(inner.low), swap4(inner.high));
}

fn first_words() -> Words16 {
    return Words16(swap4(job4(0u)), swap4(job4(4u)), swap4(job4(8u)), swap4(job4(12u)));
}

// spec: KRN-3.1
@compute @workgroup_size(1)
fn prepare() {
    let state = sha256(SHA256_INITIAL, first_words());
    prepared[TOP] = job[139];
    for (var i = 0u; i < 4u; i += 1u) {
        prepared[FIRST + i] = state.low[i];
        prepared[FIRST + 4u + i] = state.high[i];
    }
    for (var i = 0u; i < 19u; i += 1u) {
        prepared[WORDS + i] = swap(job[i]);
    }
}

fn constant4(at: u32) -> vec4<u32> {
    return vec4<u32>(constant(at), constant(at + 1u), constant(at + 2u), constant(at + 3u));
}

// spec: KRN-3.2, KRN-3.3
@compute @workgroup_size(ADIT_GROUP)
fn search(@builtin(global_invocation_id) id: vec3<u32>) {
    let item = item_of(id);
    if item >= range.z {
        return;
    }
    let nonce = range.x + item;
    let first = Words8(constant4(FIRST), constant4(FIRST + 4u));
    let header = Words16(
        constant4(WORDS), constant4(WORDS + 4u), constant4(WORDS + 8u), constant4(WORDS + 12u));
    let tail = vec4<u32>(
        constant(WORDS + 16u), constant(WORDS + 17u), constant(WORDS + 18u), swap(nonce));
    let digest = hash(first, header, tail, item * ROWS * ROW_VECTORS);
    if digest.high.w <= constant(TOP) {
        append(vec2<u32>(nonce, 0u));
    }
}

// spec: KRN-3.4
@compute @workgroup_size(ADIT_GROUP)
fn digest(@builtin(global_invocation_id) id: vec3<u32>) {
    if !is_candidate(id.x) {
        return;
    }
    let first = sha256(SHA256_INITIAL, first_words());
    let tail = vec4<u32>(swap(job[16]), swap(job[17]), swap(job[18]), swap(results.nonces[id.x].x));
    let words = hash(first, first_words(), tail, id.x * ROWS * ROW_VECTORS);
    store_digest(id.x, words.low, words.high);
}
