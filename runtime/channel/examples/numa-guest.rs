//! What `cargo xtask numa-test` runs as the first process of a virtual machine with two NUMA nodes: it places
//! rings, asks the kernel where they are, says so on the console and switches the machine off.
//!
//! Each line of its answer is `numa-guest: ok ...` or `numa-guest: FAILED ...`, and the last one
//! `numa-guest: N ok, M failed`.

use std::{
    fs,
    process::{Command, Stdio},
    time::Duration,
};

use adit_channel::{Builder, Channel, Pages, Placement};
use adit_memory::{Options, Region, create_owned, current_node};

fn main() {
    if std::process::id() != 1 {
        eprintln!("this is the first process of a machine of its own; run cargo xtask numa-test");
        std::process::exit(2);
    }
    for (kind, target) in [("proc", "/proc"), ("sysfs", "/sys"), ("tmpfs", "/tmp"), ("devtmpfs", "/dev")] {
        fs::create_dir_all(target).unwrap();
        mount(kind, target);
    }
    let _ = fs::write("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "advise");
    let mut checks = Checks::default();
    let nodes = node_cpus();
    checks.check("the kernel has two nodes with processors", nodes.len() == 2, &nodes);
    if let [first, second] = nodes.as_slice() {
        memory(&mut checks);
        for (reader, writer) in [(first, second), (second, first)] {
            channels(&mut checks, reader, writer);
        }
    }
    command(&mut checks, &nodes);
    println!("numa-guest: {} ok, {} failed", checks.ok, checks.failed);
    // SAFETY: takes no pointers; this is the machine's first process, and there is nothing to save.
    unsafe { libc::reboot(libc::RB_POWER_OFF) };
}

#[derive(Default)]
struct Checks {
    ok: u32,
    failed: u32,
}

impl Checks {
    fn check(&mut self, what: &str, right: bool, seen: &impl std::fmt::Debug) {
        let word = if right { "ok" } else { "FAILED" };
        *if right { &mut self.ok } else { &mut self.failed } += 1;
        println!("numa-guest: {word} {what}: {seen:?}");
    }
}

/// A node and its processors.
#[derive(Debug)]
struct Node {
    node: u32,
    cpus: Vec<usize>,
}

fn node_cpus() -> Vec<Node> {
    let list = |node: u32| fs::read_to_string(format!("/sys/devices/system/node/node{node}/cpulist"));
    let parse = |text: String| {
        let mut cpus = Vec::new();
        for range in text.trim().split(',').filter(|range| !range.is_empty()) {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            cpus.extend(first.parse::<usize>().unwrap()..=last.parse().unwrap());
        }
        cpus
    };
    (0..8).filter_map(|node| Some(Node { node, cpus: parse(list(node).ok()?) })).collect()
}

/// Every kind of memory goes where it is asked for; nothing is asked of the thread.
fn memory(checks: &mut Checks) {
    for asked in [0, 1] {
        for pages in [Pages::Auto, Pages::Normal, Pages::Transparent, Pages::Huge2M] {
            let options = Options { pages, node: Some(asked) };
            let heap = Region::heap_with(4 << 20, &options).unwrap();
            let right = heap.report().node == Some(asked);
            checks.check(
                &format!("private memory of {pages} pages asked for node {asked}"),
                right,
                heap.report(),
            );
            let (memfd, _segment) = create_owned("guest", 4 << 20, &options).unwrap();
            let right = memfd.report().node == Some(asked) && maps_say(&memfd, asked);
            checks.check(&format!("a memfd of {pages} pages asked for node {asked}"), right, memfd.report());
        }
    }
}

/// What `/proc/self/numa_maps` says of a region: another way to ask than `move_pages`.
fn maps_say(region: &Region, node: u32) -> bool {
    let maps = fs::read_to_string("/proc/self/numa_maps").unwrap();
    let start = format!("{:x} ", region.as_ptr().as_ptr().addr());
    let Some(line) = maps.lines().find(|line| line.starts_with(&start)) else { return false };
    let on = |node: u32| line.split(' ').any(|word| word.starts_with(&format!("N{node}=")));
    on(node) && !on(1 - node)
}

/// A ring is on the receiver's node, wherever the sender runs; and on another when that is asked for.
fn channels(checks: &mut Checks, reader: &Node, writer: &Node) {
    for uri in ["memory://guest", "ipc://guest"] {
        let builder = Channel::builder(uri).unwrap().directory("/tmp/adit").capacity(1 << 20);
        run_on(reader);
        checks.check(
            "the receiver's thread is where it should be",
            current_node() == Some(reader.node),
            reader,
        );
        let mut receiver = builder.receiver().unwrap();
        let mut place = |what: &str, builder: &Builder, expected: u32| {
            run_on(writer);
            let mut sender = builder.sender().unwrap();
            sender.try_send(b"placed").unwrap();
            let report = sender.placement();
            let what = format!("{uri}, receiver on node {}, sender on {}: {what}", reader.node, writer.node);
            checks.check(&what, report.node == Some(expected), report);
            run_on(reader);
            let message = receiver.read_within(Duration::from_secs(30)).unwrap().unwrap().to_vec();
            let seen = receiver.placements();
            checks.check(
                "the receiver says the same",
                message == b"placed" && seen[0].node == Some(expected),
                &seen,
            );
            drop(sender);
            while receiver.read().is_ok() {}
        };
        place("the ring is by default on the receiver's node", &builder, reader.node);
        let near = builder.clone().placement(Placement::NearSender);
        place("near the sender", &near, writer.node);
        for node in [0, 1] {
            place(&format!("asked for node {node}"), &builder.clone().node(node), node);
            let huge = builder.clone().node(node).huge_pages(Pages::Transparent);
            place(&format!("asked for node {node} and huge pages"), &huge, node);
        }
    }
}

/// `adit topology` sees both nodes and pairs processors within each.
fn command(checks: &mut Checks, nodes: &[Node]) {
    let every = nodes.iter().flat_map(|node| node.cpus.iter().copied()).collect();
    run_on(&Node { node: 0, cpus: every });
    let text = Command::new("/bin/adit").arg("topology").stderr(Stdio::inherit()).output().unwrap();
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    print!("{text}");
    checks.check("adit topology sees two nodes", text.contains(": 2 nodes, "), &text.lines().next());
    // "  cpu 0    cpu 1    a NUMA node      node 0"
    let pairs: Vec<Vec<&str>> = text
        .lines()
        .filter(|line| line.starts_with("  cpu "))
        .map(|line| line.split_whitespace().collect())
        .collect();
    let on = |cpu: &str| nodes.iter().find(|node| node.cpus.iter().any(|known| known.to_string() == cpu));
    let right = |pair: &Vec<&str>| {
        let ["cpu", one, "cpu", other, .., "node", node] = pair.as_slice() else { return false };
        [on(one), on(other)].iter().all(|on| on.is_some_and(|on| on.node.to_string() == *node))
    };
    checks.check("it pairs processors of one node, with memory there", pairs.iter().all(right), &pairs);
    let most: usize = nodes.iter().map(|node| node.cpus.len() / 2).sum();
    checks.check("and all of them", pairs.len() == most, &pairs.len());
}

fn run_on(node: &Node) {
    // SAFETY: all zeros is a set, the indices are below its size, and the kernel reads it during the call.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        node.cpus.iter().for_each(|cpu| libc::CPU_SET(*cpu, &mut set));
        assert_eq!(libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set), 0);
    }
}

fn mount(kind: &str, target: &str) {
    let kind = std::ffi::CString::new(kind).unwrap();
    let target = std::ffi::CString::new(target).unwrap();
    // SAFETY: three strings that live during the call, and no data.
    let result = unsafe { libc::mount(kind.as_ptr(), target.as_ptr(), kind.as_ptr(), 0, std::ptr::null()) };
    assert_eq!(result, 0, "cannot mount {target:?}: {}", std::io::Error::last_os_error());
}
