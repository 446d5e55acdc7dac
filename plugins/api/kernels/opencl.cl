/* What a kernel written for both OpenCL C and CUDA C++ may use, for OpenCL C. spec: KRN-4.1 */
typedef uint u32;
typedef ulong u64;
#define ADIT_KERNEL(name) __kernel void name
#define ADIT_GLOBAL __global
#define ADIT_TABLE __constant
#define ADIT_FUNCTION static inline
#define ADIT_ITEM ((u32)get_global_id(0))
#define ADIT_ROTATE_RIGHT(x, n) rotate((u32)(x), (u32)(32 - (n)))
#define ADIT_SWAP(x) (((x) >> 24) | (((x) >> 8) & 0xff00u) | (((x) << 8) & 0xff0000u) | ((x) << 24))
#define ADIT_NEXT(counter) atomic_inc((volatile __global u32 *)(counter))
/* The constants that `prepare` wrote, as the first parameter of `search`, and one of them. */
#define ADIT_CONSTANTS __global const u32 *adit_constants
#define ADIT_CONSTANT(i) adit_constants[i]
/* The end of `search`'s parameters, and whether the job lives: OpenCL kernels are not told. */
#define ADIT_SEARCH_END
#define ADIT_LIVES 1
