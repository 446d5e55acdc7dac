//! What NVIDIA's management library tells of a GPU. It comes with the driver; where it is missing nothing is told.

use nvml_wrapper::{Device, Nvml, enum_wrappers::device::TemperatureSensor};

/// Of the driver's own package; without the number it belongs to a package for developers.
pub const LIBRARY: &str = "libnvidia-ml.so.1";

/// The library, if it is here.
pub struct Sensors(Option<Nvml>);

/// What it tells; each as far as the GPU has it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reading {
    /// Thousandths of a degree Celsius.
    pub temperature_mc: Option<i32>,
    /// Milliwatts.
    pub power_mw: Option<u32>,
    /// Per cent of the last moments in which a kernel ran.
    pub utilisation: Option<u32>,
}

impl Sensors {
    /// Looks for the library.
    pub fn new() -> Self {
        Self(Nvml::builder().lib_path(LIBRARY.as_ref()).init().ok())
    }

    /// What it tells of the GPU that is plugged in there.
    pub fn read(&self, pci: &str) -> Reading {
        let gpu = self.0.as_ref().and_then(|library| library.device_by_pci_bus_id(pci).ok());
        gpu.map_or_else(Reading::default, |gpu| reading(&gpu))
    }

    /// The driver's own version: that of CUDA is older or newer.
    pub fn driver(&self) -> Option<String> {
        self.0.as_ref()?.sys_driver_version().ok()
    }
}

fn reading(gpu: &Device<'_>) -> Reading {
    let celsius = gpu.temperature(TemperatureSensor::Gpu).ok();
    Reading {
        temperature_mc: celsius.and_then(|celsius| i32::try_from(celsius).ok()?.checked_mul(1000)),
        power_mw: gpu.power_usage().ok(),
        utilisation: gpu.utilization_rates().ok().map(|rates| rates.gpu),
    }
}
