//! IO. `metrics --listen`: an HTTP server whose answers are made where the model is.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use super::follow::Follow;
use crate::cli::args::Global;
use crate::cli::context::exit::{CommandResult, Exit};
use crate::cli::context::out;
use crate::cli::context::picture::{LookPicture, Measured};
use crate::cli::context::signals;
use crate::cli::show::status;
use crate::metrics;

const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
/// Connections at a time; more wait to be accepted.
const CONNECTIONS: usize = 64;
/// For a request's head.
const PATIENCE: Duration = Duration::from_secs(5);

/// An answer without its wrapping.
struct HttpAnswer {
    status: StatusCode,
    kind: &'static str,
    body: String,
}

type HttpRequest = (String, oneshot::Sender<HttpAnswer>);

pub(super) async fn run(at: SocketAddr, global: &Global) -> CommandResult {
    let listener = TcpListener::bind(at).await.map_err(|error| Follow::cannot_listen(at, &error))?;
    let at = listener.local_addr().unwrap_or(at);
    let mut follow = Follow::start(global).await?;
    let (to, mut questions) = mpsc::channel(CONNECTIONS);
    let _accepting = AbortOnDropHandle::new(tokio::spawn(accept(listener, to)));
    out::tell(&format!("rgc-tui: http://{at}/metrics, /healthz and /status"));
    let mut stop = std::pin::pin!(signals::stop());
    loop {
        tokio::select! {
            _ = &mut stop => return Ok(Exit::Done),
            () = follow.hear() => {}
            Some((path, reply)) = questions.recv() => {
                // Whoever asked may have gone.
                let _ = reply.send(answer(&mut follow, &path));
            }
        }
    }
}

fn answer(follow: &mut Follow, path: &str) -> HttpAnswer {
    let ok = |kind, body| HttpAnswer { status: StatusCode::OK, kind, body };
    match path {
        "/metrics" => {
            follow.conclude();
            let reading = follow.reading();
            ok(PROMETHEUS, metrics::prometheus(&metrics::read(&reading), &reading.model.name))
        }
        "/healthz" => match follow.polls() {
            Ok(()) => ok(TEXT, "ok\n".to_owned()),
            Err(why) => HttpAnswer { status: StatusCode::SERVICE_UNAVAILABLE, kind: TEXT, body: format!("{why}\n") },
        },
        "/status" => {
            follow.conclude();
            ok(JSON, format!("{}\n", status::json(&picture(follow))))
        }
        "/" => ok(TEXT, "/metrics /healthz /status\n".to_owned()),
        _ => {
            HttpAnswer { status: StatusCode::NOT_FOUND, kind: TEXT, body: "there are /metrics, /healthz and /status\n".to_owned() }
        }
    }
}

fn picture(follow: &Follow) -> LookPicture {
    let reading = follow.reading();
    let owning = follow.model.nodes().filter(|node| node.is_master() && node.slot_count > 0).map(|node| &node.address);
    let rooms_complete = reading.scans && follow.model.rooms().complete(owning);
    let measured = Measured { rates: reading.watches, rooms: reading.scans, rooms_complete };
    LookPicture {
        verdict: follow.monitor.verdict,
        monitor: follow.monitor.clone(),
        topology: follow.topology,
        measured,
        invocation: follow.invocation.clone(),
        now: follow.now(),
        model: follow.model.clone(),
    }
}

async fn accept(listener: TcpListener, to: mpsc::Sender<HttpRequest>) {
    let seats = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(seat) = seats.clone().acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors: they come back.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let to = to.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| respond(request, to.clone()));
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
            if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
                log::debug!("a connection for metrics ended: {error}");
            }
            drop(seat);
        });
    }
}

async fn respond(request: Request<Incoming>, to: mpsc::Sender<HttpRequest>) -> Result<Response<Full<Bytes>>, Infallible> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = Response::new(Full::from("only GET and HEAD\n"));
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Ok(response);
    }
    let (reply, answer) = oneshot::channel();
    let _ = to.send((request.uri().path().to_owned(), reply)).await;
    let ending = || HttpAnswer { status: StatusCode::SERVICE_UNAVAILABLE, kind: TEXT, body: "the program is ending\n".to_owned() };
    let answer = answer.await.unwrap_or_else(|_ended| ending());
    let mut response = Response::new(Full::from(answer.body));
    *response.status_mut() = answer.status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(answer.kind));
    Ok(response)
}
