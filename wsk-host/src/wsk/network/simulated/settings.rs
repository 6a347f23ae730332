//! Options on the network in memory: errors, and coalescing.

use wsk_sys::{
    IP_RECVERR, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_UDP, IPV6_RECVERR, UDP_RECV_MAX_COALESCED_SIZE,
};

use super::endpoint::Endpoint;
use crate::wsk::options::{Setting, Value};

impl Endpoint {
    pub(super) fn set(&mut self, setting: &Setting) {
        match (setting.level, setting.name, &setting.value) {
            (IPPROTO_UDP, UDP_RECV_MAX_COALESCED_SIZE, Value::Number(size)) => {
                self.coalesces = *size as usize;
            }
            (IPPROTO_IP, IP_RECVERR, Value::Number(value)) => self.report(true, *value != 0),
            (IPPROTO_IPV6, IPV6_RECVERR, Value::Number(value)) => self.report(false, *value != 0),
            // Settings that change nothing in memory.
            _ => {}
        }
    }

    fn report(&mut self, is_v4: bool, wants: bool) {
        if wants {
            self.errors.insert(is_v4);
        } else {
            self.errors.remove(&is_v4);
        }
    }
}
