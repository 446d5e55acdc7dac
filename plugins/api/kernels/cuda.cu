/* What a kernel written for both OpenCL C and CUDA C++ may use, for CUDA C++. spec: KRN-4.3 */
typedef unsigned int u32;
typedef unsigned long long u64;
#define ADIT_KERNEL(name) extern "C" __global__ void name
#define ADIT_GLOBAL
#define ADIT_TABLE __constant__
#define ADIT_FUNCTION static __device__ __forceinline__
#define ADIT_ITEM (blockIdx.x * blockDim.x + threadIdx.x)
#define ADIT_ROTATE_RIGHT(x, n) __funnelshift_r((x), (x), (n))
#define ADIT_SWAP(x) __byte_perm((x), 0, 0x0123)
#define ADIT_NEXT(counter) atomicAdd((u32 *)(counter), 1u)
/* By value: kernel parameters are in constant memory, where instructions take operands from directly. */
typedef struct { u32 words[ADIT_CONSTANT_WORDS]; } AditConstants;
#define ADIT_CONSTANTS const AditConstants adit_constants
#define ADIT_CONSTANT(i) adit_constants.words[i]
#define ADIT_SEARCH_END , const volatile u64 *adit_generation, u64 adit_mine
#define ADIT_LIVES (*adit_generation <= adit_mine)
