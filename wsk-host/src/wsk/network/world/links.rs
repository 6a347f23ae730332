//! The links of a world: which packets arrive, and when.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::kernel::choices::{ChoiceKind, Choices};
use crate::kernel::schedule::{Ticks, ticks};
use crate::wsk::link::Link;

/// A machine, by number.
pub(crate) type MachineId = usize;

/// From one machine to another.
pub(crate) type Direction = (MachineId, MachineId);

/// Ticks in a second.
const SECOND: u128 = 10_000_000;

/// The settings of all directions, and what is on the way.
#[derive(Default)]
pub(super) struct Links {
    /// Later ones override earlier ones. Without a direction, they are for all.
    settings: Vec<(u64, Option<Direction>, Link)>,
    cuts: Vec<(u64, Direction)>,
    queues: FxHashMap<Direction, LinkQueue>,
    default: Link,
    last: u64,
}

/// What one direction carries.
#[derive(Default)]
struct LinkQueue {
    /// When the bandwidth is free again.
    busy_until: Ticks,
    /// When the last packet arrives that keeps the order.
    last_arrival: Ticks,
}

impl Links {
    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Overrides the settings of a direction, or of all, until [`undo`](Self::undo) is called with the result.
    pub(super) fn set(&mut self, direction: Option<Direction>, link: Link) -> u64 {
        let number = self.number();
        self.settings.push((number, direction, link));
        number
    }

    /// Cuts a direction, until [`undo`](Self::undo) is called with the result.
    pub(super) fn cut(&mut self, direction: Direction) -> u64 {
        let number = self.number();
        self.cuts.push((number, direction));
        number
    }

    /// Undoes a change.
    pub(super) fn undo(&mut self, number: u64) {
        self.settings.retain(|(of, ..)| *of != number);
        self.cuts.retain(|(of, _)| *of != number);
    }

    /// The settings of a direction.
    pub(super) fn of(&self, direction: Direction) -> &Link {
        let applies = |of: &Option<Direction>| of.is_none_or(|of| of == direction);
        let last = self.settings.iter().rev().find(|(_, of, _)| applies(of));
        last.map_or(&self.default, |(.., link)| link)
    }

    /// The times when a packet of a size arrives: none if it is lost, several if it is duplicated.
    pub(super) fn carry(
        &mut self,
        direction: Direction,
        size: usize,
        now: Ticks,
        choices: &mut Choices,
    ) -> SmallVec<[Ticks; 2]> {
        let mut arrivals = SmallVec::new();
        // The loopback interface.
        if direction.0 == direction.1 {
            arrivals.push(now);
            return arrivals;
        }
        if self.cuts.iter().any(|(_, cut)| *cut == direction) {
            return arrivals;
        }
        let link = self.of(direction).clone();
        let queue = self.queues.entry(direction).or_default();
        let mut sent = now;
        if let Some(bandwidth) = link.bandwidth {
            let bandwidth = u128::from(bandwidth);
            let start = queue.busy_until.max(now);
            let waiting = u128::from(start - now) * bandwidth / (8 * SECOND);
            if waiting + size as u128 > link.queue as u128 {
                return arrivals;
            }
            let time = (size as u128 * 8 * SECOND).div_ceil(bandwidth);
            sent = start.saturating_add(Ticks::try_from(time).unwrap_or(Ticks::MAX));
            queue.busy_until = sent;
        }
        for _ in 0..size.div_ceil(link.mtu).max(1) {
            if choices.per_mille(ChoiceKind::Fault, link.loss) {
                return arrivals;
            }
        }
        let copies = if choices.per_mille(ChoiceKind::Fault, link.duplication) { 2 } else { 1 };
        let (shortest, longest) = (ticks(*link.latency.start()), ticks(*link.latency.end()));
        let mut below = |range: Ticks| {
            let bound = usize::try_from(range).unwrap_or(usize::MAX - 1) + 1;
            if bound == 1 { 0 } else { choices.below(ChoiceKind::Delay, bound) as Ticks }
        };
        let times: SmallVec<[Ticks; 2]> = (0..copies)
            .map(|_| sent.saturating_add(shortest + below(longest - shortest)))
            .collect();
        for arrival in times {
            if choices.per_mille(ChoiceKind::Fault, link.reordering) {
                let bound = usize::try_from(2 * longest).unwrap_or(usize::MAX - 1) + 1;
                arrivals.push(arrival + choices.below(ChoiceKind::Delay, bound) as Ticks);
            } else {
                queue.last_arrival = queue.last_arrival.max(arrival);
                arrivals.push(queue.last_arrival);
            }
        }
        arrivals
    }

    /// The time to the other end and back, without the bandwidth, of a direction that needs no machine at its end.
    pub(super) fn longest_round_trip(&self, direction: Direction) -> Ticks {
        ticks(*self.of(direction).latency.end()).saturating_mul(2)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn choices() -> Choices {
        Choices::new(7, 0, None)
    }

    fn milliseconds(count: u64) -> Ticks {
        ticks(Duration::from_millis(count))
    }

    #[test]
    fn a_bandwidth_sends_one_packet_after_the_other_and_loses_what_its_queue_does_not_hold() {
        let mut links = Links::default();
        // 1000 bytes in a millisecond.
        let link = Link { bandwidth: Some(8_000_000), queue: 3000, ..Link::default() };
        links.set(None, link);
        let mut choices = choices();
        let times: Vec<Option<Ticks>> =
            (0..4).map(|_| links.carry((0, 1), 1000, 0, &mut choices).first().copied()).collect();
        let expected = [Some(1), Some(2), Some(3), None].map(|time| time.map(milliseconds));
        assert_eq!(times, expected);
        // The other direction, and the same one later, are free.
        assert_eq!(links.carry((1, 0), 1000, 0, &mut choices).as_slice(), [milliseconds(1)]);
        let later = milliseconds(10);
        assert_eq!(links.carry((0, 1), 1000, later, &mut choices).as_slice(), [milliseconds(11)]);
    }

    #[test]
    fn a_latency_keeps_the_order_unless_packets_are_reordered() {
        let mut links = Links::default();
        let latency = Duration::from_millis(1)..=Duration::from_millis(50);
        let ordered = Link { latency, ..Link::default() };
        links.set(None, ordered.clone());
        let mut choices = choices();
        let mut times = |links: &mut Links| -> Vec<Ticks> {
            (0..200).flat_map(|now| links.carry((0, 1), 100, now, &mut choices)).collect()
        };
        assert!(times(&mut links).is_sorted());
        links.set(None, Link { reordering: 200, ..ordered });
        assert!(!times(&mut links).is_sorted());
    }

    #[test]
    fn an_undone_change_leaves_the_later_one() {
        let mut links = Links::default();
        let with_mtu = |mtu| Link { mtu, ..Link::default() };
        let first = links.set(Some((0, 1)), with_mtu(1400));
        let second = links.set(Some((0, 1)), with_mtu(1300));
        links.undo(first);
        assert_eq!((links.of((0, 1)).mtu, links.of((1, 0)).mtu), (1300, 1500));
        links.undo(second);
        assert_eq!(links.of((0, 1)).mtu, 1500);
        let mut choices = choices();
        let cuts = [links.cut((0, 1)), links.cut((0, 1))];
        links.undo(cuts[0]);
        assert!(links.carry((0, 1), 1, 0, &mut choices).is_empty());
        links.undo(cuts[1]);
        assert_eq!(links.carry((0, 1), 1, 0, &mut choices).len(), 1);
    }

    #[test]
    fn packets_are_lost_and_doubled_about_as_often_as_the_settings_say() {
        let mut links = Links::default();
        links.set(None, Link { loss: 100, duplication: 200, ..Link::default() });
        let mut choices = choices();
        let counts = (0..10_000).map(|_| links.carry((0, 1), 1, 0, &mut choices).len());
        let mut often = [0; 3];
        for count in counts {
            often[count] += 1;
        }
        assert!((900..1100).contains(&often[0]), "{often:?}");
        assert!((1650..1950).contains(&often[2]), "{often:?}");
    }
}
