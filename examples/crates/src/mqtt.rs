//! rust-mqtt: messages that a broker retains.

use alloc::vec::Vec;
use core::net::SocketAddr;

use rust_mqtt::Bytes;
use rust_mqtt::buffer::BumpBuffer;
use rust_mqtt::client::event::Event;
use rust_mqtt::client::options::{
    ConnectOptions, DisconnectOptions, PublicationOptions, SubscriptionOptions, TopicReference,
};
use rust_mqtt::client::{Client, MqttError};
use rust_mqtt::types::{MqttString, TopicFilter, TopicName};
use wsk::net::BufferedStream;
use wsk::{Buffer, Provider, TcpStream};

use crate::{Error, Result};

/// The memory for the packets of a connection, in bytes.
const PACKETS: usize = 4096;

/// A client with one subscription, and one message in flight in each direction.
type Session<'a, 'b> = Client<'a, 'b, BufferedStream, BumpBuffer<'b>, 1, 1, 1, 0, 0, 0, 0>;

/// Publishes a message, which the broker retains. Returns when the broker has acknowledged it.
///
/// # Errors
///
/// Those of the connection, and of the broker.
pub async fn publish(
    wsk: &Provider,
    broker: SocketAddr,
    topic: &str,
    message: &[u8],
) -> Result<()> {
    let mut memory = Buffer::new(PACKETS)?;
    let mut packets = BumpBuffer::new(&mut memory);
    let mut client = Session::new(&mut packets);
    connect(&mut client, wsk, broker).await?;

    let topic = TopicReference::Name(name(topic)?);
    let options = PublicationOptions::new(topic).at_least_once().retain();
    client.publish(&options, Bytes::Borrowed(message)).await.map_err(error)?;
    loop {
        match client.poll().await.map_err(error)? {
            Event::PublishAcknowledged(_) => break,
            Event::PublishRejected(_) => return Err(Error::Unexpected),
            _ => {}
        }
    }
    client.disconnect(&DisconnectOptions::new()).await.map_err(error)?;
    Ok(())
}

/// Returns the message that the broker retains for a topic. Waits until one exists.
///
/// # Errors
///
/// Those of the connection, and of the broker.
pub async fn retained(wsk: &Provider, broker: SocketAddr, topic: &str) -> Result<Vec<u8>> {
    let mut memory = Buffer::new(PACKETS)?;
    let mut packets = BumpBuffer::new(&mut memory);
    let mut client = Session::new(&mut packets);
    connect(&mut client, wsk, broker).await?;

    let topic = TopicFilter::new(string(topic)?).ok_or(Error::Mqtt("no filter"))?;
    client.subscribe(topic, &SubscriptionOptions::new().at_least_once()).await.map_err(error)?;
    let message = loop {
        if let Event::Publish(publish) = client.poll().await.map_err(error)? {
            break publish.message.as_bytes().to_vec();
        }
    };
    client.disconnect(&DisconnectOptions::new()).await.map_err(error)?;
    Ok(message)
}

async fn connect(client: &mut Session<'_, '_>, wsk: &Provider, broker: SocketAddr) -> Result<()> {
    let stream = TcpStream::connect(wsk, broker).await?.buffered();
    let options = ConnectOptions::new().clean_start();
    client.connect(stream, &options, None).await.map_err(error)?;
    Ok(())
}

fn name(topic: &str) -> Result<TopicName<'_>> {
    TopicName::new(string(topic)?).ok_or(Error::Mqtt("no topic"))
}

fn string(text: &str) -> Result<MqttString<'_>> {
    MqttString::from_str(text).map_err(|_| Error::Mqtt("the text is too long"))
}

/// The error without its borrowed parts.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn error<const N: usize>(error: MqttError<'_, N>) -> Error {
    Error::Mqtt(match error {
        MqttError::Network(_) => "the connection failed",
        MqttError::Server => "the broker broke the protocol",
        MqttError::Alloc => "the packets are larger than the memory for them",
        MqttError::Disconnect { .. } => "the broker refused the client",
        _ => "the client was used wrongly",
    })
}
