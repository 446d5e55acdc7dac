//! What the machine looks like and where things should live.
//!
//! [`Machine::detect`] asks hwloc, then `/sys`, then the scheduler, and says in [`Machine::notes`] what it
//! had to do without; it only fails when not even one cpu can be named. [`Machine::synthetic`] builds a
//! machine that is not there, so that a plan for two NUMA nodes can be tested on a laptop.
//! [`pin_current_thread`] and [`set_current_thread_priority`] act on the calling thread and nothing else.
//!
//! | question | answer |
//! |---|---|
//! | which cpus may this process use? | [`allowed_cpus`] |
//! | where do `n` workers go? | [`Machine::worker_cpus`]: one per physical core first, SMT siblings after |
//! | where do a sender and a receiver go? | [`Machine::pairs`]: two cores with one level 3 cache first |
//! | whose memory is near a cpu? | [`Machine::node_of`], to hand to the memory crate |
//!
//! ```
//! use adit_topology::Machine;
//!
//! let machine = Machine::synthetic("numa:2 core:4 pu:2")?;
//! assert_eq!(machine.nodes.len(), 2);
//! assert_eq!(machine.worker_cpus(3), [0, 2, 4]);
//! assert_eq!(machine.node_of(8), Some(1));
//! # Ok::<(), adit_topology::TopologyError>(())
//! ```

mod cpu_list;
mod display;
mod error;
mod hwloc;
mod machine;
mod pci;
mod plan;
mod sysfs;
mod thread;

pub use cpu_list::{MAX_CPU_LIST, format_cpu_list, parse_cpu_list};
pub use error::TopologyError;
pub use machine::{Cpu, Machine, Node, Source};
pub use pci::PciPlace;
pub use plan::{Pair, Shared};
pub use thread::{Priority, allowed_cpus, pin_current_thread, set_current_thread_priority};
