//! Errors.

use core::fmt;

use hickory_proto::ProtoError;
use hickory_proto::serialize::binary::DecodeError;

/// Why a module's function failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The network, or an allocation of `wsk`.
    System(wsk::Error),
    /// edge-http.
    EdgeHttp(edge_http::io::Error<wsk::Error>),
    /// hickory-proto, for a query. Its own error type would add much code.
    DnsQuestion,
    /// hickory-proto, for an answer.
    DnsAnswer,
    /// reqwless or embedded-tls.
    Reqwless(reqwless::Error),
    /// rust-mqtt. Its own error borrows from the message.
    Mqtt(&'static str),
    /// sntpc.
    Ntp(sntpc::Error),
    /// The peer's answer is larger than the buffer.
    TooLarge,
    /// The peer's answer does not match the request.
    Unexpected,
    /// embassy's executor is in use.
    Busy,
}

/// The result of a module's function.
pub type Result<T> = core::result::Result<T, Error>;

/// Prints a short text. The texts of the crates' own errors are large; `Debug` prints them.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(error) => write!(f, "{error}"),
            Self::EdgeHttp(_) => f.write_str("the HTTP exchange failed"),
            Self::Reqwless(_) => f.write_str("the HTTPS exchange failed"),
            Self::DnsQuestion => f.write_str("the question is no DNS message"),
            Self::DnsAnswer => f.write_str("the answer is no DNS message"),
            Self::Mqtt(error) => f.write_str(error),
            Self::Ntp(_) => f.write_str("the answer has no time"),
            Self::TooLarge => f.write_str("the answer is larger than the buffer"),
            Self::Unexpected => f.write_str("the answer is not what was asked for"),
            Self::Busy => f.write_str("embassy's executor is in use"),
        }
    }
}

impl core::error::Error for Error {}

macro_rules! from {
    ($($error:ty => $name:ident,)+) => {$(
        impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Self::$name(error)
            }
        }
    )+};
}

from! {
    wsk::Error => System,
    edge_http::io::Error<wsk::Error> => EdgeHttp,
    reqwless::Error => Reqwless,
    sntpc::Error => Ntp,
}

impl From<ProtoError> for Error {
    fn from(_: ProtoError) -> Self {
        Self::DnsQuestion
    }
}

impl From<DecodeError> for Error {
    fn from(_: DecodeError) -> Self {
        Self::DnsAnswer
    }
}
