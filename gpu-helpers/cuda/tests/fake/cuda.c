/* A libcuda that is one slow GPU made of this CPU: it compiles what it is given with the C compiler and runs every item of
 * a launch in turn, at the time of the launch. So the CUDA helper's whole life can be played, each error included, and
 * the CUDA text of a kernel is proven, on a machine without a GPU.
 *
 * FAKE_CUDA_FAIL   NAME:N:CODE, or several with commas: the N-th call of NAME (from 1 on) returns CODE; with `+` after N,
 *                  all later ones too; a CODE of `hang` sleeps for ever.
 * FAKE_CUDA_FAIL_ONCE  a file that is made at the first such call; while it is there no call fails.
 * FAKE_CUDA_WRONG  set: every digest has a wrong bit, as a broken GPU's.
 * FAKE_CUDA_VERSION  what the driver says it speaks; 12080 unless it is set.
 * FAKE_CUDA_COUNT  how many devices there are; 1 unless it is set.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

typedef uint64_t Device;
typedef struct { void *library; void (*place)(unsigned, unsigned, unsigned); int waits; } Module;
typedef struct { Module *module; void (*run)(void **); int is_digest; } Function;

enum { OK = 0, INVALID = 1, OUT_OF_MEMORY = 2, NO_DEVICE = 100, INVALID_PTX = 218, NOT_FOUND = 500 };

static size_t allocated;
static const size_t MEMORY = 576u << 20;
static void *current;

/* What a call is to return instead of what it does: 0 for nothing. */
static int fault(const char *name, unsigned *calls)
{
    const char *at = getenv("FAKE_CUDA_FAIL");
    ++*calls;
    while (at && *at) {
        char wanted[64], code[16];
        unsigned number;
        int used = 0, later;
        if (sscanf(at, "%63[^:]:%u%n", wanted, &number, &used) != 2) break;
        at += used;
        later = *at == '+';
        at += later;
        if (sscanf(at, ":%15[^,]%n", code, &used) != 1) break;
        at += used;
        if (*at == ',') ++at;
        if (strcmp(wanted, name) == 0 && (*calls == number || (later && *calls > number))) {
            const char *once = getenv("FAKE_CUDA_FAIL_ONCE");
            FILE *file;
            if (once && access(once, F_OK) == 0) return 0;
            if (once && (file = fopen(once, "w"))) fclose(file);
            if (strcmp(code, "hang") == 0) for (;;) sleep(1000);
            return atoi(code);
        }
    }
    return 0;
}

#define CALL(name) { static unsigned calls; int code = fault(#name, &calls); if (code) return code; }

static int devices(void) { const char *count = getenv("FAKE_CUDA_COUNT"); return count ? atoi(count) : 1; }

int cuInit(unsigned flags) { CALL(cuInit) (void)flags; return OK; }
int cuDriverGetVersion(int *version)
{
    const char *told = getenv("FAKE_CUDA_VERSION");
    CALL(cuDriverGetVersion)
    *version = told ? atoi(told) : 12080;
    return OK;
}
int cuDeviceGetCount(int *count) { CALL(cuDeviceGetCount) *count = devices(); return OK; }
int cuDeviceGet(int *device, int number) { CALL(cuDeviceGet) *device = number; return number < devices() ? OK : 101; }
int cuDeviceTotalMem_v2(size_t *bytes, int device)
{
    CALL(cuDeviceTotalMem)
    (void)device;
    *bytes = MEMORY;
    return OK;
}

int cuDeviceGetName(char *name, int length, int device)
{
    CALL(cuDeviceGetName)
    (void)device;
    snprintf(name, (size_t)length, "fake GPU");
    return OK;
}

int cuDeviceGetAttribute(int *value, int attribute, int device)
{
    CALL(cuDeviceGetAttribute)
    switch (attribute) {
    case 75: *value = 9; break;   /* compute capability, major */
    case 76: *value = 0; break;
    case 16: *value = 1; break;   /* multiprocessors */
    case 13: *value = 1980000; break; /* clock in kHz */
    case 33: *value = 0x3b + device; break; /* PCI bus */
    default: *value = 0;
    }
    return OK;
}

int cuDevicePrimaryCtxRetain(void **context, int device)
{
    CALL(cuDevicePrimaryCtxRetain)
    (void)device;
    *context = &current;
    return OK;
}
int cuDevicePrimaryCtxRelease_v2(int device) { (void)device; return OK; }
int cuCtxSetCurrent(void *context) { current = context; return OK; }
int cuCtxGetCurrent(void **context) { *context = current; return OK; }
int cuCtxSetFlags(unsigned flags) { CALL(cuCtxSetFlags) return flags == 4 ? OK : INVALID; }
int cuCtxSynchronize(void) { return OK; }

int cuStreamCreate(void **stream, unsigned flags) { CALL(cuStreamCreate) (void)flags; *stream = malloc(1); return OK; }
int cuStreamDestroy_v2(void *stream) { free(stream); return OK; }
int cuStreamSynchronize(void *stream) { CALL(cuStreamSynchronize) (void)stream; return OK; }
int cuStreamWaitEvent(void *stream, void *event, unsigned flags) { (void)stream, (void)event, (void)flags; return OK; }
int cuEventCreate(void **event, unsigned flags) { CALL(cuEventCreate) (void)flags; *event = malloc(1); return OK; }
int cuEventDestroy_v2(void *event) { free(event); return OK; }
int cuEventRecord(void *event, void *stream) { CALL(cuEventRecord) (void)event, (void)stream; return OK; }
int cuEventSynchronize(void *event) { CALL(cuEventSynchronize) (void)event; return OK; }
int cuEventQuery(void *event) { CALL(cuEventQuery) (void)event; return OK; }

int cuMemAlloc_v2(Device *at, size_t bytes)
{
    size_t *block;
    CALL(cuMemAlloc)
    if (allocated + bytes > MEMORY || !(block = malloc(bytes + 64))) return OUT_OF_MEMORY;
    allocated += *block = bytes;
    /* What a real GPU leaves in fresh memory is anything. */
    memset((char *)block + 64, 0xa5, bytes);
    *at = (Device)(uintptr_t)block + 64;
    return OK;
}
int cuMemFree_v2(Device at)
{
    size_t *block = (size_t *)(uintptr_t)(at - 64);
    allocated -= *block;
    free(block);
    return OK;
}
int cuMemGetInfo_v2(size_t *free_bytes, size_t *total)
{
    *free_bytes = MEMORY - allocated;
    *total = MEMORY;
    return OK;
}
int cuMemHostAlloc(void **at, size_t bytes, unsigned flags)
{
    CALL(cuMemHostAlloc)
    (void)flags;
    *at = aligned_alloc(64, (bytes + 63) / 64 * 64);
    return OK;
}
int cuMemFreeHost(void *at) { free(at); return OK; }
/* Host memory that this GPU, which is the host, sees where it is. */
int cuMemHostRegister_v2(void *at, size_t bytes, unsigned flags)
{
    CALL(cuMemHostRegister)
    return (uintptr_t)at % 4096 == 0 && bytes % 4096 == 0 && flags == 10 ? OK : INVALID;
}
int cuMemHostUnregister(void *at) { (void)at; return OK; }
int cuMemHostGetDevicePointer_v2(Device *device, void *at, unsigned flags)
{
    CALL(cuMemHostGetDevicePointer)
    (void)flags;
    *device = (Device)(uintptr_t)at;
    return OK;
}
int cuMemsetD8Async(Device at, unsigned char byte, size_t bytes, void *stream)
{
    (void)stream;
    memset((void *)(uintptr_t)at, byte, bytes);
    return OK;
}
int cuMemcpyHtoDAsync_v2(Device to, const void *from, size_t bytes, void *stream)
{
    CALL(cuMemcpyHtoDAsync)
    (void)stream;
    memcpy((void *)(uintptr_t)to, from, bytes);
    return OK;
}
int cuMemcpyDtoHAsync_v2(void *to, Device from, size_t bytes, void *stream)
{
    CALL(cuMemcpyDtoHAsync)
    (void)stream;
    memcpy(to, (void *)(uintptr_t)from, bytes);
    return OK;
}
int cuMemcpyDtoDAsync_v2(Device to, Device from, size_t bytes, void *stream)
{
    CALL(cuMemcpyDtoDAsync)
    (void)stream;
    memcpy((void *)(uintptr_t)to, (void *)(uintptr_t)from, bytes);
    return OK;
}

/* What CUDA C++ has and C has not. */
static const char BEFORE[] =
    "#define __global__\n#define __constant__ static\n#define __device__\n#define __forceinline__ inline\n"
    "#define __shared__ static\n"
    "typedef struct { unsigned x, y, z, w; } __attribute__((aligned(16))) uint4;\n"
    "void (*fake_wait)(void);\n#define __syncthreads() fake_wait()\n"
    "static struct { unsigned x, y, z; } blockIdx, blockDim, threadIdx;\n"
    "void fake_place(unsigned b, unsigned d, unsigned t) { blockIdx.x = b; blockDim.x = d; threadIdx.x = t; }\n"
    "static inline unsigned __funnelshift_r(unsigned l, unsigned h, unsigned n)\n"
    "{ n &= 31; return n ? l >> n | h << (32 - n) : l; }\n"
    "static inline unsigned __funnelshift_l(unsigned l, unsigned h, unsigned n)\n"
    "{ n &= 31; return n ? h << n | l >> (32 - n) : h; }\n"
    "static inline unsigned __byte_perm(unsigned x, unsigned y, unsigned s)\n"
    "{ unsigned long long b = (unsigned long long)y << 32 | x; unsigned r = 0;\n"
    "  for (int i = 0; i < 4; ++i) r |= (unsigned)(b >> (s >> 4 * i & 7) * 8 & 0xff) << 8 * i; return r; }\n"
    "static inline unsigned atomicAdd(unsigned *p, unsigned v) { unsigned old = *p; *p += v; return old; }\n";

static const char AFTER[] =
    "\nvoid fake_prepare(void **a) { prepare(*(const u32 **)a[0], *(u32 **)a[1]); }\n"
    "void fake_search(void **a) { search(*(AditConstants *)a[0], *(u32 **)a[1], *(u32 *)a[2], *(u32 *)a[3],\n"
    "  *(u32 *)a[4], *(u32 **)a[5], *(const volatile u64 **)a[6], *(u64 *)a[7]); }\n"
    "void fake_digest(void **a) { digest(*(const u32 **)a[0], *(const u32 **)a[1], *(u32 **)a[2],\n"
    "  *(u32 **)a[3]); }\n";

/* Items of a group that wait for each other: each has a stack of its own, and they run in turns. */
enum { STACK = 256 << 10, MOST_ITEMS = 1024 };
static ucontext_t turn, items[MOST_ITEMS];
static char *stacks;
static unsigned running;
static int ended[MOST_ITEMS];
static Function *function_of_items;
static void **parameters_of_items;

static void wait_for_others(void) { swapcontext(&items[running], &turn); }

static void item(void)
{
    function_of_items->run(parameters_of_items);
    ended[running] = 1;
}

static void begin(unsigned thread)
{
    getcontext(&items[thread]);
    items[thread].uc_stack.ss_sp = stacks + (size_t)thread * STACK;
    items[thread].uc_stack.ss_size = STACK;
    items[thread].uc_link = &turn;
    makecontext(&items[thread], item, 0);
    ended[thread] = 0;
}

/* Goes on with an item; 1 if it has ended. */
static int go_on(Function *function, unsigned block, unsigned count, unsigned thread)
{
    running = thread;
    function->module->place(block, count, thread);
    swapcontext(&turn, &items[thread]);
    return ended[running];
}

static void run_group(Function *function, void **parameters, unsigned block, unsigned count)
{
    unsigned left = count;
    if (!stacks) stacks = malloc((size_t)MOST_ITEMS * STACK);
    function_of_items = function;
    parameters_of_items = parameters;
    for (unsigned thread = 0; thread < count; ++thread) ended[thread] = -1;
    while (left > 0)
        for (unsigned thread = 0; thread < count; ++thread) {
            if (ended[thread] == 1) continue;
            if (ended[thread] == -1) begin(thread);
            left -= go_on(function, block, count, thread);
        }
}

static void write_source(FILE *file, const char *source)
{
    static const char WORD[] = "extern \"C\"";
    const char *found;
    fputs(BEFORE, file);
    while ((found = strstr(source, WORD))) {
        fwrite(source, 1, (size_t)(found - source), file);
        source = found + sizeof WORD - 1;
    }
    fputs(source, file);
    fputs(AFTER, file);
}

/* The folder of this library, where each source that was compiled stays for whoever needs it next. */
static const char *own_folder(void)
{
    static char folder[512];
    Dl_info found;
    if (!*folder && dladdr(&current, &found)) {
        const char *end = strrchr(found.dli_fname, '/');
        snprintf(folder, sizeof folder, "%.*s", end ? (int)(end - found.dli_fname) : 1, end ? found.dli_fname : ".");
    }
    return folder;
}

/* FNV-1a, of what is behind what `hash` is of. */
static uint64_t hash_on(uint64_t hash, const char *text)
{
    while (*text) hash = (hash ^ (unsigned char)*text++) * 0x100000001b3;
    return hash;
}

/* Compiles a source to `library`, which is there whole or not at all, whoever else compiles it meanwhile. */
static int compile(const char *text, const char *library)
{
    char source[768], made[768], command[2048];
    const char *compiler = getenv("CC") ? getenv("CC") : "cc";
    FILE *file;
    int failed;
    snprintf(source, sizeof source, "%s.%d.c", library, (int)getpid());
    snprintf(made, sizeof made, "%s.%d", library, (int)getpid());
    if (!(file = fopen(source, "w"))) return 0;
    write_source(file, text);
    fclose(file);
    snprintf(command, sizeof command, "%s -std=gnu11 -O3 -w -shared -fPIC -o '%s' '%s'", compiler, made, source);
    failed = system(command) || rename(made, library);
    unlink(source);
    return !failed;
}

int cuModuleLoadData(Module **module, const void *image)
{
    char library[640];
    uint64_t of_all;
    void *opened;
    CALL(cuModuleLoadData)
    /* With what is put around it, for a folder may be as old as another version of this file. */
    of_all = hash_on(hash_on(hash_on(0xcbf29ce484222325, BEFORE), image), AFTER);
    snprintf(library, sizeof library, "%s/kernel-%016llx.so", own_folder(), (unsigned long long)of_all);
    if (access(library, F_OK) != 0 && !compile(image, library)) return INVALID_PTX;
    if (!(opened = dlopen(library, RTLD_NOW | RTLD_LOCAL))) return INVALID_PTX;
    *module = malloc(sizeof **module);
    (*module)->library = opened;
    (*module)->place = (void (*)(unsigned, unsigned, unsigned))dlsym(opened, "fake_place");
    *(void (**)(void))dlsym(opened, "fake_wait") = wait_for_others;
    /* As kernels call it; where it is defined there is no semicolon. */
    (*module)->waits = strstr(image, "ADIT_BARRIER;") != NULL;
    return OK;
}
int cuModuleUnload(Module *module) { dlclose(module->library); free(module); return OK; }

int cuModuleGetFunction(Function **function, Module *module, const char *name)
{
    char symbol[64];
    CALL(cuModuleGetFunction)
    snprintf(symbol, sizeof symbol, "fake_%s", name);
    *function = malloc(sizeof **function);
    (*function)->module = module;
    (*function)->run = (void (*)(void **))dlsym(module->library, symbol);
    (*function)->is_digest = strcmp(name, "digest") == 0;
    return (*function)->run ? OK : NOT_FOUND;
}

int cuLaunchKernel(Function *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, void *stream, void **parameters, void **extra)
{
    CALL(cuLaunchKernel)
    (void)shared, (void)stream, (void)extra;
    if (gy != 1 || gz != 1 || by != 1 || bz != 1 || bx > 1024) return INVALID;
    for (unsigned block = 0; block < gx; ++block)
        if (function->module->waits) run_group(function, parameters, block, bx);
        else for (unsigned thread = 0; thread < bx; ++thread) {
            function->module->place(block, bx, thread);
            function->run(parameters);
        }
    if (function->is_digest && getenv("FAKE_CUDA_WRONG")) **(uint32_t **)parameters[2] ^= 1;
    return OK;
}

int cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *count, Function *function, int block, size_t shared,
                                                         unsigned flags)
{
    CALL(cuOccupancy)
    (void)function, (void)block, (void)shared, (void)flags;
    *count = 1;
    return OK;
}

int cuGetErrorName(int code, const char **name)
{
    switch (code) {
    case OUT_OF_MEMORY: *name = "CUDA_ERROR_OUT_OF_MEMORY"; break;
    case 46: *name = "CUDA_ERROR_DEVICE_UNAVAILABLE"; break;
    case NO_DEVICE: *name = "CUDA_ERROR_NO_DEVICE"; break;
    case 214: *name = "CUDA_ERROR_ECC_UNCORRECTABLE"; break;
    case INVALID_PTX: *name = "CUDA_ERROR_INVALID_PTX"; break;
    case 701: *name = "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES"; break;
    case 719: *name = "CUDA_ERROR_LAUNCH_FAILED"; break;
    case 999: *name = "CUDA_ERROR_UNKNOWN"; break;
    default: *name = "CUDA_ERROR_OF_THE_FAKE";
    }
    return OK;
}
int cuGetErrorString(int code, const char **text) { return cuGetErrorName(code, text); }
