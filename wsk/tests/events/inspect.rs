//! Connections that are inspected before they are established.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use wsk::events::{ConditionalListenEvents, Decision, Incoming, InspectId, Inspection};
use wsk::socket::{Family, ListenSocket};
use wsk::sys::{
    STATUS_CONNECTION_REFUSED, STATUS_CONNECTION_RESET, WSK_INSPECT_ACTION, WskInspectAccept,
    WskInspectReject,
};
use wsk::{Buffer, Provider, Result};
use wsk_host::Host;

use crate::host::join;
use crate::listen::{Peer, Record as Accepting};
use crate::support::{LOCAL, connect, everywhere};

struct Record {
    decision: Decision,
    pended: Mutex<Vec<InspectId>>,
    aborted: Mutex<Vec<InspectId>>,
    accepting: Accepting,
}

pub(crate) struct Inspector(Arc<Record>);

#[wsk::events]
impl ConditionalListenEvents for Inspector {
    type Connection = Peer;

    fn inspect(&self, inspection: Inspection<'_>) -> Decision {
        assert!(inspection.peer_addr().unwrap().ip().is_loopback());
        assert!(inspection.local_addr().unwrap().ip().is_loopback());
        let record = &self.0;
        if record.decision == Decision::Pend {
            record.pended.lock().unwrap().push(inspection.id());
        }
        record.accepting.signal.set();
        record.decision
    }

    fn aborted(&self, id: InspectId) {
        self.0.aborted.lock().unwrap().push(id);
        self.0.accepting.signal.set();
    }

    fn accept(&self, incoming: Incoming<'_, Peer>) {
        self.0.accepting.offer(incoming);
    }
}

fn complete(listener: &ListenSocket<Inspector>, id: InspectId, action: WSK_INSPECT_ACTION) {
    let mut id = id.to_raw();
    let (id, socket) = (&raw mut id, listener.as_raw());
    // SAFETY: the socket inspects.
    crate::raw::call(|irp| unsafe {
        crate::raw::listen(socket).WskInspectComplete.unwrap()(socket, id, action, irp)
    })
    .succeed();
}

/// A conditional listener, and what it decides.
fn inspecting(
    decision: Decision,
    scenario: impl AsyncFn(&Host, Provider, ListenSocket<Inspector>, SocketAddr) -> Result<()>,
) {
    everywhere(async |host, wsk| {
        let record = Record {
            decision,
            pended: Mutex::default(),
            aborted: Mutex::default(),
            accepting: Accepting::default(),
        };
        let builder = ListenSocket::builder(&wsk, Family::INET).events(Inspector(Arc::new(record)));
        let listener = builder.bind(LOCAL).await?;
        let address = listener.local_addr().await?;
        scenario(host, wsk, listener, address).await
    });
}

#[test]
fn an_inspected_connection_is_accepted() {
    inspecting(Decision::Accept, async |_, wsk, listener, address| {
        let _socket = connect(&wsk, address, ()).await?;
        let accepting = &listener.handler().0.accepting;
        accepting.signal.wait_until(|| accepting.count() == 1).await;
        Ok(())
    });
}

#[test]
fn an_inspected_connection_is_rejected() {
    inspecting(Decision::Reject, async |_, wsk, listener, address| {
        match connect(&wsk, address, ()).await {
            // The machine had let it in before anybody was asked.
            Ok(socket) => {
                let result = socket.receive(Buffer::new(1)?).await.into_result();
                assert_eq!(result.unwrap_err().status(), STATUS_CONNECTION_RESET);
            }
            Err(error) => assert_eq!(error.status(), STATUS_CONNECTION_REFUSED),
        }
        assert_eq!(listener.handler().0.accepting.count(), 0);
        Ok(())
    });
}

#[test]
fn a_pended_connection_is_completed() {
    for action in [WskInspectAccept, WskInspectReject] {
        inspecting(Decision::Pend, async |host, wsk, listener, address| {
            let record = &listener.handler().0;
            let completes = async {
                let signal = &record.accepting.signal;
                signal.wait_until(|| !record.pended.lock().unwrap().is_empty()).await;
                let id = record.pended.lock().unwrap()[0];
                complete(&listener, id, action);
            };
            let (socket, ()) = join(connect(&wsk, address, ()), completes).await;
            let accepting = &record.accepting;
            if action == WskInspectAccept {
                let _socket = socket?;
                accepting.signal.wait_until(|| accepting.count() == 1).await;
            } else {
                host.settle();
                assert_eq!(accepting.count(), 0);
            }
            Ok(())
        });
    }
}

/// Who asked has gone before there was a decision: that is told, and the decision harms nobody.
#[test]
fn a_pended_connection_is_aborted() {
    inspecting(Decision::Pend, async |_, wsk, listener, address| {
        let record = &listener.handler().0;
        let signal = &record.accepting.signal;
        let mut connecting = Box::pin(connect(&wsk, address, ()));
        let pended = signal.wait_until(|| !record.pended.lock().unwrap().is_empty());
        crate::support::until(pended, async {
            drop(connecting.as_mut().await);
        })
        .await;
        drop(connecting);
        signal.wait_until(|| !record.aborted.lock().unwrap().is_empty()).await;
        let id = record.pended.lock().unwrap()[0];
        assert_eq!(*record.aborted.lock().unwrap(), [id]);
        complete(&listener, id, WskInspectAccept);
        assert_eq!(record.accepting.count(), 0);
        Ok(())
    });
}
