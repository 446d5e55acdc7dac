//! `adit channels kept`, with a channel of this process.

mod common;

use adit_channel::Channel;
use common::{adit, finish, lines};

#[test]
fn kept_channels_are_shown_and_removed_when_nobody_uses_them() {
    let folder = tempfile::tempdir().unwrap();
    let uri = format!("file://{}", folder.path().join("one.ring").display());
    let journal = Channel::builder(&uri).unwrap().capacity(1 << 12);
    let mut sender = journal.sender().unwrap();
    sender.try_send(&[0; 24]).unwrap();
    let run = |extra: &[&str]| {
        let mut command = adit();
        command.args(["channels", "kept", "--json", "--files"]).arg(folder.path()).args(extra);
        lines(&finish(&mut command, 20))
    };
    let used = run(&["--remove"]);
    assert_eq!((&used[0]["uri"], &used[0]["removed"]), (&uri.as_str().into(), &false.into()));
    assert_eq!((&used[0]["unread"], &used[0]["lanes"][0]["sender"]), (&32.into(), &true.into()));
    drop(sender);
    assert_eq!(run(&[])[0]["lanes"][0]["sender"], false);
    assert_eq!(run(&["--remove"])[0]["removed"], true);
    assert!(run(&[]).is_empty());
}
