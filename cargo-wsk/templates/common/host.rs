//! The logic on a host, with many orders of completion. A test fails if it breaks a rule of WSK or leaves memory allocated.

use std::net::Ipv4Addr;

use wsk::irql::Passive;
use wsk::{Buffer, Registration, Result, Runtime, TcpListener, TcpStream, rt};

#[wsk_host::test]
fn sends_back_what_it_receives() -> Result<()> {
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

        let client = TcpStream::connect(&wsk, address).await?;
        client.send_all(Buffer::try_from(b"hello")?).await.into_result()?;
        let ((), echoed) = client.recv_exact(Buffer::new(5)?).await.into_result()?;
        assert_eq!(&echoed[..], b"hello");
        client.close().await;
        Ok::<_, wsk::Error>(())
    })??;

    runtime.shutdown(passive);
    drop(wsk);
    registration.deregister(passive);
    wsk::unload(passive);
    Ok(())
}
