//! Why a GPU was lost, in the driver's own numbers (NVIDIA, "Xid Errors"): CUDA's errors do not tell a fault of memory from a
//! card that has fallen off the bus.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use nvml_wrapper::{Nvml, bitmasks::event::EventTypes, enums::event::XidError, error::NvmlError};

use crate::sensors::LIBRARY;

/// How long the driver is listened to at a time, in milliseconds.
const WAIT_MS: u32 = 60_000;

/// An error that came so long before a failure has to do with it.
const RECENT: Duration = Duration::from_secs(10);

/// The driver may tell of an error a moment after a call has failed.
const PATIENCE: Duration = Duration::from_millis(300);

/// A thread that listens to the driver.
pub struct Listener(Arc<Heard>);

/// The last error, and when it came.
#[derive(Default)]
struct Heard {
    last: Mutex<Option<(u64, Instant)>>,
    more: Condvar,
}

impl Listener {
    /// Begins to listen for errors of the GPU that is plugged in there. Where the management library or its events are missing,
    /// nothing is heard.
    pub fn start(pci: String) -> Self {
        let heard = Arc::new(Heard::default());
        let told = Arc::clone(&heard);
        // Ends with the process: what it waits in cannot be interrupted.
        let listening = thread::Builder::new().name("xid".into()).spawn(move || listen(&pci, &told));
        drop(listening);
        Self(heard)
    }

    /// The error that came just now, if one did.
    pub fn recent(&self) -> Option<String> {
        let recent = |last: &Option<(u64, Instant)>| last.is_some_and(|(_, when)| when.elapsed() < RECENT);
        let waited = self.0.more.wait_timeout_while(self.0.lock(), PATIENCE, |last| !recent(last));
        let (last, _) = waited.unwrap_or_else(PoisonError::into_inner);
        last.filter(|_| recent(&last)).map(|(number, _)| text(number))
    }
}

impl Heard {
    fn lock(&self) -> MutexGuard<'_, Option<(u64, Instant)>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn listen(pci: &str, heard: &Heard) -> Option<()> {
    let library = Nvml::builder().lib_path(LIBRARY.as_ref()).init().ok()?;
    let gpu = library.device_by_pci_bus_id(pci).ok()?;
    let events = library.create_event_set().ok()?;
    let events = gpu.register_events(EventTypes::CRITICAL_XID_ERROR, events).ok()?;
    loop {
        match events.wait(WAIT_MS) {
            Ok(event) => {
                let number = match event.event_data? {
                    XidError::Value(number) => number,
                    XidError::Unknown => 0,
                };
                *heard.lock() = Some((number, Instant::now()));
                heard.more.notify_all();
            }
            Err(NvmlError::Timeout) => {}
            Err(_) => return None,
        }
    }
}

/// The number, and what it means where that is known.
fn text(number: u64) -> String {
    let meaning = match number {
        0 => return "an Xid without a number".into(),
        13 => "a kernel did what it must not",
        31 => "a kernel used memory that is not its own",
        43 => "the GPU stopped processing",
        48 => "an error of memory that could not be corrected",
        61 | 62 => "the GPU's own controller halted",
        63 | 64 => "a row of memory is to be replaced",
        74 => "an error of NVLink",
        79 => "the GPU has fallen off the bus",
        92 => "many errors of memory were corrected",
        94 | 95 => "an error of memory that could not be corrected",
        119 | 120 => "the GPU's system processor does not answer",
        _ => return format!("Xid {number}"),
    };
    format!("Xid {number}, {meaning}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_named_while_it_is_recent() {
        let listener = Listener(Arc::default());
        assert_eq!(listener.recent(), None);
        *listener.0.lock() = Some((79, Instant::now()));
        assert_eq!(listener.recent().unwrap(), "Xid 79, the GPU has fallen off the bus");
        *listener.0.lock() = Some((9999, Instant::now()));
        assert_eq!(listener.recent().unwrap(), "Xid 9999");
        if let Some(then) = Instant::now().checked_sub(RECENT) {
            *listener.0.lock() = Some((79, then));
            assert_eq!(listener.recent(), None);
        }
    }

    #[test]
    fn an_error_that_comes_a_moment_later_is_waited_for() {
        let heard = Arc::new(Heard::default());
        let told = Arc::clone(&heard);
        let later = thread::spawn(move || {
            thread::sleep(PATIENCE / 10);
            *told.lock() = Some((48, Instant::now()));
            told.more.notify_all();
        });
        assert!(Listener(heard).recent().unwrap().starts_with("Xid 48"));
        later.join().unwrap();
    }
}
