//! Prints what an idle connection costs an echo driver in pool: `idle IMAGE`.
//!
//! `cargo xtask bench` runs it with the images of the echo drivers in C and in Rust. The driver serves on the port of its
//! parameter `Port`.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod measure {
    use std::collections::BTreeMap;
    use std::error::Error;
    use std::net::Ipv4Addr;

    use wsk::irql::Passive;
    use wsk::{Buffer, Provider, Registration, TcpStream, rt};
    use wsk_host::{Config, Host, RegistryValue, Timing};
    use wsk_loader::Driver;

    const PORT: u16 = 7;

    /// Two runs differ by as many connections.
    const CONNECTIONS: usize = 64;

    /// The tag of the clients' allocations. The driver has another.
    const TAG: [u8; 4] = *b"Peer";

    /// The driver's allocations.
    struct DriverMemory {
        number: usize,
        bytes: usize,
    }

    impl DriverMemory {
        fn of(host: &Host) -> Self {
            let tags: BTreeMap<_, _> = host.outstanding_by_tag();
            let of_driver = || tags.iter().filter(|(tag, _)| **tag != TAG);
            Self {
                number: of_driver().map(|(_, (number, _))| number).sum(),
                bytes: of_driver().map(|(_, (_, bytes))| bytes).sum(),
            }
        }
    }

    async fn connect_and_echo(wsk: &Provider) -> wsk::Result<TcpStream> {
        let stream = TcpStream::connect(wsk, (Ipv4Addr::LOCALHOST, PORT)).await?;
        stream.send_all(Buffer::try_from(&[1; 64][..])?).await.into_result()?;
        let mut left = 64;
        while left > 0 {
            left -= stream.recv(Buffer::new(left)?).await.into_result()?.0;
        }
        Ok(stream)
    }

    pub(super) fn run(image: &str) -> Result<(), Box<dyn Error>> {
        let host = Host::new(Config { timing: Timing::Deferred, ..Config::default() });
        let _entered = host.enter();
        wsk::pool::set_tag(TAG)?;
        host.set_parameter("echo", "Port", RegistryValue::Dword(PORT.into()));
        // SAFETY: the image is of this project's driver.
        let driver = unsafe { Driver::load(image) }?;
        // SAFETY: on a host, a program's thread runs at PASSIVE_LEVEL, outside any callback.
        let passive = unsafe { Passive::assume() };
        let registration = Registration::register(passive)?;
        let wsk = registration.try_capture()?;
        let mut open = Vec::new();
        let mut memory = Vec::new();
        for _ in 0..2 {
            for _ in 0..CONNECTIONS {
                open.push(rt::block_on(passive, connect_and_echo(&wsk))??);
            }
            host.settle();
            memory.push(DriverMemory::of(&host));
        }
        let [few, many] = &memory[..] else { return Err("there are two measurements".into()) };
        let each = |many: usize, few: usize| (many - few) / CONNECTIONS;
        println!(
            "one idle connection: {} bytes in {} allocations",
            each(many.bytes, few.bytes),
            each(many.number, few.number)
        );
        drop((open, wsk));
        driver.unload();
        registration.deregister(passive);
        wsk::unload(passive);
        Ok(())
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    measure::run(&std::env::args().nth(1).ok_or("usage: idle IMAGE")?)
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn main() {}
