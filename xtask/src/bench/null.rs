//! The time of a message on a provider that does nothing, of both clients.

use anyhow::{Context, Result};

use super::programs::{ClientLanguage, CompletionTiming, Programs, RequestProvider, Rounds};

/// The number of runs of each client. They alternate, so that a machine that is slow for a while is slow for both.
const RUNS: usize = 15;

/// Some tens of milliseconds for each run.
const ROUNDS: Rounds = Rounds { warm_up: 50_000, counted: 1_000_000 };

/// The processor time of one message, which is one send and one receive, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct NullTimes {
    /// The medians of C and of Rust.
    pub(super) each: [f64; 2],
    /// The median of Rust's time divided by that of the run in C before it.
    pub(super) ratio: f64,
}

impl NullTimes {
    pub(super) fn measure(programs: &Programs) -> Result<Self> {
        println!("measuring: both clients on a provider that does nothing, {RUNS} times");
        let mut pairs = Vec::new();
        for _ in 0..RUNS {
            let [c, rust] = ClientLanguage::ALL.map(|client| {
                let null = RequestProvider::Null;
                let costs = programs.run(client, null, CompletionTiming::Inline, ROUNDS)?;
                #[expect(clippy::cast_precision_loss, reason = "less than a minute")]
                let nanoseconds = costs.nanoseconds as f64;
                Ok::<_, anyhow::Error>(nanoseconds / f64::from(ROUNDS.counted))
            });
            pairs.push([c?, rust?]);
        }
        Self::of(&pairs).context("nothing was measured")
    }

    fn of(pairs: &[[f64; 2]]) -> Option<Self> {
        let of = |place: usize| median(pairs.iter().map(|pair| pair[place]).collect());
        let ratio = median(pairs.iter().map(|[c, rust]| rust / c).collect())?;
        Some(Self { each: [of(0)?, of(1)?], ratio })
    }
}

/// The middle one, or the greater of the two in the middle.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_of_pairs() {
        // The machine is ten times slower during the last pair.
        let times = NullTimes::of(&[[10.0, 11.0], [10.0, 12.0], [100.0, 110.0]]).unwrap();
        assert!((times.ratio - 1.1).abs() < 1e-9, "{times:?}");
        let [c, rust] = times.each;
        assert!((c - 10.0).abs() < 1e-9 && (rust - 12.0).abs() < 1e-9, "{times:?}");
        assert!(NullTimes::of(&[]).is_none());
    }
}
