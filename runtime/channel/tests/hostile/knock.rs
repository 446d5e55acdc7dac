//! Random frames, with and without descriptors, at a listening end's socket.

use std::{
    fs::File,
    io::IoSlice,
    mem::MaybeUninit,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use adit_channel::Mode;
use adit_memory::{Options, create_for_peer, create_owned};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags,
    SocketType, connect, sendmsg, socket_with,
};

use super::house::{Noise, Target};

/// Bytes of a frame.
const FRAME: usize = 112;

/// The most connections that are open at a time: fewer than the guests that a listening end hears.
const OPEN: usize = 6;

/// Connects, says something several times, and hangs up.
pub fn knock(target: Target, place: &Path, noise: &mut Noise) {
    let Ok(found) = std::fs::read_dir(place.join("adit")) else { return };
    let sockets: Vec<_> = found.filter_map(|entry| Some(entry.ok()?.path())).collect();
    let mut open = Vec::new();
    for _ in 0..noise.below(OPEN as u64 + 1) {
        if sockets.is_empty() {
            return;
        }
        let at = noise.below(sockets.len() as u64) as usize;
        let Ok(address) = SocketAddrUnix::new(&sockets[at]) else { continue };
        let kind = if noise.below(20) == 0 { SocketType::STREAM } else { SocketType::SEQPACKET };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let Ok(socket) = socket_with(AddressFamily::UNIX, kind, flags, None) else { continue };
        if connect(&socket, &address).is_ok() {
            open.push(socket);
        }
    }
    for _ in 0..noise.below(12) {
        let Some(socket) = open.get(noise.below(OPEN as u64) as usize) else { continue };
        say(socket, target, noise);
        noise.nap(400);
    }
}

fn say(socket: &OwnedFd, target: Target, noise: &mut Noise) {
    let bytes = words(target, noise);
    let fds: Vec<OwnedFd> =
        (0..[0, 1, 1, 1, 2, 5][noise.below(6) as usize]).map(|_| descriptor(noise)).collect();
    let borrowed: Vec<BorrowedFd<'_>> = fds.iter().map(|fd| fd.as_fd()).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(5))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !borrowed.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(&borrowed));
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    let _ = sendmsg(socket, &[IoSlice::new(&bytes)], &mut control, flags);
}

/// A frame that is right, or nearly; or cut, or too long; or noise.
fn words(target: Target, noise: &mut Noise) -> Vec<u8> {
    let mut bytes = frame(target, noise);
    for _ in 0..[0, 0, 1, 3][noise.below(4) as usize] {
        let at = noise.below(FRAME as u64) as usize;
        bytes[at] = noise.next() as u8;
    }
    match noise.below(8) {
        0 => bytes.truncate(noise.below(FRAME as u64) as usize),
        1 => bytes.resize(FRAME + 1 + noise.below(60_000) as usize, noise.next() as u8),
        2 => bytes.iter_mut().for_each(|byte| *byte = noise.next() as u8),
        _ => {}
    }
    bytes
}

/// As CHN-4.2 says it.
fn frame(target: Target, noise: &mut Noise) -> Vec<u8> {
    let mut bytes = b"ADITJOIN".to_vec();
    let mode: u32 = match target.mode {
        Mode::Spsc => 1,
        Mode::Mpsc => 2,
        Mode::Spmc => 3,
        Mode::Mpmc => 4,
        Mode::Broadcast => 5,
    };
    let status = [0, 0, 0, 5, noise.below(9) as u32][noise.below(5) as usize];
    for word in [adit_abi::LANE_LAYOUT_VERSION, status, mode, std::process::id(), 1 << 12, 0, 0, 0, 5, 0] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(b"bytes");
    bytes.resize(FRAME, 0);
    bytes
}

/// What a sender hands over, or something else.
fn descriptor(noise: &mut Noise) -> OwnedFd {
    let sizes = [4096, 8192, 1 << 16, 1 << 22];
    let size = sizes[noise.below(4) as usize];
    match noise.below(6) {
        0 => File::open("/dev/null").unwrap().into(),
        1 => rustix::pipe::pipe().unwrap().0,
        2 => tempfile::tempfile().unwrap().into(),
        3 => create_for_peer("bad", size, &Options::default()).unwrap().1.into_fd(),
        _ => {
            let (region, segment) = create_owned("bad", size, &Options::default()).unwrap();
            for at in 0..64 {
                // SAFETY: every region is a page at least; accessed by atomics alone.
                let word = unsafe { region.as_ptr().cast::<AtomicU64>().add(at).as_ref() };
                word.store(
                    if noise.below(3) == 0 { noise.next() } else { noise.below(9) },
                    Ordering::Relaxed,
                );
            }
            segment.into_fd()
        }
    }
}
