//! hickory-proto: queries to a DNS server that the driver chooses. `wsk` itself can use the system's resolver.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use wsk::time::timeout;
use wsk::{Buffer, Provider, UdpSocket};

use crate::{Error, Result};

/// The timeout for an answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The maximum size of an answer over UDP without extensions, in bytes.
const ANSWER: usize = 512;

/// Queries a server for the IPv4 or the IPv6 addresses of a host.
///
/// # Errors
///
/// `STATUS_IO_TIMEOUT` if there is no answer for 2 s, or the defect of the answer. A host that does not exist is not an
/// error.
pub async fn addresses(
    wsk: &Provider,
    server: SocketAddr,
    host: &str,
    kind: RecordType,
) -> Result<Vec<IpAddr>> {
    let mut id = [0; 2];
    wsk::random::fill(&mut id)?;
    let mut question = Message::new(u16::from_ne_bytes(id), MessageType::Query, OpCode::Query);
    question.metadata.recursion_desired = true;
    question.add_query(Query::query(Name::from_ascii(host)?, kind));
    let question = question.to_vec()?;

    let socket = UdpSocket::bind(wsk, (Ipv4Addr::UNSPECIFIED, 0)).await?;
    let socket = socket.into_connected(server).await?;
    socket.send_copy(&question).await?;
    let buffer = Buffer::new(ANSWER)?;
    let (received, buffer) = timeout(PATIENCE, socket.recv(buffer)).await?.into_result()?;

    let answer = Message::from_vec(buffer.get(..received).unwrap_or_default())?;
    if answer.metadata.id != u16::from_ne_bytes(id) {
        return Err(Error::Unexpected);
    }
    match answer.metadata.response_code {
        ResponseCode::NoError | ResponseCode::NXDomain => {}
        _ => return Err(Error::Unexpected),
    }
    let addresses = answer.answers.iter().filter_map(|record| match &record.data {
        RData::A(address) => Some(IpAddr::V4(address.0)),
        RData::AAAA(address) => Some(IpAddr::V6(address.0)),
        _ => None,
    });
    Ok(addresses.collect())
}
