//! TCP and UDP with the names and habits of `std::net`, and hosts by their names.

mod lookup_host;
mod tcp_listener;
mod tcp_stream;
mod udp_socket;

pub use lookup_host::{LookupHost, ToHost, connect_host, listen_host, lookup_host};
pub use tcp_listener::TcpListener;
pub use tcp_stream::TcpStream;
pub use udp_socket::{Connected, UdpSocket};
