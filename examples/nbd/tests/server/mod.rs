//! A server of the NBD protocol, with the faults of real ones. It is written from the protocol's description, and shares no
//! code with the client.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use wsk::rt::Spawner;
use wsk::sync::CancellationToken;
use wsk::time::Instant;
use wsk::{Buffer, Provider, TcpListener, TcpStream, time};

use crate::model::Random;

/// How a server behaves.
#[derive(Clone, Copy)]
pub(crate) struct Behaviour {
    pub(crate) read_only: bool,
    /// The maximum length of a request.
    pub(crate) longest: u32,
    /// Whether it knows only the option `EXPORT_NAME`, and whether it then sends 124 zeroes.
    pub(crate) old: bool,
    pub(crate) zeroes: bool,
    /// The number of requests that it answers, on all connections, before it is silent.
    pub(crate) answers: u64,
    /// Whether connections fail, and how: of a seed.
    pub(crate) failing: Option<u64>,
    /// The time for which the first write waits, while later requests are answered.
    pub(crate) holds_write: Option<Duration>,
    /// The size of a block.
    pub(crate) block: u32,
}

impl Default for Behaviour {
    fn default() -> Self {
        let longest = 32 << 20;
        Self {
            read_only: false,
            longest,
            old: false,
            zeroes: false,
            answers: u64::MAX,
            failing: None,
            holds_write: None,
            block: 1,
        }
    }
}

impl Behaviour {
    pub(crate) fn failing(seed: u64) -> Self {
        Self { failing: Some(seed), ..Self::default() }
    }
}

/// A request without its data.
#[derive(Clone, Copy)]
pub(crate) struct Command {
    number: u16,
    flags: u16,
    cookie: u64,
    offset: usize,
    length: usize,
}

/// The commands in short: a letter each, and `+` for force unit access.
pub(crate) fn shown(commands: &[Command]) -> String {
    let mut text = String::new();
    for command in commands {
        let letter = ["R", "W", "D", "F", "T", "?", "Z"][usize::from(command.number)];
        let fua = if command.flags & 1 != 0 { "+" } else { "" };
        let space = if text.is_empty() { "" } else { " " };
        write!(text, "{space}{letter}{fua}").unwrap();
    }
    text
}

struct State {
    bytes: Vec<u8>,
    commands: Vec<Command>,
    connections: usize,
    answers: u64,
    random: Random,
}

pub(crate) struct Server {
    pub(crate) port: u16,
    state: Arc<Mutex<State>>,
    end: CancellationToken,
}

impl Server {
    pub(crate) async fn start(
        wsk: &Provider,
        spawner: &Spawner,
        size: usize,
        behaviour: Behaviour,
    ) -> wsk::Result<Self> {
        let listener = TcpListener::bind(wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr().await?.port();
        let state = State {
            bytes: vec![0; size],
            commands: Vec::new(),
            connections: 0,
            answers: behaviour.answers,
            random: Random::new(behaviour.failing.unwrap_or(0) ^ 0x5EED),
        };
        let state = Arc::new(Mutex::new(state));
        let end = CancellationToken::new()?;
        let (shared, token, tasks) = (state.clone(), end.clone(), spawner.clone());
        spawner.spawn(async move {
            let report = |error| panic!("memory is short: {error}");
            while let Some(accepted) =
                token.run_until_cancelled(listener.accept_retrying(report)).await
            {
                let (stream, _) = accepted.unwrap();
                shared.lock().unwrap().connections += 1;
                let (shared, token) = (shared.clone(), token.clone());
                tasks
                    .spawn(async move {
                        // A connection that the client ends, or that this server gives up.
                        let serving = serve(&stream, &shared, behaviour);
                        let _ = token.run_until_cancelled(serving).await;
                    })
                    .unwrap();
            }
        })?;
        Ok(Self { port, state, end })
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.state.lock().unwrap().bytes.clone()
    }

    pub(crate) fn commands(&self) -> Vec<Command> {
        self.state.lock().unwrap().commands.clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    /// Ends the server and its connections.
    pub(crate) fn leave(&self) {
        self.end.cancel();
    }

    pub(crate) fn stop(self) {
        self.leave();
    }
}

/// A server that sends these bytes and reads what the client says.
pub(crate) async fn greet(
    wsk: &Provider,
    spawner: &Spawner,
    bytes: &'static [u8],
) -> wsk::Result<u16> {
    let listener = TcpListener::bind(wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
    let port = listener.local_addr().await?.port();
    spawner.spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        stream.send_all(Buffer::try_from(bytes).unwrap()).await.0.unwrap();
        // Until the client gives up.
        let _ = stream.drain().await;
    })?;
    Ok(port)
}

async fn read(stream: &TcpStream, size: usize) -> wsk::Result<Vec<u8>> {
    let ((), bytes) = stream.recv_exact(Buffer::new(size)?).await.into_result()?;
    Ok(bytes.to_vec())
}

async fn write(stream: &TcpStream, bytes: &[u8]) -> wsk::Result<()> {
    stream.send_all(Buffer::try_from(bytes)?).await.into_result().map(drop)
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn size(bytes: &[u8]) -> usize {
    usize::try_from(number(bytes)).unwrap()
}

async fn serve(stream: &TcpStream, state: &Mutex<State>, behaviour: Behaviour) -> wsk::Result<()> {
    handshake(stream, state, behaviour).await?;
    // The requests of this connection before it fails, and how.
    let (mut left, how, most) = {
        let random = &mut state.lock().unwrap().random;
        match behaviour.failing {
            Some(_) => (random.below(60), random.below(5), 1 + random.below(12)),
            None => (usize::MAX, 0, 1),
        }
    };
    // With whether it has taken effect.
    let mut pending: Vec<(Command, Vec<u8>, bool)> = Vec::new();
    let mut holds = behaviour.holds_write;
    let mut held = None;
    loop {
        if held.as_ref().is_some_and(|(until, _)| *until <= Instant::now()) {
            pending.extend(held.take().map(|(_, held)| held));
        }
        // Other requests may come, while answers are owed: then they are answered in another order.
        let is_idle = pending.is_empty() && held.is_none();
        let wait = Duration::from_millis(if is_idle { 1 << 30 } else { 3 });
        let next = if pending.len() < most {
            time::timeout(wait, read(stream, 28)).await.ok()
        } else {
            None
        };
        if let Some(header) = next {
            let header = header?;
            assert_eq!(number(&header[..4]), 0x2560_9513);
            let command = Command {
                flags: u16::try_from(number(&header[4..6])).unwrap(),
                number: u16::try_from(number(&header[6..8])).unwrap(),
                cookie: number(&header[8..16]),
                offset: size(&header[16..24]),
                length: size(&header[24..28]),
            };
            if command.number == 2 {
                assert!(pending.is_empty(), "the client has not waited for its answers");
                return stream.shutdown().await;
            }
            let data =
                if command.number == 1 { read(stream, command.length).await? } else { Vec::new() };
            if command.number == 1 {
                if let Some(time) = holds.take() {
                    state.lock().unwrap().commands.push(command);
                    let until = Instant::now().checked_add(time);
                    held = until.map(|until| (until, (command, data, false)));
                    continue;
                }
            }
            let is_early = {
                let mut state = state.lock().unwrap();
                state.commands.push(command);
                state.random.below(2) == 0
            };
            if is_early {
                apply(&mut state.lock().unwrap().bytes, command, &data);
            }
            pending.push((command, data, is_early));
            continue;
        }
        if pending.is_empty() {
            continue;
        }
        let (command, data, is_done) = {
            let mut state = state.lock().unwrap();
            let place = state.random.below(pending.len());
            pending.swap_remove(place)
        };
        if left == 0 {
            return fail(stream, how, command.cookie).await;
        }
        left -= 1;
        let answer = {
            let mut state = state.lock().unwrap();
            if state.answers == 0 {
                None
            } else {
                state.answers -= 1;
                if !is_done {
                    apply(&mut state.bytes, command, &data);
                }
                let mut answer = [&0x6744_6698_u32.to_be_bytes()[..], &[0; 4]].concat();
                answer.extend(command.cookie.to_be_bytes());
                if command.number == 0 {
                    let range = command.offset..command.offset + command.length;
                    answer.extend_from_slice(&state.bytes[range]);
                }
                Some(answer)
            }
        };
        if let Some(answer) = answer {
            write(stream, &answer).await?;
        }
    }
}

/// Ends a connection in one of several ways, in the place of a reply.
async fn fail(stream: &TcpStream, how: usize, cookie: u64) -> wsk::Result<()> {
    let reply = |error: u8, cookie: u64| {
        [&[0x67, 0x44, 0x66, 0x98, 0, 0, 0, error], &cookie.to_be_bytes()[..]].concat()
    };
    match how {
        // The connection is reset.
        0 => return stream.abort().await,
        // The client hears nothing.
        1 => {}
        // The server is shutting down.
        2 => write(stream, &reply(108, cookie)).await?,
        // It answers another request, of which there is none.
        3 => write(stream, &reply(0, cookie ^ 0x100)).await?,
        _ => write(stream, b"garbage, and more than a header of it").await?,
    }
    stream.drain().await
}

/// What the command does to the disk.
fn apply(bytes: &mut [u8], command: Command, data: &[u8]) {
    let range = command.offset..command.offset + command.length;
    match command.number {
        1 => bytes[range].copy_from_slice(data),
        4 | 6 => bytes[range].fill(0),
        0 | 3 => {}
        other => panic!("command {other}"),
    }
}

async fn handshake(
    stream: &TcpStream,
    state: &Mutex<State>,
    behaviour: Behaviour,
) -> wsk::Result<()> {
    let bytes = u64::try_from(state.lock().unwrap().bytes.len()).unwrap().to_be_bytes();
    let flags: u16 = if behaviour.read_only { 0b0110_1111 } else { 0b0110_1101 };
    let no_zeroes = if behaviour.zeroes { 0 } else { 2 };
    write(stream, &[b"NBDMAGICIHAVEOPT\0", &[1 | no_zeroes][..]].concat()).await?;
    assert_eq!(read(stream, 4).await?, [0, 0, 0, 1 | no_zeroes]);
    loop {
        let option = read(stream, 16).await?;
        assert_eq!(&option[..8], b"IHAVEOPT");
        let data = read(stream, size(&option[12..])).await?;
        let reply = async |number: u32, data: &[u8]| {
            let length = u32::try_from(data.len()).unwrap().to_be_bytes();
            let head = [&0x0003_E889_0455_65A9_u64.to_be_bytes()[..], &option[8..12]].concat();
            write(stream, &[&head[..], &number.to_be_bytes(), &length, data].concat()).await
        };
        match number(&option[8..12]) {
            7 if behaviour.old => reply(0x8000_0001, b"what is that?").await?,
            7 => {
                assert_eq!((size(&data[..4]), &data[4..8]), (4, &b"disk"[..]));
                // Information that the client has not asked for is allowed, and so is any order.
                reply(3, &[&[0, 1], &b"disk"[..]].concat()).await?;
                let longest = behaviour.longest.to_be_bytes();
                let block = behaviour.block.to_be_bytes();
                reply(3, &[&[0, 3], &block[..], &[0, 0, 16, 0], &longest].concat()).await?;
                reply(3, &[&[0, 0], &bytes[..], &flags.to_be_bytes()].concat()).await?;
                return reply(1, &[]).await;
            }
            1 => {
                assert_eq!(data, b"disk");
                let zeroes = vec![0; if behaviour.zeroes { 124 } else { 0 }];
                return write(stream, &[&bytes[..], &flags.to_be_bytes(), &zeroes].concat()).await;
            }
            other => panic!("option {other}"),
        }
    }
}
