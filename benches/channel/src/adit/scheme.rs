//! How the ends of this project's channels find each other.

use std::{marker::PhantomData, path::PathBuf};

use adit_channel::{Driver, NetworkOptions};

use crate::{order::Order, stream};

/// A way to name channels: `memory://` and so on.
pub trait Scheme: 'static {
    /// Whether of many receivers each listens at an address of its own, and senders call them all.
    const RECEIVERS_ARE_CALLED: bool = false;

    /// The URI of the end that others join. With many receivers that is the sender, wherever it makes a difference.
    fn listen(order: &Order, name: &str) -> String;

    /// The URI of an end that joins.
    ///
    /// # Errors
    /// The other end does not come.
    fn join(order: &Order, name: &str) -> Result<String, String> {
        Ok(Self::listen(order, name))
    }

    /// Tells those who join where it listens, if they cannot know: the address is what the channel's end says of a
    /// network.
    ///
    /// # Errors
    /// That cannot be told.
    fn listens(order: &Order, name: &str, address: Option<&str>) -> Result<(), String> {
        let _ = (order, name, address);
        Ok(())
    }

    /// Through what the kernel is asked, on a network.
    #[must_use]
    fn network() -> NetworkOptions {
        NetworkOptions::default()
    }
}

/// `memory://`.
#[derive(Debug)]
pub struct Memory;

impl Scheme for Memory {
    fn listen(_: &Order, name: &str) -> String {
        format!("memory://{name}")
    }
}

/// `ipc://`.
#[derive(Debug)]
pub struct Ipc;

impl Scheme for Ipc {
    fn listen(_: &Order, name: &str) -> String {
        format!("ipc://{name}")
    }
}

/// `file://`, in the directory of the run.
#[derive(Debug)]
pub struct Kept;

impl Scheme for Kept {
    fn listen(order: &Order, name: &str) -> String {
        format!("file://{}", order.directory.join(format!("{name}.ring")).display())
    }
}

/// As `shm://`, whose names are those of files in memory.
#[derive(Debug)]
pub struct Shm;

impl Scheme for Shm {
    fn listen(order: &Order, name: &str) -> String {
        format!("file://{}", order.memory.join(format!("{name}.ring")).display())
    }
}

/// `tcp://` over loopback, on a port of the kernel's choice.
#[derive(Debug)]
pub struct Tcp;

impl Scheme for Tcp {
    const RECEIVERS_ARE_CALLED: bool = true;

    fn listen(_: &Order, _: &str) -> String {
        "tcp://127.0.0.1:0".into()
    }

    fn join(order: &Order, name: &str) -> Result<String, String> {
        stream::ask_port(order, name).map(|port| format!("tcp://127.0.0.1:{port}"))
    }

    fn listens(order: &Order, name: &str, address: Option<&str>) -> Result<(), String> {
        let port = address.and_then(|address| address.rsplit_once(':')?.1.parse().ok());
        stream::say_port(order, name, port.ok_or("an end that listens does not say where")?)
    }
}

/// `unix://`.
#[derive(Debug)]
pub struct Unix;

impl Unix {
    fn path(order: &Order, name: &str) -> PathBuf {
        order.directory.join(format!("{name}.sock"))
    }
}

impl Scheme for Unix {
    const RECEIVERS_ARE_CALLED: bool = true;

    fn listen(order: &Order, name: &str) -> String {
        format!("unix://{}", Self::path(order, name).display())
    }

    fn join(order: &Order, name: &str) -> Result<String, String> {
        // A channel's own look for one that is not there yet comes every few milliseconds.
        stream::within("find a socket", || std::fs::symlink_metadata(Self::path(order, name)))?;
        Ok(Self::listen(order, name))
    }
}

/// The same through plain sockets, whatever the system has besides.
#[derive(Debug)]
pub struct PlainSockets<S>(PhantomData<S>);

impl<S: Scheme> Scheme for PlainSockets<S> {
    const RECEIVERS_ARE_CALLED: bool = S::RECEIVERS_ARE_CALLED;

    fn listen(order: &Order, name: &str) -> String {
        S::listen(order, name)
    }

    fn join(order: &Order, name: &str) -> Result<String, String> {
        S::join(order, name)
    }

    fn listens(order: &Order, name: &str, address: Option<&str>) -> Result<(), String> {
        S::listens(order, name, address)
    }

    fn network() -> NetworkOptions {
        let mut options = S::network();
        options.driver = Driver::Sockets;
        options
    }
}
