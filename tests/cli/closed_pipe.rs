//! A reader that closes its end of standard output, standard error or both is not a failure of any command.

use std::process::{Child, Command, Stdio};

use overlay_tests::attached::attached;
use overlay_tests::frame::{VNI, overlay, redis_command};
use overlay_tests::process::{command, wait_until};
use overlay_tests::tshark::capture;
use overlay_tests::wire::Raw;

use super::folder::Folder;
use super::quiet;

/// The end of a pipe that has no reader.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// The outputs that are closed, for a message; standard output, standard error.
const WHICH: [(&str, bool, bool); 3] = [
    ("standard output", true, false),
    ("standard error", false, true),
    ("both", true, true),
];

fn start(mut command: Command, out: bool, err: bool) -> Child {
    let stdio = |is_closed| if is_closed { closed() } else { Stdio::null() };
    command.stdin(Stdio::null());
    command.stdout(stdio(out)).stderr(stdio(err));
    command.spawn().unwrap()
}

/// Sends packets until it ends.
fn code(child: &mut Child, wire: &Raw) -> Option<i32> {
    let mut status = None;
    wait_until("it ends", || {
        wire.send(&overlay(VNI, &redis_command()));
        status = child.try_wait().unwrap();
        status.is_some()
    });
    status.unwrap().code()
}

#[test]
fn every_command_that_ends_by_itself_ends_with_0() {
    let lab = quiet();
    let node = lab.node1();
    let wire = Raw::open(lab.node2(), "eth0");
    let folder = Folder::new("closed-pipe");
    let file = folder.file("some.pcap");
    // More lines than a pipe and a buffer take, and the end of the file is missing.
    let frames = vec![overlay(VNI, &redis_command()); 2_000];
    let whole = capture(&frames);
    std::fs::write(&file, &whole[..whole.len() - 3]).unwrap();
    let file = file.to_str().unwrap();
    let mut commands: Vec<Vec<&str>> = vec![
        vec!["--help"],
        vec!["--version"],
        vec!["check", "-i", "eth0", "--docker", "off"],
        vec!["detach"],
        vec!["read", file],
        vec!["read", "--format", "json", file],
        vec!["read", "--flows", file],
        vec!["read", "--flows", "--format", "json", file],
    ];
    for format in ["text", "json", "html"] {
        let audit = "audit -i eth0 --docker off --duration 1s --format";
        commands.push(audit.split(' ').chain([format]).collect());
    }
    for arguments in commands {
        for (which, out, err) in WHICH {
            let mut child = start(command(node, &arguments), out, err);
            assert_eq!(code(&mut child, &wire), Some(0), "{arguments:?}: {which}");
        }
    }
    assert_eq!(attached(node), [""; 0]);
}

/// `tail` ends when its lines have no reader; without one for its messages it goes on.
#[test]
fn tail_ends_with_0() {
    let lab = quiet();
    let node = lab.node1();
    let wire = Raw::open(lab.node2(), "eth0");
    for format in ["text", "json"] {
        for (which, out, err) in WHICH {
            let mut arguments = vec!["tail", "-i", "eth0", "--format", format];
            if !out {
                arguments.extend(["-n", "3"]);
            }
            let mut child = start(command(node, &arguments), out, err);
            assert_eq!(code(&mut child, &wire), Some(0), "{format}: {which}");
        }
    }
    assert_eq!(attached(node), [""; 0]);
}

/// `run` prints nothing but its log, and goes on without a reader of it.
#[test]
fn run_goes_on_and_ends_with_0() {
    let lab = quiet();
    let node = lab.node1();
    for (which, out, err) in WHICH {
        let arguments = ["run", "-i", "eth0", "--docker", "off", "--log", "debug"];
        let mut child = start(command(node, &arguments), out, err);
        wait_until("it serves", || {
            let url = "http://127.0.0.1:9469/healthz";
            node.run("curl", &["-sf", "--noproxy", "*", url]).is_ok()
        });
        assert_eq!(child.try_wait().unwrap(), None, "{which}");
        let id = i32::try_from(child.id()).unwrap();
        // SAFETY: a child that is not waited for yet, so the number is still its own.
        assert_eq!(unsafe { libc::kill(id, libc::SIGTERM) }, 0);
        assert_eq!(child.wait().unwrap().code(), Some(0), "{which}");
    }
    assert_eq!(attached(node), [""; 0]);
}

/// What a full disk does not take is a failure.
#[test]
fn a_full_disk_is_a_failure() {
    let lab = quiet();
    for arguments in [
        &["check", "--docker", "off"][..],
        &["detach"],
        &["audit", "-i", "eth0", "--docker", "off", "--duration", "1s"],
    ] {
        let mut command = command(lab.node1(), arguments);
        let full = std::fs::File::create("/dev/full").unwrap();
        command.stdin(Stdio::null()).stdout(full);
        let ended = command.stderr(Stdio::piped()).spawn().unwrap();
        let ended = ended.wait_with_output().unwrap();
        let err = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(4), "{arguments:?}: {err}");
        assert!(err.contains("cannot print: No space left"), "{err}");
    }
}
