/*
 * The bytes of an Adit session, for C. What they mean stands in docs/spec/session.md; that of a plugin's table
 * in docs/spec/plugin.md.
 *
 * Generated from runtime/abi by `cargo xtask generate`: change that crate, not this file.
 */

#ifndef ADIT_H
#define ADIT_H

#include <stdint.h>

/**
 * First eight bytes of a lane's region whose header is complete: `ADITLANE`.
 */
#define ADIT_LANE_MAGIC 0x454e414c54494441ull

/**
 * First eight bytes of a plugin's table: `ADITPLUG`.
 */
#define ADIT_PLUGIN_MAGIC 0x47554c5054494441ull

/**
 * The one symbol that a plugin exports: `const AditPlugin *adit_plugin_entry(void)`.
 */
#define ADIT_PLUGIN_ENTRY "adit_plugin_entry"

/**
 * The `variant` of `searcher_new` when the plugin has none to choose from.
 */
#define ADIT_VARIANT_ONLY 0xffffffffu

/**
 * Extension: an `AditStratumExtension`.
 */
#define ADIT_EXTENSION_STRATUM "adit.stratum/1"

/**
 * Extension: an `AditBenchExtension`.
 */
#define ADIT_EXTENSION_BENCH "adit.bench/1"

/**
 * Extension: an `AditStopExtension`.
 */
#define ADIT_EXTENSION_STOP "adit.stop/1"

/**
 * Extension: an `AditKernelsExtension`.
 */
#define ADIT_EXTENSION_KERNELS "adit.kernels/1"

/**
 * First eight bytes of a host region: `ADITHOST`.
 */
#define ADIT_HOST_MAGIC 0x54534f4854494441ull

/**
 * First eight bytes of a device region whose header is complete: `ADITDEV` and a zero.
 */
#define ADIT_DEVICE_MAGIC 0x0056454454494441ull

/**
 * Environment variable that holds the host region's file descriptor number.
 */
#define ADIT_ENV_HOST_FD "ADIT_HOST_FD"

/**
 * Environment variable that holds the device region's file descriptor number.
 */
#define ADIT_ENV_DEVICE_FD "ADIT_DEVICE_FD"

/**
 * Environment variable that holds the file descriptor number of the bundle of kernels (`docs/spec/kernel.md`).
 */
#define ADIT_ENV_KERNELS_FD "ADIT_KERNELS_FD"

/**
 * Longest header that a board slot holds.
 */
#define ADIT_MAX_HEADER 512

/**
 * Version of the layout of a lane, of its records and of the frames of a join.
 */
#define ADIT_LANE_LAYOUT_VERSION 2

/**
 * Where the ring's words begin in the writer's region.
 */
#define ADIT_LANE_RING_OFFSET 4096

/**
 * The longest name of a message type, in bytes.
 */
#define ADIT_LANE_MAX_TYPE_NAME 64

/**
 * Side in a header: the region of the writer, which has the ring's words.
 */
#define ADIT_LANE_WRITER 1

/**
 * Side in a header: the region of the reader.
 */
#define ADIT_LANE_READER 2

/**
 * Kind of a record: a message.
 */
#define ADIT_RECORD_MESSAGE 1

/**
 * Kind of a record: filler up to the end of the buffer.
 */
#define ADIT_RECORD_SKIP 2

/**
 * Kind of a record: a message that lies in the writer's arena; the payload is an `AditDescriptor`.
 */
#define ADIT_RECORD_DESCRIPTOR 3

/**
 * An arena begins in the writer's region at a multiple of so many bytes, and its size is one.
 */
#define ADIT_LANE_ARENA_UNIT (2 << 20)

/**
 * A block of an arena begins at a multiple of so many bytes, and takes one.
 */
#define ADIT_LANE_BLOCK_UNIT 64

/**
 * Payload bytes of a slot.
 */
#define ADIT_PAYLOAD_SIZE 56

/**
 * Either way: nothing; look at the control word. The host sends it to wake a sleeping device.
 */
#define ADIT_MESSAGE_NONE 0

/**
 * Host to device: an `AditWorkUnit`.
 */
#define ADIT_MESSAGE_WORK 1

/**
 * Device to host: an `AditSolution`.
 */
#define ADIT_MESSAGE_SOLUTION 2

/**
 * Device to host: an `AditUnitDone`.
 */
#define ADIT_MESSAGE_DONE 3

/**
 * Device to host: an `AditLogLine`.
 */
#define ADIT_MESSAGE_LOG 4

/**
 * Device to host: an `AditErrorReport`.
 */
#define ADIT_MESSAGE_ERROR 5

/**
 * Device to host: the device header is complete; always the first message.
 */
#define ADIT_MESSAGE_HELLO 6

/**
 * Unit status: every nonce was hashed.
 */
#define ADIT_UNIT_COMPLETE 0

/**
 * Unit status: its generation is dead; the first `hashes` nonces were hashed.
 */
#define ADIT_UNIT_STALE 1

/**
 * Unit status: the session stops; the first `hashes` nonces were hashed.
 */
#define ADIT_UNIT_STOPPED 2

/**
 * Unit status: the device does not know the algorithm.
 */
#define ADIT_UNIT_UNKNOWN_ALGORITHM 3

/**
 * Unit status: the unit or its board slot makes no sense to the device.
 */
#define ADIT_UNIT_INVALID 4

/**
 * Unit status: the device failed; the first `hashes` nonces were hashed.
 */
#define ADIT_UNIT_FAILED 5

/**
 * Log level: something is broken.
 */
#define ADIT_LOG_ERROR 1

/**
 * Log level: something is odd.
 */
#define ADIT_LOG_WARN 2

/**
 * Log level: good to know.
 */
#define ADIT_LOG_INFO 3

/**
 * Log level: for whoever looks for a fault.
 */
#define ADIT_LOG_DEBUG 4

/**
 * Version of the plugin interface. A host loads plugins whose version is its own.
 */
#define ADIT_PLUGIN_ABI_VERSION 1

/**
 * Bytes of the longest name of an algorithm or a variant, its terminating zero not counted.
 */
#define ADIT_MAX_NAME 32

/**
 * The largest number of variants.
 */
#define ADIT_MAX_VARIANTS 32

/**
 * Status of a call: done.
 */
#define ADIT_PLUGIN_OK 0

/**
 * Status of a call: an argument makes no sense, such as a header of another length.
 */
#define ADIT_PLUGIN_INVALID 1

/**
 * Status of a call: this processor lacks what the variant needs.
 */
#define ADIT_PLUGIN_UNSUPPORTED 2

/**
 * Status of a call: the plugin failed; no memory, say.
 */
#define ADIT_PLUGIN_FAILED 3

/**
 * Scratchpads: there are none.
 */
#define ADIT_SCRATCH_NONE 0

/**
 * Scratchpads: on 2 MiB pages of the pool that was set aside.
 */
#define ADIT_SCRATCH_HUGE 1

/**
 * Scratchpads: on transparent 2 MiB pages.
 */
#define ADIT_SCRATCH_TRANSPARENT 2

/**
 * Scratchpads: on ordinary pages, at least in part.
 */
#define ADIT_SCRATCH_ORDINARY 3

/**
 * Unit of an `AditPluginBound`: an instruction on 512-bit vectors of 32-bit words, such as an addition.
 */
#define ADIT_BENCH_VECTOR_512 1

/**
 * Unit of an `AditPluginBound`: a rotation or shift of 512-bit vectors.
 */
#define ADIT_BENCH_ROTATE_512 2

/**
 * Unit of an `AditPluginBound`: an instruction on 256-bit vectors of 32-bit words, such as an addition.
 */
#define ADIT_BENCH_VECTOR_256 3

/**
 * Unit of an `AditPluginBound`: a shift of 256-bit vectors.
 */
#define ADIT_BENCH_SHIFT_256 4

/**
 * Unit of an `AditPluginBound`: `sha256rnds2`, two rounds of SHA-256.
 */
#define ADIT_BENCH_SHA256_ROUNDS 5

/**
 * Unit of an `AditPluginBound`: `aesenc` on 128 bits.
 */
#define ADIT_BENCH_AES_ROUND 6

/**
 * Bytes of the longest source of a kernel, its terminating zero not counted.
 */
#define ADIT_MAX_SOURCE (1 << 20)

/**
 * The largest number of bounds.
 */
#define ADIT_MAX_BOUNDS 256

/**
 * Version of this layout. A host and a device work together when theirs are equal.
 */
#define ADIT_LAYOUT_VERSION 1

/**
 * Size of either region's fixed part, and where the parts with a variable size begin.
 */
#define ADIT_FIXED_SIZE 512

/**
 * The largest region that either side accepts: 64 MiB.
 */
#define ADIT_MAX_REGION_SIZE 67108864

/**
 * The largest number of slots in a ring; the smallest is 2, and it is always a power of two.
 */
#define ADIT_MAX_RING_SLOTS 65536

/**
 * The largest number of job board slots; the smallest is 1, and it is always a power of two.
 */
#define ADIT_MAX_BOARD_SLOTS 1024

/**
 * Flag in a header: this side issues a full fence between publishing a slot and looking whether the
 * peer sleeps. Without it, this side has registered for `membarrier(GLOBAL_EXPEDITED)`.
 */
#define ADIT_FLAG_FENCED 1

/**
 * Control state: hash.
 */
#define ADIT_CONTROL_RUN 1

/**
 * Control state: keep everything, hash nothing until it says run again.
 */
#define ADIT_CONTROL_PAUSE 2

/**
 * Control state: give back what is unfinished and end.
 */
#define ADIT_CONTROL_STOP 3

/**
 * Device state: ready for work.
 */
#define ADIT_DEVICE_READY 0

/**
 * Device state: the host's layout version is not the device's.
 */
#define ADIT_DEVICE_VERSION_MISMATCH 1

/**
 * Device state: the host region's header makes no sense to the device.
 */
#define ADIT_DEVICE_BAD_REGION 2

/**
 * Device state: the device failed its own test and offers nothing.
 */
#define ADIT_DEVICE_FAILED 3

/**
 * `AditDeviceStatus.temperature_mc` of a device that has no thermometer.
 */
#define ADIT_TEMPERATURE_UNKNOWN INT32_MIN

/**
 * `AditDeviceStatus.power_mw` of a device that has no power meter.
 */
#define ADIT_POWER_UNKNOWN UINT32_MAX

/**
 * Instructions that `hashes` hashes cannot do without: the search cannot be faster than their unit.
 */
typedef struct AditPluginBound {
    /**
     * Of which variant: its index.
     */
    uint32_t variant;
    /**
     * `ADIT_BENCH_VECTOR_512` ...
     */
    uint32_t unit;
    /**
     * How many such instructions.
     */
    uint32_t count;
    /**
     * For how many hashes.
     */
    uint32_t hashes;
} AditPluginBound;

/**
 * What `adit bench hash` compares with.
 */
typedef struct AditBenchExtension {
    /**
     * Size of this struct in bytes.
     */
    uint32_t struct_size;
    /**
     * How many bounds, 0 to `ADIT_MAX_BOUNDS`.
     */
    uint32_t bound_count;
    /**
     * The bounds; null when there are none.
     */
    const struct AditPluginBound *bounds;
    /**
     * What the reference is, for people, such as `sha2 0.10`; null when there is none.
     */
    const char *reference;
    /**
     * `[any]` Another program's digest of a whole header, as `AditPlugin.digest`; null when there is none.
     */
    int32_t (*reference_digest)(const uint8_t *header, uint32_t header_len, uint8_t *digest);
} AditBenchExtension;

/**
 * What the device must look at between sub-batches: one cache line.
 */
typedef struct AditControl {
    /**
     * `ADIT_CONTROL_RUN`, `ADIT_CONTROL_PAUSE` or `ADIT_CONTROL_STOP`.
     */
    uint32_t state;
    /**
     * Zero.
     */
    uint32_t reserved0;
    /**
     * The lowest generation that is still alive: work of a lower one is dropped. Only rises.
     */
    uint64_t generation;
    /**
     * May hold anything.
     */
    uint8_t reserved[48];
} AditControl;

/**
 * Where in the writer's arena a message lies.
 */
typedef struct AditDescriptor {
    /**
     * From the arena's beginning; a multiple of `ADIT_LANE_BLOCK_UNIT`.
     */
    uint64_t offset;
    /**
     * Bytes of the message.
     */
    uint64_t length;
} AditDescriptor;

/**
 * What a device says of itself, once.
 */
typedef struct AditDeviceHeader {
    /**
     * `ADIT_DEVICE_MAGIC`; written last, after everything else in this header.
     */
    uint64_t magic;
    /**
     * The layout version the device speaks.
     */
    uint32_t version;
    /**
     * Size of this header: 256.
     */
    uint32_t header_size;
    /**
     * The host header's `session_id`.
     */
    uint64_t session_id;
    /**
     * Features the device takes; none are defined in version 1.
     */
    uint64_t features;
    /**
     * The device's process id as it sees it, for logs.
     */
    uint32_t pid;
    /**
     * `ADIT_DEVICE_READY` or why there will be no session.
     */
    uint32_t state;
    /**
     * Nonces the device likes to get at once; 0 when it does not mind.
     */
    uint64_t preferred_unit;
    /**
     * Language or toolkit of the helper: UTF-8, zero-padded.
     */
    uint8_t language[16];
    /**
     * Name of the helper: UTF-8, zero-padded.
     */
    uint8_t name[48];
    /**
     * Name of the device: UTF-8, zero-padded.
     */
    uint8_t device[80];
    /**
     * `ADIT_FLAG_FENCED` or 0.
     */
    uint32_t flags;
    /**
     * Zero.
     */
    uint8_t reserved[60];
} AditDeviceHeader;

/**
 * Where the reader of a ring stands; written by the reader, in the reader's region: one cache line.
 */
typedef struct AditReaderCursor {
    /**
     * Messages consumed; may lag by at most a quarter of the ring. Only rises.
     */
    uint64_t head;
    /**
     * Position + 1 that the reader sleeps on, 0 while it is awake.
     */
    uint64_t waiting;
    /**
     * May hold anything.
     */
    uint8_t reserved[48];
} AditReaderCursor;

/**
 * Heartbeat and counters: one cache line, one writer, read whenever somebody likes.
 */
typedef struct AditDeviceStatus {
    /**
     * Raised at least every `heartbeat_ms` while the device lives, with or without work.
     */
    uint64_t heartbeat;
    /**
     * The generation that is being hashed; 0 while none is.
     */
    uint64_t generation;
    /**
     * Nonces hashed in this session.
     */
    uint64_t hashes;
    /**
     * Units finished in this session.
     */
    uint64_t units;
    /**
     * Errors met in this session.
     */
    uint64_t errors;
    /**
     * Temperature in thousandths of a degree Celsius, or `ADIT_TEMPERATURE_UNKNOWN`.
     */
    int32_t temperature_mc;
    /**
     * Power in milliwatts, or `ADIT_POWER_UNKNOWN`.
     */
    uint32_t power_mw;
    /**
     * Zero.
     */
    uint64_t reserved[2];
} AditDeviceStatus;

/**
 * The device region's fixed part.
 */
typedef struct AditDeviceRegion {
    /**
     * Written once.
     */
    struct AditDeviceHeader header;
    /**
     * The device's place in the work ring.
     */
    struct AditReaderCursor work_reader;
    /**
     * Heartbeat and counters.
     */
    struct AditDeviceStatus status;
    /**
     * Zero.
     */
    uint8_t reserved[128];
} AditDeviceRegion;

/**
 * The device failed at something and goes on.
 */
typedef struct AditErrorReport {
    /**
     * `ADIT_MESSAGE_ERROR`.
     */
    uint32_t kind;
    /**
     * The device API's own number for it.
     */
    uint32_t code;
    /**
     * The unit it happened in, 0 when in none.
     */
    uint64_t unit_id;
    /**
     * What happened: UTF-8, zero-padded.
     */
    uint8_t text[40];
} AditErrorReport;

/**
 * What the host says of the session, once, before the device sees the region.
 */
typedef struct AditHostHeader {
    /**
     * `ADIT_HOST_MAGIC`.
     */
    uint64_t magic;
    /**
     * The layout version the host speaks: `ADIT_LAYOUT_VERSION`.
     */
    uint32_t version;
    /**
     * Size of this header: 256. A later version may add fields behind.
     */
    uint32_t header_size;
    /**
     * Number of this session, unique in the host's life; the device repeats it.
     */
    uint64_t session_id;
    /**
     * Features the host offers; none are defined in version 1.
     */
    uint64_t features;
    /**
     * Size of the host region in bytes.
     */
    uint64_t region_size;
    /**
     * Size of the device region in bytes.
     */
    uint64_t device_region_size;
    /**
     * Where the job board begins in the host region; a multiple of 64.
     */
    uint32_t board_offset;
    /**
     * Slots of the job board; a power of two.
     */
    uint32_t board_slots;
    /**
     * Where the work ring begins in the host region; a multiple of 64.
     */
    uint32_t work_offset;
    /**
     * Slots of the work ring; a power of two, at least 2.
     */
    uint32_t work_slots;
    /**
     * Where the solution ring begins in the device region; a multiple of 64.
     */
    uint32_t solution_offset;
    /**
     * Slots of the solution ring; a power of two, at least 2.
     */
    uint32_t solution_slots;
    /**
     * The device raises its heartbeat at least this often, in milliseconds.
     */
    uint32_t heartbeat_ms;
    /**
     * The host's process id, for logs.
     */
    uint32_t host_pid;
    /**
     * `ADIT_FLAG_FENCED` or 0.
     */
    uint32_t flags;
    /**
     * Not read by a device of version 1; may hold anything.
     */
    uint8_t reserved[172];
} AditHostHeader;

/**
 * The host region's fixed part.
 */
typedef struct AditHostRegion {
    /**
     * Written once.
     */
    struct AditHostHeader header;
    /**
     * Written whenever the host changes its mind.
     */
    struct AditControl control;
    /**
     * The host's place in the solution ring.
     */
    struct AditReaderCursor solution_reader;
    /**
     * May hold anything.
     */
    uint8_t reserved[128];
} AditHostRegion;

/**
 * One header with its target, guarded by a sequence lock: odd while the host writes, and changed
 * by two for each new content.
 */
typedef struct AditJobSlot {
    /**
     * Even when the rest is whole, odd while it is being written.
     */
    uint64_t sequence;
    /**
     * Which generation this header is; a work unit names it, and another one here means that the
     * unit is stale.
     */
    uint64_t generation;
    /**
     * The algorithm's number: four ASCII letters, the first in the lowest byte.
     */
    uint32_t algorithm;
    /**
     * Bytes of `header` in use: 1 to `ADIT_MAX_HEADER`.
     */
    uint32_t header_len;
    /**
     * Where the nonce stands in the header.
     */
    uint32_t nonce_offset;
    /**
     * Width of the nonce in bytes, 4 or 8; little-endian.
     */
    uint32_t nonce_width;
    /**
     * Report digests that are not above this; 256-bit little-endian integer.
     */
    uint8_t target[32];
    /**
     * The header; the nonce's bytes may hold anything.
     */
    uint8_t header[512];
    /**
     * Zero.
     */
    uint8_t reserved[64];
} AditJobSlot;

/**
 * Kernels for devices that helpers drive: what `docs/spec/kernel.md` says of an algorithm's section.
 */
typedef struct AditKernelsExtension {
    /**
     * Size of this struct in bytes.
     */
    uint32_t struct_size;
    /**
     * 32-bit words that `prepare` writes.
     */
    uint32_t constants;
    /**
     * Bytes of device memory that each work item of `search` needs, a multiple of 16.
     */
    uint32_t scratch;
    /**
     * Work items of a work group.
     */
    uint32_t group;
    /**
     * Shifts, rotations and logic of 32 bits a nonce; 0: unknown.
     */
    uint32_t operations;
    /**
     * How many nonces a helper tests itself with.
     */
    uint32_t test_nonces;
    /**
     * Work items that `scan` has for each nonce; divides `group`. The source in WGSL has one.
     */
    uint32_t lanes;
    /**
     * Zero.
     */
    uint32_t reserved;
    /**
     * The source for OpenCL C and CUDA C++: ASCII, then a zero; at most `ADIT_MAX_SOURCE` bytes.
     */
    const char *scan;
    /**
     * The same in WGSL; null when there is none.
     */
    const char *wgsl;
} AditKernelsExtension;

/**
 * What an end counted: one cache line, written by it alone, read whenever somebody likes.
 */
typedef struct AditLaneCounters {
    /**
     * Messages sent or received; 0 where messages have one size, since the cursor tells.
     */
    uint64_t messages;
    /**
     * Bytes of them, or 0.
     */
    uint64_t bytes;
    /**
     * How often this end had to wait.
     */
    uint64_t stalls;
    /**
     * How often it woke the other.
     */
    uint64_t wakes;
    /**
     * Messages that it dropped because there was no room.
     */
    uint64_t drops;
    /**
     * The most bytes that it found to wait when it looked.
     */
    uint64_t depth;
    /**
     * The reader's: how far it has read. Its cursor may say so a quarter of the ring late.
     */
    uint64_t position;
    /**
     * May hold anything.
     */
    uint64_t reserved;
} AditLaneCounters;

/**
 * What an end says of the lane, once, before the other sees the region.
 */
typedef struct AditLaneHeader {
    /**
     * `ADIT_LANE_MAGIC`; written last.
     */
    uint64_t magic;
    /**
     * `ADIT_LANE_LAYOUT_VERSION`.
     */
    uint32_t version;
    /**
     * `ADIT_LANE_WRITER` or `ADIT_LANE_READER`.
     */
    uint32_t side;
    /**
     * Bytes of the region, without what pages round up.
     */
    uint64_t region_size;
    /**
     * Bytes of the ring, a power of two.
     */
    uint64_t capacity;
    /**
     * 64-bit FNV-1a of the name of the message type.
     */
    uint64_t type_hash;
    /**
     * Bytes of each message; if they may have any length, the arena's size in units of `ADIT_LANE_ARENA_UNIT`, 0 for
     * none.
     */
    uint32_t type_size;
    /**
     * What addresses of the type are multiples of; 0 if messages may have any length.
     */
    uint32_t type_alignment;
    /**
     * How many may send and receive; a number for each mode.
     */
    uint32_t mode;
    /**
     * Zero.
     */
    uint32_t reserved;
    /**
     * Process id of this end, for people.
     */
    uint64_t pid;
} AditLaneHeader;

/**
 * The beginning of either region of a lane.
 */
typedef struct AditLaneStart {
    /**
     * Written once.
     */
    struct AditLaneHeader header;
    /**
     * The writer's tail or the reader's head, and what it sleeps for.
     */
    struct AditReaderCursor cursor;
    /**
     * 0, and 1 once this end is closed.
     */
    uint64_t closed;
    /**
     * May hold anything.
     */
    uint8_t reserved[56];
    /**
     * What this end counted.
     */
    struct AditLaneCounters counters;
} AditLaneStart;

/**
 * Text for the host's log; a longer line is several messages.
 */
typedef struct AditLogLine {
    /**
     * `ADIT_MESSAGE_LOG`.
     */
    uint32_t kind;
    /**
     * `ADIT_LOG_ERROR` ...
     */
    uint8_t level;
    /**
     * Bytes of `text` in use: 0 to 48.
     */
    uint8_t length;
    /**
     * 1 when the line goes on in the next log message, else 0.
     */
    uint8_t more;
    /**
     * Zero.
     */
    uint8_t reserved;
    /**
     * UTF-8.
     */
    uint8_t text[48];
} AditLogLine;

/**
 * A variant of the search.
 */
typedef struct AditPluginVariant {
    /**
     * As `AditPlugin.name`.
     */
    const char *name;
    /**
     * 1 when this processor has what it needs, else 0.
     */
    uint32_t supported;
    /**
     * Zero.
     */
    uint32_t reserved;
} AditPluginVariant;

/**
 * What a development chain wants to see in a header.
 */
typedef struct AditPluginBlock {
    /**
     * Digest of the block before.
     */
    uint8_t parent[32];
    /**
     * What the block's digest must not exceed.
     */
    uint8_t target[32];
    /**
     * Height of this block; the first has 0.
     */
    uint64_t height;
    /**
     * Microseconds since 1970.
     */
    uint64_t time_us;
    /**
     * Which of the many headers of this block.
     */
    uint64_t roll;
} AditPluginBlock;

/**
 * Where a search puts what it finds; good during the call of `AditPlugin.search` alone.
 */
typedef struct AditPluginHits {
    /**
     * To be given to `hit`.
     */
    void *context;
    /**
     * `[worker]` Takes a nonce and the 32 bytes of its digest. The host's function, never null.
     */
    void (*hit)(void *context, uint64_t nonce, const uint8_t *digest);
} AditPluginHits;

/**
 * What the host may want to know of a searcher.
 */
typedef struct AditPluginSearcher {
    /**
     * How many nonces are hashed together, at least 1: a range of another length than a multiple of it takes as
     * long as the next multiple.
     */
    uint64_t group;
    /**
     * What its scratchpads are on: `ADIT_SCRATCH_NONE` ...
     */
    uint32_t scratch;
    /**
     * Zero.
     */
    uint32_t reserved;
} AditPluginSearcher;

/**
 * An algorithm. The table, and all that it points to, stays as it is until the process ends.
 */
typedef struct AditPlugin {
    /**
     * `ADIT_PLUGIN_MAGIC`.
     */
    uint64_t magic;
    /**
     * `ADIT_PLUGIN_ABI_VERSION`.
     */
    uint32_t abi_version;
    /**
     * Size of this struct in bytes.
     */
    uint32_t struct_size;
    /**
     * The name on command lines: 1 to `ADIT_MAX_NAME` lower case letters, digits and dashes, then a zero.
     */
    const char *name;
    /**
     * The plugin's own version, for people: UTF-8, then a zero. Null for none.
     */
    const char *version;
    /**
     * The algorithm's number in a job board: four ASCII letters, the first in the lowest byte. Unique among
     * algorithms, and never changed.
     */
    uint32_t id;
    /**
     * Bytes of a header: 1 to `ADIT_MAX_HEADER`(crate::MAX_HEADER).
     */
    uint32_t header_len;
    /**
     * First byte of the nonce in the header; `nonce_offset + nonce_width <= header_len`.
     */
    uint32_t nonce_offset;
    /**
     * Width of the nonce in bytes, 4 or 8; little-endian.
     */
    uint32_t nonce_width;
    /**
     * How many variants the search has, 0 to `ADIT_MAX_VARIANTS`; 0 when there is nothing to choose.
     */
    uint32_t variant_count;
    /**
     * Zero.
     */
    uint32_t reserved;
    /**
     * `[any]` The digest of a whole header of `header_len` bytes, written to 32 bytes at `digest`: a 256-bit
     * integer, least significant byte first. The same for the same header, always. No code of the search.
     */
    int32_t (*digest)(const uint8_t *header, uint32_t header_len, uint8_t *digest);
    /**
     * `[any]` Describes variant `index`, below `variant_count`. Null when `variant_count` is 0.
     */
    int32_t (*variant)(uint32_t index, struct AditPluginVariant *variant);
    /**
     * `[any]` Writes a header for a chain that lives on this machine only, with the nonce 0, to `header_len`
     * bytes at `header`: different for each height, parent and roll.
     */
    int32_t (*dev_header)(const struct AditPluginBlock *block, uint8_t *header, uint32_t header_len);
    /**
     * `[any]` Makes a searcher of variant `variant`, or of `ADIT_VARIANT_ONLY` when `variant_count` is 0, and
     * stores a pointer to it, which is not null, at `searcher`.
     */
    int32_t (*searcher_new)(uint32_t variant, void **searcher);
    /**
     * `[worker]` Ends a searcher; nothing is called with it afterwards.
     */
    void (*searcher_free)(void *searcher);
    /**
     * `[worker]` Gives a searcher its job. `target` has 32 bytes, least significant first. After another
     * status than 0 the searcher keeps the job it had.
     */
    int32_t (*set_job)(void *searcher, const uint8_t *header, uint32_t header_len, const uint8_t *target);
    /**
     * `[worker]` Hashes every nonce of `start` to `last`, both included, and calls `hits` for each whose digest
     * is not above the target, in rising order. Without a job it finds nothing.
     */
    int32_t (*search)(void *searcher, uint64_t start, uint64_t last, const struct AditPluginHits *hits);
    /**
     * `[worker]` Says what the host may want to know of a searcher.
     */
    int32_t (*describe)(void *searcher, struct AditPluginSearcher *facts);
    /**
     * `[any]` The extension of this name, such as `ADIT_EXTENSION_STRATUM`, or null. What it points to stays
     * as it is until the process ends.
     */
    const void *(*get_extension)(const char *id);
} AditPlugin;

/**
 * Whether a search is still wanted; good during the call of `AditStopExtension.search_while` alone.
 */
typedef struct AditPluginWanted {
    /**
     * To be given to `wanted`.
     */
    void *context;
    /**
     * `[worker]` 1 when the search is to go on, 0 when nobody wants it any more. The host's function, never null.
     */
    uint32_t (*wanted)(void *context);
} AditPluginWanted;

/**
 * One slot of a ring: it holds message `p` exactly when `sequence == p + 1`.
 */
typedef struct AditSlot {
    /**
     * A message: seven 64-bit words, the lowest half of the first one its kind.
     */
    uint64_t payload[7];
    /**
     * Written last, with release order.
     */
    uint64_t sequence;
} AditSlot;

/**
 * A nonce whose digest meets the board slot's target.
 */
typedef struct AditSolution {
    /**
     * `ADIT_MESSAGE_SOLUTION`.
     */
    uint32_t kind;
    /**
     * Zero.
     */
    uint32_t reserved;
    /**
     * The unit it was found in.
     */
    uint64_t unit_id;
    /**
     * The nonce.
     */
    uint64_t nonce;
    /**
     * The digest, as hashed.
     */
    uint8_t digest[32];
} AditSolution;

/**
 * A search that can be stopped before its range is done, for hashes that take long.
 */
typedef struct AditStopExtension {
    /**
     * Size of this struct in bytes.
     */
    uint32_t struct_size;
    /**
     * Zero.
     */
    uint32_t reserved;
    /**
     * `[worker]` As `AditPlugin.search`, but asks now and then whether it is wanted, and returns soon, with status
     * 0, once it was told no.
     */
    int32_t (*search_while)(void *searcher,
                            uint64_t start,
                            uint64_t last,
                            const struct AditPluginHits *hits,
                            const struct AditPluginWanted *wanted);
} AditStopExtension;

/**
 * What pools that speak Stratum version 1 need.
 */
typedef struct AditStratumExtension {
    /**
     * Size of this struct in bytes.
     */
    uint32_t struct_size;
    /**
     * Zero.
     */
    uint32_t reserved;
    /**
     * The target that these pools call difficulty 1.
     */
    uint8_t difficulty_one[32];
} AditStratumExtension;

/**
 * A unit is finished, one way or another; the last message about it.
 */
typedef struct AditUnitDone {
    /**
     * `ADIT_MESSAGE_DONE`.
     */
    uint32_t kind;
    /**
     * `ADIT_UNIT_COMPLETE` ...
     */
    uint32_t status;
    /**
     * Which unit.
     */
    uint64_t unit_id;
    /**
     * Nonces hashed, counted from the unit's first, without a gap.
     */
    uint64_t hashes;
    /**
     * Time spent on the unit, in nanoseconds.
     */
    uint64_t nanoseconds;
    /**
     * Zero.
     */
    uint64_t reserved[3];
} AditUnitDone;

/**
 * Search `nonce_count` nonces from `nonce_start` in the header of a board slot.
 */
typedef struct AditWorkUnit {
    /**
     * `ADIT_MESSAGE_WORK`.
     */
    uint32_t kind;
    /**
     * Which board slot.
     */
    uint32_t board_slot;
    /**
     * The generation that the board slot must have.
     */
    uint64_t generation;
    /**
     * The host's number for this unit, repeated in everything that answers it.
     */
    uint64_t unit_id;
    /**
     * First nonce.
     */
    uint64_t nonce_start;
    /**
     * How many; at least 1; start + count is at most 2^(8 * nonce_width).
     */
    uint64_t nonce_count;
    /**
     * Zero.
     */
    uint64_t reserved[2];
} AditWorkUnit;

#endif  /* ADIT_H */
