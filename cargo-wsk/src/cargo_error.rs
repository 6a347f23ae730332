//! The error for a cargo command that failed.

use anyhow::{Error, anyhow};

/// What cargo says when it could not download something, or was not allowed to.
const DOWNLOADS: [&str; 3] =
    ["failed to download", "--offline was specified", "using offline mode"];

/// The error for messages of cargo that begins with `what`: what does not work. Without a network, it is a sentence in the
/// place of the messages.
pub(crate) fn cargo_error(what: &str, messages: &str) -> Error {
    if !DOWNLOADS.iter().any(|text| messages.contains(text)) {
        return anyhow!("{what}:\n{}", messages.trim_end());
    }
    let reason = if messages.contains("offline") {
        "cargo is in offline mode"
    } else {
        // The innermost cause is the last line.
        messages.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default()
    };
    anyhow!(
        "{what}: crates that it needs are not on this machine and cannot be downloaded ({reason}). \
         Run `cargo fetch` with a network once; then it needs none"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFLINE: &str = "error: no matching package named `heapless` found\nlocation searched: crates.io index\n\
        As a reminder, you're using offline mode (--offline) which can sometimes cause surprising failures";
    const UNREACHABLE: &str = "    Updating crates.io index\nerror: failed to get `heapless` as a dependency\n\n\
        Caused by:\n  download of config.json failed\n\nCaused by:\n  failed to download from `https://…/config.json`\n\n\
        Caused by:\n  [7] Could not connect to server\n";

    #[test]
    fn no_network_is_one_sentence() {
        for (messages, reason) in [
            (OFFLINE, "(cargo is in offline mode)"),
            (UNREACHABLE, "([7] Could not connect to server)"),
        ] {
            let error = cargo_error("`a` does not build", messages).to_string();
            assert!(error.contains(reason) && error.contains("`cargo fetch`"), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }

    #[test]
    fn other_messages_are_kept() {
        let error = cargo_error("`a` does not build", "error[E0425]: a\n --> b\n").to_string();
        assert_eq!(error, "`a` does not build:\nerror[E0425]: a\n --> b");
    }
}
