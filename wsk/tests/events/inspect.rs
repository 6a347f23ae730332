//! Connections that are inspected before they are established.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use test_support::connection::LOCAL;
use test_support::events::{connect, on_both_networks, with_both_enablings};
use test_support::futures::{join, poll_times, until};
use test_support::scenario::{on_host, passive, timings};
use wsk::events::{
    ConditionalListenEvents, EventMask, Incoming, InspectId, Inspection, PendingInspection,
};
use wsk::socket::{Family, ListenSocket};
use wsk::sys::{STATUS_CONNECTION_REFUSED, STATUS_CONNECTION_RESET};
use wsk::{Buffer, ErrorKind, Provider, Result, rt};
use wsk_host::{Config, Host, Timing};

use crate::listen::{Peer, Record as Accepting};

/// The fate of requested connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InspectionFate {
    Accept,
    Reject,
    /// Nothing is said about it.
    Forget,
    Pend,
    /// It is pended, and decided before the callback returns.
    PendAndAccept,
    PendAndReject,
    PendAndForget,
}

pub(crate) struct Record {
    way: InspectionFate,
    pended: Mutex<Vec<PendingInspection>>,
    aborted: Mutex<Vec<InspectId>>,
    accepting: Accepting,
}

impl Record {
    /// Waits until a connection is pended, and takes it.
    async fn next(&self) -> PendingInspection {
        let pended = || !self.pended.lock().unwrap().is_empty();
        self.accepting.signal.wait_until(pended).await;
        self.pended.lock().unwrap().remove(0)
    }
}

pub(crate) struct Inspector(Arc<Record>);

#[wsk::events]
impl ConditionalListenEvents for Inspector {
    type Connection = Peer;

    fn inspect(&self, inspection: Inspection<'_>) {
        assert!(inspection.peer_addr().unwrap().ip().is_loopback());
        assert!(inspection.local_addr().unwrap().ip().is_loopback());
        let record = &self.0;
        let id = inspection.id();
        let pend = |inspection: Inspection<'_>| {
            let pending = inspection.pend().unwrap();
            assert_eq!(pending.id(), id);
            pending
        };
        match record.way {
            InspectionFate::Accept => inspection.accept(),
            InspectionFate::Reject => inspection.reject(),
            // It is ignored.
            InspectionFate::Forget => {}
            InspectionFate::Pend => {
                let pending = pend(inspection);
                record.pended.lock().unwrap().push(pending);
            }
            InspectionFate::PendAndAccept => drop(pend(inspection).accept()),
            InspectionFate::PendAndReject => drop(pend(inspection).reject()),
            InspectionFate::PendAndForget => drop(pend(inspection)),
        }
        record.accepting.signal.set();
    }

    fn aborted(&self, id: InspectId) {
        self.0.aborted.lock().unwrap().push(id);
        self.0.accepting.signal.set();
    }

    fn accept(&self, incoming: Incoming<'_, Peer>) {
        self.0.accepting.offer(incoming);
    }
}

async fn listen(
    wsk: &Provider,
    way: InspectionFate,
) -> Result<(ListenSocket<Inspector>, SocketAddr, Arc<Record>)> {
    let record = Arc::new(Record {
        way,
        pended: Mutex::default(),
        aborted: Mutex::default(),
        accepting: Accepting::default(),
    });
    let builder = ListenSocket::builder(wsk, Family::INET).events(Inspector(Arc::clone(&record)));
    let listener = builder.bind(LOCAL).await?;
    let address = listener.local_addr().await?;
    Ok((listener, address, record))
}

/// A connection that asks, whether it is let in or not. On the machine's network it may be let in before anybody
/// is asked.
async fn ask(wsk: &Provider, address: SocketAddr) {
    if let Ok(socket) = connect(wsk, address, ()).await {
        let _ = socket.receive(Buffer::new(1).unwrap()).await;
    }
}

/// Connects, and is refused.
async fn require_refusal(wsk: &Provider, address: SocketAddr) -> Result<()> {
    match connect(wsk, address, ()).await {
        // The machine accepted it before the callback ran.
        Ok(socket) => {
            let result = socket.receive(Buffer::new(1)?).await.into_result();
            assert_eq!(result.unwrap_err().status(), STATUS_CONNECTION_RESET);
        }
        Err(error) => assert_eq!(error.status(), STATUS_CONNECTION_REFUSED),
    }
    Ok(())
}

#[test]
fn an_inspected_connection_is_accepted() {
    for way in [InspectionFate::Accept, InspectionFate::PendAndAccept] {
        with_both_enablings(EventMask::ACCEPT, async |_, wsk, _| {
            let (_listener, address, record) = listen(&wsk, way).await?;
            let _socket = connect(&wsk, address, ()).await?;
            let accepting = &record.accepting;
            accepting.signal.wait_until(|| accepting.count() == 1).await;
            Ok(())
        });
    }
}

#[test]
fn an_inspected_connection_is_rejected() {
    for way in [
        InspectionFate::Reject,
        InspectionFate::Forget,
        InspectionFate::PendAndReject,
        InspectionFate::PendAndForget,
    ] {
        with_both_enablings(EventMask::ACCEPT, async |_, wsk, _| {
            let (_listener, address, record) = listen(&wsk, way).await?;
            require_refusal(&wsk, address).await?;
            assert_eq!(record.accepting.count(), 0);
            Ok(())
        });
    }
}

#[test]
fn a_pended_connection_is_accepted_later() {
    for waits in [false, true] {
        with_both_enablings(EventMask::ACCEPT, async |_, wsk, _| {
            let (_listener, address, record) = listen(&wsk, InspectionFate::Pend).await?;
            let decides = async {
                let accepted = record.next().await.accept();
                // A decision takes effect without being awaited.
                if waits {
                    accepted.await
                } else {
                    let _: () = drop(accepted);
                    Ok(())
                }
            };
            let (socket, decided) = join(connect(&wsk, address, ()), decides).await;
            decided?;
            let _socket = socket?;
            let accepting = &record.accepting;
            accepting.signal.wait_until(|| accepting.count() == 1).await;
            Ok(())
        });
    }
}

#[test]
fn a_pended_connection_is_rejected_later() {
    for waits in [false, true] {
        with_both_enablings(EventMask::ACCEPT, async |_, wsk, _| {
            let (_listener, address, record) = listen(&wsk, InspectionFate::Pend).await?;
            let decides = async {
                let pending = record.next().await;
                if waits {
                    pending.reject().await
                } else {
                    let _: () = drop(pending);
                    Ok(())
                }
            };
            let (refused, decided) = join(require_refusal(&wsk, address), decides).await;
            decided?;
            assert_eq!(record.accepting.count(), 0);
            refused
        });
    }
}

/// A connection that a request accepts need not have an event.
#[test]
fn a_pended_connection_is_taken_by_a_request() {
    on_both_networks(async |_, wsk| {
        let (listener, address, record) = listen(&wsk, InspectionFate::Pend).await?;
        listener.disable_events(EventMask::ACCEPT).await?;
        let decides = async { record.next().await.accept().await };
        let (accepted, (socket, decided)) =
            join(listener.accept(), join(connect(&wsk, address, ()), decides)).await;
        decided?;
        assert_eq!(accepted?.1, Some(socket?.local_addr().await?));
        Ok(())
    });
}

/// The peer aborts before the decision: the abort callback runs, and the decision has no effect (INV-61).
#[test]
fn a_pended_connection_is_aborted() {
    for accepts in [None, Some(false), Some(true)] {
        with_both_enablings(EventMask::ACCEPT, async |_, wsk, _| {
            let (_listener, address, record) = listen(&wsk, InspectionFate::Pend).await?;
            let mut asking = Box::pin(ask(&wsk, address));
            let pending = until(record.next(), &mut asking).await;
            drop(asking);
            let aborted = || !record.aborted.lock().unwrap().is_empty();
            record.accepting.signal.wait_until(aborted).await;
            assert_eq!(*record.aborted.lock().unwrap(), [pending.id()]);
            match accepts {
                None => drop(pending),
                Some(false) => pending.reject().await?,
                Some(true) => pending.accept().await?,
            }
            assert_eq!(record.accepting.count(), 0);
            Ok(())
        });
    }
}

/// The peer aborts a pended connection while another thread decides about it.
#[test]
fn a_decision_races_with_an_abort() {
    on_both_networks(async |_, wsk| {
        let (_listener, address, record) = listen(&wsk, InspectionFate::Pend).await?;
        for accepts in [false, true, false, true] {
            let mut asking = Box::pin(ask(&wsk, address));
            let pending = until(record.next(), &mut asking).await;
            drop(asking);
            if accepts { pending.accept().await? } else { pending.reject().await? }
        }
        Ok(())
    });
}

/// A listener's own handler may keep what is undecided: the listener closes nevertheless, and nothing is left.
#[test]
fn pended_connections_in_a_handler_do_not_keep_the_listener_open() {
    for waits in [false, true] {
        on_both_networks(async |_, wsk| {
            let (listener, address, record) = listen(&wsk, InspectionFate::Pend).await?;
            let Record { accepting, pended, .. } = &*record;
            let mut asking = Box::pin(ask(&wsk, address));
            let pends = accepting.signal.wait_until(|| !pended.lock().unwrap().is_empty());
            until(pends, &mut asking).await;
            // From here on, only the handler has the pended connection.
            drop(record);
            if waits {
                listener.close().await;
            }
            Ok(())
        });
    }
}

/// A decision that comes after the listener has closed finds nothing to decide.
#[test]
fn a_pended_connection_outlives_the_listener() {
    on_both_networks(async |_, wsk| {
        for accepts in [None, Some(false), Some(true)] {
            let (listener, address, record) = listen(&wsk, InspectionFate::Pend).await?;
            let mut asking = Box::pin(ask(&wsk, address));
            let pending = until(record.next(), &mut asking).await;
            listener.close().await;
            let result = match accepts {
                None => {
                    drop(pending);
                    continue;
                }
                Some(false) => pending.reject().await,
                Some(true) => pending.accept().await,
            };
            assert_eq!(result.unwrap_err().kind(), ErrorKind::NotConnected);
        }
        Ok(())
    });
}

/// Nor do those that come after it: what one of them does not find, the next one does not.
#[test]
fn several_pended_connections_outlive_the_listener() {
    on_both_networks(async |_, wsk| {
        let (listener, address, record) = listen(&wsk, InspectionFate::Pend).await?;
        let mut first_asking = Box::pin(ask(&wsk, address));
        let first = until(record.next(), &mut first_asking).await;
        let mut second_asking = Box::pin(ask(&wsk, address));
        let second = until(record.next(), &mut second_asking).await;
        listener.close().await;
        for result in [first.accept().await, second.accept().await] {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::NotConnected);
        }
        Ok(())
    });
}

/// It even outlives the registration, to which it is only memory.
#[test]
fn a_pended_connection_outlives_the_registration() {
    for timing in timings() {
        let host = Host::new(Config::default().timing(timing));
        let pending = on_host(&host, async |wsk| {
            let (_listener, address, record) = listen(&wsk, InspectionFate::Pend).await?;
            let mut asking = Box::pin(ask(&wsk, address));
            Ok(until(record.next(), &mut asking).await)
        })
        .unwrap();
        assert_eq!(host.outstanding_allocations(), 2, "the request and the socket's memory");
        let _entered = host.enter();
        let result = rt::block_on(passive(), pending.accept()).unwrap();
        assert_eq!(result.unwrap_err().kind(), ErrorKind::NotConnected);
        assert_eq!(host.outstanding_allocations(), 0);
    }
}

/// Forgetting it is safe: its request and the socket's memory are leaked, and nothing waits for them.
#[test]
fn a_pended_connection_can_be_forgotten() {
    let host = Host::new(Config::default().timing(Timing::Deferred));
    on_host(&host, async |wsk| {
        let (_listener, address, record) = listen(&wsk, InspectionFate::Pend).await?;
        let mut asking = Box::pin(ask(&wsk, address));
        std::mem::forget(until(record.next(), &mut asking).await);
        Ok(())
    })
    .unwrap();
    assert_eq!(host.outstanding_allocations(), 2);
}

/// The future of a decision is dropped at each number of polls, or forgotten: the decision stands.
#[test]
fn a_decisions_future_can_be_dropped_at_any_point() {
    on_both_networks(async |_, wsk| {
        let (listener, address, record) = listen(&wsk, InspectionFate::Pend).await?;
        listener.disable_events(EventMask::ACCEPT).await?;
        for polls in 0..3 {
            let decides = async {
                let accepted = record.next().await.accept();
                poll_times(accepted, polls).await;
                Ok(())
            };
            let (accepted, (socket, decided)) =
                join(listener.accept(), join(connect(&wsk, address, ()), decides)).await;
            accepted?;
            socket?;
            decided?;
        }
        Ok::<(), wsk::Error>(())
    });
}
