//! The NVIDIA GPUs of this machine.

use std::sync::Arc;

use adit_helper::kernels::{Failure, program::Unlisted};
use cudarc::driver::{
    CudaContext, DriverError,
    result::{device, init},
    sys::{self, CUdevice_attribute_enum as Attribute, cudaError_enum as Code},
};
use serde_json::{Value, json};

use crate::{NAME, sensors::Sensors};

/// What a failed call means: the call and the error's name.
pub fn failure(call: &'static str) -> impl FnOnce(DriverError) -> Failure {
    move |error| {
        let name = error.error_name().ok().map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_else(|| "an error without a name".into());
        let text = format!("{call}: {name} ({})", error.0 as u32);
        match error.0 {
            Code::CUDA_ERROR_OUT_OF_MEMORY => Failure::Memory(text),
            // A work group takes more registers than there are, however few of them are started.
            Code::CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES
            // What the driver says of an image that it cannot load, whether it was damaged or is of another kind.
            | Code::CUDA_ERROR_INVALID_IMAGE
            | Code::CUDA_ERROR_NO_BINARY_FOR_GPU
            | Code::CUDA_ERROR_INVALID_PTX
            | Code::CUDA_ERROR_JIT_COMPILER_NOT_FOUND
            | Code::CUDA_ERROR_UNSUPPORTED_PTX_VERSION
            | Code::CUDA_ERROR_JIT_COMPILATION_DISABLED
            | Code::CUDA_ERROR_INVALID_SOURCE
            | Code::CUDA_ERROR_NOT_FOUND => Failure::Source(text),
            _ => Failure::Device(text),
        }
    }
}

/// Whether the driver is here. cudarc panics where it is not.
fn check_driver() -> Result<(), Unlisted> {
    // SAFETY: loads a library by name and closes it; its initialisers are NVIDIA's own.
    if !unsafe { sys::is_culib_present() } {
        return Err(Unlisted::NoDriver(
            "no NVIDIA driver: libcuda.so is not found; install the driver, or use opencl or wgpu".into(),
        ));
    }
    Ok(())
}

/// The oldest CUDA whose driver has all the calls that a context takes here.
const OLDEST: i32 = 12_010;

/// Whether the driver is new enough. cudarc panics at a call that it does not have.
fn check_version() -> Result<(), Unlisted> {
    let version = version().map_err(|failure| Unlisted::Failed(failure.to_string()))?;
    if version < OLDEST {
        return Err(Unlisted::Failed(format!(
            "the NVIDIA driver speaks CUDA {}.{}, and 12.1 (driver 530) is the oldest that is used; update it, or use opencl or \
             wgpu",
            version / 1000,
            version % 1000 / 10
        )));
    }
    Ok(())
}

/// Such as 12010 for CUDA 12.1.
fn version() -> Result<i32, Failure> {
    let mut version = 0;
    // SAFETY: writes one integer.
    unsafe { sys::cuDriverGetVersion(&mut version) }.result().map_err(failure("cuDriverGetVersion"))?;
    Ok(version)
}

/// Whether the compiler is here. cudarc panics where it is not.
fn check_compiler() -> Result<(), Unlisted> {
    // SAFETY: as in `check_driver`.
    if !unsafe { cudarc::nvrtc::sys::is_culib_present() } {
        return Err(Unlisted::Failed(
            "no CUDA compiler: libnvrtc.so is not found; install NVIDIA's nvrtc (part of the CUDA toolkit, \
                    or the Python package nvidia-cuda-nvrtc-cu12) and name its folder in LD_LIBRARY_PATH"
                .into(),
        ));
    }
    Ok(())
}

/// An object for each GPU that answers; those that do not are named on standard error, and keep no other from work.
pub fn list() -> Result<Vec<Value>, Unlisted> {
    check_driver()?;
    let failed = |call| move |error| Unlisted::Failed(failure(call)(error).to_string());
    match init() {
        // The driver's libraries without a GPU, as in many containers.
        Err(DriverError(Code::CUDA_ERROR_NO_DEVICE)) => return Ok(Vec::new()),
        begun => begun.map_err(failed("cuInit"))?,
    }
    check_version()?;
    check_compiler()?;
    let count = CudaContext::device_count().map_err(failed("cuDeviceGetCount"))?;
    let sensors = Sensors::new();
    let (mut gpus, mut last) = (Vec::new(), None);
    for number in 0..count {
        match describe(number, &sensors) {
            Ok(gpu) => gpus.push(gpu),
            Err(failure) => {
                eprintln!("{NAME}: GPU {number} is left out: {failure}");
                last = Some(failure.to_string());
            }
        }
    }
    match last {
        Some(why) if gpus.is_empty() => Err(Unlisted::Failed(why)),
        _ => Ok(gpus),
    }
}

/// Without a context: that would wake the GPU and take memory on it.
fn describe(number: i32, sensors: &Sensors) -> Result<Value, Failure> {
    let gpu = device::get(number).map_err(failure("cuDeviceGet"))?;
    let attribute = |attribute| {
        // SAFETY: `gpu` is a device that the driver gave, here and below.
        unsafe { device::get_attribute(gpu, attribute) }.map_err(failure("cuDeviceGetAttribute"))
    };
    let (major, minor) = (
        attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
        attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
    );
    // Shifts and logic of 32 bits that a multiprocessor does in a clock; unknown for generations that nobody measured.
    let integer_lanes = if (7..=9).contains(&major) { 64 } else { 0 };
    let pci = pci(attribute)?;
    let reading = sensors.read(&pci);
    // SAFETY: as above.
    let memory = unsafe { device::total_mem(gpu) }.map_err(failure("cuDeviceTotalMem"))?;
    let name = device::get_name(gpu).map_err(failure("cuDeviceGetName"))?;
    Ok(json!({
        "api": "cuda", "number": number, "name": name, "gpu": true, "memory": memory,
        "driver": driver(sensors)?, "compute_capability": format!("{major}.{minor}"),
        "compute_units": attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?, "pci": pci,
        "integer_lanes": integer_lanes, "clock_khz": attribute(Attribute::CU_DEVICE_ATTRIBUTE_CLOCK_RATE)?,
        "temperature_mc": reading.temperature_mc, "power_mw": reading.power_mw,
        "utilisation": reading.utilisation,
    }))
}

/// Where a GPU is plugged in, as `0000:3b:00.0`.
fn pci(attribute: impl Fn(Attribute) -> Result<i32, Failure>) -> Result<String, Failure> {
    Ok(format!(
        "{:04x}:{:02x}:{:02x}.0",
        attribute(Attribute::CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID)?,
        attribute(Attribute::CU_DEVICE_ATTRIBUTE_PCI_BUS_ID)?,
        attribute(Attribute::CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID)?
    ))
}

/// The CUDA that it speaks, and its own version where that is told.
fn driver(sensors: &Sensors) -> Result<String, Failure> {
    let version = version()?;
    let cuda = format!("CUDA {}.{}", version / 1000, version % 1000 / 10);
    Ok(sensors.driver().map_or_else(|| cuda.clone(), |driver| format!("{driver}, {cuda}")))
}

/// A GPU that is going to work.
pub struct Gpu {
    /// Its waits let other threads run.
    pub context: Arc<CudaContext>,
    /// What people call it.
    pub name: String,
    /// Where it is plugged in.
    pub pci: String,
    /// Its driver.
    pub driver: String,
}

/// Opens a GPU.
pub fn open(number: usize) -> Result<Gpu, Failure> {
    check_driver()
        .and_then(|()| check_version())
        .and_then(|()| check_compiler())
        .map_err(|error| Failure::Device(error.to_string()))?;
    // What the context would ask for as well, and not say which of them failed.
    init().map_err(failure("cuInit"))?;
    device::get(number as i32).map_err(failure("cuDeviceGet"))?;
    let context = CudaContext::new(number).map_err(failure("cuDevicePrimaryCtxRetain"))?;
    context.set_blocking_synchronize().map_err(failure("cuCtxSetFlags"))?;
    let name = context.name().map_err(failure("cuDeviceGetName"))?;
    let pci = pci(|attribute| context.attribute(attribute).map_err(failure("cuDeviceGetAttribute")))?;
    let driver = driver(&Sensors::new())?;
    Ok(Gpu { context, name, pci, driver })
}
