// What a kernel in WGSL may use. Before this stand ADIT_CONSTANT_VECTORS and ADIT_GROUP. spec: KRN-4.2

struct Words8 {
    low: vec4<u32>,
    high: vec4<u32>,
}

struct Words16 {
    a: vec4<u32>,
    b: vec4<u32>,
    c: vec4<u32>,
    d: vec4<u32>,
}

struct Results {
    count: atomic<u32>,
    capacity: u32,
    unused: vec2<u32>,
    nonces: array<vec2<u32>>,
}

@group(0) @binding(0) var<storage, read> job: array<u32, 144>;
// What `prepare` writes is what `search` reads, in the memory where devices broadcast from.
@group(0) @binding(1) var<storage, read_write> prepared: array<u32>;
@group(0) @binding(1) var<uniform> constants: array<vec4<u32>, ADIT_CONSTANT_VECTORS>;
// The first nonce, how many, and the items of a row of the dispatch.
@group(0) @binding(2) var<uniform> range: vec4<u32>;
@group(0) @binding(3) var<storage, read_write> results: Results;
@group(0) @binding(4) var<storage, read_write> digests: array<u32>;
@group(0) @binding(5) var<storage, read_write> scratch: array<vec4<u32>>;

fn constant(at: u32) -> u32 {
    return constants[at >> 2u][at & 3u];
}

// Where in the range an item of `search` stands.
fn item_of(id: vec3<u32>) -> u32 {
    return id.x + id.y * range.w;
}

// An item's nonce, low word first. spec: KRN-3.2
fn nonce_of(item: u32) -> vec2<u32> {
    let low = range.x + item;
    return vec2<u32>(low, range.y + select(0u, 1u, low < item));
}

// spec: KRN-3.3
fn append(nonce: vec2<u32>) {
    let at = atomicAdd(&results.count, 1u);
    if at < results.capacity {
        results.nonces[at] = nonce;
    }
}

fn is_candidate(item: u32) -> bool {
    return item < atomicLoad(&results.count) && item < results.capacity;
}

// Stores a digest, least significant word first, and whether it meets the target. spec: KRN-2.3
fn store_digest(item: u32, low: vec4<u32>, high: vec4<u32>) {
    var words = array<u32, 8>(low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w);
    var above = false;
    var below = false;
    for (var i = 8u; i > 0u; i -= 1u) {
        let word = words[i - 1u];
        digests[9u * item + i - 1u] = word;
        if !above && !below {
            above = word > job[131u + i];
            below = word < job[131u + i];
        }
    }
    digests[9u * item + 8u] = select(1u, 0u, above);
}

fn rotate_right(x: u32, n: u32) -> u32 {
    return (x >> n) | (x << (32u - n));
}

// The bytes of a word the other way round.
fn swap(x: u32) -> u32 {
    return (x >> 24u) | ((x >> 8u) & 0xff00u) | ((x << 8u) & 0xff0000u) | (x << 24u);
}

fn swap4(x: vec4<u32>) -> vec4<u32> {
    return vec4<u32>(swap(x.x), swap(x.y), swap(x.z), swap(x.w));
}

// Four words of the job, from `at` on.
fn job4(at: u32) -> vec4<u32> {
    return vec4<u32>(job[at], job[at + 1u], job[at + 2u], job[at + 3u]);
}
