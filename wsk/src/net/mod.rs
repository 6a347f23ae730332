//! TCP and UDP with the names and habits of `std::net`.

mod tcp_listener;
mod tcp_stream;
mod udp_socket;

pub use tcp_listener::TcpListener;
pub use tcp_stream::TcpStream;
pub use udp_socket::{Connected, UdpSocket};
