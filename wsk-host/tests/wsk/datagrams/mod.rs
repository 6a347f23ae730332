//! Datagram sockets.

mod control_data;
mod events;
mod faults;
mod groups;
mod machine;
mod traffic;
