//! The server on a host, with a client in the same network.

use std::net::Ipv4Addr;

use web::Site;
use wsk::irql::Passive;
use wsk::{Buffer, ErrorKind, Provider, Registration, Result, Runtime, TcpListener, TcpStream, rt};
use wsk_host::{Config, Faults};

const ADDRESS: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 8080);

/// Asks for the server's own page.
async fn ask(wsk: &Provider) -> Result<()> {
    let stream = TcpStream::connect(wsk, ADDRESS).await?;
    let request = Buffer::try_from(b"GET / HTTP/1.0\r\n\r\n")?;
    stream.send_all(request).await.into_result()?;
    let ((), answer) = stream.recv_exact(Buffer::new(12)?).await.into_result()?;
    assert!(answer.starts_with(b"HTTP/1."), "{answer:?}");
    stream.close().await;
    Ok(())
}

/// Every other connection is reset before the server accepts it.
#[wsk_host::test(seeds = 0..4, config = Config::default().faults(Faults { accept: 500, ..Faults::default() }))]
fn a_connection_that_is_reset_does_not_end_the_server() -> Result<()> {
    // SAFETY: on a host, a test's thread runs at PASSIVE_LEVEL.
    let passive = unsafe { Passive::assume() };
    let registration = Registration::register(passive)?;
    let wsk = registration.try_capture()?;
    let runtime = Runtime::new(passive, 1)?;
    rt::block_on(passive, async {
        let listener = TcpListener::bind(&wsk, ADDRESS).await?;
        let site = Site { wsk: wsk.clone(), page: None, log: |message| println!("{message}") };
        runtime.spawner().spawn(web::serve(listener, runtime.spawner(), site))?;
        let (mut served, mut lost) = (0, 0);
        while served < 5 || lost == 0 {
            match ask(&wsk).await {
                Ok(()) => served += 1,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => lost += 1,
                Err(error) => return Err(error),
            }
        }
        Ok::<_, wsk::Error>(())
    })??;
    runtime.shutdown(passive);
    drop(wsk);
    registration.deregister(passive);
    wsk::unload(passive);
    Ok(())
}
