//! embassy-sync, postcard and heapless: readings that another program sends.

use std::net::{Ipv4Addr, UdpSocket};

use anyhow::Result;
use crates::readings::{Reading, Receiver};

use crate::driver;

/// The bytes follow postcard's specification: the length of the name, the name, and the zigzag-encoded number, with
/// seven bits in each byte.
#[test]
fn a_callback_decodes_for_a_task() -> Result<()> {
    let [outside, boiler] = driver::load(|driver| {
        let (wsk, local) = (driver.wsk.clone(), (Ipv4Addr::LOCALHOST, 0).into());
        let bound = async move { Receiver::bind(&wsk, local).await };
        let receiver = driver.join(driver.spawner.spawn(bound)?)??;
        let address = driver.join(driver.spawner.spawn(async move {
            let address = receiver.local_addr().await?;
            Ok::<_, crates::Error>((receiver, address))
        })?)??;
        let (receiver, address) = address;

        let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        sender.send_to(b"\x07outside\xe7\x13", address)?;
        sender.send_to(b"not a reading: its name has no end", address)?;
        sender.send_to(b"\x06boiler\xf8\xcf\x02", address)?;
        let readings = async move { [receiver.recv().await, receiver.recv().await] };
        driver.join(driver.spawner.spawn(readings)?)
    })?;
    let reading = |sensor: &str, temperature| -> Result<Reading> {
        let sensor = sensor.try_into().map_err(|_| anyhow::anyhow!("too long"))?;
        Ok(Reading { sensor, temperature })
    };
    assert_eq!(outside, reading("outside", -1268)?);
    assert_eq!(boiler, reading("boiler", 21_500)?);
    Ok(())
}
