//! The whole benchmark with hardly any load: that it still works, never how fast anything is.

use std::fs;
use std::process::Command;

use ginnel_tests::folder::Folder;
use ginnel_tests::{Program, Runtime};

#[test]
fn a_complete_table_comes_out() {
    let ginnel = Program::ginnel(Runtime::Mio);
    let folder = Folder::new();
    let peers = folder.path().join("peers.yml");
    // As somebody else's program, by the other kind of entry.
    let program = ginnel.path().display();
    let text = format!(
        "- name: other\n  \
           entry: tcp\n  \
           server: {program} -L relay+{{channel}}://127.0.0.1:{{port}}\n  \
           client: {program} -L tcp://127.0.0.1:{{entry}}/{{target}} -F relay+{{channel}}://127.0.0.1:{{port}}\n"
    );
    fs::write(&peers, text).unwrap();

    let output = Command::new(env!("CARGO_BIN_EXE_ginnel-bench"))
        .args(["--quick", "--seconds", "0.02", "--only", "ginnel/mio,other"])
        // What the other two have is in one of these.
        .args(["--channels", "ws,mwss"])
        .arg("--peers")
        .arg(&peers)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");

    let table = String::from_utf8(output.stdout).unwrap();
    for channel in ["ws", "mwss"] {
        let head = format!("| {channel} | ginnel/mio | other |");
        let (_, behind) = table
            .split_once(&head)
            .unwrap_or_else(|| panic!("no {head}: {table}"));
        let rows: Vec<&str> = behind
            .lines()
            .skip(2)
            .take_while(|line| !line.is_empty())
            .collect();
        assert_eq!(rows.len(), 21, "{channel}: {behind}");
        for row in rows {
            // These need a tool and a right that not every machine has.
            if !row.contains("client |") && !row.contains("server |") {
                assert!(!row.contains("- |"), "{channel}: {row}\n{said}");
            }
        }
    }
}

#[test]
fn examples_of_other_programs_can_be_read() {
    let output = Command::new(env!("CARGO_BIN_EXE_ginnel-bench"))
        .args(["--no-gost", "--only", "nobody", "--peers"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/peers.yml"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("none is called"), "{said}");
}
