//! Wireshark's command line.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

fn run(path: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("tshark");
    // A port may be that of a protocol that the bytes in the packets do not follow.
    command.args(["-d", "tcp.port==1-65535,data", "-d", "udp.port==1-65535,data"]);
    for protocol in ["ip", "tcp", "udp"] {
        command.args(["-o", &format!("{protocol}.check_checksum:TRUE")]);
    }
    let output = command.arg("-r").arg(path).args(arguments).output();
    let output = output.expect("tshark runs: apt install tshark");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A line for each packet that a filter selects.
pub(crate) fn lines(path: &Path, filter: &str) -> String {
    run(path, &["-Y", filter])
}

/// The bytes of each direction of each connection, by the addresses of the sender and the receiver.
pub(crate) fn streams(path: &Path) -> BTreeMap<(SocketAddr, SocketAddr), Vec<u8>> {
    let fields = run(path, &["-T", "fields", "-e", "tcp.stream", "-Y", "tcp"]);
    let count = fields.lines().map(|line| line.parse::<u32>().unwrap()).max().unwrap() + 1;
    let follow: Vec<String> = (0..count).map(|number| format!("follow,tcp,raw,{number}")).collect();
    let arguments: Vec<&str> = follow.iter().flat_map(|follow| ["-z", follow]).collect();
    let text = run(path, &[&["-q"], &arguments[..]].concat());
    let mut streams = BTreeMap::new();
    let address = |text: &str| text.trim().parse::<SocketAddr>().unwrap();
    let mut nodes = Vec::new();
    for line in text.lines() {
        if line.starts_with("Follow:") {
            nodes.clear();
        } else if let Some(node) = line.strip_prefix("Node 0:").or(line.strip_prefix("Node 1:")) {
            nodes.push(address(node));
        } else if line.starts_with('=') {
            // Between two connections.
        } else if let [client, server] = nodes[..] {
            // What the second node has sent is indented.
            let addresses =
                if line.starts_with('\t') { (server, client) } else { (client, server) };
            let digits = line.trim().as_bytes().chunks(2);
            let bytes = digits
                .map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap());
            streams.entry(addresses).or_insert_with(Vec::new).extend(bytes);
        }
    }
    streams
}
