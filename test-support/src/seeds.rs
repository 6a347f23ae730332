//! The number of seeds that a test runs with.

/// The environment variable that asks for every seed; `cargo xtask test seeds` sets it.
pub const ALL_SEEDS: &str = "WSK_ALL_SEEDS";

/// The fewest seeds of a test, if it has as many.
const FEWEST: u64 = 8;

/// An eighth of the seeds but at least eight, or all of them where [`ALL_SEEDS`] is set; `miri` of them under Miri, where
/// each takes long.
///
/// The first seeds are always the same, so a test that fails with all of them names one that fails by itself.
pub fn seeds(all: u64, miri: u64) -> u64 {
    if cfg!(miri) {
        miri
    } else if std::env::var_os(ALL_SEEDS).is_some() {
        all
    } else {
        all.div_ceil(8).max(FEWEST).min(all)
    }
}
