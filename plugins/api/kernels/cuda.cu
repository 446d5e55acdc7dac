/* What a kernel written for both OpenCL C and CUDA C++ may use, for CUDA C++. spec: KRN-4.3 */
typedef unsigned int u32;
typedef unsigned long long u64;
#define ADIT_KERNEL(name) extern "C" __global__ void name
#define ADIT_GLOBAL
#define ADIT_TABLE __constant__
#define ADIT_FUNCTION static __device__ __forceinline__
#define ADIT_UNROLL _Pragma("unroll")
#define ADIT_ITEM (blockIdx.x * blockDim.x + threadIdx.x)
/* An item's place in its work group, the group's number, memory of the group, and the wait of all its items for each
 * other. `ADIT_SHARED` declares in a kernel, `ADIT_LOCAL` points there. */
#define ADIT_LOCAL_ITEM threadIdx.x
#define ADIT_GROUP_NUMBER blockIdx.x
#define ADIT_SHARED __shared__
#define ADIT_LOCAL
#define ADIT_BARRIER __syncthreads()
/* Four words that are read and written as one: x, y, z, w. */
#define ADIT_VECTOR uint4
#define ADIT_ROTATE_RIGHT(x, n) __funnelshift_r((x), (x), (n))
#define ADIT_SWAP(x) __byte_perm((x), 0, 0x0123)
#define ADIT_BYTE(x, n) __byte_perm((x), 0, 0x4440 + (n))
/* A constant that is hidden from the compiler. A GPU multiplies and adds in other units than those that add and shift:
 * where these are busy, an address and a sum are had beside them, by a factor that the compiler cannot see through. */
#define ADIT_HIDDEN __constant__
ADIT_HIDDEN u32 adit_one = 1;
ADIT_FUNCTION u32 adit_add(u32 a, u32 b) { return a * adit_one + b; }
#define ADIT_ADD(a, b) adit_add((a), (b))
/* Items that follow each other and whose scratch stands side by side, block by block: what they write at one time is then in
 * one place. */
#define ADIT_NEIGHBOURS 32
/* Words of a group's memory that are served at a time. */
#define ADIT_BANKS 32
#define ADIT_NEXT(counter) atomicAdd((u32 *)(counter), 1u)
/* By value: kernel parameters are in constant memory, where instructions take operands from directly. */
typedef struct { u32 words[ADIT_CONSTANT_WORDS]; } AditConstants;
#define ADIT_CONSTANTS const AditConstants adit_constants
#define ADIT_CONSTANT(i) adit_constants.words[i]
#define ADIT_SEARCH_END , const volatile u64 *adit_generation, u64 adit_mine
/* Whether a job lives: that of `search`, and one that always does. The generation is in the host's memory, where one look
 * takes over a microsecond and all looks wait for each other: of up to SHARE groups one looks there, each in its turn, and
 * tells the others in word 3 of the results. */
#define ADIT_SHARE 64
typedef struct { const volatile u64 *generation; u64 mine; volatile u32 *dead; u32 share; } AditLife;
#define ADIT_LIFE(groups) adit_life(adit_generation, adit_mine, results, (groups))
#define ADIT_FOR_EVER adit_life(0, 0, 0, 1)
ADIT_FUNCTION AditLife adit_life(const volatile u64 *generation, u64 mine, volatile u32 *results, u32 groups)
{
    AditLife life;
    life.generation = generation;
    life.mine = mine;
    life.dead = results + 3;
    life.share = groups < ADIT_SHARE ? groups : ADIT_SHARE;
    return life;
}
/* `look` counts the looks of an item. */
ADIT_FUNCTION int adit_lives(AditLife life, u32 look)
{
    if (!life.generation) return 1;
    if (*life.dead) return 0;
    if ((ADIT_GROUP_NUMBER + look) % life.share || *life.generation <= life.mine) return 1;
    *life.dead = 1;
    return 0;
}
