//! Older releases of Windows, which have less.

use std::mem::MaybeUninit;
use std::ptr;

use test_support::hosts::on;
use test_support::process::{run_failing, test_of};
use test_support::raw::streams::*;
use test_support::raw::*;
use wsk_host::{Config, Timing, Windows};
use wsk_sys::*;

const ALL: [Windows; 8] = [
    Windows::VISTA,
    Windows::SEVEN,
    Windows::EIGHT,
    Windows::TEN,
    Windows::TEN_1703,
    Windows::TEN_1803,
    Windows::TEN_2004,
    Windows::ELEVEN,
];

fn configs() -> Vec<Config> {
    ALL.map(|windows| Config::default().windows(windows)).to_vec()
}

#[test]
fn rtl_get_version_returns_the_configured_windows() {
    for windows in ALL {
        on(vec![Config::default().windows(windows)], |_| {
            // SAFETY: zeroes are a version with its size to be set.
            let mut version: RTL_OSVERSIONINFOW = unsafe { MaybeUninit::zeroed().assume_init() };
            version.dwOSVersionInfoSize = size_of_val(&version).try_into().unwrap();
            // SAFETY: there is room for the version.
            assert_eq!(unsafe { RtlGetVersion(&raw mut version) }, STATUS_SUCCESS);
            let said = (version.dwMajorVersion, version.dwMinorVersion, version.dwBuildNumber);
            assert_eq!(said, (windows.major, windows.minor, windows.build));
        });
    }
}

#[test]
fn connections_behave_alike_on_every_windows() {
    on(configs(), |client| {
        let [listener, socket, accepted] = client.connections();
        send_all(socket, b"hello");
        disconnect(socket).succeed();
        assert_eq!(receive_to_end(accepted), b"hello");
        [listener, socket, accepted].into_iter().for_each(close);
    });
}

#[test]
fn stream_sockets_came_with_1703() {
    on(configs(), |client| {
        let tcp = (AF_INET, SOCK_STREAM, IPPROTO_TCP);
        let request = client.create(WSK_FLAG_STREAM_SOCKET, tcp, ptr::null_mut(), ptr::null());
        if client.host.config().windows >= Windows::TEN_1703 {
            close(socket_of(request.succeed()));
        } else {
            request.fail(STATUS_NOT_SUPPORTED);
        }
    });
}

#[test]
fn silent_mode_came_with_8_and_the_extended_callback_with_1803() {
    on(configs(), |client| {
        let windows = client.host.config().windows;
        let [listener, socket, accepted] = client.connections();
        let silence = (WskIoctl, SIO_WSK_SET_TCP_SILENT_MODE, 0);
        // It is for connections to other machines.
        let expected = if windows >= Windows::EIGHT {
            STATUS_INVALID_DEVICE_STATE
        } else {
            STATUS_NOT_SUPPORTED
        };
        control(socket, silence, None, None).fail(expected);
        let has_callback = windows >= Windows::TEN_1803;
        let expected = if has_callback { STATUS_SUCCESS } else { STATUS_NOT_SUPPORTED };
        assert_eq!(set_receive_ex(socket, None), expected);
        [listener, socket, accepted].into_iter().for_each(close);
    });
}

/// Runs a scenario on each of these Windows versions, in a separate process. The verifier must stop it because
/// the version lacks `function`.
fn is_missing<F: FnOnce(&Client)>(function: &str, windows: &[Windows], scenario: F) {
    if cfg!(miri) {
        return;
    }
    let mut scenario = Some(scenario);
    for windows in windows {
        let build = windows.build.to_string();
        let report = run_failing(&test_of::<F>(), &build, |build| {
            let chosen = ALL.into_iter().find(|windows| windows.build.to_string() == build);
            let config = Config::default().timing(Timing::Inline).windows(chosen.unwrap());
            scenario.take().unwrap()(&Client::new(config));
        });
        let Some(report) = report else {
            return;
        };
        for text in ["INV-8 violated", function, &build] {
            assert!(report.contains(text), "the report lacks `{text}`:\n{report}");
        }
    }
}

#[test]
fn connect_ex_came_with_1703() {
    let without = &ALL[..4];
    is_missing("WskConnectEx", without, |client| {
        let socket = client.socket(WSK_FLAG_CONNECTION_SOCKET);
        bind(socket, ([127, 0, 0, 1], 0)).succeed();
        connect_ex(socket, ([127, 0, 0, 1], 9).into(), None, 0).wait();
    });
}

#[test]
fn send_ex_came_with_1803() {
    is_missing("WskSendEx", &ALL[..5], |client| {
        let [_, socket, _] = client.connections();
        send_ex(socket, &PoolBuffer::with(b"hello"), 0).wait();
    });
}

#[test]
fn receive_ex_came_with_1803() {
    is_missing("WskReceiveEx", &ALL[4..5], |client| {
        let socket = client.socket(WSK_FLAG_STREAM_SOCKET);
        let (buffer, none) = (PoolBuffer::new(1), ptr::null_mut());
        // SAFETY: the table is as long as its type on every host.
        call(|irp| unsafe {
            let function = stream(socket).WskReceiveEx.unwrap();
            function(socket, buffer.buffer, 0, ptr::null_mut(), none, ptr::null_mut(), irp)
        })
        .wait();
    });
}

#[test]
fn names_came_with_windows_7() {
    is_missing("WskFreeAddressInfo", &ALL[..1], |client| {
        // SAFETY: the table is as long as its type on every host.
        unsafe {
            (*client.provider.Dispatch).WskFreeAddressInfo.unwrap()(
                client.provider.Client,
                ptr::null_mut(),
            );
        }
    });
}
