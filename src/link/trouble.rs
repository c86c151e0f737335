//! PURE. From the system's errors to the one vocabulary of trouble.

use std::io::{Error, ErrorKind};

use crate::cluster::{Health, Trouble};

/// What a failed socket operation says about the node.
pub(super) fn of_io(error: &Error) -> Trouble {
    // With TLS 1.3 a server refuses the client's certificate after the handshake, in place of a first reply.
    if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) {
        return of_tls(error);
    }
    let health = match error.kind() {
        ErrorKind::ConnectionRefused => Health::Refused,
        ErrorKind::TimedOut => Health::Silent,
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::UnexpectedEof
        | ErrorKind::NotConnected => Health::Closed,
        _ => Health::Unreachable,
    };
    Trouble::new(health, error.to_string())
}

/// A failed TLS handshake: rustls' sentence, or the socket's.
pub(super) fn of_tls(error: &Error) -> Trouble {
    let hint = match error.kind() {
        ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe => " (does this port speak TLS?)",
        _ => "",
    };
    Trouble::new(Health::Tls, format!("{error}{hint}"))
}
