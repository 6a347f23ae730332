//! `BCryptGenRandom`.

use std::ptr;

use wsk_sys::{
    BCRYPT_USE_SYSTEM_PREFERRED_RNG, BCryptGenRandom, STATUS_INVALID_HANDLE,
    STATUS_INVALID_PARAMETER, STATUS_SUCCESS,
};

use super::host;

#[test]
fn random_bytes_need_the_systems_generator() {
    let (_host, _entered) = host();
    let mut bytes = [0; 20];
    let none = ptr::null_mut();
    // SAFETY: the array has this size.
    let mut call = |algorithm, size, flags| unsafe {
        BCryptGenRandom(algorithm, bytes.as_mut_ptr(), size, flags)
    };
    let system = BCRYPT_USE_SYSTEM_PREFERRED_RNG;
    assert_eq!(call(none, 20, 0), STATUS_INVALID_HANDLE);
    assert_eq!(call(none, 20, system | 4), STATUS_INVALID_PARAMETER);
    assert_eq!(call(ptr::dangling_mut(), 20, system), STATUS_INVALID_HANDLE);
    assert_eq!(call(none, 19, system), STATUS_SUCCESS);
    assert!(bytes[..19].iter().any(|byte| *byte != 0));
    assert_eq!(bytes[19], 0, "it is behind the end");
    // SAFETY: no bytes are written.
    let nothing = unsafe { BCryptGenRandom(none, none.cast(), 0, system) };
    assert_eq!(nothing, STATUS_SUCCESS);
}
