//! How a session begins, and when it must not. spec: SES-1.2, SES-1.3, SES-1.4

use std::{mem::offset_of, time::Duration};

use adit_abi::{self as abi, DeviceHeader, DeviceStatus, HostHeader};
use adit_channel::session::Sizes;

use crate::{
    fault::{Checked, fault},
    host::{Context, Host},
    regions::Regions,
};

/// How long a helper has to refuse.
const REFUSAL: Duration = Duration::from_secs(5);

/// The header is whole when the hello comes, and the heartbeat begins. spec: SES-1.3, SES-6.1
pub(super) fn hello(context: &mut Context<'_>) -> Checked {
    let mut host = context.open(Sizes::default())?;
    let peer = &host.regions.peer;
    let size = peer.load32(offset_of!(DeviceHeader, header_size));
    if size != 256 {
        return Err(fault("SES-1.3", format!("header_size of its header is {size}; expected: 256")));
    }
    let name = check_text("name", &peer.bytes::<48>(offset_of!(DeviceHeader, name)))?;
    let device = check_text("device", &peer.bytes::<80>(offset_of!(DeviceHeader, device)))?;
    let language = check_text("language", &peer.bytes::<16>(offset_of!(DeviceHeader, language)))?;
    if name.is_empty() {
        return Err(fault("SES-1.3", "its header has no name"));
    }
    context.notes.push(format!("{name} on {device}, {language}"));
    let sensors = host.regions.status(offset_of!(DeviceStatus, temperature_mc));
    if sensors == 0 {
        let what =
            "it says 0 °C and 0 W; expected: what it measures, or TEMPERATURE_UNKNOWN and POWER_UNKNOWN";
        return Err(fault("SES-6.2", what));
    }

    let before = host.beats();
    host.pass("after its hello", Duration::from_secs(1))?;
    let beats = host.beats() - before;
    if beats < 5 {
        let what = format!("{beats} heartbeats in the second after its hello; expected: one every 100 ms");
        return Err(fault("SES-6.1", what));
    }
    Ok(())
}

/// UTF-8, padded with zeros.
fn check_text(field: &str, bytes: &[u8]) -> Checked<String> {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    let Ok(text) = std::str::from_utf8(&bytes[..end]) else {
        return Err(fault("SES-1.3", format!("{field} of its header is no UTF-8: {:02x?}", &bytes[..end])));
    };
    if bytes[end..].iter().any(|&byte| byte != 0) {
        return Err(fault("SES-1.3", format!("{field} of its header, {text:?}, is not padded with zeros")));
    }
    Ok(text.to_owned())
}

/// Nothing behind the version may be believed: it is garbage, or as good as that of version 1. spec: SES-1.2
pub(super) fn other_version(context: &mut Context<'_>) -> Checked {
    for (version, garbage) in
        [(abi::LAYOUT_VERSION + 1, true), (0, false), (abi::LAYOUT_VERSION | 1 << 16, false)]
    {
        let regions = Regions::new(Sizes::default())?;
        regions.own.store32(offset_of!(HostHeader, version), version);
        let behind = offset_of!(HostHeader, board_offset)..offset_of!(HostHeader, heartbeat_ms);
        for offset in behind.step_by(4).filter(|_| garbage) {
            regions.own.store32(offset, u32::MAX);
        }
        let what = format!("the host speaks version {version}");
        refuses(context, regions, &what, abi::DEVICE_VERSION_MISMATCH, "DEVICE_VERSION_MISMATCH")?;
    }
    Ok(())
}

/// spec: SES-1.2
pub(super) fn bad_region(context: &mut Context<'_>) -> Checked {
    let sizes = Sizes::default();
    let whole = Regions::new(sizes)?;
    let (host_len, device_len) = (whole.own.len() as u32, whole.peer.len() as u32);
    drop(whole);
    let lies = [
        ("board_offset", offset_of!(HostHeader, board_offset), host_len),
        ("board_offset", offset_of!(HostHeader, board_offset), 0),
        ("board_slots", offset_of!(HostHeader, board_slots), 0),
        ("work_offset", offset_of!(HostHeader, work_offset), 0xffff_ffc0),
        ("work_slots", offset_of!(HostHeader, work_slots), 3),
        ("work_slots", offset_of!(HostHeader, work_slots), 65_536),
        ("solution_offset", offset_of!(HostHeader, solution_offset), device_len - 64),
        ("solution_slots", offset_of!(HostHeader, solution_slots), 0x8000_0000),
        ("solution_slots", offset_of!(HostHeader, solution_slots), 1),
    ];
    for (field, offset, value) in lies {
        let regions = Regions::new(sizes)?;
        regions.own.store32(offset, value);
        let what = format!("{field} is {value}, in regions of {host_len} and {device_len} bytes");
        refuses(context, regions, &what, abi::DEVICE_BAD_REGION, "DEVICE_BAD_REGION")?;
    }
    Ok(())
}

/// Only the magic says that the rest means anything. spec: SES-1.2
pub(super) fn not_a_host(context: &mut Context<'_>) -> Checked {
    for magic in [0, abi::DEVICE_MAGIC, abi::HOST_MAGIC ^ 1 << 63] {
        let regions = Regions::new(Sizes::default())?;
        regions.own.store(offset_of!(HostHeader, magic), magic);
        let situation = format!("the host region's magic is {magic:#018x}");
        let host = leaves(context, regions, &situation)?;
        let peer = &host.regions.peer;
        if let Some(at) = (0..peer.len()).step_by(8).find(|&at| peer.load(at) != 0) {
            let what = format!("{situation}: it wrote {:#x} at {at}; expected: nothing", peer.load(at));
            return Err(fault("SES-1.2", what));
        }
    }
    Ok(())
}

/// The helper exits with a status other than 0 and says no hello.
fn leaves(context: &Context<'_>, regions: Regions, situation: &str) -> Checked<Host> {
    let mut host = context.start(regions, true)?;
    // A hello would make this side work with a header that lies.
    host.reading = false;
    let status = host.wait_exit("while it should refuse", REFUSAL)?;
    let breach = |what: String| Err(fault("SES-1.2", format!("{situation}: {what}")));
    if host.regions.unread() > 0 {
        return breach("it said hello; expected: a refusal".into());
    }
    let Some(status) = status else {
        return breach(format!("still running after {} s; expected: exit", REFUSAL.as_secs()));
    };
    match status.code() {
        Some(0) => breach("exit status 0; expected: another".into()),
        None => breach(format!("it crashed ({status}); expected: an exit status")),
        Some(_) => Ok(host),
    }
}

/// It says why in its header, too.
fn refuses(context: &Context<'_>, regions: Regions, situation: &str, state: u32, name: &str) -> Checked {
    let host = leaves(context, regions, situation)?;
    let breach = |what: String| Err(fault("SES-1.2", format!("{situation}: {what}")));
    let peer = &host.regions.peer;
    let magic = peer.load(offset_of!(DeviceHeader, magic));
    if magic != abi::DEVICE_MAGIC {
        return breach(format!("it wrote no header (magic {magic:#018x}); expected: one with {name}"));
    }
    let seen = [peer.load32(offset_of!(DeviceHeader, version)), peer.load32(offset_of!(DeviceHeader, state))];
    if seen != [abi::LAYOUT_VERSION, state] {
        let [version, seen] = seen;
        return breach(format!(
            "its header has version {version}, state {seen}; expected: 1, {state} ({name})"
        ));
    }
    let session = peer.load(offset_of!(DeviceHeader, session_id));
    if session != host.regions.id {
        return breach(format!(
            "its header has session_id {session:#x}; the host's is {:#x}",
            host.regions.id
        ));
    }
    Ok(())
}
