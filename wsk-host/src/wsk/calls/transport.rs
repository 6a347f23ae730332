//! Control codes of the transports, which WSK passes on. Their IRQL is not documented, so they are for
//! `PASSIVE_LEVEL`.

use wsk_sys::{
    FALSE, IPPROTO_TCP, NTSTATUS, PASSIVE_LEVEL, RSS_SCALABILITY_INFO, SO_KEEPALIVE, SOL_SOCKET,
    STATUS_INVALID_DEVICE_STATE, TCP_KEEPALIVE, TCP_KEEPINTVL, ULONG, tcp_keepalive,
};

use super::control_call::{ControlCall, FUNCTION};
use crate::kernel::ke::irql::require_at_most;
use crate::wsk::options::{Setting, Value};
use crate::wsk::socket::SocketPhase;

/// `SIO_QUERY_RSS_SCALABILITY_INFO`: a host has no adapters that would scale.
pub(super) fn receive_side_scaling(control: &ControlCall<'_>) -> NTSTATUS {
    require_at_most(PASSIVE_LEVEL, FUNCTION);
    control.complete(|_| control.write(RSS_SCALABILITY_INFO { RssEnabled: FALSE }))
}

/// `SIO_KEEPALIVE_VALS`: three options at once. The times are stored in seconds.
pub(super) fn keep_alive(control: &ControlCall<'_>) -> NTSTATUS {
    require_at_most(PASSIVE_LEVEL, FUNCTION);
    let id = control.object.id;
    control.complete(|stack| {
        let values: tcp_keepalive = control.input()?;
        let socket = stack.sockets.get_mut(&id).ok_or(STATUS_INVALID_DEVICE_STATE)?;
        if socket.state != SocketPhase::Connected {
            return Err(STATUS_INVALID_DEVICE_STATE);
        }
        let number =
            |level, name, number: ULONG| Setting { level, name, value: Value::Number(number) };
        let mut settings = vec![number(SOL_SOCKET, SO_KEEPALIVE, ULONG::from(values.onoff != 0))];
        if values.onoff != 0 {
            let (idle, interval) = (values.keepalivetime, values.keepaliveinterval);
            settings.push(number(IPPROTO_TCP, TCP_KEEPALIVE, idle.div_ceil(1000)));
            settings.push(number(IPPROTO_TCP, TCP_KEEPINTVL, interval.div_ceil(1000)));
        }
        for setting in &settings {
            stack.services.network.set(id, setting)?;
            socket.options.set(setting);
        }
        Ok(0)
    })
}
