//! The settings of links between the machines of a world.

use std::ops::RangeInclusive;
use std::time::Duration;

/// A link between two machines of a [`World`](crate::World): what happens to the packets of one direction.
///
/// The default is perfect: no delay, no limit, no loss. Probabilities are in thousandths, and apply to each packet; the
/// seed of the world decides.
///
/// ```
/// use std::time::Duration;
/// use wsk_host::Link;
///
/// let link = Link { latency: Duration::from_millis(10)..=Duration::from_millis(30), loss: 50, ..Link::default() };
/// assert!(link.check().is_ok());
/// assert_eq!(
///     Link { loss: 1001, ..Link::default() }.check(),
///     Err("a loss of 1001 thousandths is more than all packets".to_owned())
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The time that a packet takes, beside that of the bandwidth.
    pub latency: RangeInclusive<Duration>,
    /// The rate in bits per second. `None` is unlimited.
    pub bandwidth: Option<u64>,
    /// The bytes that wait for a limited bandwidth. Packets beyond are lost.
    pub queue: usize,
    /// A packet is lost. A datagram larger than the MTU is lost with any of its fragments.
    pub loss: u16,
    /// A packet arrives twice.
    pub duplication: u16,
    /// A packet takes up to twice the longest latency more, and later ones may overtake it. Packets that are not delayed
    /// this way stay in order.
    pub reordering: u16,
    /// The largest packet in bytes, with its IP header. New connections send segments that fit. What is larger is carried
    /// as fragments.
    pub mtu: usize,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            latency: Duration::ZERO..=Duration::ZERO,
            bandwidth: None,
            queue: 256 << 10,
            loss: 0,
            duplication: 0,
            reordering: 0,
            mtu: 1500,
        }
    }
}

impl Link {
    /// A link with a fixed latency.
    #[must_use]
    pub fn with_latency(latency: Duration) -> Self {
        Self { latency: latency..=latency, ..Self::default() }
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// If they contradict each other: the sentence that says how.
    pub fn check(&self) -> Result<(), String> {
        let (shortest, longest) = (self.latency.start(), self.latency.end());
        if shortest > longest {
            return Err(format!(
                "the shortest latency, {shortest:?}, is longer than the longest, {longest:?}"
            ));
        }
        if *longest > Duration::from_secs(3600) {
            return Err(format!("a latency of {longest:?} is longer than an hour"));
        }
        let chances = [
            ("loss", self.loss),
            ("duplication", self.duplication),
            ("reordering", self.reordering),
        ];
        for (name, chance) in chances {
            if chance > 1000 {
                return Err(format!("a {name} of {chance} thousandths is more than all packets"));
            }
        }
        if self.reordering > 0 && longest.is_zero() {
            return Err(
                "reordering needs a latency: without one, no packet overtakes another".to_owned()
            );
        }
        // RFC 8200, section 5.
        if !(1280..=65_535).contains(&self.mtu) {
            return Err(format!("an MTU of {} bytes is not one of 1280 to 65535", self.mtu));
        }
        match self.bandwidth {
            Some(0) => Err("a bandwidth of 0 carries nothing: use a partition".to_owned()),
            Some(_) if self.queue < self.mtu => Err(format!(
                "a queue of {} bytes has no room for a packet of {} bytes, the MTU",
                self.queue, self.mtu
            )),
            _ => Ok(()),
        }
    }
}
