//! Every error on opening says which end of which channel, what is wrong, and what to do.

use std::{fs, path::Path};

use adit_channel::{Builder, Channel, MessageKind, Mode, NetworkOptions};

use super::{closing::free_port, open};

/// A channel of each transport, in a directory of its own.
fn channels(directory: &Path) -> Vec<(String, Builder)> {
    let port = free_port();
    let uris = [
        "memory://errors".to_owned(),
        "ipc://errors".to_owned(),
        format!("shm://adit-test-errors-{}", std::process::id()),
        format!("file://{}", directory.join("errors.ring").display()),
        format!("tcp://127.0.0.1:{port}"),
        format!("unix://{}", directory.join("errors.sock").display()),
        "udp://239.255.77.9:9".to_owned(),
    ];
    let builder = |uri: String| {
        let builder = Channel::builder(&uri).unwrap().capacity(1 << 12);
        (uri, builder.directory(directory.join("adit")))
    };
    uris.into_iter().map(builder).collect()
}

/// What opening that end says, which must name the end and the channel and say all of `what`.
fn says(uri: &str, builder: &Builder, sends: bool, what: &[&str]) {
    let error = match open(builder, sends) {
        Ok(_) => panic!("{uri} was opened, although {what:?}"),
        Err(error) => error,
    };
    assert_eq!(error.channel.to_string(), uri);
    let text = error.to_string();
    let end = if sends { "sender" } else { "receiver" };
    assert!(text.starts_with(&format!("cannot open the {end} of {uri}: ")), "{text}");
    for part in what {
        assert!(text.contains(part), "{text}: it does not say {part:?}");
    }
}

#[test]
fn what_no_channel_can_be_is_said_with_its_name() {
    let directory = tempfile::tempdir().unwrap();
    for (uri, builder) in channels(directory.path()) {
        for sends in [true, false] {
            says(
                &uri,
                &builder.clone().capacity(1000),
                sends,
                &["1000", "power of two from 64", "Builder::capacity"],
            );
            let nameless = builder.clone().kind(MessageKind::fixed("", 8, 8));
            says(&uri, &nameless, sends, &["must have 1 to 64 bytes"]);
            let large = builder.clone().kind(MessageKind::fixed("large", 1 << 12, 8));
            says(&uri, &large, sends, &["4096 bytes do not fit"]);
        }
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "something was made all the same");
}

#[test]
fn both_sides_of_what_differs_are_said_with_the_channels_name() {
    let directory = tempfile::tempdir().unwrap();
    let tick = |size, alignment| MessageKind::fixed("tick", size, alignment);
    for (uri, builder) in channels(directory.path()) {
        if uri.starts_with("udp:") {
            // Nobody joins there.
            continue;
        }
        let builder = builder.kind(tick(64, 8));
        let receiver = builder.receiver().unwrap_or_else(|error| panic!("{error}"));
        let advice = "give both ends the same";
        let cases: [(Builder, [&str; 2]); 5] = [
            (builder.clone().mode(Mode::Mpsc), ["asks for MPSC", "has SPSC"]),
            (builder.clone().capacity(1 << 13), ["asks for 8192 bytes", "has 4096 bytes"]),
            (builder.clone().kind(tick(72, 8)), ["size 72, alignment 8", "size 64, alignment 8"]),
            (builder.clone().kind(tick(64, 16)), ["size 64, alignment 16", "size 64, alignment 8"]),
            (builder.clone().kind(MessageKind::bytes()), ["bytes of any length", "\"tick\" (size 64"]),
        ];
        for (other, [ours, theirs]) in cases {
            says(&uri, &other, true, &[ours, theirs, advice]);
        }
        drop(receiver);
    }
    let _ = fs::remove_file(format!(
        "/dev/shm/adit-{}-adit-test-errors-{}.ring",
        rustix::process::geteuid().as_raw(),
        std::process::id()
    ));
}

#[test]
fn who_is_there_already_or_not_at_all_is_said_with_the_channels_name() {
    let directory = tempfile::tempdir().unwrap();
    for (uri, builder) in channels(directory.path()) {
        let scheme = uri.split(':').next().unwrap();
        if ["ipc", "tcp", "unix"].contains(&scheme) {
            says(&uri, &builder, true, &["nobody listens at", "Builder::join_within"]);
        }
        if ["ipc", "tcp", "unix", "memory"].contains(&scheme) {
            let _receiver = builder.receiver().unwrap_or_else(|error| panic!("{error}"));
            says(&uri, &builder, false, &["has a receiver already", "another name"]);
            let _sender = builder.sender().unwrap_or_else(|error| panic!("{error}"));
            says(&uri, &builder, true, &["no place for another sender: it takes 1", "close one"]);
        }
    }
}

#[test]
fn what_the_system_refuses_is_said_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path().display();
    let channel = |uri: &str| Channel::builder(uri).unwrap();
    let missing = format!("unix://{here}/missing/x.sock");
    says(&missing, &channel(&missing), false, &["make the directory first"]);
    let file = format!("unix://{here}/x.sock");
    fs::write(directory.path().join("x.sock"), "x").unwrap();
    says(&file, &channel(&file), false, &["no socket", "remove it, or use another path"]);
    let nowhere = "tcp://192.0.2.1:7000";
    says(nowhere, &channel(nowhere), false, &["192.0.2.1:7000", "no interface of this machine"]);
    let nobody = "tcp://no-such-host.invalid:7000";
    says(nobody, &channel(nobody), true, &["no-such-host.invalid", "check the host's name"]);
    let wide = directory.path().join("wide");
    fs::create_dir(&wide).unwrap();
    let ipc = channel("ipc://errors").directory(&wide);
    says("ipc://errors", &ipc, false, &["wide", "chmod 0700", "Builder::directory"]);
    let mut options = NetworkOptions::default();
    options.datagram = 100;
    let udp = "udp://239.255.77.9:9";
    says(udp, &channel(udp).network(options), true, &["100 bytes", "576 to 65507"]);
}
