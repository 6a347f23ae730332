//! The context of a socket with events.

use core::fmt;
use core::ops::Deref;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use wsk_sys::{PVOID, PWSK_SOCKET, WSK_SOCKET};

use crate::pool::PoolBox;
use crate::status::Result;

/// A value that a socket calls back, in nonpaged memory (INV-17).
///
/// It is made before its socket, since callbacks may begin before the creation has returned (INV-53), and
/// freed when the socket's close has completed (INV-46):
///
/// 1. [`into_raw`](Self::into_raw) gives the context for `WskSocket`, `WskAccept` and the like;
/// 2. [`attach`](Self::attach) tells it its socket, without which nothing can be retained;
/// 3. [`from_raw`](Self::from_raw) takes it back after the close.
pub struct Handler<T>(PoolBox<Context<T>>);

/// What a socket's context points to.
#[repr(C)]
pub(super) struct Context<T> {
    /// Null until it is attached.
    socket: AtomicPtr<WSK_SOCKET>,
    /// Lists of indications that were retained, and not released.
    retained: AtomicUsize,
    pub(super) value: T,
}

/// What a guard of retained indications knows of its context: the same for all types.
#[repr(C)]
pub(super) struct Owner {
    socket: AtomicPtr<WSK_SOCKET>,
    retained: AtomicUsize,
}

impl Owner {
    pub(super) fn socket(&self) -> Option<NonNull<WSK_SOCKET>> {
        NonNull::new(self.socket.load(Ordering::Acquire))
    }

    pub(super) fn retain(&self) {
        self.retained.fetch_add(1, Ordering::Relaxed);
    }

    /// The context may be gone when this returns.
    pub(super) fn release(&self) {
        self.retained.fetch_sub(1, Ordering::Release);
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owner").finish_non_exhaustive()
    }
}

impl<T> Context<T> {
    pub(super) fn owner(&self) -> &Owner {
        // SAFETY: both begin with the same fields.
        unsafe { &*ptr::from_ref(self).cast() }
    }
}

impl<T: Send + Sync + 'static> Handler<T> {
    /// Moves a value to where a socket can call it back.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if there is no memory; the value is dropped.
    pub fn new(value: T) -> Result<Self> {
        let socket = AtomicPtr::new(ptr::null_mut());
        PoolBox::new(Context { socket, retained: AtomicUsize::new(0), value }).map(Self)
    }

    /// The context for a socket. It is leaked until [`from_raw`](Self::from_raw) is called.
    #[must_use = "the memory is leaked unless `from_raw` is called"]
    pub fn into_raw(self) -> PVOID {
        self.0.into_raw().as_ptr().cast()
    }

    /// Takes a context back.
    ///
    /// # Safety
    ///
    /// The context is one of `into_raw`, of this type. Its socket was never created, or its close has
    /// completed (INV-46), and everything that was retained is released (INV-47).
    #[must_use]
    pub unsafe fn from_raw(context: PVOID) -> Self {
        // SAFETY: `into_raw` has given no null pointer.
        let context = unsafe { NonNull::new_unchecked(context.cast()) };
        // SAFETY: the caller promises it.
        Self(unsafe { PoolBox::from_raw(context) })
    }

    /// Tells a context its socket, from where on data can be retained.
    ///
    /// # Safety
    ///
    /// The context is one of `into_raw`, of this type, and the socket the one that was created with it.
    /// The socket is not closed while something is [retained](Self::retained) (INV-47).
    pub unsafe fn attach(context: PVOID, socket: PWSK_SOCKET) {
        // SAFETY: the caller's promise.
        let context = unsafe { &*context.cast::<Context<T>>() };
        context.socket.store(socket, Ordering::Release);
    }

    /// How many lists of indications are retained: until there are none, its socket must not be closed.
    ///
    /// # Safety
    ///
    /// The context is one of `into_raw`, of this type.
    #[must_use]
    pub unsafe fn retained(context: PVOID) -> usize {
        // SAFETY: the caller's promise.
        let context = unsafe { &*context.cast::<Context<T>>() };
        context.retained.load(Ordering::Acquire)
    }

    /// The value of a context.
    ///
    /// # Safety
    ///
    /// The context is one of `into_raw`, of this type, and is not taken back while the result is used.
    #[must_use]
    pub unsafe fn value<'a>(context: PVOID) -> &'a T {
        // SAFETY: the caller's promise.
        unsafe { &(*context.cast::<Context<T>>()).value }
    }
}

impl<T> Deref for Handler<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Handler<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handler").field(&self.0.value).finish()
    }
}
