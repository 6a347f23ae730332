//! Indications: received data in memory of the provider's, as lists of buffers with chains of MDLs.
//!
//! # Safety
//!
//! Lists, MDLs and memory are this file's own allocations. They are freed when the client has returned or released
//! them, which the stack tracks.

#![expect(unsafe_code, reason = "the functions and objects are those of a C interface")]

use std::ptr;
use std::sync::Arc;

use wsk_sys::fields::size_t;
use wsk_sys::{
    MDL, MDL_SOURCE_IS_NONPAGED_POOL, MmInitializeMdl, PWSK_DATA_INDICATION,
    PWSK_DATAGRAM_INDICATION, SOCKADDR_IN6, ULONG, WSK_BUF, WSK_DATA_INDICATION,
    WSK_DATAGRAM_INDICATION,
};

use super::address;
use super::control_data::describe;
use super::network::Datagram;
use super::options::Options;
use crate::kernel::mm::{RetiredMdl, retire};
use crate::kernel::random::Random;
use crate::verifier::{Origin, Rule};

/// An MDL of indicated data, and the memory that it describes: room for headers, then the data.
///
/// # Invariants
///
/// `mdl` and `bytes` are allocations of their own (`Box::into_raw`), and the MDL describes all of `bytes`.
struct Block {
    mdl: *mut MDL,
    /// The offset of the data from the MDL's start: the length of the headers, in a real system.
    offset: usize,
    bytes: *mut [u8],
    origin: Arc<Origin>,
}

// SAFETY: the block owns both allocations (Invariants).
unsafe impl Send for Block {}

impl Block {
    fn new(data: &[u8], offset: usize, origin: &Arc<Origin>) -> Self {
        let mut memory = vec![0; offset];
        memory.extend_from_slice(data);
        let bytes = Box::into_raw(memory.into_boxed_slice());
        // SAFETY: zeroes are an MDL, which is initialized next.
        let mdl = Box::into_raw(Box::new(unsafe { std::mem::zeroed::<MDL>() }));
        // SAFETY: the MDL is new. Pages are not described: a host has none.
        unsafe { MmInitializeMdl(mdl, bytes.cast(), size_t(bytes.len())) };
        // SAFETY: the MDL is new, and initialized.
        let header = unsafe { &mut *mdl };
        header.MdlFlags |= MDL_SOURCE_IS_NONPAGED_POOL;
        header.MappedSystemVa = bytes.cast();
        Self { mdl, offset, bytes, origin: Arc::clone(origin) }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: both are from `Box::into_raw` (Invariants), and the client has released the indication.
        let (mdl, bytes) = unsafe { (Box::from_raw(self.mdl), Box::from_raw(self.bytes)) };
        let found = "the MDL describes indicated data that is already released";
        retire(RetiredMdl {
            mdl,
            bytes,
            rule: Rule::INDICATION_AFTER_CALLBACK,
            found,
            origin: Arc::clone(&self.origin),
        });
    }
}

/// A chain of blocks with these bytes: one, or by chance several, after room for headers.
fn chain(data: &[u8], random: &mut Random, origin: &Arc<Origin>) -> Vec<Block> {
    let mut blocks = Vec::new();
    let offset = [0, 14, 54][random.below(3)];
    let split = if data.len() > 1 && random.below(2) == 0 { random.below(data.len()) } else { 0 };
    if split > 0 {
        blocks.push(Block::new(&data[..split], offset, origin));
        blocks.push(Block::new(&data[split..], 0, origin));
    } else {
        blocks.push(Block::new(data, offset, origin));
    }
    for pair in 1..blocks.len() {
        // SAFETY: the MDLs are this chain's own.
        unsafe { (*blocks[pair - 1].mdl).Next = blocks[pair].mdl };
    }
    blocks
}

fn buffer(blocks: &[Block], length: usize) -> WSK_BUF {
    let offset = ULONG::try_from(blocks[0].offset).unwrap_or(0);
    WSK_BUF { Mdl: blocks[0].mdl, Offset: offset, Length: size_t(length) }
}

// The lists and their targets are vectors: moving a `Box` would assert that it is the only pointer.

/// An indication of a connection's data: a list of `WSK_DATA_INDICATION`.
///
/// # Invariants
///
/// Every pointer in `nodes` is null or into `nodes` and the blocks, which are not moved or freed before the value.
pub(super) struct IndicatedData {
    nodes: Vec<WSK_DATA_INDICATION>,
    _blocks: Vec<Vec<Block>>,
    pub(super) origin: Arc<Origin>,
}

// SAFETY: its pointers are into the vectors that it owns (Invariants).
unsafe impl Send for IndicatedData {}

impl IndicatedData {
    pub(super) fn new(bytes: &[u8], random: &mut Random) -> Self {
        let split = if bytes.len() > 1 { random.below(bytes.len()) } else { 0 };
        let origin = Arc::new(Origin::here("WskReceiveEvent"));
        let parts = [&bytes[..split], &bytes[split..]];
        let filled = parts.iter().filter(|part| !part.is_empty());
        let blocks: Vec<_> = filled.map(|part| chain(part, random, &origin)).collect();
        let mut nodes: Vec<_> = blocks
            .iter()
            .zip(parts.iter().filter(|part| !part.is_empty()))
            .map(|(blocks, part)| WSK_DATA_INDICATION {
                Next: ptr::null_mut(),
                Buffer: buffer(blocks, part.len()),
            })
            .collect();
        let first = nodes.as_mut_ptr();
        for next in 1..nodes.len() {
            // SAFETY: both are elements.
            unsafe { (*first.add(next - 1)).Next = first.add(next) };
        }
        Self { nodes, _blocks: blocks, origin }
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
/// Every pointer in `nodes` is null, or into `nodes`, the blocks, the addresses and the control data, which are not moved
/// or freed before the value.
pub(super) struct IndicatedDatagrams {
    nodes: Vec<WSK_DATAGRAM_INDICATION>,
    _blocks: Vec<Vec<Block>>,
    _addresses: Vec<SOCKADDR_IN6>,
    /// Aligned as control messages are.
    _control: Vec<Vec<u64>>,
    pub(super) origin: Arc<Origin>,
}

// SAFETY: its pointers are into the vectors that it owns (Invariants).
unsafe impl Send for IndicatedDatagrams {}

impl IndicatedDatagrams {
    pub(super) fn new(all: &[Datagram], options: &Options, random: &mut Random) -> Self {
        let origin = Arc::new(Origin::here("WskReceiveFromEvent"));
        let chain = |datagram: &Datagram| chain(&datagram.bytes, random, &origin);
        let blocks: Vec<_> = all.iter().map(chain).collect();
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
                let described = describe(&all[index], options);
                let mut words = vec![0_u64; described.len().div_ceil(8)];
                let data: *mut u8 = words.as_mut_ptr().cast();
                // SAFETY: the words have room for the bytes.
                unsafe { data.copy_from_nonoverlapping(described.as_ptr(), described.len()) };
                let has_control = !described.is_empty();
                control.push(words);
                WSK_DATAGRAM_INDICATION {
                    Next: ptr::null_mut(),
                    Buffer: buffer(&blocks[index], all[index].bytes.len()),
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
        Self { nodes, _blocks: blocks, _addresses: addresses, _control: control, origin }
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
