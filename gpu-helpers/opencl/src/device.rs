//! The OpenCL devices of this machine.

use adit_helper::kernels::program::Unlisted;
use opencl3::{
    device::{CL_DEVICE_TYPE_ALL, CL_DEVICE_TYPE_GPU, Device},
    error_codes::ClError,
    platform::get_platforms,
};
use serde_json::{Value, json};

use crate::NAME;

/// What calls answer where there is no loader, and what a loader without a driver answers.
const NO_LOADER: i32 = -2000;
const NO_PLATFORM: i32 = -1001;

/// What a platform answers that has no device.
const NO_DEVICE: i32 = -1;

/// Intel's number as a vendor on the PCI bus.
const INTEL: u32 = 0x8086;

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

/// Every device, GPUs first, otherwise in the platforms' order. Platforms that do not answer are named on standard error, and
/// keep no other from work.
///
/// # Errors
/// There is no OpenCL here, or nothing of it answers.
pub fn all() -> Result<Vec<Found>, Unlisted> {
    let platforms = get_platforms().map_err(|error| match error.0 {
        NO_LOADER | NO_PLATFORM => Unlisted::NoDriver(format!(
            "no OpenCL platform: {error}; install a driver's OpenCL part, or pocl-opencl-icd for the CPU"
        )),
        code => Unlisted::Failed(format!("clGetPlatformIDs: {error} ({code})")),
    })?;
    let (mut found, mut last) = (Vec::new(), None);
    for platform in platforms {
        let platform_version = platform.version().unwrap_or_default();
        let devices = platform.get_devices(CL_DEVICE_TYPE_ALL).unwrap_or_else(|error| {
            last = complaint(&platform.name().unwrap_or_default(), error).or(last.take());
            Vec::new()
        });
        for id in devices {
            let device = Device::new(id);
            if device.available().unwrap_or(false) && device.compiler_available().unwrap_or(false) {
                found.push(Found::new(device, &platform_version));
            }
        }
    }
    found.sort_by_key(|found| !found.gpu);
    match last {
        Some(why) if found.is_empty() => Err(Unlisted::Failed(why)),
        _ => Ok(found),
    }
}

/// What there is to say of a platform that lists no devices. That there are none is nothing to speak of.
fn complaint(platform: &str, error: ClError) -> Option<String> {
    if error.0 == NO_DEVICE {
        return None;
    }
    let (platform, why) = (platform.trim(), format!("clGetDeviceIDs: {error} ({})", error.0));
    eprintln!("{NAME}: platform {platform} is left out: {why}");
    Some(format!("platform {platform}: {why}"))
}

/// The address of what the system has at this one of some domain, which is not told; `None`: there are several, or none.
fn in_whichever_domain(address: &str) -> Option<String> {
    let all = std::fs::read_dir("/sys/bus/pci/devices").ok()?;
    let all = all.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut there = all.filter(|name| name.split_once(':').is_some_and(|(_, rest)| rest == address));
    there.next().filter(|_| there.next().is_none())
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
        if extensions.contains("cl_amd_device_attribute_query") {
            let at = self.device.topology_amd().ok()?;
            return in_whichever_domain(&format!("{:02x}:{:02x}.{}", at.bus, at.device, at.function));
        }
        None
    }

    /// Items that give each compute unit enough to do, whatever they wait for: OpenCL 1.2 does not tell. Intel's units are
    /// parts of what others call one.
    pub fn items(&self) -> u32 {
        let a_unit = if self.device.vendor_id().is_ok_and(|vendor| vendor == INTEL) { 128 } else { 1024 };
        self.device.max_compute_units().unwrap_or(0).saturating_mul(a_unit)
    }
}
