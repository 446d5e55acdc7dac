//! What an algorithm brings for devices that the host does not run itself: `docs/spec/kernel.md`.

/// What stands before [`Kernels::scan`] when it is compiled as OpenCL C.
pub const OPENCL_PRELUDE: &str = include_str!("../kernels/opencl.cl");

/// What stands before [`Kernels::scan`] when it is compiled as CUDA C++.
pub const CUDA_PRELUDE: &str = include_str!("../kernels/cuda.cu");

/// What stands before [`Kernels::wgsl`].
pub const WGPU_PRELUDE: &str = include_str!("../kernels/wgpu.wgsl");

/// SHA-256 in WGSL, for algorithms that have it as a part.
pub const SHA256_WGSL: &str = include_str!("../kernels/sha256.wgsl");

/// An algorithm's kernels: one source for OpenCL C and CUDA C++, and one in WGSL.
#[derive(Clone, Copy, Debug)]
pub struct Kernels {
    /// 32-bit words that `prepare` writes, 1 to 4,096.
    pub constants: u32,
    /// Bytes of device memory that each work item of `search` needs, a multiple of 16.
    pub scratch: u32,
    /// Work items of a work group that the sources are written for, 1 to 1,024.
    pub group: u32,
    /// Work items that `scan` has for each nonce: it divides `group`. The source in WGSL has one.
    pub lanes: u32,
    /// Shifts, rotations and logic of 32 bits a nonce, after all that constants settle; 0: unknown. Sums do not count: GPUs
    /// can have them in other units at the same time.
    pub operations: u32,
    /// How many nonces a helper tests itself with before it offers the algorithm: as many as take a CPU some
    /// milliseconds.
    pub test_nonces: u32,
    /// `prepare`, `search` and `digest`, in what OpenCL C 1.2 and CUDA C++ have in common and the preludes define.
    pub scan: &'static str,
    /// The same in WGSL, after what the prelude for it has: pieces, one after the other; none if there is no such source.
    pub wgsl: &'static [&'static str],
}

impl Kernels {
    /// The source for OpenCL.
    #[must_use]
    pub fn opencl(&self) -> String {
        format!("{OPENCL_PRELUDE}{}", self.scan)
    }

    /// The source for CUDA.
    #[must_use]
    pub fn cuda(&self) -> String {
        format!("#define ADIT_CONSTANT_WORDS {}\n{CUDA_PRELUDE}{}", self.constants, self.scan)
    }

    /// The source for wgpu, if there is one.
    #[must_use]
    pub fn wgpu(&self) -> Option<String> {
        let vectors = self.constants.div_ceil(4);
        let numbers =
            format!("const ADIT_CONSTANT_VECTORS = {vectors}u;\nconst ADIT_GROUP = {}u;\n", self.group);
        (!self.wgsl.is_empty()).then(|| numbers + WGPU_PRELUDE + &self.wgsl.concat())
    }
}
