//! The radio port on any Bluetooth LE controller that speaks HCI (decision 5, LOC-2 to LOC-4): boards
//! without BlueZ, and the lab. The host is the trouble-host crate, in user space and without privileges
//! but those that the device asks for.
//!
//! The host is neither `Send` nor does it survive everything: it has a thread of its own, a panic there
//! is a radio that goes off and comes back, and all that crosses is shared queues with bounds.

mod air;
mod dialer;
mod echo;
mod gatt;
mod h4;
mod heard;
mod line;
mod link;
mod listener;
mod pool;
mod session;
mod shared;

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use sovereign_protocol::radio::{advert::Hello, stream};

pub use self::line::Line;
use self::shared::Shared;
use crate::ports::radio::{
    Advertising, MAX_ADVERTISEMENT, MAX_HELLO, Radio, RadioCommand, RadioError, RadioEvent,
};

/// Links at a time: what phones can hold, half-open ones included.
pub const MAX_LINKS: usize = 7;
/// Longest frame that is sent over any link.
const MAX_FRAME: u16 = stream::MAX_FRAME as u16;

/// The settings of [`HciRadio`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The controller.
    pub line: Line,
    /// Where L2CAP channels are taken, 0x80 to 0xff, and whether those of others are tried.
    pub psm: Option<u16>,
}

/// A radio. Dropping it ends its links.
pub struct HciRadio {
    psm: Option<u16>,
    shared: Arc<Shared>,
}

impl HciRadio {
    /// Starts the radio's thread. Whether there is a controller, and whether it answers, is told by
    /// [`RadioEvent::State`].
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(config: Config) -> io::Result<Self> {
        let shared = Arc::new(Shared::new());
        let psm = config.psm;
        session::start(config, Arc::clone(&shared))?;
        Ok(Self { psm, shared })
    }

    /// An advertisement of lengths that can be sent, and where channels are taken in its hello.
    fn checked(&self, mut advertising: Advertising) -> Result<Advertising, RadioError> {
        let fits = advertising.data.len() <= MAX_ADVERTISEMENT
            && advertising.scan_response.len() <= MAX_ADVERTISEMENT
            && advertising.hello.len() <= MAX_HELLO;
        if !fits {
            return Err(RadioError::Length);
        }
        if let Some(psm) = self.psm
            && let Ok(hello) = Hello::decode(&advertising.hello)
        {
            let hello = Hello {
                psm: Some(psm),
                ..hello
            };
            advertising.hello = Bytes::copy_from_slice(&hello.encode());
        }
        Ok(advertising)
    }
}

impl Radio for HciRadio {
    fn submit(&mut self, command: RadioCommand) -> Result<(), RadioError> {
        match command {
            RadioCommand::Scan(scan) => self.shared.plan(|plan| plan.scan = scan),
            RadioCommand::Advertise(advertising) => {
                let advertising = advertising.map(|given| self.checked(given)).transpose()?;
                self.shared.plan(|plan| {
                    plan.address = advertising.as_ref().map(|a| a.address).or(plan.address);
                    plan.advertising = advertising;
                })
            }
            RadioCommand::Connect(address) => self.shared.dial(address),
            RadioCommand::Send { link, frame } => self.shared.send(link, frame),
            RadioCommand::Close(link) => self.shared.close(link),
        }
    }

    async fn next(&mut self) -> RadioEvent {
        self.shared.next().await
    }
}

impl Drop for HciRadio {
    fn drop(&mut self) {
        self.shared.stop();
    }
}
