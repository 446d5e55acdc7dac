//! What is measured at the start is kept, shown, and never in the way.

mod common;

use std::{fs, path::Path};

use common::*;
use serde_json::Value;

/// All that scratchpads can be on.
const PAGES: [&str; 3] = ["2 MiB pages", "transparent 2 MiB pages", "ordinary pages"];

/// What `adit devices` says of its choices, and what it complains about.
fn choices(cache: &Path) -> (Vec<Value>, String) {
    let output = finish(adit().args(["devices", "--json"]).env("XDG_CACHE_HOME", cache), 60);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let lines = lines(&output);
    (events(&lines, "choice").into_iter().cloned().collect(), text(&output.stderr))
}

#[test]
fn what_was_measured_is_kept_until_it_makes_no_sense() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("adit/choices.json");
    let (first, notes) = choices(folder.path());
    assert_eq!(notes, "");
    assert!(first.len() >= 2 && first.iter().all(|choice| choice["kept"] == false), "{first:?}");
    let (second, _) = choices(folder.path());
    for (now, before) in second.iter().zip(&first) {
        assert_eq!((&now["variant"], &now["kept"]), (&before["variant"], &true.into()), "{now}");
    }

    // Of another kernel: measured again, without a word.
    let text = fs::read_to_string(&file).unwrap();
    let mut content: Value = serde_json::from_str(&text).unwrap();
    content["key"]["kernel"] = "another".into();
    fs::write(&file, content.to_string()).unwrap();
    let (other, notes) = choices(folder.path());
    assert!(notes.is_empty() && other.iter().all(|choice| choice["kept"] == false), "{notes}");

    // A variant that there is not is not taken.
    let invented = fs::read_to_string(&file).unwrap().replace("\"variant\": \"", "\"variant\": \"un");
    fs::write(&file, invented).unwrap();
    let (again, _) = choices(folder.path());
    assert!(again.iter().all(|choice| choice["kept"] == false), "{again:?}");

    // Garbage is told, and mended.
    fs::write(&file, "{ not json").unwrap();
    let (mended, notes) = choices(folder.path());
    assert!(
        notes.contains("what was measured before is ignored") && notes.contains("choices.json"),
        "{notes}"
    );
    assert!(mended.iter().all(|choice| choice["kept"] == false));
    assert_eq!(choices(folder.path()).1, "");

    // A pipe is not waited for.
    fs::remove_file(&file).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
    let (measured, notes) = choices(folder.path());
    assert!(notes.contains("no regular file") && measured.len() == first.len(), "{notes}");
}

#[test]
fn scratchpads_are_shown_where_an_algorithm_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let pages_of = |choices: &[Value], name: &str| {
        let choice = choices.iter().find(|choice| choice["algorithm"] == name);
        choice.unwrap_or_else(|| panic!("no {name} in {choices:?}"))["scratchpads"].clone()
    };
    let (shown, _) = choices(folder.path());
    let output = finish(adit().arg("devices").env("XDG_CACHE_HOME", folder.path()), 60);
    let lines = text(&output.stdout);
    for name in ["scrypt", "uhash"] {
        let pages = pages_of(&shown, name);
        let pages = pages.as_str().unwrap_or_else(|| panic!("{name} has {pages} for scratchpads"));
        assert!(PAGES.contains(&pages), "{pages}");
        let line = lines.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(line.contains(&format!("scratchpads on {pages}")), "{line}");
    }
    for name in ["sha256d", "blake2s-kda"] {
        assert_eq!(pages_of(&shown, name), Value::Null);
        let line = lines.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(!line.contains("scratchpads"), "{line}");
    }
}

#[test]
fn a_place_that_cannot_be_written_is_told_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let no_folder = folder.path().join("file");
    fs::write(&no_folder, "").unwrap();
    let (choices, notes) = choices(&no_folder);
    assert!(choices.len() >= 2);
    assert!(notes.contains("what was measured cannot be kept"), "{notes}");
    let mut search = search("sha256d", &zero_bits(16), 88_000, 1000, &["cpu:threads=1"]);
    let output = finish(search.env("XDG_CACHE_HOME", &no_folder), 60);
    assert_eq!(hits(&lines(&output)).len(), 1);
    assert!(text(&output.stderr).contains("cannot be kept"), "{}", text(&output.stderr));
}

#[test]
fn tune_keeps_threads_and_units() {
    let folder = tempfile::tempdir().unwrap();
    let tune = |json: &[&str]| {
        let mut command = adit();
        command.args(["tune", "--algorithm", "blake2s-kda"]).args(json).env("XDG_CACHE_HOME", folder.path());
        finish(&mut command, 120)
    };
    let lines = lines(&tune(&["--json"]));
    let chosen = lines.last().unwrap();
    assert_eq!((&chosen["event"], &chosen["algorithm"]), (&"choice".into(), &"blake2s-kda".into()));
    assert!(events(&lines, "point").len() >= 2);
    let (known, _) = choices(folder.path());
    let kept = known.iter().find(|choice| choice["algorithm"] == "blake2s-kda").unwrap();
    for field in ["variant", "threads", "unit"] {
        assert_eq!(kept[field], chosen[field], "{field}");
    }
    assert_eq!(kept["kept"], true);
    let printed = text(&tune(&[]).stdout);
    assert!(printed.contains("|#") && printed.contains("taken: "), "{printed}");
}

#[test]
fn bench_hash_prints_a_line_for_each_variant() {
    let mut command = adit();
    command.args(["bench", "hash", "--algorithm", "sha256d", "--threads", "1", "--json"]);
    let lines = lines(&finish(&mut command, 120));
    let names: Vec<_> = lines.iter().map(|line| line["variant"].as_str().unwrap()).collect();
    assert!(names.contains(&"portable"), "{names:?}");
    for line in &lines {
        let fields: Vec<_> = line.as_object().unwrap().keys().map(String::as_str).collect();
        let wanted =
            "event algorithm variant threads hashes_per_s bound_per_s percent_of_bound reference ratio valid";
        assert_eq!(fields.join(" "), wanted);
        assert_eq!((&line["event"], &line["threads"]), (&"result".into(), &1.into()));
        assert!(line["hashes_per_s"].as_f64().unwrap() > 0.0 && line["ratio"].as_f64().unwrap() > 0.0);
        assert_eq!(line["reference"], "sha2 0.10");
        assert_eq!(line["bound_per_s"].is_null(), line["percent_of_bound"].is_null(), "{line}");
    }
    let portable = lines.iter().find(|line| line["variant"] == "portable").unwrap();
    assert!(portable["bound_per_s"].is_null());
}
