// The kernels of the algorithm in main.rs, in WGSL.

fn mix(x: u32) -> u32 {
    let y = (x ^ (x >> 16u)) * 0x85ebca6bu;
    let z = (y ^ (y >> 13u)) * 0xc2b2ae35u;
    return z ^ (z >> 16u);
}

fn word(seeds: vec2<u32>, nonce: vec2<u32>, i: u32) -> u32 {
    return mix(mix(seeds.x ^ nonce.x) + mix(seeds.y ^ nonce.y) + i);
}

@compute @workgroup_size(1)
fn prepare() {
    prepared[0] = job[139];
    prepared[1] = job[0];
    prepared[2] = job[1];
}

@compute @workgroup_size(ADIT_GROUP)
fn search(@builtin(global_invocation_id) id: vec3<u32>) {
    let item = item_of(id);
    if item >= range.z {
        return;
    }
    let nonce = nonce_of(item);
    if word(vec2<u32>(constant(1u), constant(2u)), nonce, 7u) <= constant(0u) {
        append(nonce);
    }
}

@compute @workgroup_size(ADIT_GROUP)
fn digest(@builtin(global_invocation_id) id: vec3<u32>) {
    if !is_candidate(id.x) {
        return;
    }
    let seeds = vec2<u32>(job[0], job[1]);
    let nonce = results.nonces[id.x];
    let low = vec4<u32>(
        word(seeds, nonce, 0u), word(seeds, nonce, 1u), word(seeds, nonce, 2u), word(seeds, nonce, 3u));
    let high = vec4<u32>(
        word(seeds, nonce, 4u), word(seeds, nonce, 5u), word(seeds, nonce, 6u), word(seeds, nonce, 7u));
    store_digest(id.x, low, high);
}
