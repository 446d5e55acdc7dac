//! What the page says about a run of channels.

use adit_bench_report::{bar::Bar, html::Page, machine, row::Row};
use adit_topology::format_cpu_list;

use crate::{measure::Pace, versions};

/// How it was measured: term and meaning.
const TERMS: &[(&str, &str)] = &[
    (
        "Throughput",
        "Messages a second, timed by the receiver, from the end of the warm-up (twice through the queue) to the last \
         message. Each word of each message is written by the sender and summed by the receiver.",
    ),
    (
        "Saturated",
        "Senders send as fast as they can. An end that finds nothing to do pauses for 64 pauses of the processor, some \
         microseconds, so that work gathers meanwhile.",
    ),
    (
        "Starved",
        "Before each message its sender works, two steps for each word (an xor with itself shifted, a multiplication), \
         each of which needs the one before, across messages, too; a receiver that finds nothing looks again at once. The \
         queue is nearly always empty.",
    ),
    (
        "Round trip",
        "One message of 64 bytes in flight, there and back. Spinning: both ends look again at once. Parked: both sleep \
         in the kernel each time. Medians are of the mean of a round; the percentiles time each trip, which adds the \
         time to read the clock.",
    ),
    (
        "One by one, in batches",
        "In batches, 16 messages (2 of 1 MiB) are sent and taken together, by those who can do that.",
    ),
    (
        "Over sockets",
        "This project's channels over tcp:// (loopback) and unix:// go through io_uring where the system lets them, those named \
         plain sockets do not. A stream of messages is gathered, also where it is sent one by one: the floor writes \
         each message, or each batch, by a call of its own.",
    ),
    (
        "Queues",
        "As large as is said above for messages up to 4 KiB, eight messages for those of 1 MiB. Within a process, others \
         pass messages of 1 MiB as a box that the sender allocates and the receiver frees.",
    ),
    (
        "Turns",
        "What stands in one plot is measured in turns, in another order in each round, each time with a new queue. Both \
         ends are pinned. With more ends than cores, senders share the first core and receivers the second, and an end \
         that finds nothing lets others run.",
    ),
    (
        "Valid",
        "In every round the sum of what was received is the sum of what was sent, no message is missing, and those of \
         each sender came in order.",
    ),
    (
        "Floors",
        "What the machine gives to anybody: a cache line that both ends write in turns, two lines, one each way, as any \
         pair of rings has, the same where each end can write its own alone, two sleepers in a futex, a copy in memory by one core, a bare TCP connection.",
    ),
];

/// The page about these results.
#[must_use]
pub fn page(rows: &[Row], bars: &[Bar], pace: &Pace, others: f64) -> Page {
    let measured = bars.iter().filter_map(Bar::holds);
    let (held, of) = measured.fold((0, 0), |(held, of), holds| (held + usize::from(holds), of + 1));
    let invalid = rows.iter().filter(|row| !row.valid).count();
    let mut summary = vec![format!("{} results; {held} of {of} bars that were measured hold.", rows.len())];
    if invalid > 0 {
        summary.push(format!("{invalid} results are not valid, and count for no bar."));
    }
    let mut facts: Vec<(String, String)> = [
        ("Processor", machine::cpu_model()),
        ("Cores", format!("{} allowed, ends on {}", machine::cores(), format_cpu_list(&pace.cores))),
        ("Memory", machine::memory()),
        ("Kernel", format!("Linux {}", machine::kernel())),
        ("Compiler", format!("rustc {}", versions::rustc())),
        ("Rounds", format!("{} of {} ms", pace.rounds, pace.round.as_millis())),
        ("Queues", format!("{} KiB for messages up to 4 KiB", pace.ring >> 10)),
        ("Other programs", format!("kept {others:.2} cores busy meanwhile")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let mut peers: Vec<&str> = rows.iter().filter_map(|row| row.peer.as_deref()).collect();
    peers.sort_unstable();
    peers.dedup();
    if !peers.is_empty() {
        facts.push(("Peers".into(), peers.join(", ")));
    }
    Page {
        title: "Channels, measured".into(),
        summary,
        facts,
        terms: TERMS.iter().map(|(term, meaning)| ((*term).into(), (*meaning).into())).collect(),
        bars: bars.to_vec(),
        rows: rows.to_vec(),
    }
}
