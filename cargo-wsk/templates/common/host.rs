//! The logic on a host, with many orders of completion. A test fails if it breaks a rule of WSK or leaves memory allocated.

use std::net::{Ipv4Addr, SocketAddr};

use wsk::irql::Passive;
use wsk::{Buffer, ErrorKind, Provider, Registration, Result, Runtime, TcpListener, TcpStream, rt};
use wsk_host::{Config, Faults, Host};

/// Runs clients against a server, and ends the server.
fn with_server(clients: impl AsyncFnOnce(&Provider, SocketAddr) -> Result<()>) -> Result<()> {
    // SAFETY: on a host, a test's thread runs at PASSIVE_LEVEL.
    let passive = unsafe { Passive::assume() };
    let registration = Registration::register(passive)?;
    let wsk = registration.try_capture()?;
    let runtime = Runtime::new(passive, 1)?;
    let spawner = runtime.spawner();

    rt::block_on(passive, async {
        let listener = TcpListener::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr().await?;
        let server = spawner.clone();
        spawner.spawn(async move {
            let _ = {{crate}}::serve(listener, server, |message| eprintln!("{message}")).await;
        })?;
        clients(&wsk, address).await
    })??;

    runtime.shutdown(passive);
    drop(wsk);
    registration.deregister(passive);
    wsk::unload(passive);
    Ok(())
}

/// Connects, and checks that the server sends back what it receives.
async fn is_served(wsk: &Provider, server: SocketAddr) -> Result<()> {
    let client = TcpStream::connect(wsk, server).await?;
    client.send_all(Buffer::try_from(b"hello")?).await.into_result()?;
    let ((), echoed) = client.recv_exact(Buffer::new(5)?).await.into_result()?;
    assert_eq!(&echoed[..], b"hello");
    client.close().await;
    Ok(())
}

#[wsk_host::test]
fn sends_back_what_it_receives() -> Result<()> {
    with_server(is_served)
}

/// Every other connection is reset before the server accepts it.
#[wsk_host::test(config = Config::default().faults(Faults { accept: 500, ..Faults::default() }))]
fn a_connection_that_is_reset_does_not_end_the_server() -> Result<()> {
    with_server(async |wsk, server| {
        let mut served = 0;
        while served < 5 {
            match is_served(wsk, server).await {
                Ok(()) => served += 1,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    })
}

/// Each allocation of a connection fails once, of the client or of the server.
#[wsk_host::test(seeds = 0..4)]
fn a_lack_of_memory_does_not_end_the_server(host: Host) -> Result<()> {
    with_server(async |wsk, server| {
        is_served(wsk, server).await?;
        for number in 1..40 {
            host.fail_allocation(number);
            // Either side may fail.
            let _ = is_served(wsk, server).await;
        }
        is_served(wsk, server).await
    })
}
