//! Sources to what a GPU runs, by NVRTC, kept between runs.

use std::ffi::CString;

use adit_helper::kernels::{Failure, cache::Entry};
use cudarc::nvrtc::{
    result::{self, NvrtcError},
    sys,
};

/// How a source becomes a module on GPUs of a compute capability.
pub struct Compiler {
    /// The GPU and its driver.
    pub identity: String,
    /// Such as (9, 0).
    pub capability: (i32, i32),
}

impl Compiler {
    /// Where what a source became is kept.
    pub fn entry(&self, source: &str) -> Entry {
        Entry::new("cuda", &[&self.identity, &version(), source])
    }

    /// What the driver loads.
    ///
    /// # Errors
    /// [`Failure::Source`] with the compiler's words; [`Failure::Memory`] if the host has none for the compiler.
    pub fn compile(&self, source: &str) -> Result<Vec<u8>, Failure> {
        let (major, minor) = self.capability;
        // The GPU's own code; where the compiler is older than the GPU, code for the newest that it knows, which the driver
        // translates.
        let program = Program::new(source)?;
        let compiled = match program.compile(&format!("--gpu-architecture=sm_{major}{minor}")) {
            Ok(()) => program.cubin(),
            Err(NvrtcError(sys::nvrtcResult::NVRTC_ERROR_INVALID_OPTION)) => program
                .compile(&format!("--gpu-architecture=compute_{}", newest_before(10 * major + minor)))
                .and_then(|()| program.ptx()),
            Err(error) => Err(error),
        };
        compiled.map_err(|error| program.complaint(error))
    }
}

/// The newest architecture that the compiler knows and that is not newer than this one, such as 90; this one, where it does not say.
fn newest_before(architecture: i32) -> i32 {
    // The first version that says it; cudarc panics at a call that there is not.
    if release().is_none_or(|release| release < (11, 2)) {
        return architecture;
    }
    let mut count = 0;
    // SAFETY: writes one integer.
    if unsafe { sys::nvrtcGetNumSupportedArchs(&mut count) }.result().is_err() {
        return architecture;
    }
    let mut known = vec![0; usize::try_from(count).unwrap_or(0)];
    // SAFETY: writes as many integers as it said.
    if unsafe { sys::nvrtcGetSupportedArchs(known.as_mut_ptr()) }.result().is_err() {
        return architecture;
    }
    known.into_iter().filter(|known| *known <= architecture).max().unwrap_or(architecture)
}

fn version() -> String {
    release().map_or_else(|| "nvrtc".into(), |(major, minor)| format!("nvrtc {major}.{minor}"))
}

/// Major and minor version of the compiler.
fn release() -> Option<(i32, i32)> {
    let (mut major, mut minor) = (0, 0);
    // SAFETY: writes two integers.
    unsafe { sys::nvrtcVersion(&mut major, &mut minor) }.result().ok()?;
    Some((major, minor))
}

/// What a failed call means that left no words.
fn failure(call: &str, NvrtcError(code): NvrtcError) -> Failure {
    let text = format!("{call}: {code:?}");
    match code {
        sys::nvrtcResult::NVRTC_ERROR_OUT_OF_MEMORY => Failure::Memory(text),
        _ => Failure::Source(text),
    }
}

/// A source in the compiler's hands.
struct Program(sys::nvrtcProgram);

impl Program {
    fn new(source: &str) -> Result<Self, Failure> {
        let source = CString::new(source).map_err(|_| Failure::Source("it has a zero byte in it".into()))?;
        result::create_program(&source, None).map(Self).map_err(|error| failure("nvrtcCreateProgram", error))
    }

    fn compile(&self, architecture: &str) -> Result<(), NvrtcError> {
        // SAFETY: the program is there until this is dropped.
        unsafe { result::compile_program(self.0, &[architecture]) }
    }

    fn cubin(&self) -> Result<Vec<u8>, NvrtcError> {
        let mut size = 0;
        // SAFETY: the program is there, and writes its size, then as many bytes.
        unsafe {
            sys::nvrtcGetCUBINSize(self.0, &mut size).result()?;
            let mut bytes = vec![0_u8; size];
            sys::nvrtcGetCUBIN(self.0, bytes.as_mut_ptr().cast()).result()?;
            Ok(bytes)
        }
    }

    /// Text, with the zero at its end that the driver looks for.
    fn ptx(&self) -> Result<Vec<u8>, NvrtcError> {
        // SAFETY: the program is there.
        unsafe { result::get_ptx(self.0) }.map(|text| text.into_iter().map(|byte| byte as u8).collect())
    }

    fn complaint(&self, error: NvrtcError) -> Failure {
        // SAFETY: the program is there.
        let log = unsafe { result::get_program_log(self.0) }.unwrap_or_default();
        let log: Vec<u8> = log.into_iter().map(|byte| byte as u8).take_while(|byte| *byte != 0).collect();
        match (failure("nvrtcCompileProgram", error), String::from_utf8_lossy(&log).trim()) {
            (Failure::Source(_), log) if !log.is_empty() => Failure::Source(log.to_owned()),
            (failure, _) => failure,
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: it was created and is not used again.
        let _ = unsafe { result::destroy_program(self.0) };
    }
}
