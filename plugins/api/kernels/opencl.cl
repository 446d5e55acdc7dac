/* What a kernel written for both OpenCL C and CUDA C++ may use, for OpenCL C. spec: KRN-4.1 */
typedef uint u32;
typedef ulong u64;
#define ADIT_KERNEL(name) __kernel void name
#define ADIT_GLOBAL __global
#define ADIT_TABLE __constant
#define ADIT_FUNCTION static inline
#define ADIT_UNROLL _Pragma("unroll")
#define ADIT_ITEM ((u32)get_global_id(0))
/* An item's place in its work group, the group's number, memory of the group, and the wait of all its items for each
 * other. `ADIT_SHARED` declares in a kernel, `ADIT_LOCAL` points there. */
#define ADIT_LOCAL_ITEM ((u32)get_local_id(0))
#define ADIT_GROUP_NUMBER ((u32)get_group_id(0))
#define ADIT_SHARED __local
#define ADIT_LOCAL __local
#define ADIT_BARRIER barrier(CLK_LOCAL_MEM_FENCE)
/* Four words that are read and written as one: x, y, z, w. */
#define ADIT_VECTOR uint4
#define ADIT_ROTATE_RIGHT(x, n) rotate((u32)(x), (u32)(32 - (n)))
#define ADIT_SWAP(x) (((x) >> 24) | (((x) >> 8) & 0xff00u) | (((x) << 8) & 0xff0000u) | ((x) << 24))
#define ADIT_BYTE(x, n) (((x) >> (8 * (n))) & 0xffu)
/* A constant, and a sum; CUDA makes more of them. */
#define ADIT_HIDDEN __constant const
#define ADIT_ADD(a, b) ((a) + (b))
/* Items that follow each other and whose scratch stands side by side, block by block: what they write at one time is then in
 * one place. A CPU does one item after the other. */
#ifdef ADIT_GPU
#define ADIT_NEIGHBOURS 32
#else
#define ADIT_NEIGHBOURS 1
#endif
/* Words of a group's memory that are served at a time, or half of them: OpenCL promises 32 KiB. */
#define ADIT_BANKS 16
#define ADIT_NEXT(counter) atomic_inc((volatile __global u32 *)(counter))
/* The constants that `prepare` wrote, as the first parameter of `search`, and one of them. */
#define ADIT_CONSTANTS __global const u32 *adit_constants
#define ADIT_CONSTANT(i) adit_constants[i]
/* The end of `search`'s parameters. Whether a job lives, OpenCL kernels are not told. */
#define ADIT_SEARCH_END
typedef int AditLife;
#define ADIT_LIFE(groups) 0
#define ADIT_FOR_EVER 0
static inline int adit_lives(AditLife life, u32 look) { (void)look; return life == 0; }
