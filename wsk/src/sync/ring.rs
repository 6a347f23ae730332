//! A queue of values in memory of a fixed size.
//!
//! # Safety
//!
//! The values are stored consecutively, starting at the first one and wrapping around at the end.

#![expect(unsafe_code, reason = "see Safety")]

use core::mem::MaybeUninit;

use crate::pool::PoolBox;
use crate::status::Result;

/// A queue of values.
///
/// # Invariants
///
/// `length` places from `first` on, continuing at the beginning after the last place, hold values, and no others do.
/// `first` is a place, and `length` not more than all.
pub(crate) struct Ring<T> {
    places: PoolBox<[MaybeUninit<T>]>,
    first: usize,
    length: usize,
}

impl<T> Ring<T> {
    /// Allocates memory for this number of values, which is not zero.
    pub(crate) fn new(capacity: usize) -> Result<Self> {
        // INVARIANT: no place holds a value.
        let places = PoolBox::new_uninit_slice(capacity)?;
        Ok(Self { places, first: 0, length: 0 })
    }

    /// Appends a value. Returns it if all places are taken.
    pub(crate) fn push(&mut self, value: T) -> core::result::Result<(), T> {
        if self.is_full() {
            return Err(value);
        }
        let free = self.wrap(self.first + self.length);
        match self.places.get_mut(free) {
            Some(place) => place.write(value),
            None => return Err(value),
        };
        // INVARIANT: the place after the last value holds one now.
        self.length += 1;
        Ok(())
    }

    /// Whether all places are taken.
    pub(crate) fn is_full(&self) -> bool {
        self.length == self.places.len()
    }

    /// Removes the first value.
    pub(crate) fn pop(&mut self) -> Option<T> {
        self.length = self.length.checked_sub(1)?;
        let place = self.places.get(self.first)?;
        // SAFETY: the first place held a value (Invariants), and `length` no longer includes it.
        let value = unsafe { place.assume_init_read() };
        self.first = self.wrap(self.first + 1);
        Some(value)
    }

    /// The place of a number below twice the number of places.
    fn wrap(&self, place: usize) -> usize {
        place.checked_sub(self.places.len()).unwrap_or(place)
    }
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        while let Some(value) = self.pop() {
            drop(value);
        }
    }
}
