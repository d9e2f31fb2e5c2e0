//! Where a controller is: a Unix socket or a serial device.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::{fs::OFlags, termios};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;

use super::h4::{Input, Output};

/// A controller that speaks H4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// Behind a Unix socket: a virtual one, or one that a program passes on.
    Socket(PathBuf),
    /// Behind a serial device.
    Serial {
        /// The device.
        path: PathBuf,
        /// Bits a second. 115,200 is what controllers start with, as a rule.
        baud: u32,
        /// RTS and CTS are wired (Bluetooth Core 5.4, vol. 4, part A, 4 asks for them).
        flow_control: bool,
    },
}

impl Line {
    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Socket(path) | Self::Serial { path, .. } => path,
        }
    }

    pub(super) async fn open(&self) -> io::Result<(Input, Output)> {
        match self {
            Self::Socket(path) => {
                let (input, output) = UnixStream::connect(path).await?.into_split();
                Ok((Box::new(input), Box::new(output)))
            }
            Self::Serial {
                path,
                baud,
                flow_control,
            } => {
                let device = open_serial(path, *baud, *flow_control)?;
                // To the reactor a serial device is what a pipe is: read and written when ready.
                let output = pipe::Sender::from_file_unchecked(device.try_clone()?)?;
                let input = pipe::Receiver::from_file_unchecked(device)?;
                Ok((Box::new(input), Box::new(output)))
            }
        }
    }
}

fn open_serial(path: &Path, baud: u32, flow_control: bool) -> io::Result<File> {
    let flags = (OFlags::NOCTTY | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(flags)
        .open(path)?;
    let mut settings = termios::tcgetattr(&file)?;
    settings.make_raw();
    settings.set_speed(baud)?;
    settings
        .control_modes
        .set(termios::ControlModes::CRTSCTS, flow_control);
    termios::tcsetattr(&file, termios::OptionalActions::Now, &settings)?;
    Ok(file)
}
