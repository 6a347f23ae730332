//! Buffers, and the results that return them.

use core::fmt::Debug;
use core::ops::{Bound, Deref, DerefMut};

use wsk::pool::PoolBox;
use wsk::pool::{self, NonPaged, Usage};
use wsk::{
    BufResult, Buffer, Chain, ChainIntoIter, ChainIter, ChainIterMut, Lent, LentAccess,
    NonPagedBytes, PendedIrp, Slice, counters,
};

type Bounds = (Bound<usize>, Bound<usize>);

/// Bytes of the driver's pool.
type Sector = PoolBox<[u8; 512]>;

calls! {
    "Buffer::new": |size: usize| Buffer::new(size);
    "random::fill": |to: &'static mut [u8]| wsk::random::fill(to);
    "Buffer::empty": |()| Buffer::empty();
    "Buffer::slice": |(buffer, bounds): (Buffer, Bounds)| buffer.slice(bounds);
    "Buffer::try_from": |bytes: &'static [u8]| Buffer::try_from(bytes);
    "Buffer::deref": |buffer: &'static Buffer| Deref::deref(buffer);
    "Buffer::deref_mut": |buffer: &'static mut Buffer| DerefMut::deref_mut(buffer);
    "Chain::new": |()| Chain::new();
    "Chain::len": |chain: &'static Chain| chain.len();
    "Chain::is_empty": |chain: &'static Chain| chain.is_empty();
    "Chain::push_back": |(chain, part): (&'static mut Chain, Slice)| chain.push_back(part);
    "Chain::push_front": |(chain, part): (&'static mut Chain, Slice)| chain.push_front(part);
    "Chain::append": |(chain, other): (&'static mut Chain, &'static mut Chain)| chain.append(other);
    "Chain::pop_front": |chain: &'static mut Chain| chain.pop_front();
    "Chain::iter": |chain: &'static Chain| chain.iter();
    "Chain::iter_mut": |chain: &'static mut Chain| chain.iter_mut();
    "Chain::from": |part: Slice| Chain::from(part);
    "Chain::into_iter": |chain: Chain| chain.into_iter();
    "Chain::into_iter<&>": |chain: &'static Chain| chain.into_iter();
    "Chain::into_iter<mut>": |chain: &'static mut Chain| chain.into_iter();
    "Chain::from_lent": |lent: Lent<Sector>| Chain::from_lent(lent);
    "Chain::push_back_lent": |(chain, lent): (&'static mut Chain, Lent<Sector>)| chain.push_back_lent(lent);
    "Chain::pop_front_lent": |chain: &'static mut Chain| chain.pop_front_lent::<Sector>();
    "Lent::from_raw": |(mdl, access, owner): (wsk::sys::PMDL, LentAccess, Sector)| {
        // SAFETY: the MDL is the caller's.
        unsafe { Lent::from_raw(mdl, 0, 512, access, owner) }
    };
    "Lent::from_pool": |owner: Sector| Lent::from_pool(owner);
    "Lent::len": |lent: &'static Lent<Sector>| lent.len();
    "Lent::is_empty": |lent: &'static Lent<Sector>| lent.is_empty();
    "Lent::slice": |(lent, bounds): (Lent<Sector>, Bounds)| lent.slice(bounds);
    "Lent::whole": |lent: Lent<Sector>| lent.whole();
    "Lent::owner": |lent: &'static Lent<Sector>| lent.owner();
    "Lent::into_owner": |lent: Lent<Sector>| lent.into_owner();
    "Lent::copy_to": |(lent, to): (&'static mut Lent<Sector>, &'static mut [u8])| lent.copy_to(to);
    "Lent::copy_from": |(lent, from): (&'static mut Lent<Sector>, &'static [u8])| lent.copy_from(from);
    "NonPagedBytes::bytes": |owner: &'static mut Sector| NonPagedBytes::bytes(owner);
    "PendedIrp::from_raw": |(irp, access): (core::ptr::NonNull<wsk::sys::IRP>, LentAccess)| {
        // SAFETY: the IRP is the caller's.
        unsafe { PendedIrp::from_raw(irp, access) }
    };
    "PendedIrp::as_raw": |irp: &'static PendedIrp| irp.as_raw();
    "PendedIrp::is_cancelled": |irp: &'static PendedIrp| irp.is_cancelled();
    "PendedIrp::len": |irp: &'static PendedIrp| irp.len();
    "PendedIrp::is_empty": |irp: &'static PendedIrp| irp.is_empty();
    "PendedIrp::lend": |irp: PendedIrp| irp.lend();
    "PendedIrp::complete": |(irp, result): (PendedIrp, wsk::Result<usize>)| irp.complete(result);
    "ChainIter::next": |iter: &'static mut ChainIter<'static>| iter.next();
    "ChainIter::size_hint": |iter: &'static ChainIter<'static>| iter.size_hint();
    "ChainIterMut::next": |iter: &'static mut ChainIterMut<'static>| iter.next();
    "ChainIterMut::size_hint": |iter: &'static ChainIterMut<'static>| iter.size_hint();
    "ChainIntoIter::next": |iter: &'static mut ChainIntoIter| iter.next();
    "ChainIntoIter::size_hint": |iter: &'static ChainIntoIter| iter.size_hint();
    "Slice::from": |buffer: Buffer| Slice::from(buffer);
    "Slice::slice": |(slice, bounds): (Slice, Bounds)| slice.slice(bounds);
    "Slice::into_inner": |slice: Slice| slice.into_inner();
    "Slice::deref": |slice: &'static Slice| Deref::deref(slice);
    "Slice::deref_mut": |slice: &'static mut Slice| DerefMut::deref_mut(slice);
    "BufResult::into_result": |result: BufResult<usize, Buffer>| result.into_result();
    "Usage::outstanding": |usage: Usage| usage.outstanding();
    "pool::set_tag": |tag: [u8; 4]| pool::set_tag(tag);
    "pool::tag": |()| pool::tag();
    "pool::usage": |()| pool::usage();
    "counters::read": |()| counters::read();
    "NonPaged::alloc": |layout| {
        // SAFETY: the layout is the caller's.
        unsafe { core::alloc::GlobalAlloc::alloc(&NonPaged, layout) }
    };
    "NonPaged::alloc_zeroed": |layout| {
        // SAFETY: the layout is the caller's.
        unsafe { core::alloc::GlobalAlloc::alloc_zeroed(&NonPaged, layout) }
    };
    "NonPaged::dealloc": |(memory, layout): (*mut u8, core::alloc::Layout)| {
        // SAFETY: the memory is the caller's.
        unsafe { core::alloc::GlobalAlloc::dealloc(&NonPaged, memory, layout) }
    };
}

drops! {
    "Buffer::drop": Buffer;
    "Chain::drop": Chain;
    "ChainIntoIter::drop": ChainIntoIter;
    // It has no name outside of wsk. A buffer is one, and nothing else.
    "MdlChain::drop": Buffer;
    "Lent::drop": Lent<Sector>;
    "PendedIrp::drop": PendedIrp;
    "Slice::drop": Slice;
    "BufResult::drop": BufResult<usize, Buffer>;
}

formats! {
    "Buffer::fmt<Debug>": Buffer as Debug;
    "Chain::fmt<Debug>": Chain as Debug;
    "Lent::fmt<Debug>": Lent<Sector> as Debug;
    "LentAccess::fmt<Debug>": LentAccess as Debug;
    "PendedIrp::fmt<Debug>": PendedIrp as Debug;
    "Slice::fmt<Debug>": Slice as Debug;
    "Usage::fmt<Debug>": Usage as Debug;
}
