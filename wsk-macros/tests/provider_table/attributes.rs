//! Attributes at the wrong place, or with the wrong arguments. Each is reported.

use wsk_macros::provider_table;
use wsk_sys::*;

#[provider_table(WSK_PROVIDER_BASIC_DISPATCH)]
struct Attributes {
    #[reserved(3)]
    Version: USHORT,
    #[since(Type)]
    #[rules(1)]
    Size: USHORT,
    #[reserved]
    WskNever: fn(irp: PIRP),
    #[since]
    WskSince: fn(irp: PIRP),
    #[since(Type)]
    #[since(Type)]
    WskTwice: fn(irp: PIRP),
    #[rules]
    WskRules: fn(irp: PIRP),
    #[rules(0, 7u8, "x")]
    WskNoRules: fn(irp: PIRP),
    #[rules(0)]
    WskNoRule: fn(irp: PIRP),
    pub WskVisible: fn(irp: PIRP),
    WskParameters: fn(#[reserved(3)] zero: ULONG, #[flags = 3] flags: ULONG, #[reserved] #[flags] both: ULONG, #[since] irp: PIRP),
}

fn main() {}
