//! Running what stops its process.

use test_support::process::{run_failing, test_of};
use test_support::raw::Client;
use wsk_host::rules::{Outcome, Rule};
use wsk_host::{Config, Host, Timing, testing};

/// A host without chance: requests complete before their calls return, where they can.
pub(crate) fn inline() -> Config {
    Config::default().timing(Timing::Inline)
}

/// A host whose requests complete when the thread waits.
pub(crate) fn deferred() -> Config {
    Config::default().timing(Timing::Deferred)
}

/// The contents of a report: the call, the finding, and the call that created the object, or `""`.
pub(crate) type Says<'a> = [&'a str; 3];

/// A scenario must end with exactly this report, on a host without chance.
#[track_caller]
pub(crate) fn breaks<F: FnOnce(Client)>(rule: u8, says: Says<'_>, scenario: F) {
    breaks_on(inline(), rule, says, scenario);
}

/// Like [`breaks`], on a host with another configuration.
#[track_caller]
pub(crate) fn breaks_on<F: FnOnce(Client)>(config: Config, rule: u8, says: Says<'_>, scenario: F) {
    breaks_alone(rule, says, || scenario(Client::new(config)), &test_of::<F>());
}

/// Like [`breaks`], without a client.
#[track_caller]
pub(crate) fn breaks_without_client<F: FnOnce()>(rule: u8, says: Says<'_>, scenario: F) {
    breaks_alone(rule, says, scenario, &test_of::<F>());
}

/// A scenario must end with a report about a rule of the kernel, not of WSK.
#[track_caller]
pub(crate) fn stops<F: FnOnce(Client)>(headline: &str, scenario: F) {
    let Some(said) = run_failing(&test_of::<F>(), "", |_| scenario(Client::new(inline()))) else {
        return;
    };
    let first = said.lines().find(|line| line.starts_with("wsk-host: "));
    assert_eq!(first, Some(format!("wsk-host: {headline}").as_str()), "{said}");
}

#[track_caller]
fn breaks_alone(rule: u8, [call, found, created]: Says<'_>, scenario: impl FnOnce(), test: &str) {
    let Some(said) = run_failing(test, "", |_| scenario()) else {
        return;
    };
    let rule = Rule::ALL[usize::from(rule) - 1];
    assert_eq!(
        rule.outcome(),
        Outcome::Stopped,
        "the table says that the host does not stop {rule:?}"
    );
    let sentence = rule.sentence();
    let mut lines = said.lines().skip_while(|line| !line.starts_with("wsk-host: "));
    let mut next = || lines.next().unwrap_or_default();
    assert_eq!(next(), format!("wsk-host: {rule} violated: {sentence}"), "{said}");
    assert_eq!(next(), format!("  call:    {call}"), "{said}");
    assert_eq!(next(), format!("  found:   {found}"), "{said}");
    let origin = next();
    if created.is_empty() {
        assert!(!origin.starts_with("  created:"), "{said}");
    } else {
        let begins = format!("  created: by {created} in the thread `");
        assert!(origin.starts_with(&begins), "`{begins}` is not what follows in:\n{said}");
    }
    assert!(said.contains("\n  before:"), "the last calls are not there:\n{said}");
    assert_eq!(said.matches("wsk-host: ").count(), 1, "{said}");
}

/// Tests whose scenario must end its process with a report that begins with the first of these texts, and
/// has the others. On a host where nothing happens but what the client does.
macro_rules! reports {
    ($($name:ident says [$($says:expr),+]: $scenario:expr;)*) => {
        $(
            #[test]
            fn $name() {
                let scenario: fn(&wsk_host::Host) = $scenario;
                let test = concat!(module_path!(), "::", stringify!($name));
                $crate::stops::stops_in_test(test, &[$($says),+], scenario);
            }
        )*
    };
}

pub(crate) use reports;

/// Runs the scenario of one of the tests that [`reports!`] makes, as a test on a host.
#[track_caller]
pub(crate) fn stops_in_test(test: &str, says: &[&str], scenario: fn(&Host)) {
    let test = test.split_once("::").map_or(test, |(_, path)| path);
    let run = |_: &str| testing::run(inline(), 0..1, |host| scenario(&host));
    let Some(said) = run_failing(test, "", run) else {
        return;
    };
    let headline = format!("wsk-host: {}", says[0]);
    for text in [headline.as_str()].iter().chain(&says[1..]) {
        assert!(said.contains(text), "`{text}` is not said in:\n{said}");
    }
    assert_eq!(said.matches("wsk-host: ").count(), 1, "{said}");
}
