/*
 * An Adit helper without the SDK: the whole device side of docs/spec/session.md in plain C.
 *
 * An Adit host starts this program with two memory files. It maps both, says hello, takes work units from
 * the ring in the host's memory, hashes them on one thread, and answers through the ring in its own memory.
 * Read it from the end: main, then work_on and search, then what they call.
 *
 * The structs of adit.h lie in memory that the other process reads and writes at the same time. So whatever
 * may change is touched through load() and store() below, once, and copied before it is looked at.
 */
#define _GNU_SOURCE /* for syscall */
#include <errno.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "adit.h"
#include "blake2s.h"
#include "sha256d.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the regions are little-endian, and so is this");

enum { EXIT_STOPPED = 0, EXIT_HOST_GONE = 1, EXIT_ENVIRONMENT = 2, EXIT_REFUSED = 3 };

#define MS UINT64_C(1000000) /* in nanoseconds */
#define SUB_BATCH MS         /* how long we hash between two looks at the host */
#define FAREWELL (1000 * MS) /* how long we try to send our last messages, of the 2 s that are allowed */

static const AditHostRegion *host; /* mapped read-only */
static AditDeviceRegion *device;   /* ours */
static size_t host_size, device_size;
static AditHostHeader header;  /* our copy, checked: its offsets and slot counts are safe to use */
static uint64_t work_head;     /* position of the next message that we read */
static uint64_t solution_tail; /* position of the next message that we write */
static uint64_t solution_head; /* how far the host has read, when we last looked */

/* ---- Shared words ----------------------------------------------------------------------------------- */

static uint64_t load(const uint64_t *word, memory_order order) {
    return atomic_load_explicit((const _Atomic uint64_t *)word, order);
}

static void store(uint64_t *word, uint64_t value, memory_order order) {
    atomic_store_explicit((_Atomic uint64_t *)word, value, order);
}

static void copy_in(void *to, const void *from, size_t bytes) {
    for (size_t at = 0; at < bytes; at += 8) {
        uint64_t word = load((const uint64_t *)((const char *)from + at), memory_order_relaxed);
        memcpy((char *)to + at, &word, 8);
    }
}

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000 * MS + (uint64_t)time.tv_nsec;
}

static struct timespec duration(uint64_t nanoseconds) {
    return (struct timespec){(time_t)(nanoseconds / (1000 * MS)), (long)(nanoseconds % (1000 * MS))};
}

static void nap(uint64_t nanoseconds) {
    struct timespec time = duration(nanoseconds);
    nanosleep(&time, NULL);
}

/* How long we may sleep at a stretch: twice per heartbeat, and often enough for the life line. */
static uint64_t longest_sleep(void) {
    uint64_t half = header.heartbeat_ms / 2;
    return (half < 1 ? 1 : half > 500 ? 500 : half) * MS;
}

/* ---- Between sub-batches and while waiting ---------------------------------------------------------- */

/* The host holds the other end of our standard input, and writes nothing to it. spec: SES-1.5 */
static void check_life_line(void) {
    struct pollfd line = {.fd = STDIN_FILENO, .events = POLLIN};
    char ignored[64];
    if (poll(&line, 1, 0) <= 0) return;
    ssize_t count = read(STDIN_FILENO, ignored, sizeof ignored);
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) exit(EXIT_HOST_GONE);
}

/* Says that we live, and returns what the host wants of us. spec: SES-2.1, SES-6.1 */
static uint32_t look(void) {
    static uint64_t heartbeat, stopped_at;
    store(&device->status.heartbeat, ++heartbeat, memory_order_relaxed);
    check_life_line();
    const _Atomic uint32_t *wish = (const _Atomic uint32_t *)&host->control.state;
    uint32_t state = atomic_load_explicit(wish, memory_order_acquire);
    if (state == ADIT_CONTROL_RUN || state == ADIT_CONTROL_PAUSE) return state;
    /* A host that does not read our last messages cannot keep us. */
    if (stopped_at == 0) stopped_at = now();
    if (now() - stopped_at > FAREWELL) exit(EXIT_STOPPED);
    return ADIT_CONTROL_STOP;
}

/* ---- The solution ring: we write, the host reads ---------------------------------------------------- */

/* Sends one message of 56 bytes; waits while the ring is full. spec: SES-3.2, SES-5.2 */
static void send(const void *message) {
    for (;;) {
        uint64_t head = load(&host->solution_reader.head, memory_order_acquire);
        if (head >= solution_head && head <= solution_tail) solution_head = head; /* else it is nonsense */
        if (solution_tail - solution_head < header.solution_slots) break;
        look();
        nap(MS);
    }

    /* Payload first, then sequence: a message that is not whole does not exist. spec: SES-3.1 */
    AditSlot *slots = (AditSlot *)((char *)device + header.solution_offset);
    AditSlot *slot = &slots[solution_tail & (header.solution_slots - 1)];
    uint64_t words[7];
    memcpy(words, message, sizeof words);
    for (int i = 0; i < 7; i++) store(&slot->payload[i], words[i], memory_order_relaxed);
    store(&slot->sequence, ++solution_tail, memory_order_release);

    /* Either we see that the host sleeps on this slot, or it sees the slot before it sleeps. spec: SES-3.4 */
    atomic_thread_fence(memory_order_seq_cst);
    if (load(&host->solution_reader.waiting, memory_order_relaxed) == solution_tail)
        syscall(SYS_futex, &slot->sequence, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

static void send_done(const AditWorkUnit *unit, uint32_t status, uint64_t hashes, uint64_t nanoseconds) {
    static uint64_t units;
    AditUnitDone done = {.kind = ADIT_MESSAGE_DONE, .status = status, .unit_id = unit->unit_id,
                         .hashes = hashes, .nanoseconds = nanoseconds};
    send(&done);
    store(&device->status.units, ++units, memory_order_relaxed);
}

/* ---- The work ring: the host writes, we read -------------------------------------------------------- */

static const AditSlot *next_slot(void) {
    const AditSlot *slots = (const AditSlot *)((const char *)host + header.work_offset);
    return &slots[work_head & (header.work_slots - 1)];
}

/* Takes the next message, if there is one. spec: SES-3.1, SES-3.2 */
static bool receive(AditWorkUnit *message) {
    const AditSlot *slot = next_slot();
    if (load(&slot->sequence, memory_order_acquire) != work_head + 1) return false;
    copy_in(message, slot->payload, sizeof *message);
    store(&device->work_reader.head, ++work_head, memory_order_release);
    return true;
}

/* Sleeps until there is a message, or for half a heartbeat. spec: SES-3.3 */
static void wait_for_message(void) {
    const AditSlot *slot = next_slot();
    store(&device->work_reader.waiting, work_head + 1, memory_order_relaxed);
    bool slept = false;
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0) == 0) {
        uint64_t sequence = load(&slot->sequence, memory_order_acquire);
        struct timespec timeout = duration(longest_sleep());
        slept = sequence == work_head + 1 /* it came just now */
             || syscall(SYS_futex, &slot->sequence, FUTEX_WAIT, (uint32_t)sequence, &timeout, NULL, 0) == 0
             || errno == EAGAIN || errno == EINTR || errno == ETIMEDOUT;
    }
    if (!slept) nap(MS); /* a sandbox without these calls: look again soon */
    store(&device->work_reader.waiting, 0, memory_order_relaxed);
}

/* ---- Algorithms ------------------------------------------------------------------------------------- */

typedef union {
    Sha256 sha256;
    Blake2s blake2s;
} Midstate;

typedef struct {
    uint32_t id; /* four letters, the first in the lowest byte */
    uint32_t header_len, nonce_offset, nonce_width; /* in all of them the nonce comes last */
    void (*begin)(Midstate *, const uint8_t *prefix, size_t length);
    void (*end)(Midstate, const uint8_t *nonce, size_t width, uint8_t digest[32]); /* works on a copy */
} Algorithm;

static void begin_sha256d(Midstate *state, const uint8_t *prefix, size_t length) {
    sha256_begin(&state->sha256);
    sha256_add(&state->sha256, prefix, length);
}

static void end_sha256d(Midstate state, const uint8_t *nonce, size_t width, uint8_t digest[32]) {
    sha256_add(&state.sha256, nonce, width);
    sha256d_end(&state.sha256, digest);
}

static void begin_blake2s(Midstate *state, const uint8_t *prefix, size_t length) {
    blake2s_begin(&state->blake2s);
    blake2s_add(&state->blake2s, prefix, length);
}

static void end_blake2s(Midstate state, const uint8_t *nonce, size_t width, uint8_t digest[32]) {
    blake2s_add(&state.blake2s, nonce, width);
    blake2s_end(&state.blake2s, digest);
}

#define ID(a, b, c, d) ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)

static const Algorithm algorithms[] = {
    {ID('S', 'H', 'A', 'D'), 80, 76, 4, begin_sha256d, end_sha256d},   /* Bitcoin */
    {ID('B', 'L', '2', 'K'), 286, 278, 8, begin_blake2s, end_blake2s}, /* Chainweb */
};

static const Algorithm *find_algorithm(uint32_t id) {
    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++)
        if (algorithms[i].id == id) return &algorithms[i];
    return NULL;
}

/* Not above the target, both as little-endian 256-bit integers. spec: SES-4.2 */
static bool is_hit(const uint8_t digest[32], const uint8_t target[32]) {
    for (int i = 31; i >= 0; i--)
        if (digest[i] != target[i]) return digest[i] < target[i];
    return true;
}

/* ---- Units ------------------------------------------------------------------------------------------ */

static uint64_t live_generation(void) { return load(&host->control.generation, memory_order_acquire); }

/* Copies the board slot that the unit names. Returns UNIT_COMPLETE when the unit can be worked, otherwise
 * how it ends. spec: SES-4.1, SES-5.1, SES-5.4 */
static uint32_t read_job(const AditWorkUnit *unit, AditJobSlot *job) {
    if (unit->board_slot >= header.board_slots || unit->nonce_count == 0 ||
        unit->nonce_count - 1 > UINT64_MAX - unit->nonce_start)
        return ADIT_UNIT_INVALID;
    if (unit->generation < live_generation()) return ADIT_UNIT_STALE;

    const AditJobSlot *board = (const AditJobSlot *)((const char *)host + header.board_offset);
    const AditJobSlot *slot = &board[unit->board_slot];
    uint64_t before = load(&slot->sequence, memory_order_acquire);
    copy_in(job, slot, sizeof *job);
    atomic_thread_fence(memory_order_acquire);
    if (before % 2 != 0 || load(&slot->sequence, memory_order_relaxed) != before) return ADIT_UNIT_STALE;
    if (job->generation != unit->generation) return ADIT_UNIT_STALE;

    uint64_t last_nonce = unit->nonce_start + (unit->nonce_count - 1);
    if (job->nonce_width == 4 && last_nonce > UINT32_MAX) return ADIT_UNIT_INVALID;
    const Algorithm *algorithm = find_algorithm(job->algorithm);
    if (algorithm == NULL) return ADIT_UNIT_UNKNOWN_ALGORITHM;
    if (job->header_len != algorithm->header_len || job->nonce_offset != algorithm->nonce_offset ||
        job->nonce_width != algorithm->nonce_width)
        return ADIT_UNIT_INVALID;
    return ADIT_UNIT_COMPLETE;
}

/* Hashes the unit, sub-batch after sub-batch, and says how it ended; `hashes` counts. */
static uint32_t search(const AditWorkUnit *unit, const AditJobSlot *job, uint64_t *hashes) {
    static uint64_t sub_batch = 256, total; /* the size fits this machine soon, and is kept */
    const Algorithm *algorithm = find_algorithm(job->algorithm);
    Midstate midstate; /* all that comes before the nonce, hashed once */
    algorithm->begin(&midstate, job->header, job->nonce_offset);

    while (*hashes < unit->nonce_count) {
        uint32_t state = look();
        if (state == ADIT_CONTROL_STOP) return ADIT_UNIT_STOPPED;
        if (unit->generation < live_generation()) return ADIT_UNIT_STALE; /* spec: SES-2.2 */
        if (state == ADIT_CONTROL_PAUSE) { /* we keep our place */
            nap(MS);
            continue;
        }

        uint64_t begin = now(), left = unit->nonce_count - *hashes;
        uint64_t count = left < sub_batch ? left : sub_batch;
        for (uint64_t i = 0; i < count; i++) {
            AditSolution hit = {.kind = ADIT_MESSAGE_SOLUTION, .unit_id = unit->unit_id,
                                .nonce = unit->nonce_start + *hashes + i};
            algorithm->end(midstate, (const uint8_t *)&hit.nonce, algorithm->nonce_width, hit.digest);
            if (is_hit(hit.digest, job->target)) send(&hit);
        }
        *hashes += count;
        total += count;
        store(&device->status.hashes, total, memory_order_relaxed);

        uint64_t took = now() - begin;
        if (took > 2 * SUB_BATCH && sub_batch > 1) sub_batch /= 2;
        if (took < SUB_BATCH / 2 && count == sub_batch) sub_batch *= 2;
    }
    return ADIT_UNIT_COMPLETE;
}

/* Each unit is ended by exactly one UnitDone, whatever happens to it. spec: SES-5.3 */
static void work_on(const AditWorkUnit *unit) {
    uint64_t begin = now(), hashes = 0;
    AditJobSlot job;
    uint32_t status = read_job(unit, &job);
    if (status == ADIT_UNIT_COMPLETE) {
        store(&device->status.generation, unit->generation, memory_order_relaxed);
        status = search(unit, &job, &hashes);
        store(&device->status.generation, 0, memory_order_relaxed);
    }
    send_done(unit, status, hashes, now() - begin);
}

/* ---- Hello ------------------------------------------------------------------------------------------ */

/* Maps the memory file whose descriptor number is in the environment. spec: SES-1.4 */
static void *map(const char *variable, int protection, size_t *size) {
    const char *text = getenv(variable);
    char *end = NULL;
    long descriptor = text == NULL ? -1 : strtol(text, &end, 10);
    struct stat file;
    void *memory = MAP_FAILED;
    if (text != NULL && end != text && *end == '\0' && descriptor >= 0 && descriptor <= INT32_MAX &&
        fstat((int)descriptor, &file) == 0 && file.st_size >= ADIT_FIXED_SIZE) {
        *size = (size_t)file.st_size;
        memory = mmap(NULL, *size, protection, MAP_SHARED, (int)descriptor, 0);
    }
    if (memory == MAP_FAILED) {
        fprintf(stderr, "helper: %s %s; an Adit host starts this program and sets it\n", variable,
                text == NULL ? "is not set" : "does not name a region that can be mapped");
        exit(EXIT_ENVIRONMENT);
    }
    return memory;
}

/* Completes our header; the magic goes last, and means that the rest is there. spec: SES-1.3 */
static void write_header(uint32_t state) {
    AditDeviceHeader *own = &device->header;
    own->version = ADIT_LAYOUT_VERSION;
    own->header_size = sizeof *own;
    own->session_id = header.session_id;
    own->pid = (uint32_t)getpid();
    own->state = state;
    own->preferred_unit = 0; /* any size will do */
    strcpy((char *)own->language, "C11");
    strcpy((char *)own->name, "examples/c");
    strcpy((char *)own->device, "one CPU thread");
    own->flags = ADIT_FLAG_FENCED; /* see send() */
    device->status.temperature_mc = ADIT_TEMPERATURE_UNKNOWN; /* spec: SES-6.2 */
    device->status.power_mw = ADIT_POWER_UNKNOWN;
    store(&own->magic, ADIT_DEVICE_MAGIC, memory_order_release);
}

static void refuse(uint32_t state, const char *why) {
    write_header(state);
    fprintf(stderr, "helper: %s\n", why);
    exit(EXIT_REFUSED);
}

static bool fits(uint32_t offset, uint32_t slots, size_t slot_size, uint32_t least, uint32_t most,
                 size_t size) {
    return slots >= least && slots <= most && (slots & (slots - 1)) == 0 && offset >= ADIT_FIXED_SIZE &&
           offset % 64 == 0 && offset <= size && slots * slot_size <= size - offset;
}

/* What we do not know (features, flags, reserved bytes) is not looked at. spec: SES-1.1, SES-1.2 */
static void read_header(void) {
    copy_in(&header, &host->header, sizeof header);
    if (header.magic != ADIT_HOST_MAGIC) {
        fprintf(stderr, "helper: %s is no Adit host region\n", ADIT_ENV_HOST_FD);
        exit(EXIT_ENVIRONMENT);
    }
    if (header.version != ADIT_LAYOUT_VERSION)
        refuse(ADIT_DEVICE_VERSION_MISMATCH, "the host speaks another version of the layout than 1");
    const AditHostHeader *h = &header;
    if (!fits(h->board_offset, h->board_slots, sizeof(AditJobSlot), 1, ADIT_MAX_BOARD_SLOTS, host_size) ||
        !fits(h->work_offset, h->work_slots, sizeof(AditSlot), 2, ADIT_MAX_RING_SLOTS, host_size) ||
        !fits(h->solution_offset, h->solution_slots, sizeof(AditSlot), 2, ADIT_MAX_RING_SLOTS, device_size))
        refuse(ADIT_DEVICE_BAD_REGION, "the host's header does not fit its regions");
}

int main(void) {
    signal(SIGINT, SIG_IGN);  /* Ctrl-C reaches the whole group of processes; the host stops us properly */
    signal(SIGPIPE, SIG_IGN); /* our log may end before we do */
    host = map(ADIT_ENV_HOST_FD, PROT_READ, &host_size);
    device = map(ADIT_ENV_DEVICE_FD, PROT_READ | PROT_WRITE, &device_size);
    read_header();
    write_header(ADIT_DEVICE_READY);
    send(&(AditUnitDone){.kind = ADIT_MESSAGE_HELLO}); /* the rest of a hello is zero */

    /* Without a unit we send nothing, and with one everything is in work_on. spec: SES-5.5 */
    for (;;) {
        uint32_t state = look();
        AditWorkUnit unit;
        if (state == ADIT_CONTROL_PAUSE)
            nap(MS);
        else if (receive(&unit)) {
            if (unit.kind == ADIT_MESSAGE_WORK) work_on(&unit); /* others are skipped. spec: SES-5.4 */
        } else if (state == ADIT_CONTROL_STOP)
            return EXIT_STOPPED;
        else
            wait_for_message();
    }
}
