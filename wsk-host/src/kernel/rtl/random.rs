//! `RtlRandom`: numbers from the client's seed.
//!
//! A seed determines all numbers that follow. In Windows, the numbers of `RtlRandomEx` also depend on what other
//! drivers have drawn.
//!
//! # Safety
//!
//! The exported functions have the contracts that Microsoft documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use wsk_sys::ULONG;

/// The modulus of the generator: one more than the largest number.
const MAXLONG: u64 = 0x7FFF_FFFF;

/// The next seed: a linear congruential generator, the one that `RtlUniform` is documented to be.
fn step(seed: ULONG) -> ULONG {
    let next = (u64::from(seed) * 0x7FFF_FFED + 0x7FFF_FFC3) % MAXLONG;
    ULONG::try_from(next).unwrap_or(0)
}

/// Mixes the bits of a seed, whose neighbors are otherwise close.
fn mixed(seed: ULONG) -> ULONG {
    let mut bits = u64::from(seed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ bits >> 32).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    ULONG::try_from((bits ^ bits >> 32) % MAXLONG).unwrap_or(0)
}

#[wsk_host_macros::export]
unsafe extern "C" fn RtlRandomEx(seed: *mut ULONG) -> ULONG {
    // SAFETY: the caller passes a seed of its own.
    let seed = unsafe { &mut *seed };
    *seed = step(*seed);
    mixed(*seed)
}

#[wsk_host_macros::export]
unsafe extern "C" fn RtlRandom(seed: *mut ULONG) -> ULONG {
    // SAFETY: the caller passes a seed of its own.
    unsafe { RtlRandomEx(seed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_differ_and_are_below_maxlong() {
        let mut seed = 0;
        let mut numbers = std::collections::HashSet::new();
        for _ in 0..1000 {
            // SAFETY: the seed is a local variable.
            let number = unsafe { RtlRandomEx(&raw mut seed) };
            assert!(u64::from(number) < MAXLONG);
            numbers.insert(number);
        }
        assert!(numbers.len() > 990, "{}", numbers.len());
    }

    #[test]
    fn a_seed_decides_what_follows() {
        let draw = |mut seed: ULONG| {
            // SAFETY: the seed is a local variable.
            [(); 5].map(|()| unsafe { RtlRandomEx(&raw mut seed) })
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }
}
