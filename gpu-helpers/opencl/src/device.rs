//! The OpenCL devices of this machine.

use adit_helper::kernels::program::Unlisted;
use opencl3::{
    device::{CL_DEVICE_TYPE_ALL, CL_DEVICE_TYPE_GPU, Device},
    platform::get_platforms,
};
use serde_json::{Value, json};

/// What calls answer where there is no loader, and what a loader without a driver answers.
const NO_LOADER: i32 = -2000;
const NO_PLATFORM: i32 = -1001;

/// A device that takes kernels.
pub struct Found {
    /// Its handle.
    pub device: Device,
    /// What people call it.
    pub name: String,
    /// Of the platform that offers it, and of the driver: what compiled kernels depend on.
    pub driver: String,
    /// Whether it is a GPU.
    pub gpu: bool,
    /// Bytes of its memory.
    pub memory: u64,
    /// The largest piece of it.
    pub largest: u64,
}

/// Every device, GPUs first, otherwise in the platforms' order.
///
/// # Errors
/// There is no OpenCL here, or it does not answer.
pub fn all() -> Result<Vec<Found>, Unlisted> {
    let platforms = get_platforms().map_err(|error| match error.0 {
        NO_LOADER | NO_PLATFORM => Unlisted::NoDriver(format!(
            "no OpenCL platform: {error}; install a driver's OpenCL part, or pocl-opencl-icd for the CPU"
        )),
        code => Unlisted::Failed(format!("clGetPlatformIDs: {error} ({code})")),
    })?;
    let mut found = Vec::new();
    for platform in platforms {
        let platform_version = platform.version().unwrap_or_default();
        // A platform without a device says so by an error.
        for id in platform.get_devices(CL_DEVICE_TYPE_ALL).unwrap_or_default() {
            let device = Device::new(id);
            if device.available().unwrap_or(false) && device.compiler_available().unwrap_or(false) {
                found.push(Found::new(device, &platform_version));
            }
        }
    }
    found.sort_by_key(|found| !found.gpu);
    Ok(found)
}

impl Found {
    fn new(device: Device, platform: &str) -> Self {
        let driver = format!("{platform} {}", device.driver_version().unwrap_or_default());
        Self {
            name: device.name().unwrap_or_default().trim().to_owned(),
            driver: driver.trim().to_owned(),
            gpu: device.dev_type().is_ok_and(|kind| kind & CL_DEVICE_TYPE_GPU != 0),
            memory: device.global_mem_size().unwrap_or(0),
            largest: device.max_mem_alloc_size().unwrap_or(0),
            device,
        }
    }

    /// What `list` prints: NUMA node and sensors are not OpenCL's to tell.
    pub fn to_json(&self, number: usize) -> Value {
        json!({
            "api": "opencl", "number": number, "name": self.name, "driver": self.driver, "gpu": self.gpu,
            "memory": self.memory, "compute_units": self.device.max_compute_units().unwrap_or(0),
            "pci": self.pci(),
        })
    }

    /// Where it is plugged in, if the driver tells: as `0000:3b:00.0`.
    fn pci(&self) -> Option<String> {
        let extensions = self.device.extensions().unwrap_or_default();
        if extensions.contains("cl_khr_pci_bus_info") {
            let info = self.device.pcibusinfokhr_intel().ok()?;
            return Some(format!(
                "{:04x}:{:02x}:{:02x}.{}",
                info.pci_domain, info.pci_bus, info.pci_device, info.pci_function
            ));
        }
        if extensions.contains("cl_nv_device_attribute_query") {
            let (bus, slot) = (self.device.pci_bus_id_nv().ok()?, self.device.pci_slot_id_nv().ok()?);
            return Some(format!("0000:{bus:02x}:{:02x}.{}", slot >> 3, slot & 7));
        }
        None
    }
}
