//! Connections: how many there are, how long they may be idle or stuck, and their end.

mod table;
mod watched;

use super::App;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use table::{Connection, Table};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use watched::Watched;

/// Time between two looks at connections that are stuck.
const ROUND: Duration = Duration::from_secs(1);

/// Time in which clients hear that the server is ending before it takes no more connections.
const FAREWELL: Duration = Duration::from_millis(500);

/// Time that a new connection waits for a place, where all others have requests in progress.
const PATIENCE: Duration = Duration::from_secs(10);

/// Time without a request after which an ending server has nothing more to do.
const QUIET: Duration = Duration::from_millis(300);

/// Serves connections until `stop` says so, and then those requests that are in progress.
pub async fn serve(app: Arc<App>, router: Router, listener: TcpListener, mut stop: watch::Receiver<bool>) {
    let limits = &app.settings.limits;
    let table = Arc::new(Table::new(limits.connections));
    let sweeping = tokio::spawn(sweep(table.clone(), limits.body_timeout));
    let accepting = tokio::spawn(accept(app.clone(), router, listener, table.clone(), stop.clone()));
    _ = stop.wait_for(|stops| *stops).await;
    app.phase.end();
    // Whoever waits in the line of new connections is let in first.
    _ = accepting.await;
    let began = Instant::now();
    let mut quiet_since = Instant::now();
    while began.elapsed() < limits.shutdown_grace && quiet_since.elapsed() < QUIET {
        sleep(Duration::from_millis(10)).await;
        if table.requests() > 0 {
            quiet_since = Instant::now();
        }
    }
    app.engine.close();
    // Those that were not done hear of it.
    let told = async {
        while table.requests() > 0 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    _ = timeout(Duration::from_secs(1), told).await;
    sweeping.abort();
}

/// Ends what is stuck, now and then.
async fn sweep(table: Arc<Table>, patience: Duration) {
    loop {
        sleep(ROUND).await;
        table.end_stuck(patience);
    }
}

/// Takes connections until the end.
async fn accept(
    app: Arc<App>,
    router: Router,
    listener: TcpListener,
    table: Arc<Table>,
    mut stop: watch::Receiver<bool>,
) {
    let mut number = 0;
    let mut until: Option<Instant> = None;
    loop {
        let taken = match until {
            None => first(listener.accept(), stop.wait_for(|stops| *stops)).await,
            Some(until) => timeout(until.saturating_duration_since(Instant::now()), listener.accept()).await.ok(),
        };
        let stream = match taken {
            Some(Ok((stream, _))) => stream,
            Some(Err(error)) => {
                // The system has no more of something: of files, most likely.
                if !is_of_client(&error) && !table.end_idlest() {
                    sleep(Duration::from_millis(50)).await;
                }
                continue;
            }
            None if until.is_none() => {
                until = Some(Instant::now() + FAREWELL);
                continue;
            }
            None => return,
        };
        // Where all places are taken, whoever has been idle for longest makes room.
        if table.places.available_permits() == 0 {
            table.end_idlest();
        }
        let patience = until.map_or(PATIENCE, |until| until.saturating_duration_since(Instant::now()));
        match timeout(patience, table.places.acquire()).await {
            Ok(Ok(place)) => place.forget(),
            // All places have requests in progress.
            _ => continue,
        }
        number += 1;
        _ = stream.set_nodelay(true);
        tokio::spawn(connection(app.clone(), router.clone(), stream, table.clone(), number));
    }
}

/// Returns whether a client broke its connection before it was taken.
fn is_of_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionRefused | ConnectionAborted | ConnectionReset)
}

/// Returns what the first future gives, or nothing if the second is done before.
async fn first<T>(one: impl Future<Output = T>, other: impl Future) -> Option<T> {
    let (mut one, mut other) = (pin!(one), pin!(other));
    std::future::poll_fn(|cx| match one.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => other.as_mut().poll(cx).map(|_| None),
    })
    .await
}

/// Serves one connection to its end.
async fn connection(app: Arc<App>, router: Router, stream: TcpStream, table: Arc<Table>, number: u64) {
    let own = Arc::new(Connection {
        last: AtomicU64::new(table.now()),
        is_stuck: AtomicBool::new(false),
        requests: AtomicUsize::new(0),
        end: Notify::new(),
    });
    table.all().insert(number, own.clone());
    let _leaving = Leaving { table: table.clone(), number };
    let io = TokioIo::new(Watched::new(stream, own.clone(), table.began));
    let counted = own.clone();
    let service = axum::middleware::from_fn(move |request, next: axum::middleware::Next| {
        let busy = Busy::new(&counted);
        async move {
            let response = next.run(request).await;
            // The request is in progress until its answer's last byte is passed on.
            response.map(|body| axum::body::Body::new(Held { body, _busy: busy }))
        }
    });
    let service = TowerToHyperService::new(router.layer(service));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(app.settings.limits.header_timeout).max_headers(100);
    // An error is the client's: it broke the connection, or what it sent is not HTTP.
    _ = first(builder.serve_connection(io, service), own.end.notified()).await;
}

/// Removes a connection from the table at its end, however it ends.
struct Leaving {
    table: Arc<Table>,
    number: u64,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.table.all().remove(&self.number);
        self.table.places.add_permits(1);
    }
}

/// A request in progress.
struct Busy(Arc<Connection>);

impl Busy {
    fn new(connection: &Arc<Connection>) -> Busy {
        connection.requests.fetch_add(1, Ordering::AcqRel);
        Busy(connection.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A body with the request that is in progress as long as it is.
struct Held {
    body: axum::body::Body,
    _busy: Busy,
}

impl axum::body::HttpBody for Held {
    type Data = axum::body::Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        self.body.size_hint()
    }
}
