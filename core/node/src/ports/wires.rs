//! The wires port: reliable byte streams between addresses, where these are not the machine's own TCP.

use std::{io, net::SocketAddr};

use futures::{AsyncRead, AsyncWrite, future::BoxFuture};
use tokio::sync::mpsc;

/// A byte stream in order and without loss, as TCP's.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection that came in.
pub struct Incoming {
    /// Who dialled.
    pub from: SocketAddr,
    /// Its bytes.
    pub stream: Box<dyn Stream>,
}

/// One host's place on a network of wires.
pub trait Wires: Send + Sync + 'static {
    /// Connections to `at`, until the receiver is dropped. A later call for the same address takes its place.
    ///
    /// # Errors
    /// When this host does not have the address.
    fn listen(&self, at: SocketAddr) -> io::Result<mpsc::Receiver<Incoming>>;

    /// Connects. Dropping the future gives up.
    fn dial(&self, to: SocketAddr) -> BoxFuture<'static, io::Result<Box<dyn Stream>>>;
}
