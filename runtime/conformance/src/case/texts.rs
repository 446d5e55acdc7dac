//! What each case does and expects.

pub(super) const HELLO: &str = "\
    The device header is whole, has the host's session id and comes before the hello, which is the \
    first message; the heartbeat begins.";
pub(super) const OTHER_VERSION: &str = "\
    The host speaks another version, three ways: the helper says DEVICE_VERSION_MISMATCH in its \
    header, under the host's session id, and exits with a status other than 0 within 5 s.";
pub(super) const BAD_REGION: &str = "\
    Offsets or slot counts do not fit the regions, nine ways: the helper says DEVICE_BAD_REGION in its \
    header, under the host's session id, and exits with a status other than 0 within 5 s.";
pub(super) const NOT_A_HOST: &str = "\
    The host region's magic is another, three ways, and all else is right: the helper writes nothing \
    and exits with a status other than 0 within 5 s.";
pub(super) const KNOWN_VECTORS: &str = "\
    Headers of real blocks: exactly the right hits with the right digests, and a digest that equals \
    the target is one.";
pub(super) const EDGE_RANGES: &str = "\
    Every nonce is a hit in single nonces, odd counts, ranges that cross 2^32 and ranges that end with \
    the nonce space: each is reported exactly once.";
pub(super) const MANY_HITS: &str =
    "One unit has thousands of hits, many times the solution ring; all arrive, once.";
pub(super) const RING_WRAP: &str = "\
    300 units of a few nonces go round small rings: answered in order, each ended exactly once, and \
    the head is published at most a quarter of the ring late.";
pub(super) const FULL_SOLUTION_RING: &str = "\
    The host does not read for a second: the helper waits with its heartbeat going on, writes over \
    nothing and loses nothing. A head that cannot be, and one that goes back, neither stop it nor make \
    it write over what was not read.";
pub(super) const JOB_SWITCH_STORM: &str = "\
    A new generation every few milliseconds: each unit ends once, stale or complete, its hits are \
    right, the last one completes, and a dead unit ends within 1 s.";
pub(super) const PAUSE_AND_RESUME: &str = "\
    Paused, the helper hashes nothing and its heartbeat goes on; told to run, it ends its unit with \
    every hit, also one that came in the pause.";
pub(super) const STOP_IN_THE_MIDDLE: &str = "\
    Told to stop while idle (with a message and without one), hashing, paused, and before a full ring: \
    exit status 0 within 2 s, and what was reported is right.";
pub(super) const UNKNOWN_STATE: &str = "\
    A control state that nobody knows, 0 among them, while idle, hashing, paused and before a full ring, means stop: exit status 0 \
    within 2 s.";
pub(super) const STALE_UNITS: &str = "\
    Units of a dead generation, of a board slot that has another job, and of one that is being written \
    end with UNIT_STALE and 0 hashes; what else is wrong counts in the order of SES-5.4.";
pub(super) const TORN_BOARD: &str = "\
    Two jobs take turns in one board slot while a unit of the first is read, hundreds of times: it \
    ends stale or with the hits of that job, never of a mixture.";
pub(super) const SILENCE: &str = "\
    Without work for a second: no messages but log lines and errors, little processor time, a \
    heartbeat.";
pub(super) const HOST_DEATH: &str = "\
    The life line ends without a word while the helper is idle, hashing, paused, and before a full \
    ring: it exits within 3 s.";
pub(super) const GARBAGE_IN_RESERVED: &str = "\
    Reserved bytes, unused slots, unknown feature and flag bits and the header's nonce hold garbage: \
    everything works as before.";
pub(super) const UNKNOWN_ALGORITHM: &str =
    "A unit of an unknown algorithm ends with UNIT_UNKNOWN_ALGORITHM and 0 hashes; the next one works.";
pub(super) const INVALID_UNIT: &str = "\
    Units that contradict themselves or their board slot end with UNIT_INVALID and 0 hashes; the next \
    one works.";
pub(super) const UNKNOWN_MESSAGE: &str =
    "Messages of unknown kinds between units are skipped; the units work.";
pub(super) const SLEEP_AND_WAKE: &str = "\
    Twenty units for a sleeping helper are answered, half of them within 50 ms, though a heartbeat is \
    much longer; a solution wakes a sleeping host, and so does the end of a unit without one. Before \
    it sleeps the helper says all that it has read.";
