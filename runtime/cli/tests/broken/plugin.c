/*
 * Plugins that are broken, one way for each FAULT: the good one of examples/plugin-c with something put in its way.
 * Compiled with -DFAULT=F_name by tests/plugins.rs.
 */

#define _GNU_SOURCE
#define adit_plugin_entry good_entry
#include "../../../../examples/plugin-c/sha256d.c"
#undef adit_plugin_entry

#include <unistd.h>

#define F_magic 1
#define F_version 2
#define F_size 3
#define F_no_digest 4
#define F_no_search 5
#define F_bad_name 6
#define F_bad_layout 7
#define F_too_many_variants 8
#define F_two_variants_alike 9
#define F_digest_fails 10
#define F_digest_varies 11
#define F_no_searcher 12
#define F_duplicate_name 13
#define F_duplicate_id 14
#define F_null_table 15
#define F_zero_group 16
#define F_crashes 17
#define F_hangs 18
#define F_misses 19
#define F_invents 20
#define F_out_of_range 21
#define F_wrong_digest 22
#define F_varies 23
#define F_exits 24
#define F_twice 25
#define F_out_of_order 26
#define F_takes_short_headers 27
#define F_shares_state 28
#define F_one_dev_header 29
#define F_ignores_target 30
#define F_late_crash 31
#define F_stop_misses 32
#define F_stop_is_deaf 33
#define F_stops 34
#define F_kernels_without_source 35
#define F_kernels_in_no_group 36
#define F_kernels_in_no_ascii 37
#define F_kernels_of_much_scratch 38

static uint64_t calls;
/* So that no compiler sees what a write there does. */
static int *volatile nowhere;

static int32_t digest_broken(const uint8_t *header, uint32_t header_len, uint8_t *out)
{
    int32_t status = digest(header, header_len, out);
    if (FAULT == F_digest_fails)
        return 77;
    if (FAULT == F_digest_varies)
        out[0] = (uint8_t)calls++;
    return status;
}

static int32_t searcher_new_broken(uint32_t variant, void **searcher)
{
    static Searcher shared;
    if (FAULT == F_no_searcher) {
        *searcher = NULL;
        return ADIT_PLUGIN_OK;
    }
    if (FAULT == F_shares_state) {
        *searcher = &shared;
        return ADIT_PLUGIN_OK;
    }
    return searcher_new(variant, searcher);
}

static void searcher_free_broken(void *searcher)
{
    if (FAULT != F_shares_state)
        searcher_free(searcher);
}

static int32_t set_job_broken(void *searcher, const uint8_t *header, uint32_t header_len, const uint8_t *target)
{
    if (FAULT == F_takes_short_headers && header_len < HEADER_LEN)
        return ADIT_PLUGIN_OK;
    return set_job(searcher, header, header_len, target);
}

static const AditPluginHits *host;

static void hit_broken(void *context, uint64_t nonce, const uint8_t *digest)
{
    uint8_t other[DIGEST_LEN];
    (void)context;
    memcpy(other, digest, sizeof other);
    if (FAULT == F_misses && nonce % 7 == 3)
        return;
    if (FAULT == F_wrong_digest)
        other[5] ^= 1;
    host->hit(host->context, nonce, other);
    if (FAULT == F_twice)
        host->hit(host->context, nonce, other);
}

static int32_t search_broken(void *searcher, uint64_t start, uint64_t last, const AditPluginHits *hits)
{
    AditPluginHits mine = {NULL, hit_broken};
    Searcher *self = searcher;
    uint8_t zeros[DIGEST_LEN] = {0};
    host = hits;
    if (FAULT == F_crashes)
        *nowhere = 1;
    if (FAULT == F_late_crash && ++calls > 20)
        *nowhere = 1;
    if (FAULT == F_exits)
        _exit(0);
    while (FAULT == F_hangs)
        pause();
    if (FAULT == F_ignores_target)
        memset(self->target, 0xff, DIGEST_LEN);
    if (FAULT == F_varies && calls++ % 2)
        return ADIT_PLUGIN_OK;
    if (FAULT == F_out_of_order && last > start) {
        search(searcher, start + 1, last, &mine);
        return search(searcher, start, start, &mine);
    }
    if (FAULT == F_invents)
        hits->hit(hits->context, start, zeros);
    if (FAULT == F_out_of_range && last < 0xffffffffu)
        return search(searcher, start, last + 1, hits);
    if (FAULT == F_misses || FAULT == F_wrong_digest || FAULT == F_twice)
        return search(searcher, start, last, &mine);
    return search(searcher, start, last, hits);
}

static int32_t describe_broken(void *searcher, AditPluginSearcher *facts)
{
    int32_t status = describe(searcher, facts);
    if (FAULT == F_zero_group)
        facts->group = 0;
    return status;
}

static int32_t dev_header_broken(const AditPluginBlock *block, uint8_t *header, uint32_t header_len)
{
    AditPluginBlock other = *block;
    if (FAULT == F_one_dev_header)
        other.roll = 0;
    return dev_header(&other, header, header_len);
}

static int32_t variant_broken(uint32_t index, AditPluginVariant *out)
{
    (void)index;
    out->name = "plain";
    out->supported = 1;
    return ADIT_PLUGIN_OK;
}

static int32_t search_while(void *searcher, uint64_t start, uint64_t last, const AditPluginHits *hits,
                            const AditPluginWanted *wanted)
{
    uint64_t nonce = start;
    for (;;) {
        if (!wanted->wanted(wanted->context) && FAULT != F_stop_is_deaf)
            return ADIT_PLUGIN_OK;
        if (FAULT != F_stop_misses || nonce % 5 != 2)
            search(searcher, nonce, nonce, hits);
        if (nonce++ == last)
            return ADIT_PLUGIN_OK;
    }
}

static const void *get_extension_broken(const char *id)
{
    static const AditStopExtension stop = {sizeof stop, 0, search_while};
    static AditKernelsExtension kernels = {sizeof kernels, 28, 0, 64, 0, 4096, 1, 0, "the source", NULL};
    if (FAULT >= F_stop_misses && FAULT <= F_stops && strcmp(id, ADIT_EXTENSION_STOP) == 0)
        return &stop;
    if (FAULT < F_kernels_without_source || strcmp(id, ADIT_EXTENSION_KERNELS) != 0)
        return NULL;
    if (FAULT == F_kernels_without_source)
        kernels.scan = NULL;
    if (FAULT == F_kernels_in_no_group)
        kernels.group = 0;
    if (FAULT == F_kernels_of_much_scratch)
        kernels.scratch = (64 << 20) + 4;
    if (FAULT == F_kernels_in_no_ascii)
        kernels.wgsl = "\xc3\xa4";
    return &kernels;
}

const AditPlugin *adit_plugin_entry(void);

const AditPlugin *adit_plugin_entry(void)
{
    static AditPlugin broken;
    broken = *good_entry();
    broken.digest = digest_broken;
    broken.searcher_new = searcher_new_broken;
    broken.searcher_free = searcher_free_broken;
    broken.set_job = set_job_broken;
    broken.search = search_broken;
    broken.describe = describe_broken;
    broken.dev_header = dev_header_broken;
    broken.get_extension = get_extension_broken;
    switch (FAULT) {
    case F_null_table: return NULL;
    case F_magic: broken.magic ^= 1; break;
    case F_version: broken.abi_version = 2; break;
    case F_size: broken.struct_size = 64; break;
    case F_no_digest: broken.digest = NULL; break;
    case F_no_search: broken.search = NULL; break;
    case F_bad_name: broken.name = "Not Plain"; break;
    case F_bad_layout: broken.nonce_offset = 78; break;
    case F_too_many_variants: broken.variant_count = 1000; broken.variant = variant_broken; break;
    case F_two_variants_alike: broken.variant_count = 2; broken.variant = variant_broken; break;
    case F_duplicate_name: broken.name = "sha256d"; break;
    case F_duplicate_id: broken.id = 'S' | 'H' << 8 | 'A' << 16 | 'D' << 24; break;
    default: break;
    }
    return &broken;
}
