//! The pool's tag, which is one for the whole process: so this is a test of its own.

use std::collections::BTreeMap;

use wsk::{Buffer, ErrorKind, pool};
use wsk_host::{Config, Host};

#[test]
fn a_driver_names_its_tag_before_it_allocates() {
    let host = Host::new(Config::default());
    let _entered = host.enter();
    for tag in [*b"Wsk\0", *b"W\nsk", *b"Wsk\x7F"] {
        assert_eq!(pool::set_tag(tag).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    pool::set_tag(*b"Mine").unwrap();
    let buffer = Buffer::new(100).unwrap();
    let tags: BTreeMap<[u8; 4], usize> =
        host.outstanding_by_tag().into_iter().map(|(tag, (count, _))| (tag, count)).collect();
    assert_eq!(tags, BTreeMap::from([(*b"Mine", 1)]));

    // The same one may be named again, and no other.
    pool::set_tag(*b"Mine").unwrap();
    assert_eq!(pool::set_tag(*b"Late").unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(pool::tag(), *b"Mine");
    // The host stops a client that frees memory with another tag.
    drop(buffer);
    assert_eq!(host.outstanding_allocations(), 0);
}
