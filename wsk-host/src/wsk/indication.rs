//! Indications: received data in the provider's memory, as lists of buffers.
//!
//! # Safety
//!
//! Lists, addresses and control data are this file's own allocations. They are freed when the client has returned or
//! released them, which the stack tracks.

#![expect(unsafe_code, reason = "the functions and objects are those of a C interface")]

use std::ptr;

use wsk_sys::{
    PWSK_DATA_INDICATION, PWSK_DATAGRAM_INDICATION, SOCKADDR_IN6, ULONG, WSK_DATA_INDICATION,
    WSK_DATAGRAM_INDICATION,
};

use super::address;
use super::chain::{IndicationChain, ShapeChooser};
use super::control_data::describe;
use super::network::IncomingDatagram;
use super::options::OptionValues;
use crate::kernel::config::Windows;
use crate::verifier::Origin;

// The lists and their targets are vectors: moving a `Box` would assert that it is the only pointer.

/// An indication of a connection's data: a list of `WSK_DATA_INDICATION`.
///
/// # Invariants
///
/// Every pointer in `nodes` is null or into `nodes` and the chains, which are not moved or freed before the value.
pub(super) struct IndicatedData {
    nodes: Vec<WSK_DATA_INDICATION>,
    chains: Vec<IndicationChain>,
    pub(super) origin: Origin,
}

// SAFETY: its pointers are into the vectors that it owns (Invariants).
unsafe impl Send for IndicatedData {}

impl IndicatedData {
    pub(super) fn new(bytes: &[u8], shapes: &mut ShapeChooser<'_>) -> Self {
        let origin = Origin::here("WskReceiveEvent");
        let parts = shapes.split(bytes);
        let chains: Vec<_> =
            parts.into_iter().map(|part| IndicationChain::new(part, shapes, &origin)).collect();
        let mut nodes: Vec<_> = chains
            .iter()
            .map(|chain| WSK_DATA_INDICATION { Next: ptr::null_mut(), Buffer: chain.buffer() })
            .collect();
        let first = nodes.as_mut_ptr();
        for next in 1..nodes.len() {
            // SAFETY: both are elements.
            unsafe { (*first.add(next - 1)).Next = first.add(next) };
        }
        Self { nodes, chains, origin }
    }

    pub(super) fn chains(&self) -> &[IndicationChain] {
        &self.chains
    }

    pub(super) fn first(&mut self) -> PWSK_DATA_INDICATION {
        self.nodes.as_mut_ptr()
    }

    /// The addresses of its elements.
    pub(super) fn elements(&self) -> Vec<usize> {
        (0..self.nodes.len()).map(|index| self.nodes.as_ptr().wrapping_add(index).addr()).collect()
    }

    /// The element behind another one, as the client has left them; zero at the end.
    pub(super) fn next(&self, element: usize) -> usize {
        let start = self.nodes.as_ptr();
        let index = (element - start.addr()) / size_of::<WSK_DATA_INDICATION>();
        // SAFETY: the address is one of `elements`, and the client does not write while it releases.
        unsafe { (&raw const (*start.add(index)).Next).read_volatile() }.addr()
    }
}

/// An indication of datagrams: a list of `WSK_DATAGRAM_INDICATION`.
///
/// # Invariants
///
/// Every pointer in `nodes` is null, or into `nodes`, the chains, the addresses and the control data, which are not moved
/// or freed before the value.
pub(super) struct IndicatedDatagrams {
    nodes: Vec<WSK_DATAGRAM_INDICATION>,
    chains: Vec<IndicationChain>,
    _addresses: Vec<SOCKADDR_IN6>,
    /// Aligned as control messages are.
    _control: Vec<Vec<u64>>,
    pub(super) origin: Origin,
}

// SAFETY: its pointers are into the vectors that it owns (Invariants).
unsafe impl Send for IndicatedDatagrams {}

impl IndicatedDatagrams {
    pub(super) fn new(
        all: &[IncomingDatagram],
        (options, windows): (&OptionValues, Windows),
        shapes: &mut ShapeChooser<'_>,
    ) -> Self {
        let origin = Origin::here("WskReceiveFromEvent");
        let chain =
            |datagram: &IncomingDatagram| IndicationChain::new(&datagram.bytes, shapes, &origin);
        let chains: Vec<_> = all.iter().map(chain).collect();
        // SAFETY: zeroes are an address.
        let zero = || unsafe { std::mem::zeroed::<SOCKADDR_IN6>() };
        let mut addresses: Vec<SOCKADDR_IN6> = all.iter().map(|_| zero()).collect();
        let mut control = Vec::new();
        let first_address = addresses.as_mut_ptr();
        let mut nodes: Vec<_> = (0..all.len())
            .map(|index| {
                // SAFETY: there is one for each.
                let to = unsafe { first_address.add(index) }.cast();
                // SAFETY: it has room for an address of either family.
                unsafe { address::write(to, all[index].from) };
                let described = describe(&all[index], options, windows);
                let mut words = vec![0_u64; described.len().div_ceil(8)];
                let data: *mut u8 = words.as_mut_ptr().cast();
                // SAFETY: the words have room for the bytes.
                unsafe { data.copy_from_nonoverlapping(described.as_ptr(), described.len()) };
                let has_control = !described.is_empty();
                control.push(words);
                WSK_DATAGRAM_INDICATION {
                    Next: ptr::null_mut(),
                    Buffer: chains[index].buffer(),
                    ControlInfo: if has_control { data.cast() } else { ptr::null_mut() },
                    ControlInfoLength: ULONG::try_from(described.len()).unwrap_or(0),
                    RemoteAddress: to,
                }
            })
            .collect();
        let first = nodes.as_mut_ptr();
        for next in 1..nodes.len() {
            // SAFETY: both are elements.
            unsafe { (*first.add(next - 1)).Next = first.add(next) };
        }
        Self { nodes, chains, _addresses: addresses, _control: control, origin }
    }

    pub(super) fn chains(&self) -> &[IndicationChain] {
        &self.chains
    }

    pub(super) fn first(&mut self) -> PWSK_DATAGRAM_INDICATION {
        self.nodes.as_mut_ptr()
    }

    /// The addresses of its elements.
    pub(super) fn elements(&self) -> Vec<usize> {
        (0..self.nodes.len()).map(|index| self.nodes.as_ptr().wrapping_add(index).addr()).collect()
    }

    /// The element behind another one, as the client has left them; zero at the end.
    pub(super) fn next(&self, element: usize) -> usize {
        let start = self.nodes.as_ptr();
        let index = (element - start.addr()) / size_of::<WSK_DATAGRAM_INDICATION>();
        // SAFETY: the address is one of `elements`, and the client does not write while it releases.
        unsafe { (&raw const (*start.add(index)).Next).read_volatile() }.addr()
    }
}
