//! Shared state of tasks.

use core::fmt::{Debug, Display};
use core::future::Future;
use core::ops::{Deref, DerefMut};
use core::pin::Pin;
use core::task::Context;

use embassy_sync::blocking_mutex::raw::RawMutex;
use wsk::pool::PoolBox;
use wsk::sync::mpsc::{SendError, TrySendError};
use wsk::sync::{
    Arc, CancellationToken, DispatchRawMutex, DropGuard, Mutex, MutexGuard, NeverWaits, Notify,
    RwLock, RwLockReadGuard, RwLockWriteGuard, mpsc, oneshot, watch,
};

use crate::entries::Foreign;

/// This driver, which never runs.
struct AuditDriver;

// SAFETY: the closure of `DispatchRawMutex::lock` below only returns a number.
unsafe impl NeverWaits for AuditDriver {}

calls! {
    "PoolBox::new": |value: u64| PoolBox::new(value);
    "PoolBox::pin": |value: u64| PoolBox::pin(value);
    "PoolBox::pin_with": |make: fn() -> u64| PoolBox::pin_with(make);
    "PoolBox::into_inner": |boxed: PoolBox<u64>| PoolBox::into_inner(boxed);
    "PoolBox::into_pin": |boxed: PoolBox<u64>| PoolBox::into_pin(boxed);
    "PoolBox::deref": |boxed: &'static PoolBox<u64>| Deref::deref(boxed);
    "PoolBox::deref_mut": |boxed: &'static mut PoolBox<u64>| DerefMut::deref_mut(boxed);
    "PoolBox::poll":
        |(future, context): (Pin<&'static mut PoolBox<Foreign<8>>>, &'static mut Context<'static>)| {
            future.poll(context)
        };
    "Arc::new": |value: u64| Arc::new(value);
    "Arc::pin": |value: u64| Arc::pin(value);
    "Arc::clone": |owner: &'static Arc<u64>| owner.clone();
    "Arc::ptr_eq": |(one, other): (&'static Arc<u64>, &'static Arc<u64>)| Arc::ptr_eq(one, other);
    "Arc::strong_count": |owner: &'static Arc<u64>| Arc::strong_count(owner);
    "Arc::get_mut": |owner: &'static mut Arc<u64>| Arc::get_mut(owner);
    "Arc::into_inner": |owner: Arc<u64>| Arc::into_inner(owner);
    "Arc::deref": |owner: &'static Arc<u64>| Deref::deref(owner);
    "CancellationToken::new": |()| CancellationToken::new();
    "CancellationToken::child_token": |token: &'static CancellationToken| token.child_token();
    "CancellationToken::cancel": |token: &'static CancellationToken| token.cancel();
    "CancellationToken::is_cancelled": |token: &'static CancellationToken| token.is_cancelled();
    "CancellationToken::drop_guard": |token: CancellationToken| token.drop_guard();
    "Mutex::new": |value: u64| Mutex::new(value);
    "Mutex::into_inner": |mutex: Mutex<u64>| mutex.into_inner();
    "Mutex::try_lock": |mutex: &'static Mutex<u64>| mutex.try_lock();
    "Mutex::get_mut": |mutex: &'static mut Mutex<u64>| mutex.get_mut();
    "MutexGuard::deref": |guard: &'static MutexGuard<'static, u64>| Deref::deref(guard);
    "MutexGuard::deref_mut": |guard: &'static mut MutexGuard<'static, u64>| {
        DerefMut::deref_mut(guard)
    };
    "Notify::new": |()| Notify::new();
    "Notify::notify_one": |notify: &'static Notify| notify.notify_one();
    "Notify::notify_waiters": |notify: &'static Notify| notify.notify_waiters();
    "DispatchRawMutex::lock": |mutex: &'static DispatchRawMutex<AuditDriver>| mutex.lock(|| 7_u8);
    "RwLock::new": |value: u64| RwLock::new(value);
    "RwLock::into_inner": |lock: RwLock<u64>| lock.into_inner();
    "RwLock::try_read": |lock: &'static RwLock<u64>| lock.try_read();
    "RwLock::try_write": |lock: &'static RwLock<u64>| lock.try_write();
    "RwLock::get_mut": |lock: &'static mut RwLock<u64>| lock.get_mut();
    "RwLockReadGuard::deref": |guard: &'static RwLockReadGuard<'static, u64>| Deref::deref(guard);
    "RwLockWriteGuard::deref": |guard: &'static RwLockWriteGuard<'static, u64>| Deref::deref(guard);
    "RwLockWriteGuard::deref_mut": |guard: &'static mut RwLockWriteGuard<'static, u64>| {
        DerefMut::deref_mut(guard)
    };
    "watch::channel": |value: u64| watch::channel(value);
    "Sender::send<watch>": |(sender, value): (&'static watch::Sender<u64>, u64)| sender.send(value);
    "Sender::send_replace": |(sender, value): (&'static watch::Sender<u64>, u64)| {
        sender.send_replace(value)
    };
    "Sender::get": |sender: &'static watch::Sender<u64>| sender.get();
    "Sender::subscribe": |sender: &'static watch::Sender<u64>| sender.subscribe();
    "Sender::is_closed<watch>": |sender: &'static watch::Sender<u64>| sender.is_closed();
    "Sender::clone<watch>": |sender: &'static watch::Sender<u64>| sender.clone();
    "Receiver::get": |receiver: &'static watch::Receiver<u64>| receiver.get();
    "Receiver::get_and_update": |receiver: &'static mut watch::Receiver<u64>| receiver.get_and_update();
    "Receiver::has_changed": |receiver: &'static watch::Receiver<u64>| receiver.has_changed();
    "Receiver::clone": |receiver: &'static watch::Receiver<u64>| receiver.clone();
    "oneshot::channel": |()| oneshot::channel::<u64>();
    "Sender::send<oneshot>": |(sender, value): (oneshot::Sender<u64>, u64)| sender.send(value);
    "Sender::is_closed<oneshot>": |sender: &'static oneshot::Sender<u64>| sender.is_closed();
    "Receiver::try_recv<oneshot>": |receiver: &'static mut oneshot::Receiver<u64>| {
        receiver.try_recv()
    };
    "Receiver::close<oneshot>": |receiver: &'static mut oneshot::Receiver<u64>| receiver.close();
    "Receiver::poll<oneshot>":
        |(receiver, context): (
            Pin<&'static mut oneshot::Receiver<u64>>,
            &'static mut Context<'static>,
        )| receiver.poll(context);
    "mpsc::channel": |capacity: usize| mpsc::channel::<u64>(capacity);
    "Sender::clone<mpsc>": |sender: &'static mpsc::Sender<u64>| sender.clone();
    "Sender::try_send": |(sender, value): (&'static mpsc::Sender<u64>, u64)| sender.try_send(value);
    "Sender::is_closed<mpsc>": |sender: &'static mpsc::Sender<u64>| sender.is_closed();
    "Sender::capacity": |sender: &'static mpsc::Sender<u64>| sender.capacity();
    "Sender::max_capacity": |sender: &'static mpsc::Sender<u64>| sender.max_capacity();
    "Receiver::try_recv<mpsc>": |receiver: &'static mut mpsc::Receiver<u64>| receiver.try_recv();
    "Receiver::close<mpsc>": |receiver: &'static mut mpsc::Receiver<u64>| receiver.close();
    "Receiver::poll_recv":
        |(receiver, context): (&'static mut mpsc::Receiver<u64>, &'static mut Context<'static>)| {
            receiver.poll_recv(context)
        };
}

futures! {
    "CancellationToken::cancelled": |token: &'static CancellationToken| token.cancelled();
    "CancellationToken::run_until_cancelled":
        |(token, future): (&'static CancellationToken, Foreign<8>)| {
            token.run_until_cancelled(future)
        };
    "Mutex::lock": |mutex: &'static Mutex<u64>| mutex.lock();
    "Notify::notified": |notify: &'static Notify| notify.notified();
    "RwLock::read": |lock: &'static RwLock<u64>| lock.read();
    "RwLock::write": |lock: &'static RwLock<u64>| lock.write();
    "Receiver::changed": |receiver: &'static mut watch::Receiver<u64>| receiver.changed();
    "Sender::closed": |sender: &'static mut oneshot::Sender<u64>| sender.closed();
    "Sender::send<mpsc>": |(sender, value): (&'static mpsc::Sender<u64>, u64)| sender.send(value);
    "Receiver::recv<mpsc>": |receiver: &'static mut mpsc::Receiver<u64>| receiver.recv();
}

drops! {
    "PoolBox::drop": PoolBox<u64>;
    "Arc::drop": Arc<u64>;
    "CancellationToken::drop": CancellationToken;
    "DropGuard::drop": DropGuard;
    "Mutex::drop": Mutex<u64>;
    "MutexGuard::drop": MutexGuard<'static, u64>;
    "DispatchRawMutex::drop": DispatchRawMutex<AuditDriver>;
    "Notify::drop": Notify;
    "Sender::drop<oneshot>": oneshot::Sender<u64>;
    "Receiver::drop<oneshot>": oneshot::Receiver<u64>;
    "Sender::drop<mpsc>": mpsc::Sender<u64>;
    "Receiver::drop<mpsc>": mpsc::Receiver<u64>;
    "Sender::drop<watch>": watch::Sender<u64>;
    "Receiver::drop<watch>": watch::Receiver<u64>;
    "RwLock::drop": RwLock<u64>;
    "RwLockReadGuard::drop": RwLockReadGuard<'static, u64>;
    "RwLockWriteGuard::drop": RwLockWriteGuard<'static, u64>;
    "SendError::drop": SendError<u64>;
}

formats! {
    "PoolBox::fmt<Debug>": PoolBox<u64> as Debug;
    "PoolBox::fmt<Display>": PoolBox<u64> as Display;
    "Arc::fmt<Debug>": Arc<u64> as Debug;
    "Arc::fmt<Display>": Arc<u64> as Display;
    "CancellationToken::fmt<Debug>": CancellationToken as Debug;
    "DropGuard::fmt<Debug>": DropGuard as Debug;
    "Mutex::fmt<Debug>": Mutex<u64> as Debug;
    "MutexGuard::fmt<Debug>": MutexGuard<'static, u64> as Debug;
    "RwLock::fmt<Debug>": RwLock<u64> as Debug;
    "RwLockReadGuard::fmt<Debug>": RwLockReadGuard<'static, u64> as Debug;
    "RwLockWriteGuard::fmt<Debug>": RwLockWriteGuard<'static, u64> as Debug;
    "watch::Sender::fmt<Debug>": watch::Sender<u64> as Debug;
    "watch::Receiver::fmt<Debug>": watch::Receiver<u64> as Debug;
    "Notify::fmt<Debug>": Notify as Debug;
    "Sender::fmt<Debug>": oneshot::Sender<u64> as Debug;
    "Receiver::fmt<Debug>": oneshot::Receiver<u64> as Debug;
    "mpsc::Sender::fmt<Debug>": mpsc::Sender<u64> as Debug;
    "mpsc::Receiver::fmt<Debug>": mpsc::Receiver<u64> as Debug;
    "SendError::fmt<Debug>": SendError<u64> as Debug;
    "SendError::fmt<Display>": SendError<u64> as Display;
    "TrySendError::fmt<Debug>": TrySendError<u64> as Debug;
    "TrySendError::fmt<Display>": TrySendError<u64> as Display;
}
