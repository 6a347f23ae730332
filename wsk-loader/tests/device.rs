//! Devices of a driver in C, opened as programs open them. `cargo xtask test run` builds the image.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use wsk_host::{Config, Host, Timing};
use wsk_loader::Driver;
use wsk_sys::{NTSTATUS, STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_PARAMETER, STATUS_SUCCESS};

const STATUS_OBJECT_NAME_NOT_FOUND: NTSTATUS = i32::from_ne_bytes(0xC000_0034_u32.to_ne_bytes());

/// The driver's control codes, with each way of passing buffers.
const CODES: [u32; 3] = [0x0022_2000, 0x0022_2006, 0x0022_200B];

#[test]
#[ignore = "needs an image: run `cargo xtask test run`"]
fn a_device_is_opened_read_written_and_controlled() {
    let image = std::env::var_os("WSK_LOADER_DEVICE").expect("the variable names the image");
    for timing in [Timing::Inline, Timing::Deferred, Timing::Mixed(1)] {
        let host = Host::new(Config::default().timing(timing));
        let entered = host.enter();
        // SAFETY: the image is of this project's driver.
        let driver = unsafe { Driver::load(&image) }.unwrap();
        for path in [r"\Device\Buffered", r"\Device\Direct"] {
            let mut device = driver.device(path).unwrap();
            let mut read = [0; 100];
            assert_eq!(device.read(&mut read), Ok((STATUS_SUCCESS, 0)));
            assert_eq!(device.write(b"what is kept"), Ok((STATUS_SUCCESS, 12)));
            assert_eq!(device.read(&mut read), Ok((STATUS_SUCCESS, 12)));
            assert_eq!(&read[..13], b"what is kept\0");
            assert_eq!(device.read(&mut read[..4]), Ok((STATUS_SUCCESS, 4)));
            assert_eq!(device.write(&[1; 65]), Err(STATUS_INVALID_PARAMETER));
            for code in CODES {
                let mut output = [0; 4];
                let input = [0, 1, 0xF0, 0xFF, 7];
                assert_eq!(device.control(code, &input, &mut output), Ok((STATUS_SUCCESS, 4)));
                assert_eq!(output, [0xFF, 0xFE, 0x0F, 0], "{code:#x}");
                assert_eq!(
                    device.control(code, &input[..3], &mut output),
                    Err(STATUS_INVALID_PARAMETER)
                );
            }
            assert_eq!(device.control(0x4_2000, &[], &mut []), Err(STATUS_INVALID_DEVICE_REQUEST));
            device.close();
        }
        assert_eq!(driver.device(r"\Device\Other").err(), Some(STATUS_OBJECT_NAME_NOT_FOUND));
        driver.unload();
        assert_eq!(host.outstanding_allocations(), 0);
        drop(entered);
    }
}
