//! The channels as JSON: one object for each channel and look. docs/guides/channels.md names the fields.

use adit_channel::{
    Counters, Mode,
    inspect::{LaneSnapshot, LatencySummary, Leftover, Snapshot, Unseen},
};
use serde_json::{Value, json};

use super::{Seen, process::process};

/// A channel.
pub fn channel(seen: &Seen<'_>) -> Value {
    let look = seen.look;
    let receiver = look.pid.map(process);
    let mut value = json!({
        "event": "channel", "name": look.name, "path": look.path.display().to_string(),
        "state": state(&look.state), "pid": look.pid,
        "command": receiver.as_ref().map(|process| &process.command),
        "stopped": receiver.as_ref().map(|process| process.stopped),
    });
    match &look.state {
        Ok(snapshot) => fill(&mut value, snapshot, seen),
        Err(unseen) => value["reason"] = json!(unseen.to_string()),
    }
    value
}

fn state(state: &Result<Snapshot, Unseen>) -> &'static str {
    match state {
        Ok(_) => "live",
        Err(Unseen::NoAnswer) => "no answer",
        Err(Unseen::Dead) => "dead",
        Err(Unseen::Left) => "left",
        Err(Unseen::Foreign { .. }) => "foreign",
        Err(_) => "failed",
    }
}

fn fill(value: &mut Value, snapshot: &Snapshot, seen: &Seen<'_>) {
    let ((sent, sent_bytes), (received, received_bytes)) = (snapshot.sent(), snapshot.received());
    let rate = |pick: fn(&super::Rates) -> f64| seen.rates.as_ref().map(|rates| pick(rates).round());
    let lanes = (snapshot.lanes.len() as u64).saturating_add(snapshot.left_out);
    let (senders, receivers) = if snapshot.mode == Mode::Broadcast { (1, lanes) } else { (lanes, 1) };
    let more = json!({
        "mode": snapshot.mode.to_string(), "type": snapshot.kind.name(), "size": snapshot.kind.size(),
        "alignment": snapshot.kind.alignment(), "slots": snapshot.kind.has_slots(),
        "capacity": snapshot.capacity, "arena": snapshot.kind.arena(),
        "senders": senders, "receivers": receivers, "joined": snapshot.joined,
        "depth": snapshot.depth(), "depth_most": snapshot.depth_most(),
        "sent": sent, "sent_bytes": sent_bytes, "received": received, "received_bytes": received_bytes,
        "drops": snapshot.drops(),
        "sent_per_s": rate(|rates| rates.sent_messages), "sent_bytes_per_s": rate(|rates| rates.sent_bytes),
        "received_per_s": rate(|rates| rates.received_messages),
        "received_bytes_per_s": rate(|rates| rates.received_bytes),
        "latency": snapshot.latency.map(latency),
        "lanes": snapshot.lanes.iter().map(lane).collect::<Vec<_>>(), "lanes_left_out": snapshot.left_out,
    });
    if let (Value::Object(value), Value::Object(more)) = (value, more) {
        value.extend(more);
    }
}

fn lane(lane: &LaneSnapshot) -> Value {
    let sender = process(lane.sender);
    json!({
        "lane": lane.number, "pid": lane.sender, "command": sender.command, "stopped": sender.stopped,
        "state": if lane.dead { "dead" } else if lane.closed { "closed" } else { "live" },
        "depth": lane.depth, "sent": counters(&lane.sent), "received": counters(&lane.received),
        "latency": lane.latency.map(latency),
    })
}

fn counters(counters: &Counters) -> Value {
    json!({
        "messages": counters.messages, "bytes": counters.bytes, "stalls": counters.stalls,
        "wakes": counters.wakes, "drops": counters.drops, "depth_most": counters.depth,
    })
}

fn latency(latency: LatencySummary) -> Value {
    json!({
        "count": latency.count, "mean_ns": latency.mean, "p50_ns": latency.p50, "p90_ns": latency.p90,
        "p99_ns": latency.p99, "most_ns": latency.most,
    })
}

/// Something that `clean` removed.
pub fn removed(leftover: &Leftover) -> Value {
    json!({ "event": "removed", "what": leftover.what, "path": leftover.path.display().to_string() })
}
