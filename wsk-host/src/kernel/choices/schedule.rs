//! How the choices of runs are made.

/// How a test's runs choose what happens, with [`Timing::Mixed`](crate::Timing::Mixed).
///
/// [`wsk_host::test`](macro@crate::test) has it as the argument `schedule`. `docs/schedules.md` in the repository has how many
/// of a set of planted bugs each schedule finds.
///
/// ```
/// use wsk_host::{Config, Schedule};
///
/// let config = Config::default().schedule(Schedule::Pct { depth: 3 });
/// wsk_host::run(config, 0..4, |host| assert_eq!(host.config().schedule, config.schedule));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// Everything by the seed, each thread as likely as another. A thread is preempted at one in four calls.
    Uniform,
    /// *Probabilistic concurrency testing* (Burckhardt and others, ASPLOS 2010): each thread and each deferred job has a
    /// priority by the seed, and the highest one that can run does. At `depth - 1` calls, the calling thread's priority
    /// becomes the lowest. Such a run finds a bug that needs `depth` ordered events with a probability that does not fall
    /// with the number of other events. A thread that runs for long without a wait gets the lowest priority, too. All
    /// other choices are those of [`Uniform`](Self::Uniform).
    Pct {
        /// The number of ordered events that a bug needs; 0 counts as 1.
        depth: u32,
    },
    /// [`Uniform`](Self::Uniform) for even seeds, and [`Pct`](Self::Pct) for odd ones.
    Alternate {
        /// The depth of the odd ones.
        depth: u32,
    },
    /// The plainest run, then each run with one choice that differs from it, with two, and so on: a *bounded exhaustive*
    /// search, for small tests. The seeds of a test are not used. A choice of many values differs by 1, 2, and the
    /// largest only. The first failing run has as few differences as any that the search covers.
    Exhaustive {
        /// The number of choices of a run that differ from the plainest.
        differences: u32,
        /// Only the first `choices` choices of a run differ.
        choices: u32,
    },
}

impl Schedule {
    /// The schedule of a seed's run: no longer one of several.
    pub(crate) fn of_seed(self, seed: u64) -> Self {
        match self {
            Self::Alternate { .. } if seed % 2 == 0 => Self::Uniform,
            Self::Alternate { depth } => Self::Pct { depth },
            other => other,
        }
    }
}
