//! The devices of this machine that Vulkan knows.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use serde_json::{Value, json};
use wgpu::{Adapter, Backends, DeviceType, Instance, InstanceDescriptor, InstanceFlags, hal};

/// What Vulkan says of memory that is the device's own: `VK_MEMORY_HEAP_DEVICE_LOCAL_BIT`.
const DEVICE_LOCAL: u32 = 1;

/// A device that takes kernels.
pub struct Found {
    /// Its handle.
    pub adapter: Adapter,
    /// What people call it.
    pub name: String,
    /// Whether it is a GPU.
    pub gpu: bool,
    /// Bytes of its memory.
    pub memory: u64,
}

/// Every device, GPUs first, otherwise in the loader's order.
///
/// # Errors
/// There is none; says what may be missing.
pub fn all() -> Result<Vec<Found>, String> {
    let instance = Instance::new(InstanceDescriptor {
        backends: Backends::VULKAN,
        // No validation layers, also not when this is built for debugging.
        flags: InstanceFlags::empty(),
        ..InstanceDescriptor::new_without_display_handle()
    });
    let adapters = ready(instance.enumerate_adapters(Backends::VULKAN)).unwrap_or_default();
    let mut found: Vec<_> = adapters.into_iter().map(Found::new).collect();
    if found.is_empty() {
        return Err("no Vulkan device: libvulkan.so.1 or a driver for it is not found; install a driver's \
                    Vulkan part, or libvulkan1 and mesa-vulkan-drivers, which have the CPU as a device too"
            .into());
    }
    found.sort_by_key(|found| !found.gpu);
    Ok(found)
}

/// What a future has at once; wgpu's have, but for those in browsers.
pub fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

impl Found {
    fn new(adapter: Adapter) -> Self {
        let info = adapter.get_info();
        let kinds = [DeviceType::DiscreteGpu, DeviceType::IntegratedGpu, DeviceType::VirtualGpu];
        Self {
            name: info.name.trim().to_owned(),
            gpu: kinds.contains(&info.device_type),
            memory: memory_of(&adapter),
            adapter,
        }
    }

    /// The device and its driver.
    pub fn identity(&self) -> String {
        let info = self.adapter.get_info();
        format!("{}\n{} {}", self.name, info.driver, info.driver_info)
    }

    /// What `list` prints: NUMA node and sensors are not Vulkan's to tell.
    pub fn to_json(&self, number: usize) -> Value {
        let info = self.adapter.get_info();
        let driver = format!("{} {}", info.driver, info.driver_info);
        let pci = Some(info.device_pci_bus_id.to_lowercase()).filter(|pci| !pci.is_empty());
        json!({
            "api": "wgpu", "number": number, "name": self.name, "driver": driver.trim(), "gpu": self.gpu,
            "memory": self.memory, "pci": pci,
        })
    }
}

/// Bytes of the largest piece of memory that is the device's own; 0: it does not say.
fn memory_of(adapter: &Adapter) -> u64 {
    // SAFETY: the handle is only asked, and lives as long as the adapter.
    let Some(raw) = (unsafe { adapter.as_hal::<hal::api::Vulkan>() }) else { return 0 };
    let instance = raw.shared_instance().raw_instance();
    // SAFETY: the device is one of this instance's.
    let memory = unsafe { instance.get_physical_device_memory_properties(raw.raw_physical_device()) };
    let local = memory.memory_heaps_as_slice().iter().filter(|heap| heap.flags.as_raw() & DEVICE_LOCAL != 0);
    local.map(|heap| heap.size).max().unwrap_or(0)
}
