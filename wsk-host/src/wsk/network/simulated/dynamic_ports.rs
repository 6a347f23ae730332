//! The dynamic ports that endpoints have, by transport and address, so that the next free one is found at a cost that does
//! not depend on how many are used.

use std::net::IpAddr;

use rustc_hash::FxHashMap;

/// The first port of the dynamic range, which ends with the last port.
pub(super) const FIRST: u16 = 49_152;

const BITS: usize = u64::BITS as usize;
const WORDS: usize = (u16::MAX as usize + 1 - FIRST as usize) / BITS;

/// The endpoints among which a port is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum PortScope {
    /// All of a transport.
    Anywhere,
    /// Those at the wildcard address of either family.
    Wildcard,
    At(IpAddr),
}

impl PortScope {
    fn of(ip: IpAddr) -> Self {
        if ip.is_unspecified() { Self::Wildcard } else { Self::At(ip.to_canonical()) }
    }
}

/// The dynamic ports that endpoints have at a place.
struct Ports {
    used: Box<[u64; WORDS]>,
    /// How many endpoints share each port that more than one has.
    shared: FxHashMap<u16, usize>,
    count: usize,
}

impl Ports {
    fn new() -> Self {
        Self { used: Box::new([0; WORDS]), shared: FxHashMap::default(), count: 0 }
    }

    /// The word of a port and its bit in that. None outside of the dynamic range.
    fn place(port: u16) -> Option<(usize, u64)> {
        let index = usize::from(port.checked_sub(FIRST)?);
        Some((index / BITS, 1 << (index % BITS)))
    }

    fn insert(&mut self, port: u16, (word, bit): (usize, u64)) {
        self.count += 1;
        if self.used[word] & bit != 0 {
            *self.shared.entry(port).or_insert(1) += 1;
        }
        self.used[word] |= bit;
    }

    fn remove(&mut self, port: u16, (word, bit): (usize, u64)) {
        self.count -= 1;
        match self.shared.get_mut(&port) {
            None => self.used[word] &= !bit,
            Some(2) => drop(self.shared.remove(&port)),
            Some(count) => *count -= 1,
        }
    }
}

/// The dynamic ports of one network, for datagrams and for connections.
#[derive(Default)]
pub(super) struct DynamicPorts(FxHashMap<(bool, PortScope), Ports>);

impl DynamicPorts {
    /// Records that another endpoint has a port at an address.
    pub(super) fn insert(&mut self, is_datagram: bool, ip: IpAddr, port: u16) {
        let Some(place) = Ports::place(port) else { return };
        for key in [PortScope::Anywhere, PortScope::of(ip)] {
            let ports = self.0.entry((is_datagram, key)).or_insert_with(Ports::new);
            ports.insert(port, place);
        }
    }

    /// Records that an endpoint no longer has a port at an address.
    pub(super) fn remove(&mut self, is_datagram: bool, ip: IpAddr, port: u16) {
        let Some(place) = Ports::place(port) else { return };
        for key in [PortScope::Anywhere, PortScope::of(ip)] {
            let Some(ports) = self.0.get_mut(&(is_datagram, key)) else { continue };
            ports.remove(port, place);
            if ports.count == 0 {
                self.0.remove(&(is_datagram, key));
            }
        }
    }

    /// The next port after the last one that no endpoint has at an address, or at one that contains it. The search goes
    /// on at the beginning of the range; none if all ports are taken.
    pub(super) fn next(&self, is_datagram: bool, ip: IpAddr, last: u16) -> Option<u16> {
        let places = match PortScope::of(ip) {
            PortScope::At(ip) => [PortScope::Wildcard, PortScope::At(ip)],
            _ => [PortScope::Anywhere; 2],
        };
        let taken = places.map(|place| self.0.get(&(is_datagram, place)));
        let free =
            |word: usize| !taken.iter().flatten().fold(0, |taken, ports| taken | ports.used[word]);
        let start =
            last.checked_add(1).and_then(|next| next.checked_sub(FIRST)).map_or(0, usize::from);
        let (first, offset) = (start / BITS, start % BITS);
        // The first word is searched twice: its last bits first, and its other bits at the end.
        let found = (0..=WORDS).find_map(|step| {
            let word = (first + step) % WORDS;
            let mask = match step {
                0 => u64::MAX << offset,
                WORDS => !(u64::MAX << offset),
                _ => u64::MAX,
            };
            let free = free(word) & mask;
            (free != 0).then(|| word * BITS + free.trailing_zeros() as usize)
        })?;
        u16::try_from(usize::from(FIRST) + found).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WILD: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

    fn at(last: u8) -> IpAddr {
        [127, 0, 0, last].into()
    }

    #[test]
    fn the_next_free_port_follows_the_last_one_around_the_range() {
        let mut ports = DynamicPorts::default();
        assert_eq!(ports.next(true, WILD, FIRST - 1), Some(FIRST));
        assert_eq!(ports.next(true, WILD, u16::MAX), Some(FIRST));
        for port in FIRST..=u16::MAX {
            ports.insert(true, WILD, port);
        }
        assert_eq!(ports.next(true, at(1), FIRST), None);
        assert_eq!(ports.next(false, at(1), FIRST), Some(FIRST + 1));
        for free in [FIRST, FIRST + 1, FIRST + 63, FIRST + 64, 60_000, u16::MAX] {
            ports.remove(true, WILD, free);
            for last in [FIRST - 1, FIRST, free - 1, free, free.saturating_add(1), u16::MAX] {
                assert_eq!(ports.next(true, at(1), last), Some(free), "{free} after {last}");
            }
            ports.insert(true, WILD, free);
        }
    }

    #[test]
    fn a_shared_port_is_free_when_its_last_endpoint_is_gone() {
        let mut ports = DynamicPorts::default();
        for _ in 0..3 {
            ports.insert(false, at(1), FIRST);
        }
        for _ in 0..3 {
            assert_eq!(ports.next(false, at(1), FIRST - 1), Some(FIRST + 1));
            assert_eq!(ports.next(false, WILD, FIRST - 1), Some(FIRST + 1));
            assert_eq!(ports.next(false, at(2), FIRST - 1), Some(FIRST));
            ports.remove(false, at(1), FIRST);
        }
        assert_eq!(ports.next(false, at(1), FIRST - 1), Some(FIRST));
        assert!(ports.0.is_empty());
    }

    #[test]
    fn ports_outside_of_the_range_are_not_recorded() {
        let mut ports = DynamicPorts::default();
        ports.insert(false, WILD, 7);
        ports.remove(false, WILD, 7);
        assert!(ports.0.is_empty());
    }
}
