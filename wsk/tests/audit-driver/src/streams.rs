//! The halves of a TCP stream, and reading and writing slices.

use core::fmt::{Debug, Display};
use core::net::SocketAddr;
use core::time::Duration;

use wsk::flags::SendFlags;
use wsk::net::{
    BufferedReader, BufferedStream, BufferedWriter, OwnedReadHalf, OwnedWriteHalf, ReadHalf,
    ReuniteError, WriteHalf,
};
use wsk::socket::ConnectionSocket;
use wsk::{Buffer, Provider, Slice, TcpStream};

type Wsk = &'static Provider;
type Stream = &'static TcpStream;
type Bytes = &'static [u8];
type Room = &'static mut [u8];

futures! {
    "TcpStream::connect_from": |(wsk, local, remote): (Wsk, SocketAddr, SocketAddr)| {
        TcpStream::connect_from(wsk, local, remote)
    };
    "TcpStream::connect_timeout": |(wsk, remote, timeout): (Wsk, SocketAddr, Duration)| {
        TcpStream::connect_timeout(wsk, remote, timeout)
    };
    "TcpStream::recv_full": |(stream, buffer): (Stream, Buffer)| stream.recv_full(buffer);
    "TcpStream::recv_exact": |(stream, buffer): (Stream, Buffer)| stream.recv_exact(buffer);
    "TcpStream::drain": |stream: Stream| stream.drain();
    "TcpStream::finish": |(stream, timeout): (TcpStream, Duration)| stream.finish(timeout);
    "TcpStream::send_with": |(stream, buffer, flags): (Stream, Buffer, SendFlags)| {
        stream.send_with(buffer, flags)
    };
    "TcpStream::shutdown_with": |(stream, buffer): (Stream, Buffer)| stream.shutdown_with(buffer);
    "TcpStream::abort": |stream: Stream| stream.abort();
}

calls! {
    "TcpStream::as_ref": |stream: Stream| AsRef::<TcpStream>::as_ref(stream);
    "TcpStream::set_read_timeout": |(stream, timeout): (Stream, Option<Duration>)| {
        stream.set_read_timeout(timeout)
    };
    "TcpStream::read_timeout": |stream: Stream| stream.read_timeout();
    "TcpStream::set_write_timeout": |(stream, timeout): (Stream, Option<Duration>)| {
        stream.set_write_timeout(timeout)
    };
    "TcpStream::write_timeout": |stream: Stream| stream.write_timeout();
    "TcpStream::split": |stream: Stream| stream.split();
    "TcpStream::into_split": |stream: TcpStream| stream.into_split();
    "TcpStream::buffered": |stream: TcpStream| stream.buffered();
    "TcpStream::from": |socket: ConnectionSocket| TcpStream::from(socket);
    "TcpStream::from_socket": |socket: ConnectionSocket| TcpStream::from_socket(socket);
    "TcpStream::into_socket": |stream: TcpStream| stream.into_socket();
    "TcpStream::as_socket": |stream: Stream| stream.as_socket();
    "ConnectionSocket::from": |stream: TcpStream| ConnectionSocket::from(stream);
}

type Reader = &'static OwnedReadHalf;
type Writer = &'static OwnedWriteHalf;

futures! {
    "OwnedReadHalf::recv": |(half, buffer): (Reader, Buffer)| half.recv(buffer);
    "OwnedReadHalf::recv_full": |(half, buffer): (Reader, Slice)| half.recv_full(buffer);
    "OwnedReadHalf::recv_exact": |(half, buffer): (Reader, Slice)| half.recv_exact(buffer);
    "OwnedReadHalf::drain": |half: Reader| half.drain();
    "OwnedWriteHalf::send": |(half, buffer): (Writer, Buffer)| half.send(buffer);
    "OwnedWriteHalf::send_with": |(half, buffer, flags): (Writer, Slice, SendFlags)| {
        half.send_with(buffer, flags)
    };
    "OwnedWriteHalf::send_all": |(half, buffer): (Writer, Slice)| half.send_all(buffer);
    "OwnedWriteHalf::shutdown": |half: Writer| half.shutdown();
    "OwnedWriteHalf::shutdown_with": |(half, buffer): (Writer, Slice)| half.shutdown_with(buffer);
    "OwnedWriteHalf::abort": |half: Writer| half.abort();
}

calls! {
    "OwnedReadHalf::set_read_timeout": |(half, timeout): (Reader, Option<Duration>)| {
        half.set_read_timeout(timeout)
    };
    "OwnedReadHalf::as_ref": |half: Reader| AsRef::<TcpStream>::as_ref(half);
    "OwnedReadHalf::reunite": |(half, other): (OwnedReadHalf, OwnedWriteHalf)| half.reunite(other);
    "OwnedReadHalf::is_pair_of": |(half, other): (Reader, Writer)| half.is_pair_of(other);
    "OwnedWriteHalf::set_write_timeout": |(half, timeout): (Writer, Option<Duration>)| {
        half.set_write_timeout(timeout)
    };
    "OwnedWriteHalf::as_ref": |half: Writer| AsRef::<TcpStream>::as_ref(half);
    "OwnedWriteHalf::reunite": |(half, other): (OwnedWriteHalf, OwnedReadHalf)| half.reunite(other);
    "OwnedWriteHalf::is_pair_of": |(half, other): (Writer, Reader)| half.is_pair_of(other);
    "ReadHalf::as_ref": |half: &'static ReadHalf<'static>| AsRef::<TcpStream>::as_ref(half);
    "WriteHalf::as_ref": |half: &'static WriteHalf<'static>| AsRef::<TcpStream>::as_ref(half);
}

type Buffered = &'static mut BufferedStream;

futures! {
    "BufferedStream::read": |(stream, to): (Buffered, Room)| stream.read(to);
    "BufferedStream::read_exact": |(stream, to): (Buffered, Room)| stream.read_exact(to);
    "BufferedStream::read_until": |(stream, end, to): (Buffered, u8, Room)| {
        stream.read_until(end, to)
    };
    "BufferedStream::read_line": |(stream, to): (Buffered, Room)| stream.read_line(to);
    "BufferedStream::finish": |(stream, timeout): (BufferedStream, Duration)| stream.finish(timeout);
    "BufferedStream::fill_buf": |stream: Buffered| stream.fill_buf();
    "BufferedStream::write": |(stream, from): (Buffered, Bytes)| stream.write(from);
    "BufferedStream::write_all": |(stream, from): (Buffered, Bytes)| stream.write_all(from);
    "BufferedStream::flush": |stream: Buffered| stream.flush();
    "BufferedStream::shutdown": |stream: Buffered| stream.shutdown();
    "BufferedStream::abort": |stream: Buffered| stream.abort();
    "BufferedStream::local_addr": |stream: Buffered| stream.local_addr();
    "BufferedStream::peer_addr": |stream: Buffered| stream.peer_addr();
    "BufferedStream::close": |stream: BufferedStream| stream.close();
}

calls! {
    "BufferedStream::new": |stream: TcpStream| BufferedStream::new(stream);
    "BufferedStream::from": |stream: TcpStream| BufferedStream::from(stream);
    "BufferedStream::with_capacity": |(stream, to_read, to_write): (TcpStream, usize, usize)| {
        BufferedStream::with_capacity(stream, to_read, to_write)
    };
    "BufferedStream::consume": |(stream, count): (Buffered, usize)| stream.consume(count);
    "BufferedStream::try_read": |(stream, to): (Buffered, Room)| stream.try_read(to);
    "BufferedStream::try_write": |(stream, from): (Buffered, Bytes)| stream.try_write(from);
    "BufferedStream::read_ready": |stream: Buffered| stream.read_ready();
    "BufferedStream::write_ready": |stream: Buffered| stream.write_ready();
    "BufferedStream::push": |stream: Buffered| stream.push();
    "BufferedStream::set_read_timeout": |(stream, timeout): (Buffered, Option<Duration>)| {
        stream.set_read_timeout(timeout)
    };
    "BufferedStream::set_write_timeout": |(stream, timeout): (Buffered, Option<Duration>)| {
        stream.set_write_timeout(timeout)
    };
    "BufferedStream::stream": |stream: Buffered| stream.stream();
    "BufferedStream::split": |stream: Buffered| stream.split();
    "BufferedStream::into_split": |stream: BufferedStream| stream.into_split();
    "BufferedStream::reunite": |(reader, writer): (BufferedReader, BufferedWriter)| {
        BufferedStream::reunite(reader, writer)
    };
    "BufferedStream::into_inner": |stream: BufferedStream| stream.into_inner();
}

type InReader = &'static mut BufferedReader;
type InWriter = &'static mut BufferedWriter;

futures! {
    "BufferedReader::read": |(reader, to): (InReader, Room)| reader.read(to);
    "BufferedReader::read_exact": |(reader, to): (InReader, Room)| reader.read_exact(to);
    "BufferedReader::read_until": |(reader, end, to): (InReader, u8, Room)| {
        reader.read_until(end, to)
    };
    "BufferedReader::read_line": |(reader, to): (InReader, Room)| reader.read_line(to);
    "BufferedReader::fill_buf": |reader: InReader| reader.fill_buf();
    "BufferedWriter::write": |(writer, from): (InWriter, Bytes)| writer.write(from);
    "BufferedWriter::write_all": |(writer, from): (InWriter, Bytes)| writer.write_all(from);
    "BufferedWriter::flush": |writer: InWriter| writer.flush();
    "BufferedWriter::shutdown": |writer: InWriter| writer.shutdown();
}

calls! {
    "BufferedReader::new": |(half, capacity): (OwnedReadHalf, usize)| {
        BufferedReader::new(half, capacity)
    };
    "BufferedReader::buffered": |reader: InReader| reader.buffered();
    "BufferedReader::consume": |(reader, count): (InReader, usize)| reader.consume(count);
    "BufferedReader::try_read": |(reader, to): (InReader, Room)| reader.try_read(to);
    "BufferedReader::read_ready": |reader: InReader| reader.read_ready();
    "BufferedReader::set_read_timeout": |(reader, timeout): (InReader, Option<Duration>)| {
        reader.set_read_timeout(timeout)
    };
    "BufferedReader::half": |reader: InReader| reader.half();
    "BufferedReader::into_inner": |reader: BufferedReader| reader.into_inner();
    "BufferedWriter::new": |(half, capacity): (OwnedWriteHalf, usize)| {
        BufferedWriter::new(half, capacity)
    };
    "BufferedWriter::try_write": |(writer, from): (InWriter, Bytes)| writer.try_write(from);
    "BufferedWriter::write_ready": |writer: InWriter| writer.write_ready();
    "BufferedWriter::push": |writer: InWriter| writer.push();
    "BufferedWriter::set_write_timeout": |(writer, timeout): (InWriter, Option<Duration>)| {
        writer.set_write_timeout(timeout)
    };
    "BufferedWriter::half": |writer: InWriter| writer.half();
    "BufferedWriter::into_inner": |writer: BufferedWriter| writer.into_inner();
}

drops! {
    "OwnedReadHalf::drop": OwnedReadHalf;
    "OwnedWriteHalf::drop": OwnedWriteHalf;
    "ReuniteError::drop": ReuniteError;
    "BufferedStream::drop": BufferedStream;
    "BufferedReader::drop": BufferedReader;
    "BufferedWriter::drop": BufferedWriter;
}

formats! {
    "OwnedReadHalf::fmt<Debug>": OwnedReadHalf as Debug;
    "ReuniteError::fmt<Debug>": ReuniteError as Debug;
    "ReuniteError::fmt<Display>": ReuniteError as Display;
    "BufferedStream::fmt<Debug>": BufferedStream as Debug;
    "BufferedReader::fmt<Debug>": BufferedReader as Debug;
    "BufferedWriter::fmt<Debug>": BufferedWriter as Debug;
}
