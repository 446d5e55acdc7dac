//! What a pool says, one JSON object a line, read leniently.
//!
//! Numbers may come as strings and the other way round, fields in any order, fields too many. What can
//! still not be understood is a [`Malformed`], never a panic. Every length is bounded here, so that
//! nothing behind this file has to.

use std::fmt;

use serde_json::Value;

use super::text;

/// Longest line that is read, in bytes, without its end.
pub const MAX_LINE: usize = 64 * 1024;
/// Longest `extranonce1`, in bytes.
pub const MAX_EXTRANONCE1: usize = 32;
/// Longest `extranonce2`, in bytes.
pub const MAX_EXTRANONCE2: usize = 16;
const MAX_BRANCHES: usize = 32;
const MAX_COINBASE_PART: usize = MAX_LINE / 2;
const MAX_JOB_ID: usize = 256;
const MAX_ECHOED_ID: usize = 64;

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// The pool asks or tells something.
    Call {
        /// To be sent back with an answer; `None` when none is wanted.
        id: Option<Value>,
        /// What.
        call: Call,
    },
    /// The answer to the request with this number.
    Answer {
        /// The request's number.
        id: u64,
        /// The result, `null` when there was none.
        outcome: Result<Value, PoolError>,
    },
}

/// What a pool asks or tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Call {
    /// `mining.notify`: a job.
    Notify(Box<Notify>),
    /// `mining.set_difficulty`: for the jobs that follow; not yet checked.
    SetDifficulty(f64),
    /// `mining.set_extranonce`: for the jobs that follow.
    SetExtranonce(Extranonce),
    /// `mining.set_version_mask`: at once.
    SetVersionMask(u32),
    /// `client.reconnect`.
    Reconnect {
        /// Where to; `None` is the same host.
        host: Option<String>,
        /// Which port; `None` is the same.
        port: Option<u16>,
        /// Seconds to wait before.
        wait: u64,
    },
    /// `client.get_version`.
    GetVersion,
    /// `client.show_message`: for people.
    ShowMessage(String),
    /// `mining.ping`.
    Ping,
    /// `mining.pong`: needs nothing.
    Pong,
    /// Any other method.
    Unknown(String),
}

/// A job as the pool describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notify {
    /// The pool's name for the job.
    pub id: String,
    /// Digest of the block before, in the order of the header.
    pub parent: [u8; 32],
    /// The coinbase transaction before the extranonces.
    pub coinbase1: Vec<u8>,
    /// The coinbase transaction after the extranonces.
    pub coinbase2: Vec<u8>,
    /// What the coinbase's hash is joined with on the way to the merkle root.
    pub branches: Vec<[u8; 32]>,
    /// The header's version.
    pub version: u32,
    /// The header's compact network target.
    pub bits: u32,
    /// The header's time, seconds since 1970.
    pub time: u32,
    /// Whether every job before is worthless.
    pub clean: bool,
}

/// What makes this session's coinbase transactions different from everybody else's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extranonce {
    /// The pool's part.
    pub one: Vec<u8>,
    /// Length of our part in bytes, 1 to 16.
    pub two_size: usize,
}

/// An error that the pool answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolError {
    /// Its number, as 21 for a stale share.
    pub code: Option<i64>,
    /// Its words, made safe and short.
    pub text: String,
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = match self.code {
            Some(21) => "stale or unknown job",
            Some(22) => "duplicate share",
            Some(23) => "low difficulty",
            Some(24) => "unauthorized",
            Some(25) => "not subscribed",
            _ => "no reason given",
        };
        let text = if self.text.is_empty() { known } else { &self.text };
        match self.code {
            Some(code) => write!(f, "{text} (code {code})"),
            None => f.write_str(text),
        }
    }
}

/// Why a line is no message; for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(pub String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads one line.
pub fn parse(line: &[u8]) -> Result<Message, Malformed> {
    if line.len() > MAX_LINE {
        return Err(Malformed(format!("a line of {} bytes", line.len())));
    }
    let value: Value =
        serde_json::from_slice(line).map_err(|error| Malformed(format!("no JSON: {error}")))?;
    let Value::Object(object) = value else {
        return Err(Malformed("no JSON object".into()));
    };
    if let Some(method) = object.get("method").filter(|method| !method.is_null()) {
        let method = method.as_str().ok_or_else(|| Malformed("a method that is no string".into()))?;
        let params = object.get("params").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let call =
            parse_call(method, params).map_err(|why| Malformed(format!("{}: {why}", text::shown(method))))?;
        return Ok(Message::Call { id: object.get("id").and_then(echoed), call });
    }
    let id = object.get("id").and_then(unsigned);
    let error = object.get("error").and_then(parse_error);
    let outcome = match (error, object.get("result")) {
        (Some(error), _) => Err(error),
        (None, Some(result)) => Ok(result.clone()),
        (None, None) => return Err(Malformed("neither method, result nor error".into())),
    };
    match (id, outcome) {
        (Some(id), outcome) => Ok(Message::Answer { id, outcome }),
        (None, Err(error)) => Err(Malformed(format!("an error that belongs to no request: {error}"))),
        (None, Ok(_)) => Err(Malformed("an answer that belongs to no request".into())),
    }
}

fn parse_call(method: &str, params: &[Value]) -> Result<Call, String> {
    Ok(match method {
        "mining.notify" => Call::Notify(Box::new(parse_notify(params)?)),
        "mining.set_difficulty" => {
            Call::SetDifficulty(params.first().and_then(float).ok_or("no number for a difficulty")?)
        }
        "mining.set_extranonce" => Call::SetExtranonce(parse_extranonce(params.first(), params.get(1))?),
        "mining.set_version_mask" => Call::SetVersionMask(named(params.first(), "mask", text::number)?),
        "client.reconnect" => Call::Reconnect {
            host: params.first().and_then(Value::as_str).filter(|host| !host.is_empty()).map(Into::into),
            port: match params.get(1) {
                None | Some(Value::Null) => None,
                Some(port) => Some(parse_port(port).ok_or("a port that is none")?),
            },
            wait: params.get(2).and_then(unsigned).unwrap_or(0),
        },
        "client.get_version" => Call::GetVersion,
        "client.show_message" => {
            Call::ShowMessage(text::shown(params.first().and_then(Value::as_str).unwrap_or_default()))
        }
        "mining.ping" => Call::Ping,
        "mining.pong" => Call::Pong,
        other => Call::Unknown(text::shown(other)),
    })
}

fn parse_notify(params: &[Value]) -> Result<Notify, String> {
    let id = match params.first() {
        Some(Value::String(id)) if id.len() <= MAX_JOB_ID => id.clone(),
        Some(Value::String(_)) => return Err(format!("a job id of more than {MAX_JOB_ID} bytes")),
        Some(Value::Number(id)) => id.to_string(),
        _ => return Err("no job id".into()),
    };
    let mut parent = named(params.get(1), "previous hash", text::bytes32)?;
    for group in parent.chunks_exact_mut(4) {
        group.reverse();
    }
    let part = |hex: &str| text::bytes(hex, MAX_COINBASE_PART);
    let branches = params.get(4).and_then(Value::as_array).ok_or("no list of merkle branches")?;
    if branches.len() > MAX_BRANCHES {
        return Err(format!("{} merkle branches, at most {MAX_BRANCHES} are taken", branches.len()));
    }
    Ok(Notify {
        id,
        parent,
        coinbase1: named(params.get(2), "first coinbase part", part)?,
        coinbase2: named(params.get(3), "second coinbase part", part)?,
        branches: branches
            .iter()
            .map(|branch| named(Some(branch), "merkle branch", text::bytes32))
            .collect::<Result<_, _>>()?,
        version: named(params.get(5), "version", text::number)?,
        bits: named(params.get(6), "network target", text::number)?,
        time: named(params.get(7), "time", text::number)?,
        // Left out or not understood: a job too many is dropped rather than worked on in vain.
        clean: params.get(8).and_then(truth).unwrap_or(true),
    })
}

/// The two fields that `mining.set_extranonce` and the answer to `mining.subscribe` share.
pub fn parse_extranonce(one: Option<&Value>, two_size: Option<&Value>) -> Result<Extranonce, String> {
    let one = named(one, "extranonce1", |hex| text::bytes(hex, MAX_EXTRANONCE1))?;
    let two_size = two_size.and_then(unsigned).ok_or("no size of extranonce2")?;
    match usize::try_from(two_size) {
        Ok(two_size @ 1..=MAX_EXTRANONCE2) => Ok(Extranonce { one, two_size }),
        _ => Err(format!("an extranonce2 of {two_size} bytes; 1 to {MAX_EXTRANONCE2} are taken")),
    }
}

/// The mask that an answer to `mining.configure` grants; `None` when version rolling is not.
pub fn granted_mask(result: &Value) -> Option<u32> {
    let granted = result.get("version-rolling").and_then(truth)?;
    let mask = result.get("version-rolling.mask")?.as_str()?;
    text::number(mask).ok().filter(|_| granted)
}

/// Whether an answer's result says yes.
pub fn is_yes(result: &Value) -> bool {
    match result {
        Value::Object(fields) => fields.get("status").and_then(truth).unwrap_or(false),
        other => truth(other).unwrap_or(false),
    }
}

fn parse_error(value: &Value) -> Option<PoolError> {
    let words = |value: Option<&Value>| match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(words)) => text::shown(words),
        Some(other) => text::shown(&other.to_string()),
    };
    let code = |value: Option<&Value>| value.and_then(|code| float(code).map(|code| code as i64));
    match value {
        Value::Null | Value::Bool(false) => None,
        Value::Array(parts) if parts.is_empty() => None,
        Value::Array(parts) => Some(PoolError { code: code(parts.first()), text: words(parts.get(1)) }),
        Value::Object(fields) if fields.is_empty() => None,
        Value::Object(fields) => {
            Some(PoolError { code: code(fields.get("code")), text: words(fields.get("message")) })
        }
        Value::String(text) if text.is_empty() => None,
        Value::Number(number) => Some(PoolError { code: number.as_i64(), text: String::new() }),
        other => Some(PoolError { code: None, text: words(Some(other)) }),
    }
}

/// Reads a string field with `read`; errors name the field.
fn named<T>(
    value: Option<&Value>,
    name: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<T, String> {
    let text = value.and_then(Value::as_str).ok_or_else(|| format!("no {name}"))?;
    read(text).map_err(|why| format!("{name}: {why}"))
}

fn parse_port(value: &Value) -> Option<u16> {
    u16::try_from(unsigned(value)?).ok().filter(|&port| port != 0)
}

fn float(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())
}

fn unsigned(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::Number(number) => number.as_f64().map(|number| number != 0.0),
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "ok" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// An id that is worth sending back: a number or a short string.
fn echoed(id: &Value) -> Option<Value> {
    match id {
        Value::Number(_) => Some(id.clone()),
        Value::String(text) if text.len() <= MAX_ECHOED_ID => Some(id.clone()),
        _ => None,
    }
}
