//! Tests as users write them, with `#[wsk_host::test]`.

use std::net::Ipv4Addr;

use wsk::irql::Passive;
use wsk::{Registration, TcpListener, rt};

/// The README's.
#[wsk_host::test]
fn a_listener_has_a_port() -> wsk::Result<()> {
    // SAFETY: a test's thread stands for one at PASSIVE_LEVEL.
    let passive = unsafe { Passive::assume() };
    let registration = Registration::register(passive)?;
    let wsk = registration.try_capture()?;
    rt::block_on(passive, async {
        let listener = TcpListener::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
        assert_ne!(listener.local_addr().await?.port(), 0);
        Ok(())
    })??;
    drop(wsk);
    registration.deregister(passive);
    wsk::unload(passive);
    Ok(())
}
