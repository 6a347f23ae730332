//! A value that a request owns while it is in flight, besides its buffers.
//!
//! # Safety
//!
//! A slot stores a value without its type, next to the functions for that type; [`AttachmentSlot::take`] compares the
//! type before it gives the value out.

#![expect(unsafe_code, reason = "see Safety")]

use core::any::TypeId;
use core::mem::MaybeUninit;

use super::ControlBuffer;
use crate::status::Result;

/// A value that a request owns while it is in flight, with the clean-up for an abandoned result: one of a request whose
/// future was dropped before it completed. Each kind of request that needs one implements this beside its own code.
pub(crate) trait Attachment: Send + Sized + 'static {
    /// Whether the system may use the value after it has refused the call. If not, the value is dropped then.
    const OUTLIVES_REFUSAL: bool;

    /// Cleans up after the request has completed with this result; `output` is its control buffer.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`. May run in a completion routine, and so makes no call to WSK
    /// ([INV-15](crate::rules#inv-15)).
    ///
    /// # Safety
    ///
    /// The value was attached to the request that has completed with this result, and the result was not used.
    unsafe fn abandon(self, result: Result<usize>, output: &ControlBuffer);
}

/// The maximum size of an attachment, in words.
const WORDS: usize = 3;

type Words = MaybeUninit<[usize; WORDS]>;

/// Room for one [`Attachment`] of any type, in place: attaching allocates nothing.
///
/// # Invariants
///
/// If `functions` is `Some`, `words` holds a value of their type, which the slot owns.
pub(crate) struct AttachmentSlot {
    words: Words,
    functions: Option<&'static AttachmentVTable>,
}

// SAFETY: the value is an `Attachment`, which is `Send`.
unsafe impl Send for AttachmentSlot {}

/// The functions of an attachment's type.
///
/// # Invariants
///
/// All of these functions are for the same type, whose values fit into [`Words`].
struct AttachmentVTable {
    type_id: fn() -> TypeId,
    outlives_refusal: bool,
    /// Takes the value, as [`Attachment::abandon`] does.
    abandon: unsafe fn(*mut Words, Result<usize>, &ControlBuffer),
    /// Drops the value.
    drop: unsafe fn(*mut Words),
}

impl AttachmentVTable {
    const fn of<A: Attachment>() -> &'static Self {
        const {
            assert!(size_of::<A>() <= size_of::<Words>(), "an attachment has at most three words");
            assert!(align_of::<A>() <= align_of::<Words>(), "an attachment is aligned as a word");
            &Self {
                type_id: TypeId::of::<A>,
                outlives_refusal: A::OUTLIVES_REFUSAL,
                abandon: abandon::<A>,
                drop: drop_value::<A>,
            }
        }
    }
}

/// # Safety
///
/// `words` holds an `A`, which is given up. The rest as for [`Attachment::abandon`].
unsafe fn abandon<A: Attachment>(words: *mut Words, result: Result<usize>, output: &ControlBuffer) {
    // SAFETY: `words` holds an `A`, which is read once.
    let value = unsafe { words.cast::<A>().read() };
    // SAFETY: the value was attached to the request that has this result, which no other code uses (this function's
    // contract).
    unsafe { value.abandon(result, output) };
}

/// # Safety
///
/// `words` holds an `A`, which is given up.
unsafe fn drop_value<A: Attachment>(words: *mut Words) {
    // SAFETY: `words` holds an `A`, which is dropped once.
    unsafe { words.cast::<A>().drop_in_place() };
}

impl AttachmentSlot {
    pub(crate) const EMPTY: Self = Self { words: MaybeUninit::uninit(), functions: None };

    /// Attaches a value, replacing the previous one.
    pub(crate) fn put<A: Attachment>(&mut self, value: A) {
        *self = Self::EMPTY;
        // SAFETY: `AttachmentVTable::of` asserts that an `A` fits into the words, in size and alignment.
        unsafe { self.words.as_mut_ptr().cast::<A>().write(value) };
        // INVARIANT: the words hold an `A`.
        self.functions = Some(AttachmentVTable::of::<A>());
    }

    /// Takes the value out, if it is an `A`.
    pub(crate) fn take<A: Attachment>(&mut self) -> Option<A> {
        let is_of_type =
            |functions: &mut &AttachmentVTable| (functions.type_id)() == TypeId::of::<A>();
        self.functions.take_if(is_of_type)?;
        // SAFETY: the functions were those of an `A`, so the words hold one, which is read once: the slot is empty now.
        Some(unsafe { self.words.as_mut_ptr().cast::<A>().read() })
    }

    /// Moves the value to another slot.
    pub(super) fn take_all(&mut self) -> Self {
        core::mem::replace(self, Self::EMPTY)
    }

    /// Moves the value to another slot, if the system does not use it after it has refused the call.
    pub(super) fn take_unused(&mut self) -> Option<Self> {
        let is_unused = self.functions.is_some_and(|functions| !functions.outlives_refusal);
        is_unused.then(|| self.take_all())
    }

    /// Cleans up; see [`Attachment::abandon`].
    ///
    /// # Safety
    ///
    /// As for [`Attachment::abandon`], if the slot has a value.
    pub(super) unsafe fn abandon(&mut self, result: Result<usize>, output: &ControlBuffer) {
        if let Some(functions) = self.functions.take() {
            // SAFETY: the words hold a value of the functions' type, given up since the slot is empty now; the rest is
            // this function's contract.
            unsafe { (functions.abandon)(&raw mut self.words, result, output) };
        }
    }
}

impl Drop for AttachmentSlot {
    fn drop(&mut self) {
        if let Some(functions) = self.functions.take() {
            // SAFETY: the words hold a value of the functions' type, given up since the slot is empty now.
            unsafe { (functions.drop)(&raw mut self.words) };
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::status::known;

    struct Unused(#[expect(dead_code, reason = "it is counted")] Arc<()>);

    impl Attachment for Unused {
        const OUTLIVES_REFUSAL: bool = false;

        unsafe fn abandon(self, result: Result<usize>, _output: &ControlBuffer) {
            assert_eq!(result, Err(known::STATUS_CANCELLED));
        }
    }

    struct Used(#[expect(dead_code, reason = "it is counted")] Arc<()>, [usize; 2]);

    impl Attachment for Used {
        const OUTLIVES_REFUSAL: bool = true;

        unsafe fn abandon(self, _result: Result<usize>, _output: &ControlBuffer) {
            panic!("it is taken out in this test");
        }
    }

    #[test]
    fn a_value_comes_out_as_its_own_type_only() {
        let count = Arc::new(());
        let mut slot = AttachmentSlot::EMPTY;
        slot.put(Used(Arc::clone(&count), [1, 2]));
        assert!(slot.take::<Unused>().is_none());
        assert!(slot.take_unused().is_none());
        assert_eq!(slot.take::<Used>().map(|used| used.1), Some([1, 2]));
        assert!(slot.take::<Used>().is_none());
        assert_eq!(Arc::strong_count(&count), 1);
    }

    #[test]
    fn every_value_is_dropped_once() {
        let count = Arc::new(());
        let mut slot = AttachmentSlot::EMPTY;
        slot.put(Unused(Arc::clone(&count)));
        slot.put(Unused(Arc::clone(&count)));
        assert_eq!(Arc::strong_count(&count), 2, "the first was replaced");
        let mut moved = slot.take_unused().expect("the system does not use it");
        drop(slot);
        assert_eq!(Arc::strong_count(&count), 2);
        // SAFETY: the value does not look at the output.
        unsafe { moved.abandon(Err(known::STATUS_CANCELLED), &ControlBuffer::EMPTY) };
        assert_eq!(Arc::strong_count(&count), 1);
        moved.put(Used(Arc::clone(&count), [0; 2]));
        drop(moved);
        assert_eq!(Arc::strong_count(&count), 1);
    }
}
