//! What is at a Unix socket's path that is no channel's.

use rustix::{
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with},
};

use crate::{Channel, OpenFailure};

/// What listens there is no channel and takes no more calls now: its socket stays.
#[test]
fn a_service_that_is_busy_keeps_its_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("busy.sock");
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
    let address = SocketAddrUnix::new(&path).unwrap();
    bind(&socket, &address).unwrap();
    listen(&socket, 0).unwrap();
    // Until its queue is full.
    let call = || {
        let flags = SocketFlags::NONBLOCK;
        let caller = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap();
        rustix::net::connect(&caller, &address).map(|()| caller)
    };
    let callers: Vec<_> = std::iter::repeat_with(call).map_while(Result::ok).take(100).collect();
    assert_eq!(call().unwrap_err(), Errno::AGAIN);
    let error = Channel::builder(&format!("unix://{}", path.display())).unwrap().receiver().unwrap_err();
    assert!(matches!(error.failure, OpenFailure::ReceiverTaken), "{error}");
    assert!(path.exists());
    drop(callers);
}
