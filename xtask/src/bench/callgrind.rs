//! Reads Callgrind's counts: instructions per image, and calls from one image to another.
//!
//! The format: <https://valgrind.org/docs/manual/cl-format.html>.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// The counts of one run, or the difference of two.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct InstructionCounts {
    /// Instructions of the client, and of its calls outside the kernel: the C library's `memcpy`.
    pub(crate) own: f64,
    /// The same by function.
    pub(crate) functions: BTreeMap<String, f64>,
    /// All instructions.
    pub(crate) whole: f64,
    /// The number of the client's calls of each kernel function.
    pub(crate) calls: BTreeMap<String, f64>,
}

impl InstructionCounts {
    /// Reads a file that Callgrind has written. Images are identified by their paths.
    pub(super) fn read(file: &Path, client: &Path, kernel: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let image = |path: &Path| path.to_string_lossy().into_owned();
        Ok(Self::parse(&text, &image(client), &image(kernel)))
    }

    fn parse(text: &str, client: &str, kernel: &str) -> Self {
        let mut names = FunctionNames::default();
        let mut counts = Self::default();
        let mut image = String::new();
        let mut called_image = None;
        let (mut running, mut called) = (String::new(), String::new());
        let mut calls: Option<f64> = None;
        for line in text.lines() {
            if let Some((key, value)) = line.split_once('=') {
                match key {
                    "ob" => image = names.resolve("ob", value),
                    "cob" => called_image = Some(names.resolve("ob", value)),
                    "fn" => running = names.resolve("fn", value),
                    "cfn" => called = names.resolve("fn", value),
                    "calls" => calls = first_number(value),
                    _ => {}
                }
                continue;
            }
            if !line.starts_with(|c: char| c.is_ascii_digit() || "+-*".contains(c)) {
                continue;
            }
            let cost = line.split_whitespace().nth(1).and_then(first_number).unwrap_or(0.0);
            let Some(number) = calls.take() else {
                counts.whole += cost;
                if image == client {
                    counts.own += cost;
                    *counts.functions.entry(plain(&running)).or_default() += cost;
                }
                continue;
            };
            // The cost of a call includes the cost of everything that it calls.
            let to = called_image.take().unwrap_or_else(|| image.clone());
            if image == client && to == kernel {
                *counts.calls.entry(function(&called)).or_default() += number;
            } else if image == client && to != client {
                counts.own += cost;
                *counts.functions.entry(plain(&called)).or_default() += cost;
            }
        }
        counts
    }

    /// The instructions of one round: the difference of the runs divided by the difference in rounds.
    pub(crate) fn of_each(&self, fewer: &Self, more_rounds: u32) -> Self {
        let rounds = f64::from(more_rounds);
        let each = |of_self: f64, of_fewer: f64| (of_self - of_fewer) / rounds;
        let of_all = |more: &BTreeMap<String, f64>, fewer: &BTreeMap<String, f64>| {
            let differences = more.iter().map(|(name, number)| {
                (name.clone(), each(*number, fewer.get(name).copied().unwrap_or(0.0)))
            });
            differences.filter(|(_, number)| *number > 0.0).collect()
        };
        Self {
            own: each(self.own, fewer.own),
            whole: each(self.whole, fewer.whole),
            functions: of_all(&self.functions, &fewer.functions),
            calls: of_all(&self.calls, &fewer.calls),
        }
    }
}

/// Callgrind writes a name with a number once, and from then on only the number.
#[derive(Default)]
struct FunctionNames<'a>(HashMap<(&'static str, &'a str), &'a str>);

impl<'a> FunctionNames<'a> {
    fn resolve(&mut self, kind: &'static str, value: &'a str) -> String {
        let Some((number, name)) = value.strip_prefix('(').and_then(|rest| rest.split_once(')'))
        else {
            return value.to_owned();
        };
        match name.trim_start() {
            "" => self.0.get(&(kind, number)).copied().unwrap_or_default().to_owned(),
            name => {
                self.0.insert((kind, number), name);
                name.to_owned()
            }
        }
    }
}

fn first_number(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok()
}

/// A function's name without traits and generic arguments: `<wsk::A as B>::f<C>` is `wsk::A::f`.
fn plain(name: &str) -> String {
    // The function that drops a future has the future's name as a type argument.
    if let Some(dropped) = name.strip_prefix("core::ptr::drop_in_place<") {
        return format!("drop of {}", plain(dropped.strip_suffix('>').unwrap_or(dropped)));
    }
    let name = name.strip_prefix('<').unwrap_or(name).replace("::{{closure}}", "");
    let mut plain = String::new();
    let mut depth = 0_u32;
    for (index, part) in name.split_inclusive(['<', '>']).enumerate() {
        let text = part.trim_end_matches(['<', '>']);
        let text = text.split(" as ").next().unwrap_or(text);
        if depth == 0 && !(index > 0 && text == "::") {
            plain.push_str(text);
        }
        match part.chars().last() {
            Some('<') => depth += 1,
            Some('>') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    plain
}

/// The C name of a function of the kernel or the provider.
pub(super) fn function(name: &str) -> String {
    // The provider's functions are in tables and have Rust names: `wsk_host::wsk::calls::bytes::send`.
    let Some(path) = name.strip_prefix("wsk_host::wsk::calls::") else {
        return name.to_owned();
    };
    let path = path.split('<').next().unwrap_or(path).trim_end_matches(':');
    let snake = path.rsplit("::").next().unwrap_or(path);
    let capitalized = |word: &str| {
        let mut characters = word.chars();
        characters
            .next()
            .map(|first| first.to_ascii_uppercase())
            .into_iter()
            .chain(characters)
            .collect()
    };
    let words: Vec<String> = snake.split('_').map(capitalized).collect();
    format!("Wsk{}", words.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
# callgrind format
version: 1
events: Ir
ob=(1) /lib/client.so
fl=(1) client.c
fn=(1) rounds
10 5
+2 3
cob=(2) /lib/kernel.so
cfn=(2) IoReuseIrp
calls=2 0
* 448
cob=(2)
cfi=(2) bytes.rs
cfn=(3) wsk_host::wsk::calls::bytes::get_local_address
calls=1 0
13 1000
cob=(3) /lib/libc.so
cfn=(4) memcpy
calls=4 0
-1 40
cfn=(5) helper
calls=1 0
+1 7
fn=(5)
20 7
ob=(2)
fn=(2)
5 400
ob=(3)
fn=(4)
1 40
totals: 455
";

    #[test]
    fn instructions_are_counted_by_image() {
        let counts = InstructionCounts::parse(FILE, "/lib/client.so", "/lib/kernel.so");
        // A call within the image is counted in the callee only.
        assert!((counts.own - f64::from(5 + 3 + 7 + 40)).abs() < 1e-9, "{counts:?}");
        assert!((counts.whole - f64::from(5 + 3 + 7 + 400 + 40)).abs() < 1e-9, "{counts:?}");
        let functions: Vec<(&str, f64)> =
            counts.functions.iter().map(|(name, number)| (name.as_str(), *number)).collect();
        assert_eq!(functions, [("helper", 7.0), ("memcpy", 40.0), ("rounds", 8.0)]);
        let calls: Vec<(&str, f64)> =
            counts.calls.iter().map(|(name, number)| (name.as_str(), *number)).collect();
        assert_eq!(calls, [("IoReuseIrp", 2.0), ("WskGetLocalAddress", 1.0)]);
    }

    #[test]
    fn names_are_without_types() {
        let names = [
            ("wsk_cost::rounds::{{closure}}", "wsk_cost::rounds"),
            (
                "<wsk::operation::InFlight as core::future::future::Future>::poll",
                "wsk::operation::InFlight::poll",
            ),
            (
                "core::ptr::drop_in_place<wsk::TcpStream::recv<wsk::Buffer>::{{closure}}>",
                "drop of wsk::TcpStream::recv",
            ),
            ("CostWait", "CostWait"),
        ];
        for (name, expected) in names {
            assert_eq!(plain(name), expected);
        }
    }

    #[test]
    fn a_difference_is_of_each_round() {
        let fewer = InstructionCounts { own: 10.0, whole: 100.0, ..InstructionCounts::default() };
        let calls = [("WskSend".to_owned(), 4.0)];
        let more = InstructionCounts {
            own: 30.0,
            whole: 200.0,
            calls: calls.into_iter().collect(),
            ..InstructionCounts::default()
        };
        let each = more.of_each(&fewer, 4);
        assert_eq!((each.own, each.whole, each.calls["WskSend"]), (5.0, 25.0, 1.0));
    }
}
