//! The severity of violations: the level of each rule, set by a test, a client in C or the environment.

use std::fmt;

use super::Rule;

/// The environment variable that sets levels, in the format of [`Levels::parse`]. It overrides the configuration.
pub(crate) const VARIABLE: &str = "WSK_HOST_RULES";

/// The host's reaction to a violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// It ignores the violation.
    Off,
    /// It reports the violation and continues.
    Warn,
    /// It reports the violation and ends the process.
    Stop,
}

/// The level of each rule.
///
/// The documentation of WSK forbids some practices of shipped drivers that Windows tolerates: addresses, contexts and
/// registrations on the stack of a function that waits, `OutputSizeReturned` beside an IRP, control data of length 0,
/// an event callback that is enabled with an IRP or in a completion routine, and a retained list that is released
/// element by element. [`STRICT`](Self::STRICT) also stops there; [`TOLERANT`](Self::TOLERANT) warns. Every other
/// violation stops the process, unless its rule has another level. Then the client continues as WSK could: an invalid
/// argument is answered with a failure, and memory that is freed too early stays for the request that uses it. A
/// violation after which the host cannot continue, such as a request without an IRP, stops the process at every level,
/// and the report gives the reason. So do calls that break a contract of the kernel, which has no rule here.
///
/// ```
/// use wsk_host::rules::{Level, Levels, Rule};
/// use wsk_host::Config;
///
/// let levels = Levels::TOLERANT.with(Rule::CALLBACK_WAITS, Level::Off);
/// assert_eq!(Levels::TOLERANT.parse("INV-16=off"), Ok(levels));
/// let config = Config { rules: levels, ..Config::default() };
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Levels {
    tolerated: Level,
    /// By the rule's number.
    set: [Option<Level>; Rule::ALL.len() + 1],
}

impl Default for Levels {
    fn default() -> Self {
        Self::STRICT
    }
}

impl Levels {
    /// Stops the process at every violation.
    pub const STRICT: Self = Self { tolerated: Level::Stop, set: [None; Rule::ALL.len() + 1] };

    /// Warns about practices of shipped drivers, and stops the process at every other violation.
    pub const TOLERANT: Self = Self { tolerated: Level::Warn, ..Self::STRICT };

    /// Sets the level of a rule.
    #[must_use]
    pub fn with(mut self, rule: Rule, level: Level) -> Self {
        self.set[usize::from(rule.number())] = Some(level);
        self
    }

    /// Sets the levels in a text: a list, separated by commas, of `INV-n=level`, `all=level`, `strict` and `tolerant`. A
    /// level is `off`, `warn` or `stop`. Later elements override earlier ones.
    ///
    /// # Errors
    ///
    /// A message about the first element that has none of these forms.
    pub fn parse(mut self, text: &str) -> Result<Self, String> {
        for element in text.split(',').map(str::trim).filter(|element| !element.is_empty()) {
            let unknown = || {
                format!(
                    "`{element}` is no level of a rule: write `INV-n=level` or `all=level`, where the level is off, warn \
                     or stop, or `strict` or `tolerant`"
                )
            };
            let (name, level) = match element {
                "strict" => {
                    self = Self::STRICT;
                    continue;
                }
                "tolerant" => {
                    self = Self::TOLERANT;
                    continue;
                }
                _ => element.split_once('=').ok_or_else(unknown)?,
            };
            let level = match level.trim() {
                "off" => Level::Off,
                "warn" => Level::Warn,
                "stop" => Level::Stop,
                _ => return Err(unknown()),
            };
            if name.trim() == "all" {
                self.set.fill(Some(level));
                continue;
            }
            let number = name.trim().strip_prefix("INV-").and_then(|number| number.parse().ok());
            let rule = Rule::ALL.iter().find(|rule| Some(rule.number()) == number);
            self = self.with(*rule.ok_or_else(unknown)?, level);
        }
        Ok(self)
    }

    /// The level of a violation of a rule. `is_tolerated`: it is a practice of shipped drivers.
    pub(crate) fn level(&self, rule: Rule, is_tolerated: bool) -> Level {
        let initial = if is_tolerated { self.tolerated } else { Level::Stop };
        self.set[usize::from(rule.number())].unwrap_or(initial)
    }
}

/// Writes the format of [`Levels::parse`].
impl fmt::Debug for Levels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.tolerated == Level::Stop { "strict" } else { "tolerant" })?;
        for rule in Rule::ALL {
            if let Some(level) = self.set[usize::from(rule.number())] {
                write!(f, ", {rule}={}", format!("{level:?}").to_lowercase())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_as_they_are_shown() {
        let levels = Levels::STRICT.parse("tolerant, INV-16=off,INV-70=stop").unwrap();
        assert_eq!(format!("{levels:?}"), "tolerant, INV-16=off, INV-70=stop");
        assert_eq!(Levels::STRICT.parse(&format!("{levels:?}")), Ok(levels));
        assert_eq!(levels.level(Rule::CALLBACK_WAITS, false), Level::Off);
        assert_eq!(levels.level(Rule::CONTROL_DATA, true), Level::Warn);
        assert_eq!(levels.level(Rule::CONTROL_DATA, false), Level::Stop);
        let all = levels.parse("all=warn").unwrap();
        assert_eq!(all.level(Rule::COMPLETION_ORDER, false), Level::Warn);
        for wrong in ["0=warn", "999=warn", "1", "1=never", "loose"] {
            let wrong = format!("INV-{wrong}");
            assert!(Levels::STRICT.parse(&wrong).unwrap_err().contains(&wrong), "{wrong}");
        }
    }
}
