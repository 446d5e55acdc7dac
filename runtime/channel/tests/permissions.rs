//! Two users at the two ends of a channel. Only root can be both, so elsewhere this is said to be skipped.
//!
//! The other process is a copy of this test binary, started as another user by `setpriv` and told by its
//! environment whom it permits.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use adit_channel::{Builder, Channel, Mode, Receiver};

const PLACE: &str = "ADIT_TEST_PLACE";
const PERMITS: &str = "ADIT_TEST_PERMITS";
const SILENT: &str = "ADIT_TEST_SILENT";
const SPREAD: &str = "ADIT_TEST_SPREAD";
const PATIENCE: Duration = Duration::from_secs(30);

/// A user and a group that need not exist.
const OTHER: u32 = 61_001;
const GROUP: u32 = 61_002;

fn builder(directory: &Path) -> Builder {
    let builder = Channel::builder("ipc://between-users").unwrap().mode(Mode::Mpsc);
    builder.directory(directory.join("shared"))
}

/// What this binary is as another user: it sends one message and says what became of it.
#[test]
fn child() {
    let Some(directory) = env::var_os(PLACE) else { return };
    if env::var_os(SILENT).is_some() {
        return knock(Path::new(&directory));
    }
    let mut channel = builder(Path::new(&directory));
    if env::var_os(SPREAD).is_some() {
        channel = channel.mode(Mode::Spmc).join_within(PATIENCE);
    }
    for permitted in env::var(PERMITS).unwrap().split_whitespace() {
        let (kind, id) = permitted.split_once('=').unwrap();
        let id = id.parse().unwrap();
        channel = if kind == "user" { channel.allow_users([id]) } else { channel.allow_group(id) };
    }
    let sent = channel.sender().map(|mut sender| sender.send(b"from another user", PATIENCE).unwrap());
    println!("outcome: {}", sent.map_or_else(|error| error.to_string(), |()| "sent".into()));
}

/// Connects far more often than it may, says nothing, and stays until its input ends.
fn knock(directory: &Path) {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, connect, socket};
    let address = SocketAddrUnix::new(directory.join("shared/between-users.channel")).unwrap();
    let knock = |_| {
        let socket = socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
        connect(&socket, &address).unwrap();
        socket
    };
    let _sockets: Vec<_> = (0..40).map(knock).collect();
    println!("knocked");
    let _ = std::io::stdin().read(&mut [0]);
}

/// A directory that other users may go through, with a copy of this binary in it.
struct House {
    directory: tempfile::TempDir,
    program: PathBuf,
}

impl House {
    /// `None`, said: this is not root, or there is no `setpriv`.
    fn new() -> Option<Self> {
        let able = Command::new("setpriv").arg("--version").stdout(Stdio::null()).status();
        if !rustix::process::geteuid().is_root() || !able.is_ok_and(|status| status.success()) {
            // Also where what tests print is kept back.
            let _ = writeln!(std::io::stderr(), "skipped: only root with setpriv can be two users");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let program = directory.path().join("program");
        // By another process: a file that this one writes may stay open in what another test starts.
        let copied = Command::new("install")
            .args(["-m", "755"])
            .arg(env::current_exe().unwrap())
            .arg(&program)
            .status();
        assert!(copied.unwrap().success());
        Some(Self { directory, program })
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// This binary as another user.
    fn other(&self, groups: &str, user: u32) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", &user.to_string(), "--regid", &user.to_string()]);
        command.args(if groups.is_empty() { vec!["--clear-groups"] } else { vec!["--groups", groups] });
        command.arg(&self.program).args(["child", "--exact", "--nocapture"]);
        command.env(PLACE, self.path()).current_dir("/");
        command
    }

    /// What another user says who permits these.
    fn other_says(&self, groups: &str, permits: &str) -> String {
        said(&self.other(groups, OTHER).env(PERMITS, permits).output().unwrap())
    }
}

fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let outcome = text.lines().find_map(|line| line.split_once("outcome: "));
    outcome.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr))).1.to_owned()
}

fn receives(receiver: &mut Receiver) {
    let received = receiver.read_within(PATIENCE).unwrap().expect("the other user sent it");
    assert_eq!(received.to_vec(), b"from another user");
}

#[test]
fn users_who_permit_each_other_meet() {
    let Some(house) = House::new() else { return };
    let mut receiver = builder(house.path()).allow_users([OTHER]).receiver().unwrap();
    assert_eq!(fs::metadata(house.path().join("shared")).unwrap().mode() & 0o777, 0o711);
    assert_eq!(house.other_says("", "user=0"), "sent");
    receives(&mut receiver);
    // This user's own processes may join as always, and see it.
    builder(house.path()).sender().unwrap_err();
    assert!(builder(house.path()).allow_users([OTHER]).sender().is_ok());
    let looks = adit_channel::inspect::look(&house.path().join("shared"), PATIENCE).unwrap();
    assert_eq!(looks[0].state.as_ref().unwrap().received().0, 1);
}

/// Who looks for receivers may go through their directory and not see what is in it, and waits for one that is not there yet.
#[test]
fn a_sender_to_many_joins_the_receiver_of_another_user() {
    let Some(house) = House::new() else { return };
    let mut command = house.other("", OTHER);
    command.env(PERMITS, "user=0").env(SPREAD, "1").stdout(Stdio::piped()).stderr(Stdio::piped());
    let sender = command.spawn().unwrap();
    // It comes first, and finds no directory; if it is later, that is no harm.
    std::thread::sleep(Duration::from_millis(100));
    let channel = builder(house.path()).mode(Mode::Spmc).allow_users([OTHER]);
    let mut receiver = channel.receiver().unwrap();
    assert_eq!(said(&sender.wait_with_output().unwrap()), "sent");
    receives(&mut receiver);
}

#[test]
fn who_is_not_permitted_is_told_by_whom() {
    let Some(house) = House::new() else { return };
    let receiver = builder(house.path()).allow_users([OTHER + 1]).receiver().unwrap();
    let refused = house.other_says("", "user=0");
    for part in ["between-users.channel (user 0)", "does not permit user 61001", "allow_users"] {
        assert!(refused.contains(part), "{refused}");
    }
    let distrusts = house.other_says("", "user=61009");
    // The directory is the receiver's already.
    assert!(
        distrusts.contains("its owner is user 0") || distrusts.contains("belongs to user 0"),
        "{distrusts}"
    );
    let distrusts = house.other_says("", "group=61009");
    for part in ["belongs to user 0", "this side permits user 61001, group 61009"] {
        assert!(distrusts.contains(part), "{distrusts}");
    }
    drop(receiver);
    let _private = builder(house.path()).allow_group(GROUP).receiver().unwrap();
    assert!(house.other_says("", "user=0").contains("does not permit user 61001"));
}

#[test]
fn members_of_a_group_meet() {
    let Some(house) = House::new() else { return };
    let mut receiver = builder(house.path()).allow_group(GROUP).receiver().unwrap();
    let shared = fs::metadata(house.path().join("shared")).unwrap();
    assert_eq!((shared.mode() & 0o777, shared.gid()), (0o710, GROUP));
    let refused = house.other_says("", "user=0");
    assert!(refused.contains("does not permit user 61001"), "{refused}");
    assert_eq!(house.other_says(&GROUP.to_string(), "user=0"), "sent");
    receives(&mut receiver);
}

#[test]
fn a_stranger_who_keeps_silent_takes_nobodys_place() {
    let Some(house) = House::new() else { return };
    let mut receiver = builder(house.path()).allow_users([OTHER]).receiver().unwrap();
    let mut command = house.other("", 61_005);
    let mut strangers =
        command.env(SILENT, "1").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(strangers.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.ends_with("knocked")));
    let begin = Instant::now();
    assert_eq!(house.other_says("", "user=0"), "sent");
    receives(&mut receiver);
    assert!(begin.elapsed() < PATIENCE);
    strangers.kill().unwrap();
    strangers.wait().unwrap();
}

#[test]
fn a_directory_must_be_named_and_be_safe() {
    let directory = tempfile::tempdir().unwrap();
    let error = Channel::builder("ipc://a").unwrap().allow_users([OTHER]).receiver().unwrap_err().to_string();
    assert!(error.contains("directory(..)"), "{error}");
    let shared = directory.path().join("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o777)).unwrap();
    let error = builder(directory.path()).allow_users([OTHER]).receiver().unwrap_err().to_string();
    assert!(error.contains("777") && error.contains("nobody else may rename"), "{error}");
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o1777)).unwrap();
    assert!(builder(directory.path()).allow_users([OTHER]).receiver().is_ok());
}
