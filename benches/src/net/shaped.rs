//! Two network namespaces with a link of 1 Gbit/s between them.

use std::{fs::File, os::fd::AsFd as _, process::Command, sync::mpsc, thread};

use rustix::thread::{LinkNameSpaceType, UnshareFlags};

use super::Outcome;

/// The receiver's address.
pub(super) const RECEIVER: &str = "10.77.0.2";

const SENDER: &str = "10.77.0.1";

/// Two namespaces, a veth pair between them, and a token bucket at the sender's end. They go when this is
/// dropped: nothing else holds them.
#[derive(Debug)]
pub struct ShapedLink {
    sender: File,
    receiver: File,
}

impl ShapedLink {
    /// Makes both namespaces and the link.
    ///
    /// # Errors
    /// What could not be done, and what it needs.
    pub fn new() -> Result<Self, String> {
        // Threads of their own, because a thread that has entered a namespace does not come back.
        let made = thread::scope(|scope| {
            let made = scope.spawn(Self::make);
            made.join().unwrap_or_else(|_| Err("it panicked".into()))
        });
        made.map_err(|error| format!("{error} (it needs root, and ip and tc of iproute2)"))
    }

    fn make() -> Outcome<Self> {
        let sender = new_namespace()?;
        let (says, hears) = mpsc::channel();
        let (go, wait) = mpsc::channel::<()>();
        // A namespace is named to `ip` by a thread that is in it.
        let receiver = thread::spawn(move || -> Outcome<File> {
            let namespace = new_namespace()?;
            says.send(rustix::thread::gettid())?;
            wait.recv()?;
            run("ip", &format!("addr add {RECEIVER}/24 dev adit1"))?;
            run("ip", "link set adit1 up")?;
            Ok(namespace)
        });
        if let Ok(thread) = hears.recv() {
            let thread = thread.as_raw_nonzero();
            run("ip", &format!("link add adit0 type veth peer name adit1 netns {thread}"))?;
            run("ip", &format!("addr add {SENDER}/24 dev adit0"))?;
            run("ip", "link set adit0 up")?;
            run("tc", "qdisc add dev adit0 root tbf rate 1gbit burst 256kb latency 20ms")?;
            go.send(())?;
        }
        let receiver = receiver.join().unwrap_or_else(|_| Err("it panicked".into()))?;
        Ok(Self { sender, receiver })
    }

    /// Puts the calling thread into the sender's namespace or the receiver's, for good.
    pub(super) fn enter(&self, sender: bool) -> Outcome<()> {
        enter(if sender { &self.sender } else { &self.receiver })
    }
}

/// A namespace of the calling thread's own.
fn new_namespace() -> Outcome<File> {
    // SAFETY: the thread's view of the network is all that changes.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }
        .map_err(|error| format!("cannot make a network namespace: {error}"))?;
    Ok(File::open("/proc/thread-self/ns/net")?)
}

fn enter(namespace: &File) -> Outcome<()> {
    rustix::thread::move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
    Ok(())
}

fn run(program: &str, arguments: &str) -> Outcome<()> {
    let output = Command::new(program).args(arguments.split(' ')).output();
    let output = output.map_err(|error| format!("cannot run {program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{program} {arguments}: {}", said.trim()).into())
}
