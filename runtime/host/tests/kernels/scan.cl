/* The kernels of the algorithm in main.rs, for OpenCL C and CUDA C++. */

ADIT_FUNCTION u32 mix(u32 x)
{
    x = (x ^ (x >> 16)) * 0x85ebca6bu;
    x = (x ^ (x >> 13)) * 0xc2b2ae35u;
    return x ^ (x >> 16);
}

ADIT_FUNCTION u32 word(u32 first, u32 second, u32 low, u32 high, u32 i)
{
    return mix(mix(first ^ low) + mix(second ^ high) + i);
}

ADIT_KERNEL(prepare)(ADIT_GLOBAL const u32 *job, ADIT_GLOBAL u32 *constants)
{
    if (ADIT_ITEM != 0) return;
    constants[0] = job[139];
    constants[1] = job[0];
    constants[2] = job[1];
}

ADIT_KERNEL(search)(ADIT_CONSTANTS, ADIT_GLOBAL u32 *scratch, u32 start_low, u32 start_high, u32 count,
                    ADIT_GLOBAL u32 *results ADIT_SEARCH_END)
{
    u32 item = ADIT_ITEM;
    u32 low = start_low + item;
    u32 high = start_high + (low < start_low ? 1u : 0u);
    if (item >= count) return;
    if (word(ADIT_CONSTANT(1), ADIT_CONSTANT(2), low, high, 7) <= ADIT_CONSTANT(0)) {
        u32 at = ADIT_NEXT(results);
        if (at < results[1]) {
            results[4 + 2 * at] = low;
            results[5 + 2 * at] = high;
        }
    }
}

ADIT_KERNEL(digest)(ADIT_GLOBAL const u32 *job, ADIT_GLOBAL const u32 *results, ADIT_GLOBAL u32 *digests,
                    ADIT_GLOBAL u32 *scratch)
{
    u32 item = ADIT_ITEM;
    int above = 0, below = 0;
    if (item >= results[0] || item >= results[1]) return;
    for (int i = 7; i >= 0; --i) {
        u32 w = word(job[0], job[1], results[4 + 2 * item], results[5 + 2 * item], i);
        digests[9 * item + i] = w;
        if (!above && !below) {
            above = w > job[132 + i];
            below = w < job[132 + i];
        }
    }
    digests[9 * item + 8] = above ? 0 : 1;
}
