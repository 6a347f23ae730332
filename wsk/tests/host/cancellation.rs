//! Cancellation tokens, and the children that are cancelled with them.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use test_support::scenario::passive;
use wsk::sync::CancellationToken;
use wsk::{ErrorKind, Runtime, rt};
use wsk_host::{Config, Host};

use crate::sync::at_dispatch_level;
use crate::tasks::everywhere;

/// A token cancels its children and theirs, also if those between are gone, and a child cancels nothing but its own.
#[test]
fn a_token_cancels_those_below_it() {
    everywhere(|_| {
        let runtime = Runtime::new(passive(), 2).unwrap();
        let token = CancellationToken::new().unwrap();
        let [first, second] = [(); 2].map(|()| token.child_token().unwrap());
        let grandchildren = [(); 3].map(|()| first.child_token().unwrap());
        let of_the_second = second.child_token().unwrap();
        let waits = [&grandchildren[1], &of_the_second, &second, &token].map(|token| {
            let token = token.clone();
            runtime.spawn(async move { token.cancelled().await }).unwrap()
        });
        // Its children become those of the token.
        drop(first);
        at_dispatch_level(|| grandchildren[0].cancel());
        let cancelled = grandchildren.each_ref().map(CancellationToken::is_cancelled);
        assert_eq!(cancelled, [true, false, false]);
        at_dispatch_level(|| second.cancel());
        assert!(of_the_second.is_cancelled() && !token.is_cancelled());
        at_dispatch_level(|| token.cancel());
        assert!(grandchildren.iter().all(CancellationToken::is_cancelled));
        assert!(token.child_token().unwrap().is_cancelled(), "it is too late");
        for wait in waits {
            rt::block_on(passive(), wait).unwrap().unwrap();
        }
        runtime.finish(passive());
    });
}

/// Neither a cancellation nor an end needs a stack that grows with the tree.
#[test]
fn a_tree_may_be_deep_and_wide() {
    const NODES: usize = if cfg!(miri) { 50 } else { 20_000 };
    let host = Host::new(Config::default());
    let _entered = host.enter();
    // In order: each token is dropped before its child, or after it.
    for drops_parents_first in [true, false] {
        let token = CancellationToken::new().unwrap();
        let mut chain = vec![token.clone()];
        for _ in 0..NODES {
            chain.push(chain.last().unwrap().child_token().unwrap());
        }
        let last = chain.last().unwrap().clone();
        if drops_parents_first {
            chain.drain(..NODES).for_each(drop);
        }
        token.cancel();
        assert!(last.is_cancelled());
        while let Some(token) = chain.pop() {
            drop(token);
        }
    }
    let token = CancellationToken::new().unwrap();
    let children: Vec<_> = (0..NODES).map(|_| token.child_token().unwrap()).collect();
    let mut waits = pin!(children[NODES / 2].cancelled());
    let mut context = Context::from_waker(Waker::noop());
    assert!(waits.as_mut().poll(&mut context).is_pending());
    drop(token);
    assert!(
        waits.as_mut().poll(&mut context).is_pending(),
        "without its parent it is not cancelled"
    );
    assert!(children.iter().all(|child| !child.is_cancelled()));
}

/// A token that is replaced by its child again and again keeps no memory for the former ones.
#[test]
fn a_token_allocates_when_it_is_created() {
    let host = Host::new(Config::default());
    let _entered = host.enter();
    let mut token = CancellationToken::new().unwrap();
    assert_eq!(host.outstanding_allocations(), 2);
    for _ in 0..10 {
        token = token.child_token().unwrap();
        assert_eq!(host.outstanding_allocations(), 2);
    }
    host.fail_allocation(1);
    assert_eq!(token.child_token().unwrap_err().kind(), ErrorKind::OutOfMemory);
    for failing in 1..=2 {
        host.fail_allocation(failing);
        assert_eq!(CancellationToken::new().unwrap_err().kind(), ErrorKind::OutOfMemory);
    }
    let before = host.allocations();
    token.clone().cancel();
    drop(token);
    assert_eq!((host.allocations() - before, host.outstanding_allocations()), (0, 0));
}
