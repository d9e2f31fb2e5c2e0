//! HCI over a byte stream: H4, the UART transport layer (Bluetooth Core 5.4, vol. 4, part A).

use std::io;

use bt_hci::ReadHciError;
use bt_hci::transport::{PacketKind, PacketToController, PacketToHost, Transport};
use embedded_io::{ErrorKind, ReadExactError};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Mutex, mpsc};

/// Longest parameters of an event, and longest data packet that a host of this size takes.
const MAX_PARAMETERS: usize = 255;
/// Packets that wait for the line: commands, and as many data packets as controllers grant.
const TO_CONTROLLER: usize = 64;

const ACL: u8 = PacketKind::AclData as u8;
const EVENT: u8 = PacketKind::Event as u8;
/// Channels for a protocol start here (vol. 3, part A, 2.1); ATT has one of its own.
const FIRST_DYNAMIC_CHANNEL: u16 = 0x40;
const ATT_CHANNEL: u16 = 4;
/// A data packet continues the one before it (vol. 4, part E, 5.4.2).
const CONTINUES: u8 = 1;

/// What a controller is read from.
pub(super) type Input = Box<dyn AsyncRead + Unpin>;
/// What a controller is written to.
pub(super) type Output = Box<dyn AsyncWrite + Unpin>;

/// The host's end of the line.
pub(super) struct H4 {
    input: Mutex<Input>,
    to_controller: mpsc::Sender<Vec<u8>>,
}

/// The line broke, or something else than HCI came over it.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    /// Reading or writing failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A packet that is none.
    #[error("the controller sent {0}")]
    Garbage(&'static str),
}

impl embedded_io::Error for LineError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Io(error) => error.kind().into(),
            Self::Garbage(_) => ErrorKind::InvalidData,
        }
    }
}

impl<E: embedded_io::Error> From<ReadHciError<E>> for LineError {
    fn from(error: ReadHciError<E>) -> Self {
        use ReadHciError as Read;
        Self::Garbage(match error {
            Read::BufferTooSmall => "a packet that is too long",
            Read::InvalidValue => "a value that does not exist",
            Read::Read(ReadExactError::UnexpectedEof | ReadExactError::Other(_)) => {
                "a packet that is too short"
            }
        })
    }
}

impl H4 {
    /// The host's end, and what carries its packets to the controller: to be polled beside everything
    /// else, it ends only when the line breaks.
    pub(super) fn new(
        input: Input,
        output: Output,
    ) -> (Self, impl Future<Output = LineError> + use<>) {
        let (to_controller, queue) = mpsc::channel(TO_CONTROLLER);
        let host = Self {
            input: Mutex::new(input),
            to_controller,
        };
        (host, carry(queue, output))
    }
}

/// Writes whole packets. The host drops what it does whenever it is interrupted: were that done in the
/// middle of a packet, the controller would never find its place in the stream again.
async fn carry(mut queue: mpsc::Receiver<Vec<u8>>, mut output: Output) -> LineError {
    while let Some(packet) = queue.recv().await {
        if let Err(error) = output.write_all(&packet).await {
            return error.into();
        }
    }
    LineError::Garbage("nothing, as the host is gone")
}

impl embedded_io::ErrorType for H4 {
    type Error = LineError;
}

impl Transport for H4 {
    async fn read<'a, P: PacketToHost<'a>>(&self, rx: &'a mut [u8]) -> Result<P, LineError> {
        let mut input = self.input.lock().await;
        loop {
            // What came is handled before more is taken in: otherwise a full socket would fill the
            // queues of the host, which drop what does not fit.
            tokio::task::yield_now().await;
            let (kind, packet) = read_packet(&mut *input).await?;
            if kind == PacketKind::AclData && is_poison(&packet) {
                tracing::debug!("a data packet was dropped that no host sends");
                continue;
            }
            return Ok(P::read_hci(kind, &mut packet.as_slice(), rx)?);
        }
    }

    async fn write<P: PacketToController>(&self, tx: &P) -> Result<(), LineError> {
        let mut packet = Vec::with_capacity(1 + tx.size());
        packet.push(P::KIND as u8);
        let Ok(()) = tx.write_hci(&mut packet);
        self.to_controller
            .send(packet)
            .await
            .map_err(|_| LineError::Garbage("nothing, as the line is closed"))
    }
}

/// One packet without its indicator.
async fn read_packet(
    input: &mut (impl AsyncRead + Unpin),
) -> Result<(PacketKind, Vec<u8>), LineError> {
    let indicator = input.read_u8().await?;
    let (kind, header_len) = match indicator {
        ACL => (PacketKind::AclData, 4),
        EVENT => (PacketKind::Event, 2),
        _ => return Err(LineError::Garbage("something else than events and data")),
    };
    let mut packet = vec![0; header_len];
    input.read_exact(&mut packet).await?;
    let len = match packet[..] {
        [_, len] => usize::from(len),
        [_, _, low, high] => usize::from(u16::from_le_bytes([low, high])),
        _ => return Err(LineError::Garbage("a header of no length")),
    };
    if len > MAX_PARAMETERS {
        return Err(LineError::Garbage("a packet that is too long"));
    }
    packet.resize(header_len + len, 0);
    input.read_exact(&mut packet[header_len..]).await?;
    Ok((kind, packet))
}

/// Whether a peer sent what would end the host (trouble-host 0.8.0 panics): an ATT packet without an
/// opcode, or a frame of a channel that is too short for its length. In the latter case bytes of a channel
/// may be missing from then on, which is for the layer above to notice.
fn is_poison(packet: &[u8]) -> bool {
    let [_, flags, _, _, l2cap @ ..] = packet else {
        return true;
    };
    if (flags >> 4) & 3 == CONTINUES {
        return false;
    }
    let [len_low, len_high, channel_low, channel_high, ..] = *l2cap else {
        return true;
    };
    let len = u16::from_le_bytes([len_low, len_high]);
    let channel = u16::from_le_bytes([channel_low, channel_high]);
    match channel {
        ATT_CHANNEL => len == 0,
        FIRST_DYNAMIC_CHANNEL.. => len < 2,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> Result<(PacketKind, Vec<u8>), LineError> {
        read_packet(&mut &bytes[..]).await
    }

    #[tokio::test]
    async fn packets_are_read_whole_and_one_at_a_time() {
        let two = [4, 0x0e, 1, 7, 2, 1, 0x20, 2, 0, 8, 9];
        let mut rest = &two[..];
        let first = read_packet(&mut rest).await.unwrap();
        assert_eq!(first, (PacketKind::Event, vec![0x0e, 1, 7]));
        let second = read_packet(&mut rest).await.unwrap();
        assert_eq!(second, (PacketKind::AclData, vec![1, 0x20, 2, 0, 8, 9]));
        assert!(rest.is_empty());
    }

    #[tokio::test]
    async fn what_is_no_packet_is_an_error() {
        for garbage in [
            &[1, 3, 12, 0][..],
            &[0],
            &[3, 0, 0, 0],
            &[5, 0, 0, 0, 0],
            &[255],
        ] {
            assert!(matches!(read(garbage).await, Err(LineError::Garbage(_))));
        }
        for cut in [&[][..], &[4], &[4, 1], &[4, 1, 2, 0], &[2, 1, 0, 1, 0]] {
            assert!(matches!(read(cut).await, Err(LineError::Io(_))), "{cut:?}");
        }
    }

    #[tokio::test]
    async fn a_length_is_bounded_before_anything_is_made_of_it() {
        let mut longest = vec![2, 1, 0x20, 255, 0];
        longest.resize(5 + 255, 1);
        assert_eq!(read(&longest).await.unwrap().1.len(), 4 + 255);
        let mut longer = vec![2, 1, 0x20, 0, 1];
        longer.resize(5 + 256, 1);
        let error = read(&longer).await.unwrap_err().to_string();
        assert_eq!(error, "the controller sent a packet that is too long");
    }

    #[test]
    fn what_ends_the_host_does_not_reach_it() {
        let first = |l2cap: &[u8]| [&[1, 0x20, l2cap.len() as u8, 0], l2cap].concat();
        assert!(is_poison(&first(&[0, 0, 4, 0])), "ATT without opcode");
        assert!(!is_poison(&first(&[1, 0, 4, 0, 2])));
        assert!(
            is_poison(&first(&[1, 0, 0x40, 0, 9])),
            "no room for a length"
        );
        assert!(is_poison(&first(&[0, 0, 0x41, 0])));
        assert!(!is_poison(&first(&[2, 0, 0x40, 0, 0, 0])));
        assert!(!is_poison(&first(&[1, 0, 0x3f, 0, 9])));
        assert!(is_poison(&first(&[1, 0, 4])), "no whole header");
        assert!(is_poison(&[1, 0x20, 0]), "not even one of its own");
        assert!(!is_poison(&[1, 0x10, 1, 0, 7]), "the rest of another");
    }
}
