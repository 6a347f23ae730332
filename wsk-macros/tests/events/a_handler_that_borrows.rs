//! Handlers that borrow for less than `'static`.

use wsk::events::DatagramEvents;

struct Anonymous<'a>(&'a u8);

#[wsk::events]
impl DatagramEvents for Anonymous<'_> {}

struct Within<T>(T);

#[wsk::events]
impl DatagramEvents for Within<Option<Anonymous<'_>>> {}

struct EmptyClause<'a>(&'a u8);

#[wsk::events]
#[rustfmt::skip]
impl<'a> DatagramEvents for EmptyClause<'a> where {}

fn main() {}
